"""The MQTT client under test: `micropython mqtt_client.py CASE PORT [KEEPALIVE_S]`, a JSON line for each event."""

import asyncio
import gc
import json
import sys
import time

from drivers.mqtt import MqttClient, MqttError, MqttFull

STATUS = "zq/1/g/p/status"
COMMAND = "zq/1/g/p/command"
RECORD = "zq/1/g/p/record"


def tell(*event):
    print(json.dumps(event))


class Board:
    """A client that tells everything it is called with."""

    def __init__(self, keepalive_s):
        will = STATUS, b'{"online":false}'
        self.mqtt = MqttClient(
            "g/p", "g/p", "secret", keepalive_s, will, self.message, self.puback, self.oversize
        )
        self.acked = []

    def message(self, topic, payload, retain):
        tell("message", topic, len(payload), str(bytes(payload[:40]), "utf-8"), retain)

    def puback(self, pid):
        self.acked.append(pid)

    def oversize(self, topic, length):
        tell("oversize", topic, length)

    async def serve(self):
        try:
            await self.mqtt.run()
        except MqttError as e:
            tell("ended", str(e))


async def listen(board, port):
    """Subscribes, and stays until the connection ends."""
    try:
        await board.mqtt.dial("127.0.0.1", port, timeout_ms=1000)
    except MqttError as e:
        tell("refused", str(e))
        return
    board.mqtt.subscribe_to([(COMMAND, 1)])
    tell("ready")
    started = time.ticks_ms()
    await board.serve()
    tell("after_ms", time.ticks_diff(time.ticks_ms(), started))


async def records(board, port):
    """Sends 300 records with a window of 16, twice over two connections of one client."""
    for _ in range(2):
        await board.mqtt.dial("127.0.0.1", port)
        board.mqtt.publish(STATUS, b'{"online":true}', 1, True)
        serving = asyncio.create_task(board.serve())
        del board.acked[:]
        sent = []
        gc.collect()
        free = gc.mem_free()
        started = time.ticks_ms()
        while len(sent) < 300:
            if len(sent) - len(board.acked) < 16:
                sent.append(board.mqtt.publish(RECORD, b'{"seq":%d}' % len(sent), 1))
            else:
                await asyncio.sleep_ms(1)
        while len(board.acked) < 301:
            await asyncio.sleep_ms(1)
        took_ms = time.ticks_diff(time.ticks_ms(), started)
        gc.collect()
        tell("sent", board.acked[1:] == sent, took_ms, free - gc.mem_free())
        board.mqtt.close("enough")
        await serving


async def full(board, port):
    """Publishes to a peer that takes nothing: every call returns at once, and at last there is no room."""
    await board.mqtt.dial("127.0.0.1", port)
    serving = asyncio.create_task(board.serve())
    longest_us = count = 0
    payload = bytes(4000)
    while True:
        started = time.ticks_us()
        try:
            board.mqtt.publish(RECORD, payload, 1)
        except MqttFull as e:
            tell("full", count > 2, str(e))
            break
        longest_us = max(longest_us, time.ticks_diff(time.ticks_us(), started))
        count += 1
        await asyncio.sleep_ms(0)
    tell("longest_us", longest_us)
    await serving


async def cancelled(board, port):
    """The task that serves is cancelled from outside: the connection closes, and the cancellation is not swallowed."""
    await board.mqtt.dial("127.0.0.1", port)
    serving = asyncio.create_task(board.mqtt.run())
    await asyncio.sleep_ms(20)
    serving.cancel()
    try:
        await serving
    except asyncio.CancelledError:
        tell("cancelled", board.mqtt.connected)
    try:
        board.mqtt.publish(RECORD, b"{}")
    except MqttError as e:
        tell("refused", str(e))


CASES = {"listen": listen, "records": records, "full": full, "cancelled": cancelled}

if __name__ == "__main__":
    keepalive_s = int(sys.argv[3]) if len(sys.argv) > 3 else 30
    asyncio.run(CASES[sys.argv[1]](Board(keepalive_s), int(sys.argv[2])))
