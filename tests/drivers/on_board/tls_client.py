"""TLS as the board does it: `micropython tls_client.py FOLDER PORT SERVER_NAME`; FOLDER has what drivers/tls reads."""

import asyncio
import json
import sys

# The stock image has `ssl` frozen in; on the Unix port the simulator's stands for it, and only that comes from there.
sys.path.insert(0, "host/zhuque/sim/board")
import ssl  # noqa: F401

sys.path.pop(0)

from drivers.mqtt import MqttClient, MqttError
from drivers.tls import context


def tell(*event):
    print(json.dumps(event))


class Gate:
    """Opens when it was asked twice."""

    asked = 0

    def may_shake_hands(self):
        self.asked += 1
        tell("asked")
        return self.asked == 2

    def shook_hands(self):
        tell("over")


async def main(folder, port, name):
    made = context(folder + "/")
    if made is None:
        tell("no_ca")
        return
    status = "zq/1/g/p/status"
    mqtt = MqttClient("g/p", "g/p", "secret", 30, (status, b"{}"), None, lambda pid: tell("puback", pid))
    try:
        await mqtt.dial("127.0.0.1", port, made, name, Gate())
    except MqttError as e:
        tell("refused", str(e))
        return
    mqtt.publish(status, b'{"online":true}', 1)
    await mqtt.run()


asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
