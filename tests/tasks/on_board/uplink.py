"""The uplink under test: `micropython uplink.py CASE BROKER_PORT TIME_PORT`; its parts tell what happens to them."""

import asyncio
import json
import sys

import tasks.publish
from drivers.clock import Clock
from drivers.mqtt import MqttClient
from tasks.publish import Publisher
from wire import config


def tell(*event):
    print(json.dumps(event))


class Wifi:
    connected = True
    ip = "192.0.2.7"
    dns = "127.0.0.1"
    rssi_dbm = -61

    async def associate(self):
        tell("wifi")


class Rtc:
    def datetime(self, value):
        tell("rtc", value[0])


class Point:
    is_charging = False

    def __init__(self, outbox):
        self._outbox = outbox

    def status(self):
        return {"online": True, "last_seq": self._outbox.last_seq, "state": "ready", "problems": []}

    def telemetry(self):
        return {"uptime_ms": 1, "sockets": []}


class Outbox:
    """Forty records; the window is 16, and what is confirmed is not sent again."""

    def __init__(self):
        self.last_seq = 40
        self.next = 1
        self.flight = {}

    def restart(self):
        tell("restart")
        self.flight = {}

    def take(self):
        if len(self.flight) >= 16 or self.next > self.last_seq:
            return None
        return self.next, {"epoch": "9f3ac2d15b7e0c44", "seq": self.next, "kind": "clock"}

    def sent(self, seq, pid):
        self.flight[pid] = seq
        self.next = seq + 1

    def acked(self, pid):
        if self.flight.pop(pid, None) is not None and not self.flight and self.next > self.last_seq:
            tell("all_acked")

    def confirmed(self, epoch, seq):
        tell("confirmed", epoch, seq)
        self.next = max(self.next, seq + 1)


SETTINGS = {
    "wire": 1,
    "site": "g",
    "point": "p",
    "provisioned": 1_700_000_000,
    "wifi": {"ssid": "garage"},
    "broker": {"host": "127.0.0.1", "port": int(sys.argv[2]), "tls": sys.argv[1] == "tls"},
    "time": {"host": "127.0.0.1", "port": int(sys.argv[3])},
}


def chosen(below_ms):
    """Instead of a random pause: a short one, and the range that it would have been chosen from."""
    tell("pause", below_ms)
    return 20


async def main():
    tasks.publish._random = chosen
    outbox = Outbox()
    # A clock that is never set, for the real one of this machine is not ours to set: time is asked for each time.
    clock = Clock(Rtc(), 1_700_000_000)
    clock.unix = lambda: None
    publisher = Publisher(
        config.config(SETTINGS), Wifi(), clock, MqttClient, outbox, Point(outbox), None, None
    )

    def on_command(payload):
        command = json.loads(payload)
        tell("command", command["id"])
        for i in range(command.get("times", 1)):
            publisher.reply({"id": command["id"], "ok": True, "n": i})

    publisher.on_command = on_command
    await publisher.run()


asyncio.run(main())
