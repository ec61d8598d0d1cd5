"""The uplink: Wi-Fi, time, broker; then records, telemetry and status out, commands and confirmations in.

It holds no decisions. Rules: nothing here waits for the broker but the wait for the connection itself; a record is
taken from the outbox only when the client has room for it; a lost connection is met with a random pause of up to 1, 2,
4 .. 120 s, so that after an outage the points of a garage do not all come at once, and only a connection that lasted a
minute is a reason to begin at 1 again: a broker that hangs up on what we send must not be stormed. After a power cut
they wait for up to `spread_ms` with a clock, and then with the broker: sessions go on once the time is known.
"""

import asyncio
import os
import sys
import time

from drivers.mqtt import MqttError, MqttFull
from wire import messages
from wire.topics import topic
from wire.units import const

from .forget import forget

_STEP_MS = const(500)
_TELEMETRY_MS = const(10_000)
_TELEMETRY_CHARGING_MS = const(5000)
_STATUS_MS = const(60_000)
_FIRST_SPREAD_MS = const(5000)
_BACKOFF_MS = const(1000)
_BACKOFF_MAX_MS = const(120_000)
_SETTLED_MS = const(60_000)
_TIME_RETRY_MS = const(60_000)
_REPLIES = const(8)
# Room in the client's buffer before a record is taken: no record is as long as JSON.
_RECORD_ROOM = const(1024)


