"""A person at a virtual board: what happens to it is told a line each, and orders are typed."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from zhuque.endings import as_ctrl_c
from zhuque.errors import UsageError
from zhuque.sim.esp32 import faults as fault_words
from zhuque.sim.esp32.board import BoardOptions, Event, VirtualBoard
from zhuque.sim.narrator import Narrator
from zhuque.sim.typed import TypedLines


def run(size: int | None, faults: tuple[str, ...], **wanted: Path | str | bytes | bool | None) -> None:
    """Until Ctrl-C, SIGTERM, a closed terminal, or the board's thread ends. Raises as VirtualBoard does."""
    for order in faults:
        fault_words.parse(order)
    over = threading.Event()

    narrator = Narrator()

    def on_event(event: Event) -> None:
        text = _TEXTS.get(event["event"], narrator.text)(event)
        if text:
            narrator.say(event["time"], event.get("socket"), text)
        if event["event"] == "died":
            over.set()

    options = BoardOptions(size=size, **wanted)  # type: ignore[arg-type]
    with as_ctrl_c(), contextlib.suppress(KeyboardInterrupt), VirtualBoard(options, on_event) as board:
        print(f"port {board.address}, flash {options.flash}: end it with Ctrl-C", flush=True)
        for order in faults:
            board.order(order)
        lines = TypedLines()
        while not over.is_set():
            for line in lines.wait(0.2):
                try:
                    board.order(line)
                except UsageError as error:
                    print(f"not understood: {error}", file=sys.stderr, flush=True)


def _state(event: Event) -> str:
    why = re.sub(r"\x1b\[[0-9;]*m", "", str(event.get("why", "")))
    return {
        "loader": "in its loader",
        "off": "unplugged",
        "held": "held in reset",
        "stuck": f"does not start: {why}",
        "running": f"runs {event.get('banner') or _program(event)}",
    }[event["state"]]


def _program(event: Event) -> str:
    return f"{event.get('project') or 'something'} {event.get('version', '')}".strip()


_TEXTS: dict[str, Callable[[Event], str | None]] = {
    "board": _state,
    "restart": lambda event: f"restarts: {event['after'].replace('_', ' ')}",
    "stays_off": lambda event: f"stays unplugged: {event['why']}",
    "died": lambda event: f"the simulation itself failed: {event['why']}",
}
