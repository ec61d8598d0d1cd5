"""Compiled applications, kept for the next board: to make one takes seconds, and a garage has thirty of the same.

What is kept is found by a hash of all that it is made of: the board's description, the firmware's sources, and the
tools, so it is never an old one; and it has its own hash, so it is whole, or made anew. The folder is the user's, for
caches (`$XDG_CACHE_HOME/zhuque`); whoever has none, or a full one, waits.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from zhuque import files
from zhuque.device import application
from zhuque.device.application import FIRMWARE, Application
from zhuque.errors import ZhuqueError

_KEPT = 12  # a release has three boards


def compiled(board: Mapping[str, object], firmware: Path = FIRMWARE) -> Application:
    """As application.compiled, and raises what it does."""
    key = _of(board, firmware)
    file = _folder() / f"{key}.json"
    made = _read(file)
    if made is None:
        made = application.compiled(board, firmware)
        if _of(board, firmware) != key:
            return made  # somebody changed a source meanwhile: nobody knows of which it is made
        with contextlib.suppress(OSError, ZhuqueError):
            file.parent.mkdir(parents=True, exist_ok=True)
            files.write(file, _written(made))
            _drop_old(file.parent)
    return made


def has(board: Mapping[str, object], firmware: Path = FIRMWARE) -> bool:
    """True where nobody will wait."""
    return _read(_folder() / f"{_of(board, firmware)}.json") is not None


def _of(board: Mapping[str, object], firmware: Path) -> str:
    """A hash of everything that could make another application."""
    found = hashlib.sha256(json.dumps([board, sys.version], sort_keys=True).encode())
    found.update(_TOOLS + _of_sources(firmware) + Path(application.compiler()).read_bytes())
    return found.hexdigest()


def _of_sources(folder: Path) -> bytes:
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        data = path.read_bytes()
        found.update(b"%s %d\n" % (path.relative_to(folder).as_posix().encode(), len(data)) + data)
    return found.digest()


# Those that this process has loaded, whatever becomes of their files.
_TOOLS = _of_sources(Path(__file__).resolve().parent)


def _written(made: Application) -> str:
    content = json.dumps(
        {
            "modules": {name: base64.b64encode(code).decode() for name, code in made.modules.items()},
            "texts": base64.b64encode(made.texts).decode(),
            "sources": made.sources,
        }
    )
    return f"{hashlib.sha256(content.encode()).hexdigest()}\n{content}"


def _read(file: Path) -> Application | None:
    try:
        sum, content = file.read_text().split("\n", 1)
    except (OSError, ValueError):
        return None
    if sum != hashlib.sha256(content.encode()).hexdigest():
        return None
    kept = json.loads(content)
    modules = {name: base64.b64decode(code) for name, code in kept["modules"].items()}
    return Application(modules, base64.b64decode(kept["texts"]), kept["sources"])


def _drop_old(folder: Path) -> None:
    newest = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest[_KEPT:]:
        path.unlink(missing_ok=True)


def _folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("zhuque") / "applications"
