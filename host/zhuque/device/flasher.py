"""From a port to PASS: look at what a board runs, write what differs, hear what it says. Many boards at once.

Strategy. A thread a port, an esptool process a step; what fails on one port stays there. An image is written in
pieces of at most 256 KiB, in one esptool command that compares each with the flash before it writes it: so only what
changed is sent, and a board that was pulled in the middle goes on where it stopped. Each piece is verified by its MD5
after it was written.

A line that loses bytes is tried again at a lower baud rate, from the piece where it broke.

Rule: no board is left in its loader, where it is dead until somebody resets it, but one that is half written. One that
was looked at waits there to be written; when it is not, it is restarted.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from zhuque import files
from zhuque.device import console, contents, filesystem, layout, ports
from zhuque.device.console import Hello
from zhuque.device.contents import Contents
from zhuque.device.esptool import Esptool, SlowerError, Talk
from zhuque.device.image import CONFIG, Image
from zhuque.device.layout import Partition
from zhuque.errors import NoAnswerError, NotFoundError, RefusedError, UsageError, ZhuqueError

T = TypeVar("T")

BAUDS = (921600, 460800, 115200)
PIECE = 256 * 1024
_HALF_WRITTEN = "Until then the board is half written, and neither charges nor answers"


@dataclass(frozen=True)
class Progress:
    """Where a port is: `part` is 0 to 1 of the bytes, None where a step has no such number."""

    port: str
    step: str
    part: float | None = None


@dataclass
class Result:
    """What became of a board. It passed when it has no `error` and nothing in `wrong`."""

    port: str
    mac: str = ""
    chip: str = ""
    seconds: float = 0.0
    written: int = 0
    skipped: int = 0
    hello: Hello | None = None
    wrong: list[str] = field(default_factory=list)
    error: ZhuqueError | None = None

    @property
    def passed(self) -> bool:
        """True when the board runs what was meant and says that it is well."""
        return self.error is None and self.hello is not None and not self.wrong


@dataclass(frozen=True)
class Settings:
    """How to flash: `everything` writes what is there already too; `wait_s` for the board's answer, 0 asks for none."""

    baud: int = BAUDS[0]
    everything: bool = False
    wait_s: float = console.WAIT_S


