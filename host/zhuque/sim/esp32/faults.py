"""What can go wrong with a board on a cable: ordered as words, kept until it has happened or is taken back.

| order | keys | what |
|---|---|---|
| `unplug` | `at`, `region`, `for_s` | the cable is pulled: now, or when a write (to `region`) is at `at` percent |
| `plug` | | it is put in again |
| `corrupt` | `count`, `every` | so many bytes towards the board have a bit wrong, one in `every` |
| `mute` | `on`, `for_s` | the loader hears and does not answer |
| `deaf` | `on`, `for_s` | a Ctrl-C is not heard |
| `max_baud` | `baud` | above that the adapter garbles every byte |
| `in_use` | `on`, `for_s` | another program has the port |
| `reset` `download` | | the reset button is pressed; with the boot button held |
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from zhuque.errors import UsageError
from zhuque.sim.esp32.loader import Write

Order = dict[str, Any]
_KEYS: dict[str, dict[str, type]] = {
    "unplug": {"at": int, "region": int, "for_s": float},
    "plug": {},
    "corrupt": {"count": int, "every": int},
    "mute": {"on": bool, "for_s": float},
    "deaf": {"on": bool, "for_s": float},
    "max_baud": {"baud": int},
    "in_use": {"on": bool, "for_s": float},
    "reset": {},
    "download": {},
}
NAMES = tuple(_KEYS)
# Beyond these an order would never happen, or mean nothing.
_RANGES = {"at": (0, 100), "every": (1, math.inf), "count": (0, math.inf), "for_s": (0, 1e9)}


def is_fault(text: str) -> bool:
    """Its first word is one of these; `plug 3` is a bike's."""
    name, *words = text.split() or [""]
    return name in _KEYS and not (words and words[0].isdigit())


def parse(text: str) -> Order:
    """`unplug at=40 for_s=3` as a dict with `do`. Raises UsageError with what can be ordered."""
    name, *words = text.split()
    if name not in _KEYS:
        raise UsageError(f"there is no fault {name!r}: {', '.join(NAMES)}")
    order: Order = {"do": name}
    for word in words:
        key, _, value = word.partition("=")
        kind = _KEYS[name].get(key)
        try:
            if kind is None:
                raise ValueError
            order[key] = (
                value in ("1", "true", "on")
                if kind is bool
                else int(value, 0)
                if kind is int
                else float(value)
            )
        except ValueError:
            known = ", ".join(f"{key}=" for key in _KEYS[name]) or "no keys"
            raise UsageError(f"{word!r} is nothing that `{name}` takes: {known}") from None
        least, most = _RANGES.get(key, (-math.inf, math.inf))
        if not least <= order[key] <= most:
            allowed = f"{least} or more" if math.isinf(most) else f"{least} to {most:.0f}"
            raise UsageError(f"{word!r} is out of range: {key} is {allowed}")
    if "region" in order and "at" not in order:
        raise UsageError("`unplug region=` wants `at=` too: how far that region is written, in percent")
    return order


class Unplugged(Exception):
    """The cable is pulled in the middle of a write."""


@dataclass
class Faults:
    """Those that are on: `take` keeps them, `check_write` and `to_board` apply them."""

    mute: bool = False
    deaf: bool = False
    max_baud: int | None = None
    unplug: Order | None = None
    corrupt_left: int = 0
    corrupt_every: int = 1000
    _passed: int = 0

    def take(self, order: Order) -> bool:
        """Keeps an order that is only kept; False for one that the board must do."""
        match order["do"]:
            case "mute":
                self.mute = order.get("on", True)
            case "deaf":
                self.deaf = order.get("on", True)
            case "max_baud":
                self.max_baud = order.get("baud")
            case "corrupt":
                self.corrupt_left, self.corrupt_every = order.get("count", 1), order.get("every", 1000)
            case "unplug" if "at" in order:
                self.unplug = order
            case _:
                return False
        return True

    def check_write(self, write: Write) -> None:
        """Raises Unplugged where the write has come so far."""
        order = self.unplug
        if order is None or write.written * 100 < order.get("at", 0) * write.size:
            return
        region = order.get("region")
        if region is None or write.offset <= region < write.offset + write.size:
            raise Unplugged

    def to_board(self, data: bytes, baud: int | None, expected: int | None) -> bytes:
        """The bytes as they arrive: garbled at a speed that the adapter, or the other end, does not keep."""
        too_fast = self.max_baud is not None and baud is not None and baud > self.max_baud
        if too_fast or (baud and expected and abs(baud - expected) * 30 > expected):
            return bytes(byte ^ 0x5A for byte in data)
        if not self.corrupt_left:
            return data
        changed = bytearray(data)
        for i in range(len(changed)):
            self._passed += 1
            if self.corrupt_left and self._passed % self.corrupt_every == 0:
                changed[i] ^= 0x10
                self.corrupt_left -= 1
        return bytes(changed)
