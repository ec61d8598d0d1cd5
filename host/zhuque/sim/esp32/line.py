"""What lies between the port and the chip: the time that bytes take, the two transistors on DTR and RTS, and, on a port
that carries neither line, the request that stands for them.

Rules. No port and no clock: bytes, lines and times are handed in, in seconds of one clock.
"""

from __future__ import annotations

import math
import struct

from zhuque.sim.esp32 import slip
from zhuque.sim.esp32.loader import SYNC

_SYNC_FRAME = slip.encode(struct.pack("<BBHI", 0, 0x08, len(SYNC), 0) + SYNC)
_DRIVER = 4096  # bytes that the driver of a USB adapter holds
# Over a network the boot pin's line comes 50 ms after the reset's; the servers made for these boards wait for it.
_PIN_S = 0.2


class Pace:
    """Holds bytes back for the time that they take at the baud rate, where it is `on`; one piece at a time.

    `line_s` is how long the line was busy so far.
    """

    def __init__(self, on: bool) -> None:
        self.line_s = 0.0
        self._on = on
        self._data = b""
        self._until = 0.0

    @property
    def is_busy(self) -> bool:
        """Bytes are on their way."""
        return bool(self._data)

    def take(self, data: bytes, baud: int, follows: bool, now: float) -> bytes:
        """Sends these on their way; what has arrived at once. `follows`: out of the driver's buffer, without a gap."""
        if not self._on or not data:
            return data
        byte_s = 10 / baud
        self._until = max(self._until, now - (_DRIVER * byte_s if follows else 0.0)) + len(data) * byte_s
        self.line_s += len(data) * byte_s
        self._data = data
        return b""

    def arrived(self, now: float) -> bytes:
        """What has arrived by now."""
        return self.all() if now >= self._until else b""

    def all(self) -> bytes:
        """Whatever is on its way."""
        data, self._data = self._data, b""
        return data

    def left_s(self, now: float) -> float:
        """Until something arrives; infinite where nothing is on its way."""
        return max(0.0, self._until - now) if self._data else math.inf


class ResetLines:
    """RTS alone holds the chip in reset, DTR alone its boot pin."""

    def __init__(self) -> None:
        self._is_held = self._boot_pin = False
        self._boots_at = 0.0

    @property
    def is_down(self) -> bool:
        """The chip is in reset, or waits for its boot pin."""
        return self._is_held or self._boots_at > 0

    def set(self, dtr: bool, rts: bool, now: float) -> bool:
        """True when that begins a reset."""
        held, pin = rts and not dtr, dtr and not rts
        begins = held and not self._is_held
        if self._is_held and not held:
            self._boots_at = now + _PIN_S
            self._boot_pin = False
        self._is_held = held
        self._boot_pin = self._boot_pin or pin
        return begins

    def boots(self, now: float) -> bool | None:
        """Once after a reset: True into the loader, False into the program; else None."""
        if not self._boots_at or now < self._boots_at:
            return None
        self._boots_at = 0.0
        return self._boot_pin


class SyncWatch:
    """Holds back what may be a SYNC request, so that a prompt never sees the beginning of one."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """(what is for the application, the loader's from its SYNC on or None)."""
        data = self._held + data
        self._held = b""
        at = data.find(_SYNC_FRAME)
        if at >= 0:
            return data[:at], data[at:]
        for length in range(min(len(_SYNC_FRAME) - 1, len(data)), 0, -1):
            if _SYNC_FRAME.startswith(data[-length:]):
                self._held = data[-length:]
                return data[:-length], None
        return data, None
