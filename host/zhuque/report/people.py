"""A list of residents as CSV, as an office keeps it, for `zhuque account import`."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from zhuque.errors import NotFoundError, UsageError
from zhuque.store.accounts import Person

COLUMNS = ("account", "name", "flat", "phone", "cards", "note")


def read_people(path: Path) -> tuple[list[Person], list[str]]:
    """The accounts that the file names, and its columns. Raises NotFoundError, UsageError with the number of the line.

    A line of empty cells, as spreadsheets leave them at the end, is none.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeError as error:
        raise UsageError(f"{path} is not UTF-8: save it anew as 'CSV UTF-8'") from error
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    header = list(reader.fieldnames or [])
    if "account" not in header or set(header) - set(COLUMNS) or len(set(header)) < len(header):
        raise UsageError(
            f"{path}: the first line must name columns of {', '.join(COLUMNS)}, each once, with commas between them; "
            f"account must be there; it is {text.partition(chr(10))[0].strip()!r}"
        )
    people: list[Person] = []
    lines: dict[str, int] = {}
    try:
        for row in reader:
            if not any(row.values()):
                continue
            person = _person(path, reader.line_num, row)
            if person.account in lines:
                raise UsageError(
                    f"{path} line {reader.line_num}: account {person.account} stands in line {lines[person.account]} "
                    "already; take one of them out"
                )
            lines[person.account] = reader.line_num
            people.append(person)
    except csv.Error as error:
        raise UsageError(f"{path} line {reader.line_num}: {error}") from error
    return people, header


def _person(path: Path, line: int, row: dict[str, str | None]) -> Person:
    if None in row or None in row.values():
        raise UsageError(
            f"{path} line {line}: it has not as many cells as the first line has columns; mend its commas and quotes"
        )
    cells = {name: (value or "").strip() or None for name, value in row.items()}
    try:
        person = Person(
            cells["account"] or "",
            cells.get("name"),
            cells.get("flat"),
            cells.get("phone"),
            cells.get("note"),
            tuple((cells.get("cards") or "").split()),
        )
        person.check()
    except UsageError as error:
        raise UsageError(f"{path} line {line}: {error}") from error
    return person
