"""From a port to a proven point: look, hand out, write, read back, hear. Many boards at once.

Strategy. A blank board, or one with another application, gets everything in one write of its image. One that runs the
very same application is only given its files, over its prompt, beside and renamed. Either way the board then computes
the SHA-256 of every file that it holds, which must be what was meant, restarts, and must say that it is well.

Rules: what fails on one port stays there, and the same command finishes it. A journal is never touched, but for that of
a board that was another point: pulled by then, it begins anew, or its records would come, and be billed, under two
names. A board's calibration is its own and is carried over. Of a board that says nothing both are read from its flash,
and nobody waits for its prompt either. Nothing that was issued is kept or printed. A port's name is no board: whatever
is done by it must find the MAC address for which the point was taken.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zhuque.device import console, contents, esptool, flasher, image, layout, ports
from zhuque.device.console import Hello
from zhuque.device.contents import Contents
from zhuque.device.flasher import Flasher, Progress
from zhuque.device.image import Image
from zhuque.device.repl import PATIENCE_S, Repl
from zhuque.errors import NoAnswerError, NotFoundError, RefusedError, UsageError, ZhuqueError
from zhuque.install.assign import Assigner
from zhuque.install.rescue import FLASH_AT, FLASH_SIZE, Owner, Rescued, config_on, rescue, rescue_silent
from zhuque.site.points import Hardware, Identity
from zhuque.wire.config import check_config
from zhuque.wire.version import VERSION

# A board that was found, not made: it may not run at all.
_FOUND_S = 6.0
_KEPT = "calibration"  # of the old config.json: it belongs to the board's meters, not to its point


class ExchangedError(ZhuqueError):
    """Another board is on that port than the one that was looked at."""


@dataclass
class Outcome:
    """What became of the board on a port; it passed when it is that point, proven, and says that it is well.

    `how` is `flashed`, `written` (its files alone) or `done before`; `files` were read back, and `rescued` records
    pulled that nobody had; `kept` is a file with those of another garage. `ran` is the version of Zhuque that it ran
    before, where it said so.
    """

    port: str
    point: str = ""
    mac: str = ""
    chip: str = ""
    how: str = ""
    rescued: int = 0
    kept: Path | None = None
    ran: str = ""
    files: int = 0
    seconds: float = 0.0
    hello: Hello | None = None
    wrong: list[str] = field(default_factory=list)
    error: ZhuqueError | None = None

    @property
    def passed(self) -> bool:
        """True when nothing is left to do for this board."""
        return self.error is None and not self.wrong and bool(self.point)


@dataclass(frozen=True)
class Wish:
    """`yes` overwrites what is not Zhuque's, `again` provisions what is done too."""

    flash: flasher.Settings = field(default_factory=flasher.Settings)
    yes: bool = False
    again: bool = False


@dataclass(frozen=True)
class _Held:
    """What a board of ours holds: the SHA-256 of its files by path, and its config.json."""

    sums: dict[str, str]
    config: dict[str, Any]