class Publisher:
    """`mqtt_factory` is drivers.mqtt.MqttClient or alike; `point` gives status(), telemetry() and is_charging.

    `on_command(payload)` gets the bytes of each command that is not retained; `gate` is asked and told of a
    TLS handshake, which blocks the board (drivers/mqtt); `tls` an SSLContext where config's broker.tls asks for one.
    """

    def __init__(
        self, config, wifi, clock, mqtt_factory, outbox, point, on_command, gate, tls=None, spread_ms=0
    ):
        self.on_command = on_command
        self._config = config
        self._wifi = wifi
        self._clock = clock
        self._outbox = outbox
        self._point = point
        self._gate = gate
        self._tls = tls
        self._spread_ms = spread_ms
        self._name = "{}/{}".format(config["site"], config["point"])
        self._topics = {
            channel: topic(config["site"], config["point"], channel)
            for channel in ("status", "telemetry", "record", "command", "stored", "reply")
        }
        self._replies = []
        self._time_due_ms = 0
        self._may_send = False
        self._timekeeper = None
        self._mqtt = mqtt_factory(
            self._name,
            self._name,
            config["broker.password"],
            config["broker.keepalive_s"],
            (self._topics["status"], messages.dump({"online": False})),
            self._take,
            self._take_puback,
            self._take_oversize,
        )

    def reply(self, message):
        """Queues the answer to a command; beyond eight waiting, the oldest is dropped: its sender asks again by id."""
        if len(self._replies) >= _REPLIES:
            print("zhuque: uplink: more than {} replies waiting, the oldest is dropped".format(_REPLIES))
            self._replies.pop(0)
        self._replies.append(message)
        self._send_replies()

    async def run(self):
        """Connects, serves, and connects again, for ever."""
        await asyncio.sleep_ms(_random(_FIRST_SPREAD_MS))
        cap_ms = _BACKOFF_MS
        while True:
            served = None
            try:
                await self._connect()
                served = time.ticks_ms()
                await self._serve()
            except OSError as e:
                why = str(e)
            except Exception as e:  # noqa: BLE001 - our own fault: seen, and survived by connecting anew
                sys.print_exception(e)
                why = repr(e)
            self._mqtt.close()
            if served is not None and time.ticks_diff(time.ticks_ms(), served) >= _SETTLED_MS:
                cap_ms = _BACKOFF_MS
            pause_ms = _random(cap_ms)
            cap_ms = min(2 * cap_ms, _BACKOFF_MAX_MS)
            print("zhuque: uplink: {}; next try in {} s".format(why, (pause_ms + 999) // 1000))
            await asyncio.sleep_ms(pause_ms)

    async def _connect(self):
        """What connecting takes is loaded for it, and gone again when it is done."""
        from . import connect

        try:
            await connect.connect(
                self._config,
                self._wifi,
                self._clock,
                self._set_clock,
                self._hold_back,
                self._mqtt,
                (self._topics["command"], self._topics["stored"]),
                self._tls,
                self._gate,
            )
        finally:
            forget(connect.LOADED)

    async def _hold_back(self):
        pause_ms, self._spread_ms = self._spread_ms, 0
        if pause_ms:
            await asyncio.sleep_ms(_random(pause_ms))

    async def _set_clock(self):
        uptime_ms = self._clock.uptime_ms()
        if self._clock.is_set and uptime_ms < self._time_due_ms:
            return
        from . import connect

        self._time_due_ms = uptime_ms + _TIME_RETRY_MS
        try:
            again_ms = await connect.ask_time(self._config, self._wifi, self._clock)
        finally:
            forget(connect.LOADED)
        self._time_due_ms = uptime_ms + again_ms

    # Serving ---------------------------------------------------------------------------------------------------------

    async def _serve(self):
        self._outbox.restart()
        # Records wait one step: the collector's retained `stored` comes first, and spares what it holds already.
        self._may_send = False
        feed = asyncio.create_task(self._feed(self._send_status(self._point.status())))
        try:
            await self._mqtt.run()
        finally:
            feed.cancel()

    async def _feed(self, said):
        """What is due by the clock, until the connection ends; the window of records is refilled by PUBACKs too."""
        try:
            await self._feed_for_ever(said)
        except Exception as e:  # noqa: BLE001 - our own fault: seen, and survived by connecting anew
            if not isinstance(e, OSError):
                sys.print_exception(e)
            self._mqtt.close(str(e) or repr(e))

    async def _feed_for_ever(self, said):
        telemetry_ms = -_TELEMETRY_MS
        status_ms = time_ms = 0
        before = time.ticks_ms()
        while True:
            self._send_replies()
            self._send_records()
            charging = self._point.is_charging
            if telemetry_ms < 0 or telemetry_ms >= (_TELEMETRY_CHARGING_MS if charging else _TELEMETRY_MS):
                telemetry_ms = 0
                self._send_telemetry()
            if status_ms >= _STATUS_MS:
                status_ms = 0
                said = self._refresh_status(said)
            if time_ms >= _TIME_RETRY_MS:
                time_ms = 0
                self._timekeeper = asyncio.create_task(self._set_clock())
            await asyncio.sleep_ms(_STEP_MS)
            self._may_send = True
            now = time.ticks_ms()
            passed_ms = time.ticks_diff(now, before)
            before = now
            telemetry_ms += passed_ms
            status_ms += passed_ms
            time_ms += passed_ms

    def _send_status(self, status):
        """Returns what of it somebody acts on."""
        status["ip"] = self._wifi.ip
        status["rssi_dbm"] = self._wifi.rssi_dbm
        self._mqtt.publish(self._topics["status"], messages.dump(status), 1, True)
        return _urgent(status)

    def _refresh_status(self, said):
        """Status again, if something in it changed that somebody acts on; returns what it now says."""
        if not self._wifi.connected:
            raise MqttError("Wi-Fi lost")
        status = self._point.status()
        if _urgent(status) != said:
            try:
                return self._send_status(status)
            except MqttFull:  # the next round sends it: the old values are still the ones compared with
                pass
        return said

    def _send_telemetry(self):
        if self._mqtt.room < _RECORD_ROOM:
            return  # the line is slow: records first, and the next telemetry is as good
        try:
            self._mqtt.publish(self._topics["telemetry"], messages.dump(self._point.telemetry()))
        except MqttFull:
            pass

    def _send_replies(self):
        """Sends what waits; when not connected it goes on waiting."""
        mqtt = self._mqtt
        while self._replies and mqtt.connected:
            try:
                mqtt.publish(self._topics["reply"], messages.dump(self._replies[0]), 1)
            except MqttFull:
                return
            self._replies.pop(0)

    def _send_records(self):
        mqtt, outbox = self._mqtt, self._outbox
        while self._may_send and mqtt.connected and mqtt.room >= _RECORD_ROOM:
            taken = outbox.take()
            if taken is None:
                return
            seq, record = taken
            outbox.sent(seq, mqtt.publish(self._topics["record"], messages.dump(record), 1))

    # Receiving -------------------------------------------------------------------------------------------------------

    def _take(self, name, payload, retained):
        if name == self._topics["stored"]:
            self._take_stored(payload)
        elif name != self._topics["command"]:
            print("zhuque: uplink: message on {} ignored: not asked for".format(name))
        elif retained:
            print("zhuque: uplink: retained command ignored: commands are for those who are there")
        else:
            self.on_command(bytes(payload))

    def _take_stored(self, payload):
        try:
            epoch, seq = messages.stored(payload)
        except messages.WireError as e:
            print("zhuque: uplink: 'stored' ignored: {}".format(e))
            return
        self._outbox.confirmed(epoch, seq)

    def _take_puback(self, pid):
        self._outbox.acked(pid)
        self._send_records()

    def _take_oversize(self, name, length):
        detail = "{} bytes, at most {}".format(length, messages.MAX_MESSAGE)
        print("zhuque: uplink: message on {} ignored: {}".format(name, detail))
        if name == self._topics["command"]:
            self.reply(messages.reply(None, "too_large", detail))


def _urgent(status):
    return status["last_seq"], status["state"], status["problems"]


def _random(below_ms):
    """0 to below_ms - 1, below_ms up to 2**20."""
    return int.from_bytes(os.urandom(3), "big") % below_ms
