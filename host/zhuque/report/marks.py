"""The file in which a nightly export keeps what it has had: `--since-last FILE`. Small, JSON, replaced as a whole.

It belongs to one job, and remembers the filter of that job: another filter would have left out what this one wants.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zhuque.errors import UsageError
from zhuque.files import FileError, whole_file
from zhuque.store.journals import Journal
from zhuque.store.since import Seen

_VERSION = 1


def read(path: Path, wanted: dict[str, Any]) -> dict[Journal, Seen]:
    """What the job has seen; nothing where there is no file yet. Raises UsageError, FileError."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeError) as error:
        raise FileError(f"{path} cannot be read: {error}") from error
    try:
        state = json.loads(text)
        if state["version"] != _VERSION:
            raise ValueError(f"version {state['version']!r}")
        before, found = state["filter"], state["journals"]
        seen = {_journal(name): _seen(mark) for name, mark in found.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} is no file of --since-last ({error}); a name that does not exist yet begins anew"
        ) from error
    if before != wanted:
        raise UsageError(
            f"{path} belongs to an export with the filter {_named(before)}, not {_named(wanted)}:"
            " give each export a file of its own"
        )
    return seen


def write(path: Path, wanted: dict[str, Any], seen: dict[Journal, Seen]) -> None:
    """Keep what has been seen. Raises what `whole_file` raises."""
    found = {"/".join(journal): [mark.filled, mark.lost] for journal, mark in seen.items()}
    state = {"version": _VERSION, "filter": wanted, "journals": found}
    with whole_file(path) as file:
        file.write(json.dumps(state, indent=1).encode() + b"\n")


def _journal(name: str) -> Journal:
    site, point, epoch = name.split("/")
    return site, point, epoch


def _seen(mark: list[Any]) -> Seen:
    filled, lost = mark
    return Seen(int(filled), tuple((int(first), int(last)) for first, last in lost))


def _named(wanted: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in wanted.items()) or "(none)"