class Provisioner:
    """`run` is called for one port, from any thread; `on_progress` too. `stop` ends everything."""

    def __init__(self, base: Image, assigner: Assigner, wish: Wish) -> None:
        self.base = base
        self.assigner = assigner
        self.wish = wish
        self.on_progress: Callable[[Progress], None] = lambda progress: None
        self._flashers: list[Flasher] = []
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends every step that runs; boards are left unfinished and finished by the next run."""
        self._stopped.set()
        for one in list(self._flashers):
            one.stop()

    def run(self, port: str) -> Outcome:
        """One board from what it is to a proven point."""
        outcome = Outcome(port)
        began = time.monotonic()
        try:
            self._run(port, outcome)
        except ZhuqueError as error:
            is_gone = outcome.mac and not (ports.is_url(port) or Path(port).exists())
            outcome.error = esptool.went_away(port) if is_gone and isinstance(error, NotFoundError) else error
        outcome.seconds = time.monotonic() - began
        self.on_progress(Progress(port, "PASS" if outcome.passed else "FAIL"))
        return outcome

    def _run(self, port: str, outcome: Outcome) -> None:
        found = self._look(port)
        outcome.mac, outcome.chip = found.mac, found.chip
        was, flash = Rescued(), b""
        is_done = not self.wish.again and self._is_done(port, found)
        if found.is_ours and not is_done:
            was, flash = self._rescue(port, found.mac)
            outcome.rescued, outcome.kept, outcome.ran = was.records, was.kept, was.firmware
        taken = self.assigner.take(Hardware(found.mac, found.chip, self.base.board, VERSION))
        outcome.point = taken.point
        if taken.is_done and is_done:
            outcome.how = "done before"
            return
        held = self._held(port, found.mac) if found.is_ours and not flash else None
        old = held.config if held else config_on(flash)
        identity = self.assigner.issue(taken.point)
        if _was_another(was.owner or contents.point_of(old), identity):
            self._begin_journal(port, found.mac, held)
        meant = image.provisioned(self.base, files_of(identity, old))
        if held is not None and _same(self.base.files, held.sums):
            self._write_files(port, found.mac, meant, held)
            outcome.how = "written"
        else:
            self._flash(port, found.mac, meant)
            outcome.how = "flashed"
            self._hear(port, self.wish.flash.wait_s)
        outcome.files = self._prove(port, found.mac, meant)
        self._say(port, "starting", 1.0)
        outcome.hello = self._listen(port, self.wish.flash.wait_s)
        outcome.wrong = outcome.hello.wrong(meant.board, provisioned=True)
        if not outcome.wrong:
            self.assigner.prove(identity)

    def _look(self, port: str) -> Contents:
        with self._flasher(self.base) as running:
            found = running.look([port], then_runs=True)[port]
        if isinstance(found, ZhuqueError):
            raise found
        if found.foreign and not self.wish.yes:
            raise RefusedError(
                f"{port}: it runs {found.text}; nothing was written. Give --yes to overwrite it"
            )
        return found

    def _is_done(self, port: str, found: Contents) -> bool:
        """True where the inventory says so, and the board still holds what was issued for it."""
        if not (found.is_ours and self.assigner.is_done(found.mac)):
            return False
        with self._flasher(self.base) as running:
            there, config = running.config(port)
        _check_mac(port, found.mac, there)
        return self.assigner.is_held(found.mac, contents.config_of(config))

    def _rescue(self, port: str, mac: str) -> tuple[Rescued, bytes]:
        """What it has not delivered, from its console or, where it does not answer, from its flash; and that flash."""
        site, yes = self.assigner.site, self.wish.yes
        step = "pulling its records"
        self._say(port, step)
        try:
            return rescue(site, port, self.assigner.actor, yes, lambda part: self._say(port, step, part)), b""
        except NoAnswerError:
            ports.check(port)
        step = "reading its flash, for it does not answer"
        with self._flasher(self.base) as running:
            there, flash = running.read(port, FLASH_AT, FLASH_SIZE, step)
        _check_mac(port, mac, there)
        return rescue_silent(site, port, mac, flash, yes, lambda part: self._say(port, step, part)), flash

    @contextlib.contextmanager
    def _prompt(self, port: str, mac: str, patience_s: float = PATIENCE_S) -> Iterator[Repl]:
        """The prompt of this very board. Raises ExchangedError."""
        with Repl(port, patience_s) as repl:
            _check_mac(port, mac, repl.mac())
            yield repl

    def _held(self, port: str, mac: str) -> _Held | None:
        """What a board of ours holds, which then waits at its prompt, for at most ten minutes.

        None where its prompt is not reached: then everything is written anew.
        """
        self._say(port, "reading")
        try:
            with self._prompt(port, mac, _FOUND_S) as repl:
                sums = repl.sums()
                config = contents.config_of(repl.read("/" + image.CONFIG)) if image.CONFIG in sums else {}
        except ExchangedError:
            raise
        except ZhuqueError:
            ports.check(port)  # it is still there, so that another way is worth trying
            return None
        return _Held(sums, config)

    def _begin_journal(self, port: str, mac: str, held: _Held | None) -> None:
        """At its prompt, where that was reached."""
        step = "beginning its journal anew"
        self._say(port, step)
        if held is None:
            with self._flasher(self.base) as running:
                running.erase(port, layout.JOURNAL, step)
            return
        with self._prompt(port, mac) as repl:
            repl.new_journal(lambda part: self._say(port, step, part))

    def _write_files(self, port: str, mac: str, meant: Image, held: _Held) -> None:
        with self._prompt(port, mac) as repl:
            for path in sorted(set(held.sums) - set(meant.files)):
                repl.remove("/" + path)
            wanted = {path: data for path, data in meant.files.items() if _sum(data) != held.sums.get(path)}
            # The identity comes last: what was interrupted is no point that lacks its certificates.
            for number, path in enumerate(sorted(wanted, key=lambda path: (path == image.CONFIG, path))):
                self._say(port, "writing", number / len(wanted))
                repl.write("/" + path, wanted[path])

    def _flash(self, port: str, mac: str, meant: Image) -> None:
        with self._flasher(meant) as running:
            (result,) = running.flash([port])
        if result.mac:
            _check_mac(port, mac, result.mac)
        if result.error is not None:
            raise result.error

    def _flasher(self, meant: Image) -> Flasher:
        if self._stopped.is_set():
            raise ZhuqueError("stopped before it began; run the command again")
        settings = flasher.Settings(self.wish.flash.baud, self.wish.flash.everything, wait_s=0)
        made = Flasher(meant, settings)
        made.on_progress = self._pass_on
        self._flashers.append(made)
        if self._stopped.is_set():  # meanwhile, and whoever did it may not have seen this one
            made.stop()
        return made

    def _prove(self, port: str, mac: str, meant: Image) -> int:
        """Every file's SHA-256, computed on the board, is what was meant; returns how many files. Restarts it."""
        self._say(port, "reading back")
        with self._prompt(port, mac) as repl:
            held = repl.sums()
            repl.restart()
        other = [path for path, data in meant.files.items() if held.get(path) != _sum(data)]
        other += sorted(set(held) - set(meant.files))
        if other:
            raise ZhuqueError(
                f"{port}: read back, {', '.join(other[:3])} on the board {'is' if len(other) == 1 else 'are'} not what "
                "was meant: its flash is worn out or somebody else writes to it; run the command again, and take "
                "another board if it stays so"
            )
        return len(meant.files)

    def _hear(self, port: str, wait_s: float) -> None:
        """A board that starts is not to be disturbed; one that says nothing in that time may still have a prompt."""
        with contextlib.suppress(console.Silent):
            self._listen(port, wait_s)

    def _listen(self, port: str, wait_s: float) -> Hello:
        return console.listen(port, wait_s, self._stopped.is_set, self.base.explained)

    def _say(self, port: str, step: str, part: float | None = None) -> None:
        self.on_progress(Progress(port, step, part))

    def _pass_on(self, progress: Progress) -> None:
        if progress.step not in ("PASS", "FAIL"):  # a step of ours is over, the board is not
            self.on_progress(progress)


