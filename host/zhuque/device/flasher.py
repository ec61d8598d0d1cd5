"""From a port to PASS: look at what a board runs, write what differs, hear what it says. Many boards at once.

Strategy. A thread a port, an esptool process a step; what fails on one port stays there. An image is written in
pieces of at most 256 KiB, in one esptool command that compares each with the flash before it writes it: so only what
changed is sent, and a board that was pulled in the middle goes on where it stopped. Each piece is verified by its MD5
after it was written.

A line that loses bytes is tried again at a lower baud rate, from the piece where it broke.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from zhuque import files
from zhuque.device import console, contents, ports
from zhuque.device.console import Hello
from zhuque.device.contents import Contents
from zhuque.device.esptool import Esptool, SlowerError, Talk
from zhuque.device.image import Image
from zhuque.device.layout import Partition
from zhuque.errors import ZhuqueError

T = TypeVar("T")

BAUDS = (921600, 460800, 115200)
PIECE = 256 * 1024


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

    def stop(self) -> None:
        """Ends everything that runs; the boards are left unfinished. Safe from any thread."""
        self._is_stopped = True
        for tool in list(self._tools):
            tool.stop()

    def look(self, names: Sequence[str], then_runs: bool = False) -> dict[str, Contents | ZhuqueError]:
        """What each board runs now, or why that cannot be told. It waits to be written, unless `then_runs`."""
        return self._each(names, lambda name: self._look(name, stays=not then_runs))

    def read(self, port: str, at: int, size: int, step: str) -> tuple[str, bytes]:
        """The board's MAC, and so many bytes of its flash from `at` on; it then starts.

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
            talk = self._run(Esptool(port, self.image.stock.chip), command, heard)
            return talk.facts.get("mac", ""), file.read_bytes()
        finally:
            file.unlink(missing_ok=True)

    def erase(self, port: str, partition: Partition, step: str) -> None:
        """A partition of its flash. Raises ZhuqueError in one of its kinds."""
        self.on_progress(Progress(port, step))
        command = ("erase-region", hex(partition.offset), hex(partition.size))
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
            facts = self._run(Esptool(port, self.image.stock.chip), command, stays=stays).facts
            found = contents.of(file.read_bytes())
            return replace(found, mac=facts.get("mac", ""), chip=facts.get("chip", ""))
        except ZhuqueError as error:
            return error
        finally:
            file.unlink(missing_ok=True)

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
            self._write(port, result)
            if self.settings.wait_s:
                self.on_progress(Progress(port, "starting", 1.0))
                result.hello = console.listen(port, self.settings.wait_s, lambda: self._is_stopped)
                result.wrong = result.hello.wrong(self.image.board, self.image.provisioned)
        except ZhuqueError as error:
            result.error = error
        result.seconds = time.monotonic() - began
        self.on_progress(Progress(port, "PASS" if result.passed else "FAIL"))
        return result

    def _write(self, port: str, result: Result) -> None:
        self.on_progress(Progress(port, "connecting"))
        tool = Esptool(port, self.image.stock.chip)
        skip = () if self.settings.everything else ("--skip-flashed",)
        files = [word for address, _, file in self._pieces for word in (hex(address), str(file))]
        command = ("write-flash", *skip, *files)
        talk = self._run(
            tool, command, lambda at: self.on_progress(Progress(port, "writing", self._part(at)))
        )
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
