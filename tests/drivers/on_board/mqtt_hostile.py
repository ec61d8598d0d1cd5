"""The MQTT client among hostile brokers: `micropython mqtt_hostile.py PORT ROUNDS`, a JSON line for each connection."""

import asyncio
import gc
import json
import sys
import time

from drivers.mqtt import MqttClient, MqttError, MqttFull

STATUS = "zq/1/g/p/status"
COMMAND = "zq/1/g/p/command"
RECORD = "zq/1/g/p/record"
KEEPALIVE_S = 1


def tell(*event):
    print(json.dumps(event))


class Waits:
    """How often asyncio looked at its sockets: a loop that is busy does so without end."""

    def __init__(self):
        self.count = 0
        queue = asyncio.core._io_queue
        self._wait = queue.wait_io_event
        queue.wait_io_event = self.wait

    def wait(self, dt):
        self.count += 1
        self._wait(dt)


class Board:
    def __init__(self):
        will = STATUS, b'{"online":false}'
        self.heard = 0
        self.mqtt = MqttClient(
            "g/p", "g/p", "secret", KEEPALIVE_S, will, self.message, lambda pid: None, self.oversize
        )

    def message(self, topic, payload, retain):
        assert (
            len(payload) <= 4096 + 129
        )  # what the buffer holds; what is in a message is judged by wire/messages
        self.heard += 1

    def oversize(self, topic, length):
        self.heard += 1

    async def send(self):
        """Records as they come, until the connection ends; none waits."""
        while self.mqtt.connected:
            started = time.ticks_ms()
            try:
                self.mqtt.publish(RECORD, b"r" * 200, 1)
            except MqttFull:
                await asyncio.sleep_ms(100)
            assert time.ticks_diff(time.ticks_ms(), started) < 1000
            await asyncio.sleep_ms(100)

    async def round(self, port):
        """One connection, from its beginning to its end: why it ended."""
        sender = None
        try:
            await self.mqtt.dial("127.0.0.1", port, timeout_ms=500)
            self.mqtt.subscribe_to([(COMMAND, 1)])
            sender = asyncio.create_task(self.send())
            await self.mqtt.run()
        except MqttError as e:
            why = str(e)
        if sender is not None:
            sender.cancel()
        assert not self.mqtt.connected
        return why


async def main(port, rounds):
    board = Board()
    waits = Waits()
    for _ in range(rounds):
        gc.collect()
        used = gc.mem_alloc()
        before = waits.count
        started = time.ticks_ms()
        why = await board.round(port)
        tell("round", why, time.ticks_diff(time.ticks_ms(), started), waits.count - before, used)
    tell("done", board.heard)


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