def _check_mac(port: str, wanted: str, found: str) -> None:
    if found != wanted:
        raise ExchangedError(
            f"{port}: the board there is {found}, and {wanted} was meant: they were exchanged meanwhile. Neither is "
            "finished; plug both in and run the command again"
        )


def _was_another(owner: Owner | None, identity: Identity) -> bool:
    """True for a board that was another point, or a point of another garage."""
    return owner is not None and owner != (identity.site, identity.point)


def files_of(identity: Identity, old: dict[str, Any]) -> dict[str, bytes]:
    """What the board gets as this point, with the calibration of the config.json that it has."""
    config = dict(identity.config)
    if old.get(_KEPT) and not check_config({**config, _KEPT: old[_KEPT]}):
        config[_KEPT] = old[_KEPT]
    return {**identity.files, image.CONFIG: json.dumps(config).encode()}


def names(text: str) -> list[str]:
    """`p01..p30`, `p01,p07` or both as names. Raises UsageError."""
    found: list[str] = []
    for part in text.split(","):
        first, dots, last = part.strip().partition("..")
        found += _range(first, last) if dots else [first]
    return found


def _range(first: str, last: str) -> list[str]:
    stem = first.rstrip("0123456789")
    low, high = first[len(stem) :], last.removeprefix(stem)
    if not (low.isdecimal() and high.isdecimal() and last.startswith(stem) and int(low) <= int(high) < 1000):
        raise UsageError(f"{first}..{last} is no range of points; it looks like p01..p30")
    return [f"{stem}{number:0{len(low)}}" for number in range(int(low), int(high) + 1)]


def _same(application: dict[str, bytes], held: dict[str, str]) -> bool:
    """True where the board holds this very application: then its files alone are to be written."""
    return all(held.get(path) == _sum(data) for path, data in application.items() if path != "board.json")


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
