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
    "ask": lambda e: (
        f"{e.get('actor') or 'somebody'} asks{' at its port' if e.get('at_point') else ''} for: {e['op']}"
    ),
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
    "leak": lambda e: f"an insulation fault of {e['ma']:.0f} mA" if e["on"] else "the insulation holds again",
    "breaker": lambda e: f"a breaker clears the short{': the point is dark' if e['whole'] else ''}",
    "breaker_closed": lambda e: "the breaker is closed again",
    "heat": lambda e: f"the box is heated to {e['celsius']} °C" if e["on"] else "the box cools",
    "mains": lambda e: f"the mains are at {e['volts']:.0f} V" if e["on"] else "the mains are as always",
    "smoke": lambda e: "smoke" if e["on"] else "the smoke is gone",
    "emergency_stop": lambda e: (
        "the emergency stop is pressed" if e["on"] else "the emergency stop is released"
    ),
    "residual_current": lambda e: (
        "the residual-current loop opens" if e["on"] else "its loop is closed again"
    ),
    "meter_frozen": lambda e: "the meter's readings stand still" if e["on"] else "the meter measures again",
    "meter_reset": lambda e: "the meter resets itself",
    "meter_register": lambda e: f"the meter's register {e['register']:02X} changes by itself",
    "broker_down": lambda e: "the broker is gone",
    "broker_up": lambda e: "the broker is back",
    "power_cut_awaits": lambda e: f"the supply will fail in the next {e['during']} of the flash",
    "clock_jump": lambda e: f"the board's clock jumps by {e['by_s']} s",
    "time_server": lambda e: (
        f"the time server is wrong by {e['by_s']} s" if e["on"] else "the time server is right"
    ),
    "contactor": lambda e: "the contactor closes" if e["closed"] else "the contactor opens",
}


# What is no line of its own: signs of life, and what another line says already.
_SILENT = ("time", "truth", "boot", "restart", "contactor", "console", "relay")


class Narrator:
    """Puts what is worth it into words; lines of several threads do not mix.

    `write(line)` takes a whole line. `wide`: there are several points, and each line names its own.
    """

    def __init__(
        self, write: Callable[[str], None] | None = None, console: bool = True, wide: bool = False
    ) -> None:
        """`console`: the firmware's own lines, too."""
        self._write = write or _print
        self._console = console
        self._wide = wide
        self._lock = threading.Lock()

    def tell(self, event: Event, point: str = "") -> None:
        """A line for an event of the board, or none."""
        text = self.text(event)
        if text is not None:
            self.say(event["time"], event.get("socket"), text, point)

    def text(self, event: Event) -> str | None:
        """An event in words, None for one that is not worth any."""
        kind = event["event"]
        if kind == "relay":
            return self._relay(event)
        if kind == "console":
            return str(event["line"]) if self._console else None
        if kind in _TEXTS:
            return _TEXTS[kind](event)
        if kind in _SILENT:
            return None
        return str(kind).replace("_", " ") + ("" if event.get("on", True) else " is over")

    def say(self, unix: int, socket: int | None, text: str, point: str = "") -> None:
        """A line."""
        clock = datetime.fromtimestamp(unix).strftime("%H:%M:%S")
        place = f"{point}/{socket}" if socket else point
        if not self._wide:
            place = f"socket {socket:<2}" if socket else "point"
        with self._lock:
            self._write(f"{clock}  {place:<9}  {text}")

    def say_at(self, point: str, unix: int, socket: int | None, text: str) -> None:
        """As `say`, for residents and points."""
        self.say(unix, socket, text, point)

    @staticmethod
    def _relay(event: Event) -> str:
        if event["closed"]:
            return "power on"
        if not event["current_ma"]:
            return "power off"
        return f"power off, at {event['current_ma'] / 1000:.1f} A and {event['power_mw'] / 1000:.0f} W"


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
