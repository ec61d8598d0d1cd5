"""What happens in a simulated point, a line each, with the time of its world."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from datetime import datetime

from zhuque.sim.scenario import Event

_TEXTS: dict[str, Callable[[Event], str]] = {
    "plug": lambda e: f"{e.get('account') or 'somebody'} plugs a bike in",
    "scan": lambda e: f"{e.get('account') or 'somebody'} scans the code",
    "ask": lambda e: f"{e.get('actor') or 'somebody'} asks for: {e['op']}",
    "unplug": lambda e: f"the bike leaves, at {e['power_mw'] / 1000:.0f} W",
    "overload": lambda e: f"a heater of {e['watts']:.0f} W beside the charger",
    "short": lambda e: "a short circuit",
    "relay_stuck": lambda e: "the relay welds" if e["on"] else "the relay comes loose",
    "relay_dead": lambda e: "the relay does not close any more" if e["on"] else "the relay works again",
    "meter_silent": lambda e: "the meter falls silent" if e["on"] else "the meter answers again",
    "meter_corrupt": lambda e: f"{e['frames']} answers of the meter are corrupt",
    "network_down": lambda e: "the network is gone",
    "network_up": lambda e: "the network is back",
    "power_cut": lambda e: f"the supply fails for {e['for_s']} s",
    "reset": lambda e: f"the board resets ({e['cause']})",
    "refused": lambda e: f"cannot happen: {e['why']}",
    "end": lambda e: "the scenario is over",
}


class Narrator:
    """`tell(event)` prints what is worth a line; lines of several threads do not mix."""

    def __init__(self, console: bool = True) -> None:
        """`console`: the firmware's own lines, too."""
        self._console = console
        self._lock = threading.Lock()

    def tell(self, event: Event) -> None:
        """A line for an event of the board, or none."""
        kind = event["event"]
        text = None
        if kind == "relay":
            text = self._relay(event)
        elif kind == "console":
            text = event["line"] if self._console else None
        elif kind in _TEXTS:
            text = _TEXTS[kind](event)
        if text is not None:
            self.say(event["time"], event.get("socket"), text)

    def say(self, unix: int, socket: int | None, text: str) -> None:
        """A line."""
        clock = datetime.fromtimestamp(unix).strftime("%H:%M:%S")
        place = f"socket {socket:<2}" if socket else "point    "
        with self._lock:
            sys.stdout.write(f"{clock}  {place}  {text}\n")
            sys.stdout.flush()

    @staticmethod
    def _relay(event: Event) -> str:
        if event["closed"]:
            return "power on"
        if not event["current_ma"]:
            return "power off"
        return f"power off, at {event['current_ma'] / 1000:.1f} A and {event['power_mw'] / 1000:.0f} W"
