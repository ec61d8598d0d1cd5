"""The boards that firmware runs on, as data: reads and checks `boards/NAME/board.toml`.

A board that contradicts itself is refused here, on the host, with every problem at once: the firmware only sees files
that passed. schema.py knows every key, its type and its range; pins.py what an ESP32's pins can do; rules.py what the
numbers must satisfy together; traits.py what follows from them. What each table means is in boards/README.md.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from zhuque.boards.pins import check as check_pins
from zhuque.boards.rules import check as check_rules
from zhuque.boards.schema import check as check_schema
from zhuque.boards.schema import check_origin, table
from zhuque.errors import NotFoundError, ZhuqueError
from zhuque.wire.config import check_board

FOLDER = Path(__file__).resolve().parent.parent / "_boards"

__all__ = ["FOLDER", "Board", "BoardError", "check", "list_boards", "load", "load_file"]


class BoardError(ZhuqueError):
    """There is no such board, or its file is wrong; `problems` has every problem, a line each."""

    def __init__(self, text: str, problems: list[str] | None = None) -> None:
        super().__init__(text)
        self.problems = problems or [text]


class NoBoardError(BoardError, NotFoundError):
    """There is no such board."""

    exit_code = NotFoundError.exit_code


@dataclass(frozen=True)
class Board:
    """A checked board: `data` is what the firmware reads as board.json, `origin` says where each number comes from."""

    name: str
    folder: Path
    data: dict[str, object]
    origin: dict[str, str]


def list_boards(folder: Path = FOLDER) -> list[str]:
    """The names of all boards, sorted."""
    return sorted(file.parent.name for file in folder.glob("*/board.toml"))


def load(name: str, folder: Path = FOLDER) -> Board:
    """The board of that name. Raises BoardError."""
    if name not in list_boards(folder):
        raise NoBoardError(
            f"there is no board {name!r}; there is {', '.join(list_boards(folder)) or 'none'}; "
            "boards/README.md says how to add one"
        )
    return load_file(folder / name / "board.toml")


def load_file(path: Path) -> Board:
    """The board in this file. Raises BoardError."""
    try:
        data: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        text = f"cannot be read: {error.strerror or error}; give a board's name or file"
        raise NoBoardError(f"{path} {text}", [text]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        text = f"cannot be read as TOML: {error}; mend the file"
        raise BoardError(f"{path} {text}", [text]) from error
    origin = {key: str(text) for key, text in table(data.pop("origin", None)).items()}
    problems = check(data, origin)
    name = data.get("name")
    if path.name == "board.toml" and name != path.resolve().parent.name:
        problems.insert(0, f"name is {name!r}, but the folder is {path.resolve().parent.name!r}")
    if problems:
        raise BoardError(f"{path} is not a board: " + "; ".join(problems), problems)
    return Board(str(name), path.parent, data, origin)


def check(data: dict[str, object], origin: dict[str, str]) -> list[str]:
    """Every problem of a board's data, one line each."""
    problems = check_schema(data)
    problems += [problem for problem in check_board(data) if _key_of(problem) not in _keys_of(problems)]
    named = _keys_of(problems)
    if not problems:
        problems = check_pins(data) + check_rules(data)
    return problems + check_origin(data, origin, named)


def _keys_of(problems: list[str]) -> set[str]:
    """The keys of which a problem is told already: what follows from it is not told as well."""
    return {_key_of(problem) for problem in problems}


def _key_of(problem: str) -> str:
    return problem.split(" ", 1)[0]
