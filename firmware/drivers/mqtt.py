"""MQTT 3.1.1 for a board: QoS 0 and 1, clean session, retained last will, and no call that waits for the network.

Strategy: mqtt_connect.py, loaded for it, makes a connection. `publish` writes into a buffer and at once offers it to
the socket; what the socket does not take, a task of its own delivers. `run` reads into a buffer and handles packets
where they lie. Both are as large as what is usual; a larger message makes one grow until the connection ends. Two tasks
live as long as the connection, none is made per message.

Rules: whatever ends a connection ends it in `_end`, with a reason, and `run` raises it. A peer that breaks the protocol
is hung up on, never argued with. Keep-alive: a PINGREQ every half period; a peer not heard for a whole one is gone, so
a half-open connection is seen within 1.5 periods. A message larger than any of ours may be is passed over and
acknowledged, or the broker would send it for ever.
"""

import asyncio
import time

from wire.messages import MAX_MESSAGE
from wire.units import const

from . import mqtt_packet as packet
from .waiting import readable, writable

CONNECT_TIMEOUT_MS = const(15_000)
RECEIVE_SIZE = MAX_MESSAGE + packet.MAX_HEAD  # at most
_USUAL_IN = const(768)  # a command
_USUAL_OUT = const(1280)  # telemetry, and a record beside it: in one piece, on a heap that has few large ones


class MqttError(OSError):
    """The connection failed or ended: the text says why."""


class MqttFull(MqttError):
    """No room in the transmit buffer: offer the message again later."""


