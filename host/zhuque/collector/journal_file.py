"""A board's journal as a file of JSON lines: `zhuque log pull --to`, carried to another machine, `zhuque log import`.

    {"zhuque": "journal", "wire": 1, "site": …, "point": …, "epoch": …, "first_seq": 1, "pulled_at": 1764000000}
    {"epoch": …, "seq": 1, "boot": 1, …}                                     a record a line, as the board sent it
    {"zhuque": "end", "last_seq": 411}

Files may be put one after the other: each first line begins another journal. While it is being pulled the file is
called FILE.part, and a later pull goes on with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from zhuque.collector import ingest
from zhuque.collector.pull import Extent
from zhuque.errors import NotFoundError, ZhuqueError
from zhuque.store.items import DeadLetter, Record
from zhuque.wire import messages, topics
from zhuque.wire.version import WIRE


class JournalFileError(ZhuqueError):
    """A file is no journal, or not one that can be taken."""


@dataclass(frozen=True)
class Part:
    """A journal in a file: its first line. `last_seq` is None where the file ends before the journal does."""

    site: str
    point: str
    epoch: str
    first_seq: int
    pulled_at: int
    last_seq: int | None = None


class Writer:
    """A file that is being written. `next_seq` is the first record that it lacks."""

    def __init__(self, path: Path, extent: Extent, now: int) -> None:
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self._extent = extent
        self.next_seq = extent.first_seq
        kept = self._kept()
        try:
            self._file: BinaryIO = self._part.open("r+b" if kept else "wb")
            self._file.seek(kept)
            self._file.truncate()
        except FileNotFoundError as error:
            raise NotFoundError(f"no folder {path.parent} to write {path.name} in: make it first") from error
        except OSError as error:
            raise self._failed(error) from error
        if not kept:
            head = {"zhuque": "journal", "wire": WIRE, "site": extent.site, "point": extent.point}
            head |= {"epoch": extent.epoch, "first_seq": extent.first_seq, "pulled_at": now}
            self._write(json.dumps(head).encode())

    def write(self, items: Sequence[Record | DeadLetter], up_to: int) -> None:
        """Records that follow; `up_to` is the last that was asked for. Raises JournalFileError."""
        for item in items:
            self._write(_line(item))
        self.next_seq = up_to + 1
        self._flush()

    def finish(self) -> None:
        """Give the file its name. Raises JournalFileError."""
        self._write(json.dumps({"zhuque": "end", "last_seq": self._extent.last_seq}).encode())
        self._flush()
        self._file.close()
        self._part.replace(self.path)

    def close(self) -> None:
        """Leave what came for a later pull."""
        self._file.close()

    def _kept(self) -> int:
        """How many bytes of an earlier pull of this journal can be kept; sets `next_seq`."""
        try:
            content = self._part.read_bytes()
        except OSError:
            return 0
        whole = content[: content.rfind(b"\n") + 1]
        lines = whole.splitlines()
        wanted = {
            "wire": WIRE,
            "site": self._extent.site,
            "point": self._extent.point,
            "epoch": self._extent.epoch,
        }
        try:
            head = json.loads(lines[0])
            if any(head.get(name) != value for name, value in wanted.items()):
                return 0
            if len(lines) > 1:
                self.next_seq = max(self.next_seq, json.loads(lines[-1])["seq"] + 1)
        except (IndexError, KeyError, TypeError, ValueError):
            return 0
        return len(whole)

    def _write(self, line: bytes) -> None:
        try:
            self._file.write(line + b"\n")
        except OSError as error:
            raise self._failed(error) from error

    def _flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> JournalFileError:
        return JournalFileError(
            f"{self._part} cannot be written: {error.strerror}; what it holds is kept, the next pull goes on with it"
        )


def parts(path: Path) -> list[Part]:
    """The journals that a file holds, every line of it looked at. Raises NotFoundError, JournalFileError."""
    out: list[Part] = []
    for number, line, body in _lines(path):
        kind = body.get("zhuque")
        if kind == "journal":
            out.append(_part(path, number, body))
        elif not out:
            raise JournalFileError(
                f"{path} is no journal: its first line does not say whose it is;"
                " `zhuque log pull POINT --to FILE` writes one"
            )
        elif kind == "end":
            out[-1] = replace(out[-1], last_seq=_number(path, number, body, "last_seq"))
        elif body.get("epoch") != out[-1].epoch:
            raise JournalFileError(
                f"{path} line {number}: a record of journal {body.get('epoch')} among those of {out[-1].epoch}"
            )
        elif len(line) > messages.MAX_MESSAGE:
            raise JournalFileError(f"{path} line {number} is longer than a record can be")
    if not out:
        raise JournalFileError(f"{path} is empty")
    return out


def items(path: Path) -> Iterator[Record | DeadLetter]:
    """The records of a file that `parts` found to be sound; those that break a rule of the wire as dead letters."""
    topic, now = "", 0
    for number, line, body in _lines(path):
        kind = body.get("zhuque")
        if kind == "journal":
            part = _part(path, number, body)
            topic, now = topics.topic(part.site, part.point, "record"), part.pulled_at
        elif kind != "end":
            item = ingest.decode(topic, line, False, now)
            assert isinstance(item, Record | DeadLetter), "the topic is a record's"
            yield item


def _line(item: Record | DeadLetter) -> bytes:
    """What the board sent; over more lines than one only where nothing says that it may not be."""
    sent = item.raw.encode() if isinstance(item, Record) else item.payload
    return sent if b"\n" not in sent else json.dumps(json.loads(sent)).encode()


def _lines(path: Path) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    """(number, line, object); a last line without its end is left out: there the pull was cut off."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                body = json.loads(line)
            except ValueError as error:
                raise JournalFileError(f"{path} line {number} is no JSON: {error}") from error
            if not isinstance(body, dict):
                raise JournalFileError(f"{path} line {number} is no JSON object")
            yield number, line.rstrip(b"\r\n"), body


def _part(path: Path, number: int, body: dict[str, Any]) -> Part:
    wire = body.get("wire")
    if wire != WIRE:
        newer = type(wire) is int and wire > WIRE
        raise JournalFileError(
            f"{path} line {number} is of wire version {wire}, this zhuque speaks {WIRE}:"
            f" {'upgrade this zhuque' if newer else 'import it with the zhuque that wrote it'}"
        )
    site, point, epoch = (body.get(name) for name in ("site", "point", "epoch"))
    if not topics.is_name(site) or not topics.is_name(point) or not ingest.is_epoch(epoch):
        raise JournalFileError(
            f"{path} line {number} does not say whose journal it is: {site}/{point} {epoch}"
        )
    first, at = (_number(path, number, body, name) for name in ("first_seq", "pulled_at"))
    return Part(str(site), str(point), str(epoch), first, at)


def _number(path: Path, line: int, body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if type(value) is not int or value < 0:
        raise JournalFileError(f"{path} line {line}: {name} must be a number, is {value!r}")
    return value
