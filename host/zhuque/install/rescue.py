"""What a board has not delivered, into the site's database, before it gets another identity.

A board that answers gives its journal over its console. One that does not has it read from its flash, together with
the file that says which point it is. What cannot be this site's to store is refused, or kept in a file.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from zhuque.collector import journal_file
from zhuque.collector.pull import Source, stretches
from zhuque.collector.pull_console import ConsoleSource
from zhuque.device import contents, filesystem, layout
from zhuque.device.console_link import ConsoleLink
from zhuque.device.image import CONFIG
from zhuque.errors import RefusedError
from zhuque.files import cannot_write
from zhuque.install.flash_journal import FlashJournal, FlashSource
from zhuque.site import points
from zhuque.site.settings import Settings
from zhuque.store import journals, schema
from zhuque.store.engine import translate
from zhuque.store.merge import Merged, merge
from zhuque.store.write import Store

FLASH_AT = layout.VFS.offset
FLASH_SIZE = layout.VFS.size + layout.JOURNAL.size  # the one behind the other
_WAIT_S = 6.0  # it was restarted a moment ago
_UNKNOWN = "unknown"

Owner = tuple[str, str]


@dataclass(frozen=True)
class Rescued:
    """`records` were pulled that the database lacked; `owner` is the (site, point) whose journal the board holds, None
    where it holds none that is anybody's. `kept` is the file with what is another's. `firmware` is the version of
    Zhuque that the board runs, "" where it does not say."""

    records: int = 0
    owner: Owner | None = None
    kept: Path | None = None
    firmware: str = ""


def rescue(site: Settings, port: str, actor: str, yes: bool, on_part: Callable[[float], None]) -> Rescued:
    """Pulls the records that the database lacks; on_part hears 0 to 1.

    A board that was no point yet has none. Records of another garage are refused; with `yes` they are left. Raises
    NoAnswerError where it does not answer, which `rescue_silent` is for; RefusedError.
    """
    with ConsoleLink(port, _WAIT_S) as link:
        status = link.status()
        if status.get("point") is None:
            return Rescued(firmware=link.firmware)
        owner = str(status["site"]), str(status["point"])
        if owner[0] != site.name and yes:
            return Rescued(0, owner, firmware=link.firmware)
        if owner[0] != site.name:
            raise RefusedError(
                f"the board at {port} is {'/'.join(owner)}, of another garage, and may hold records that only that one "
                f"may bill: `zhuque log pull {'/'.join(owner)} --port {port}` there first, then give --yes here"
            )
        records = _pull(site, ConsoleSource(link, *owner, actor), on_part)
        return Rescued(records, owner, firmware=link.firmware)


def rescue_silent(
    site: Settings, port: str, mac: str, flash: bytes, yes: bool, on_part: Callable[[float], None]
) -> Rescued:
    """The same from FLASH_SIZE bytes at FLASH_AT of a board that does not answer.

    Records of another garage, or of nobody knows whom, are refused; with `yes` they are kept in a file of the site's
    folder. Raises RefusedError.
    """
    journal = FlashJournal(flash[layout.VFS.size :])
    if not journal.last_seq:
        return Rescued()
    was = _owner(site, mac, journal.epoch, flash)
    if was is None and not journal.holds_sessions():  # of a board that was no point yet
        return Rescued()
    if was is not None and was[0] == site.name:
        return Rescued(_pull(site, FlashSource(journal, *was), on_part), was)
    owner = was or (site.name, _UNKNOWN)
    source = FlashSource(journal, *owner)
    whose = f"{'/'.join(owner)}, of another garage" if was else "a point that nothing on it or here names"
    file = site.folder / "journals" / f"{'-'.join(owner)}-{journal.epoch}.jsonl"
    if not yes:
        raise RefusedError(
            f"the board at {port} does not answer, and its flash holds {journal.last_seq} records of {whose}: nothing "
            f"was written. Press its EN button and try again; or give --yes, which keeps them in {file}, for `zhuque "
            f"log import`{' there' if was else ' once its first line names the point'}"
        )
    return Rescued(0, owner, _keep(source, file))


def config_on(flash: bytes) -> dict[str, Any]:
    """The config.json in FLASH_SIZE bytes at FLASH_AT, empty where there is none that can be read."""
    try:
        return contents.config_of(filesystem.read(flash[: layout.VFS.size]).get(CONFIG))
    except filesystem.FilesystemError:
        return {}


def _owner(site: Settings, mac: str, epoch: str, flash: bytes) -> Owner | None:
    """Whose journal that is: by the records that came from it, by the board's config.json, by the inventory."""
    store = Store(str(site.database))
    try:
        with translate(site.database), store.database.begin() as opened:
            c = schema.epochs.c
            row = opened.execute(select(c.site, c.point).where(c.epoch == epoch)).first()
    finally:
        store.close()
    if row is not None:
        return row.site, row.point
    if named := contents.point_of(config_on(flash)):
        return named
    held = next((point.point for point in points.listed(site) if point.mac == mac), None)
    return None if held is None else (site.name, held)


def _keep(source: FlashSource, file: Path) -> Path:
    """Its records as a file that `zhuque log import` takes. Raises ZhuqueError."""
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise cannot_write(file, error) from error
    writer = journal_file.Writer(file, source.extent, int(time.time()))
    try:
        for first, last in stretches([(writer.next_seq, source.extent.last_seq)], source.most):
            writer.write(source.read(first, last), last)
        writer.finish()
    finally:
        writer.close()
    return file


def _pull(site: Settings, source: Source, on_part: Callable[[float], None]) -> int:
    extent, merged = source.extent, Merged()
    store = Store(str(site.database))
    try:
        with translate(site.database):
            with store.database.begin() as opened:
                ranges = journals.absent(opened, extent.journal, extent.first_seq, extent.last_seq)
            todo = list(stretches(ranges, source.most))
            for number, (first, last) in enumerate(todo):
                on_part(number / len(todo))
                merge(store, source.read(first, last), merged)
    finally:
        store.close()
    return merged.added