class Flasher:
    """Use it as a context manager: it has the pieces of the image as files that only their owner may read.

    `on_progress` is called from any thread.
    """

    def __init__(self, image: Image, settings: Settings) -> None:
        self.image = image
        self.settings = settings
        self.on_progress: Callable[[Progress], None] = lambda progress: None
        self._folder = tempfile.TemporaryDirectory(prefix="zhuque-flash-")  # mode 0700
        self._pieces: list[tuple[int, int, Path]] = []  # address, size, file
        self._tools: list[Esptool] = []
        self._is_stopped = False
        self._waiting: set[str] = set()  # ports whose board is in its loader, because of us

    def __enter__(self) -> Flasher:
        try:
            for region in self.image.regions:
                for at in range(0, len(region.data), PIECE):
                    self._keep(region.address + at, region.data[at : at + PIECE])
        except OSError as error:
            self._folder.cleanup()
            raise files.cannot_write(Path(self._folder.name), error) from error
        return self

    def _keep(self, address: int, piece: bytes) -> None:
        file = Path(self._folder.name) / f"{address:08x}.bin"
        file.touch(0o600)
        file.write_bytes(piece)
        self._pieces.append((address, len(piece), file))

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._folder.cleanup()
        self.let_go(list(self._waiting))

    def stop(self) -> None:
        """Ends everything that runs; the boards are left unfinished. Safe from any thread."""
        self._is_stopped = True
        for tool in list(self._tools):
            tool.stop()

    def look(self, names: Sequence[str], then_runs: bool = False) -> dict[str, Contents | ZhuqueError]:
        """What each board runs now, or why that cannot be told. It waits to be written, unless `then_runs`."""
        return self._each(names, lambda name: self._look(name, stays=not then_runs))

    def points(self, names: Sequence[str]) -> dict[str, str | ZhuqueError]:
        """Which point each of these boards of ours is, `SITE/POINT`; "" where it is none. They wait to be written."""
        return self._each(names, self._point)

    def let_go(self, names: Sequence[str]) -> None:
        """Restarts these boards where they were looked at and wait to be written."""
        self._each([name for name in names if name in self._waiting], self._restart)

    def config(self, port: str, stays: bool = False) -> tuple[str, bytes | None]:
        """The MAC of a board of ours, and its config.json, None where it has none; it then starts, unless it `stays`.

        Of its file system as much is read as is needed to find it: some 100 KB.

        Raises ZhuqueError in one of its kinds.
        """
        mac = ""

        def fetch(at: int, size: int) -> bytes:
            nonlocal mac
            mac, data = self.read(port, layout.VFS.offset + at, size, "looking whose it is", stays)
            return data

        try:
            found = filesystem.find(CONFIG, fetch)
        except filesystem.FilesystemError:  # half written, or worn out: there is nothing to keep
            found = None
        return mac, found

    def read(self, port: str, at: int, size: int, step: str, stays: bool = False) -> tuple[str, bytes]:
        """The board's MAC, and so many bytes of its flash from `at` on; it then starts, unless it `stays`.

        `step` is what a person is told meanwhile.

        Raises ZhuqueError in one of its kinds.
        """
        self.on_progress(Progress(port, step))
        file = self._file(port)

        def heard(reached: int) -> None:
            self.on_progress(Progress(port, step, (reached - at) / size))

        try:
            ports.check(port)
            command = ("read-flash", hex(at), hex(size), str(file))
            with self._in_loader(port, stays):
                talk = self._run(Esptool(port, self.image.stock.chip), command, heard, stays)
            return talk.facts.get("mac", ""), file.read_bytes()
        finally:
            file.unlink(missing_ok=True)

    def erase(self, port: str, partition: Partition, step: str) -> None:
        """A partition of its flash. Raises ZhuqueError in one of its kinds."""
        self.on_progress(Progress(port, step))
        command = ("erase-region", hex(partition.offset), hex(partition.size))
        with self._in_loader(port, stays=False):
            self._run(Esptool(port, self.image.stock.chip), command)

    def flash(self, names: Sequence[str]) -> list[Result]:
        """Writes every board and waits for its word."""
        return list(self._each(names, self._flash).values())

    def _each(self, names: Sequence[str], work: Callable[[str], T]) -> dict[str, T]:
        with ThreadPoolExecutor(max(1, len(names)), thread_name_prefix="flash") as pool:
            jobs = {name: pool.submit(work, name) for name in names}
            try:
                return {name: job.result() for name, job in jobs.items()}
            except KeyboardInterrupt:
                self.stop()
                raise

    def _look(self, port: str, stays: bool) -> Contents | ZhuqueError:
        self.on_progress(Progress(port, "connecting"))
        file = self._file(port)
        where = hex(contents.READ_AT), hex(contents.READ_SIZE)
        command = ("read-flash", "--no-progress", *where, str(file))
        try:
            ports.check(port)
            with self._in_loader(port, stays):
                facts = self._run(Esptool(port, self.image.stock.chip), command, stays=stays).facts
            found = contents.of(file.read_bytes())
            return replace(found, mac=facts.get("mac", ""), chip=facts.get("chip", ""))
        except ZhuqueError as error:
            return error
        finally:
            file.unlink(missing_ok=True)

    def _point(self, port: str) -> str | ZhuqueError:
        try:
            config = contents.config_of(self.config(port, stays=True)[1])
            return "/".join(contents.point_of(config) or ())
        except ZhuqueError as error:
            return error

    @contextmanager
    def _in_loader(self, port: str, stays: bool) -> Iterator[None]:
        """What is done there leaves the board waiting if it `stays`, or if it fails after the board was reached."""
        self._waiting.add(port)
        try:
            yield
        except (NoAnswerError, NotFoundError, UsageError):
            self._waiting.discard(port)
            raise
        if not stays:
            self._waiting.discard(port)

    def _restart(self, port: str) -> None:
        self._waiting.discard(port)
        console.restart(port)

    def _file(self, port: str) -> Path:
        """Where what is read of this port's board goes: it may be a secret."""
        file = Path(self._folder.name) / f"{port.replace('/', '_')}.read"
        file.touch(0o600)
        return file

    def _flash(self, port: str) -> Result:
        result = Result(port)
        began = time.monotonic()
        try:
            ports.check(port)
            self._waiting.discard(port)
            self._write(port, result)
            if self.settings.wait_s:
                self.on_progress(Progress(port, "starting", 1.0))
                result.hello = console.listen(
                    port, self.settings.wait_s, lambda: self._is_stopped, self.image.explained
                )
                result.wrong = result.hello.wrong(self.image.board, self.image.provisioned)
        except ZhuqueError as error:
            result.error = error
            if isinstance(error, RefusedError):  # nothing was written
                console.restart(port)
        result.seconds = time.monotonic() - began
        self.on_progress(Progress(port, "PASS" if result.passed else "FAIL"))
        return result

    def _write(self, port: str, result: Result) -> None:
        self.on_progress(Progress(port, "connecting"))
        tool = Esptool(port, self.image.stock.chip)
        skip = () if self.settings.everything else ("--skip-flashed",)
        files = [word for address, _, file in self._pieces for word in (hex(address), str(file))]
        reached: list[int] = []

        def heard(at: int) -> None:
            reached.append(at)
            self.on_progress(Progress(port, "writing", self._part(at)))

        try:
            talk = self._run(tool, ("write-flash", *skip, *files), heard)
        except ZhuqueError as error:
            if reached:
                raise type(error)(f"{error}. {_HALF_WRITTEN}") from error
            raise
        result.mac = talk.facts.get("mac", "")
        result.chip = talk.facts.get("chip", "")
        result.skipped = talk.skipped
        result.written = len(self._pieces) - talk.skipped

    def _run(
        self,
        tool: Esptool,
        command: Sequence[str],
        on_at: Callable[[int], None] = lambda at: None,
        stays: bool = False,
    ) -> Talk:
        """The command at the highest baud rate that works. Raises ZhuqueError."""
        self._tools.append(tool)
        bauds = [self.settings.baud, *(baud for baud in BAUDS if baud < self.settings.baud)]
        if ports.has_fixed_baud(tool.port):
            bauds = bauds[-1:]
        for baud in bauds:
            if self._is_stopped:
                tool.stop()
            try:
                return tool.run(baud, command, on_at, stays)
            except SlowerError:
                if baud == bauds[-1]:
                    raise
                self.on_progress(Progress(tool.port, f"slower than {baud} baud"))
        raise AssertionError("the last baud rate returns or raises")

    def _part(self, at: int) -> float:
        """How much lies before that address, 0 to 1."""
        done = sum(min(size, max(0, at - address)) for address, size, _ in self._pieces)
        return done / sum(size for _, size, _ in self._pieces)