class MqttClient:
    """One connection at a time, many in a row. `will` is (topic, payload), published retained at QoS 1.

    Called back from `run`: on_message(topic, payload, retain), its payload a memoryview that is valid only during the
    call; on_puback(packet id); on_oversize(topic, length), if set, for a message that was passed over.
    """

    def __init__(self, client_id, user, password, keepalive_s, will, on_message, on_puback, on_oversize=None):
        self._login = client_id, user, password, keepalive_s, will
        self._half_ms = keepalive_s * 500
        self._on_message = on_message
        self._on_puback = on_puback
        self._on_oversize = on_oversize
        self._set_in(0)
        self._set_out(0)
        self._pid = 0
        self._sock = None
        self._forget()

    def _forget(self):
        self._in_end = 0  # bytes received and not yet handled
        self._wanted = 0  # bytes of a message that does not fit yet
        self._skip = 0  # bytes still to be passed over, of a message too large
        self._skipped = None
        self._out_start = self._out_end = 0
        self._offer = 0  # bytes of the write that the socket did not take: TLS wants the same ones again
        self._asked = None  # (packet id, number of topics) of the SUBSCRIBE not yet answered
        self._why = None
        self._runner = self._sender = self._ticker = None

    def _set_in(self, size):
        self._in = bytearray(size)
        self._in_view = memoryview(self._in)

    def _set_out(self, size):
        self._out = bytearray(size)
        self._out_view = memoryview(self._out)

    # Connecting ------------------------------------------------------------------------------------------------------

    @property
    def connected(self):
        """True from the broker's acceptance to the end of the connection."""
        return self._sock is not None

    @property
    def room(self):
        """Bytes free in the transmit buffer, headers included."""
        return len(self._out) - (self._out_end - self._out_start)

    async def dial(self, host, port, tls=None, name=None, gate=None, timeout_ms=CONNECT_TIMEOUT_MS):
        """Connects to a numeric address, with `tls`, an SSLContext, to the server that its certificate calls `name`.

        `gate.may_shake_hands()` is asked until it is True right before the handshake, which blocks everything but the
        tick's timer, and `gate.shook_hands()` is told when it is over, however it ended.
        MqttError when the broker refuses or has not accepted us in time.
        """
        from .mqtt_connect import connect

        self.close()
        self._forget()
        self._sock = await connect(self._login, host, port, tls, name, gate, timeout_ms)
        self._set_in(_USUAL_IN)
        self._set_out(_USUAL_OUT)
        self._heard = self._moved = time.ticks_ms()

    def close(self, why="closed by us"):
        """Hangs up without a farewell, so that the broker publishes the will; `run` raises `why`."""
        self._end(why)

    def _end(self, why):
        if self._sock is None:
            return
        self._why = why
        own = asyncio.current_task()
        # Whoever waits for the socket must let go of it before it is closed. No task can cancel itself: the one that
        # runs now looks at self._sock instead.
        for task in (self._runner, self._sender, self._ticker):
            if task is not None and task is not own:
                task.cancel()
        sock = self._sock
        self._sock = None
        sock.close()
        self._set_in(0)  # a new connection needs their room to be made
        self._set_out(0)

    # Sending ---------------------------------------------------------------------------------------------------------

    def subscribe_to(self, topics):
        """Asks for [(topic, qos)...]; a refusal ends the connection. Once a connection, all topics together."""
        pid = self._next_pid()
        self._send(packet.subscribe(pid, topics))
        self._asked = pid, len(topics)

    def publish(self, topic, payload, qos=0, retain=False):
        """Queues a message and returns its packet id, 0 for QoS 0. Never waits; MqttFull, MqttError offline."""
        topic = topic.encode()
        body = 2 + len(topic) + 2 * qos + len(payload)
        self._need(packet.MAX_FIXED + body)
        pid = self._next_pid() if qos else 0
        at = packet.put_publish(self._out, self._out_end, body, topic, qos, retain, pid)
        end = at + len(payload)
        self._out_view[at:end] = payload
        self._out_end = end
        self._flush()
        return pid

    def _next_pid(self):
        self._pid = self._pid % 65535 + 1
        return self._pid

    def _send(self, data):
        self._need(len(data))
        end = self._out_end + len(data)
        self._out_view[self._out_end : end] = data
        self._out_end = end
        self._flush()

    def _need(self, length):
        """Makes room for that many bytes at the end of the buffer."""
        if self._sock is None:
            raise MqttError("not connected")
        if self._out_end + length <= len(self._out):
            return
        if length > self.room:
            if self._out_end or length > RECEIVE_SIZE:
                raise MqttFull("{} bytes, but only {} free".format(length, self.room))
            self._set_out(length)
            return
        left = self._out_end - self._out_start
        self._out_view[0:left] = self._out_view[self._out_start : self._out_end]
        self._out_start = 0
        self._out_end = left

    def _flush(self):
        if self._sender is None and not self._write():
            self._sender = asyncio.create_task(self._deliver())

    def _write(self):
        """Offers the buffer to the socket; True when nothing is left of it."""
        start = self._out_start
        self._offer = self._offer or self._out_end - start
        try:
            took = self._sock.write(self._out_view[start : start + self._offer])
        except OSError as e:
            self._end("sending failed: {}".format(e))
            return True
        if took is None:
            return False
        self._offer -= took
        self._moved = time.ticks_ms()
        self._out_start += took
        if self._out_start < self._out_end:
            return False
        self._out_start = self._out_end = 0
        return True

    async def _deliver(self):
        while True:
            await writable(self._sock)
            if self._write():
                self._sender = None
                return

    # Receiving -------------------------------------------------------------------------------------------------------

    async def run(self):
        """Serves the connection until it ends, and then raises MqttError with the reason."""
        if self._sock is None:
            raise MqttError(self._why or "not connected")
        self._runner = asyncio.current_task()
        self._ticker = asyncio.create_task(self._keep_alive())
        try:
            while self._sock is not None:
                await readable(self._sock)
                self._receive()
        except asyncio.CancelledError:
            if self._why is None:  # not ours: somebody wants this task gone
                raise
        except packet.Malformed as e:
            self._end("the broker broke the protocol: {}".format(e))
        finally:
            self._runner = None
            self._end("the task was cancelled")
        raise MqttError(self._why)

    async def _keep_alive(self):
        while True:
            await asyncio.sleep_ms(self._half_ms)
            now = time.ticks_ms()
            silent_ms = 2 * self._half_ms
            if time.ticks_diff(now, self._heard) >= silent_ms:
                self._end("keep-alive missed: nothing heard for {} s".format(silent_ms // 1000))
            elif self._out_end and time.ticks_diff(now, self._moved) >= silent_ms:
                self._end("the broker takes no data for {} s".format(silent_ms // 1000))
            elif self.room >= 2:
                self._send(packet.PINGREQ)
            if self._sock is None:
                return

    def _receive(self):
        view = self._in_view
        try:
            got = self._sock.readinto(view[self._in_end :])
        except OSError as e:
            self._end("receiving failed: {}".format(e))
            return
        if got is None:
            return
        if got == 0:
            self._end("the broker hung up")
            return
        self._heard = time.ticks_ms()
        end = self._in_end + got
        at = 0
        while at < end and self._sock is not None:
            used = self._pass_over(end - at) if self._skipped else self._handle(at, end)
            if not used:
                break
            at += used
        if at:
            view[0 : end - at] = view[at:end]
        self._in_end = end - at
        if self._wanted and self._sock is not None:
            self._set_in(self._wanted)
            self._in_view[: end - at] = view[: end - at]
            self._wanted = 0

    def _handle(self, at, end):
        """Handles the packet at `at`; returns its bytes, 0 while it is not complete."""
        buf = self._in
        head = packet.head_length(buf, at, end)
        if not head:
            return 0
        length = packet.body_length(buf, at + 1)
        first = buf[at]
        body = at + head
        kind = packet.check(first, length)
        if kind == packet.PUBLISH:
            if head + length > RECEIVE_SIZE:
                return self._begin_to_pass_over(first, body, end, length) and body - at
            if head + length > len(self._in):
                self._wanted = head + length
                return 0
            if body + length <= end:
                self._take_message(first, body, length)
        elif body + length <= end:
            if kind == packet.PUBACK:
                self._on_puback(packet.puback(buf, body))
            elif kind == packet.SUBACK:
                self._take_suback(body, length)
        return head + length if body + length <= end else 0

    def _take_message(self, first, body, length):
        topic, at, pid = packet.message(self._in_view, first, body, body + length, length)
        self._on_message(topic, self._in_view[at : body + length], bool(first & 1))
        if pid:
            self._acknowledge(pid)

    def _acknowledge(self, pid):
        if self._sock is None:  # the callback hung up
            return
        if self.room < 4:
            self._end("the broker sends and does not receive")
            return
        self._send(packet.ack(pid))

    def _take_suback(self, body, length):
        if self._asked is None or length != 2 + self._asked[1]:
            raise packet.Malformed("SUBACK to no SUBSCRIBE of ours")
        packet.check_suback(self._in, body, length, self._asked[0])
        self._asked = None

    def _begin_to_pass_over(self, first, body, end, length):
        """From here on `length` bytes are thrown away, once topic and packet id are known; False until then."""
        found = packet.message(self._in_view, first, body, end, length)
        if found is None:
            return False
        topic, at, pid = found
        self._skip = length
        self._skipped = topic, pid, length - (at - body)
        return True

    def _pass_over(self, available):
        used = min(available, self._skip)
        self._skip -= used
        if not self._skip:
            topic, pid, length = self._skipped
            self._skipped = None
            if self._on_oversize:
                self._on_oversize(topic, length)
            if pid:
                self._acknowledge(pid)
        return used
