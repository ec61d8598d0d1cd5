"""A person at a virtual board: what happens to it is told a line each, and orders are typed."""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path

from zhuque.errors import UsageError
from zhuque.sim.esp32 import faults as fault_words
from zhuque.sim.esp32.board import BoardOptions, Event, VirtualBoard
from zhuque.sim.typed import TypedLines, end_on_sigterm


def run(size: int | None, faults: tuple[str, ...], **wanted: Path | str | bytes | bool | None) -> None:
    """Until Ctrl-C, SIGTERM, or the board's thread ends. Raises UsageError, RefusedError."""
    for order in faults:
        fault_words.parse(order)
    over = threading.Event()

    def on_event(event: Event) -> None:
        line = _line(event)
        if line:
            print(line, flush=True)
        if event["event"] == "died":
            over.set()

    options = BoardOptions(size=size, **wanted)  # type: ignore[arg-type]
    end_on_sigterm()
    with contextlib.suppress(KeyboardInterrupt), VirtualBoard(options, on_event) as board:
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


def _line(event: Event) -> str:
    """An event in words, "" for one that is not worth any."""
    if event["event"] == "board":
        more = {
            "loader": "in its loader",
            "off": "unplugged",
            "stuck": f"does not start: {event.get('why')}",
            "running": f"runs {event.get('project') or 'something'} {event.get('version', '')}",
        }
        return f"the board {'is ' if event['state'] in ('loader', 'off') else ''}{more[event['state']]}"
    return ""
