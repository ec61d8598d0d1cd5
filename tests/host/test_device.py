"""What a person is told about ports, esptool and consoles; each text says what happened, what it means, what to do."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from zhuque.device import console, contents, esptool, ports
from zhuque.device.console import Hello, Silent
from zhuque.device.esptool import SlowerError, Talk
from zhuque.device.image import Image
from zhuque.device.network_port import as_device
from zhuque.errors import NoAnswerError, NotFoundError, RefusedError, UsageError, ZhuqueError
from zhuque.sim.esp32.tcp_port import TcpPort

HELLO = {"firmware": "0.1.0", "board": "zq10", "state": "ready", "problems": [], "heap_free": 61234}


def as_nobody(work: Callable[[], None]) -> str:
    """What the work raises when a user does it who is in no group; "" where it raises nothing."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        text = ""
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            work()
        except BaseException as error:  # noqa: BLE001 - told to the parent
            text = f"{type(error).__name__} {error}"
        os.write(theirs, text.encode())
        os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    with os.fdopen(ours) as pipe:
        return pipe.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_port_that_may_not_be_opened_names_its_group() -> None:
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    Path(name).chmod(0o660)
    group = Path(name).group()
    said = as_nobody(lambda: ports.check(name))
    assert said.startswith(f"RefusedError {name} may not be opened: it belongs to the group {group}")
    assert f"sudo usermod -aG {group} " in said and "log out and in again" in said
    os.close(ours)
    os.close(theirs)


def test_ports_that_are_none() -> None:
    with pytest.raises(NotFoundError, match=r"there is no port /dev/ttyUSB77; there is "):
        ports.check("/dev/ttyUSB77")
    with pytest.raises(UsageError, match="is no serial port"):
        ports.check(__file__)
    ports.check("socket://127.0.0.1:1")
    ports.check("rfc2217://bench.local:4000?ign_set_control")
    for wrong in (
        "rfc2217://bench.local",
        "socket://:4000",
        "tcp://h:1",
        "socket://h:99999",
        "rfc2217://h:x",
    ):
        with pytest.raises(
            UsageError, match="is no port of another machine; it looks like rfc2217://HOST:PORT"
        ):
            ports.check(wrong)


def test_named_ports_are_taken_once_and_as_they_are() -> None:
    assert ports.choose(("/dev/b", "/dev/a", "/dev/b"), every=False) == [
        ports.Port("/dev/b"),
        ports.Port("/dev/a"),
    ]


def test_a_link_and_its_device_are_one_port(tmp_path: Path) -> None:
    (tmp_path / "tty").symlink_to("/dev/null")
    assert ports.distinct([str(tmp_path / "tty"), "/dev/null"]) == [str(tmp_path / "tty")]
    assert len(ports.distinct(["socket://h:1", "rfc2217://h:1", "socket://h:1"])) == 2


@pytest.fixture
def shared() -> Iterator[tuple[str, int]]:
    """A port that another process has open too, and that process."""
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    os.close(theirs)
    child = os.fork()
    if not child:
        os.open(name, os.O_RDWR | os.O_NOCTTY)
        time.sleep(30)
        os._exit(0)
    try:
        until = time.monotonic() + 10
        while not ports.who_has(name) and time.monotonic() < until:
            time.sleep(0.02)
        yield name, child
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(ours)


def test_who_has_a_port_open_is_named(shared: tuple[str, int]) -> None:
    name, child = shared
    said = str(ports.in_use(name))
    assert f"{name} is open in another program (" in said and f", process {child})" in said


def test_a_silent_board_with_another_listener_is_not_blamed(shared: tuple[str, int]) -> None:
    name, child = shared
    with pytest.raises(NoAnswerError, match=rf"is open in another program \(.*, process {child}\)"):
        console.listen(name, 0.2)


@pytest.mark.parametrize(("version", "good"), [("4.8.1", False), ("6.0.0", False), ("5.0.0", True)])
def test_an_esptool_of_another_major_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, good: bool
) -> None:
    folder = tmp_path / f"esptool-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: esptool\nVersion: {version}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    if good:
        esptool.check_version()
        return
    with pytest.raises(ZhuqueError, match=f"esptool {version} is installed.*pip install 'esptool>=5,<6'"):
        esptool.check_version()


def test_a_missing_esptool_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(ZhuqueError, match="esptool is not installed"):
        esptool.check_version()


# The sentences of esptool 5.6 and pyserial 3.5.
@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ("Failed to connect to ESP32: No serial data received.", NoAnswerError, "no ESP32 answers here"),
        ("Failed to connect to ESP32: Wrong boot mode detected (0x13)!", NoAnswerError, "hold its BOOT button"),
        ("This chip is ESP32-C3, not ESP32. Wrong chip argument?", RefusedError, "this is an ESP32-C3"),
        ("This chip is ESP32-S3, not ESP32. Wrong chip argument?", RefusedError,
         "No board of Zhuque has that chip: take a module with an ESP32"),
        ("This chip is ESP32, not ESP32-C3. Wrong chip argument?", RefusedError, "Choose the board with --board"),
        ("File 'x' (length 5) at offset 0x00200000 will not fit in 2097152 bytes of flash.", RefusedError, "2097152"),
        ("MD5 of file does not match data in flash!", SlowerError, "is not what was sent"),
        ("Write failed, the written flash region is empty.", SlowerError, "its flash is worn out"),
        ("device reports readiness to read but returned no data (device disconnected or multiple access on port?)",
         NoAnswerError, "the board went away"),
        ("write failed: [Errno 5] Input/output error", NoAnswerError, "the board went away"),
        ("read failed: [Errno 6] No such device or address", NoAnswerError, "the board went away"),
        ("Serial data stream stopped: Possible serial noise or corruption.", SlowerError, "the line loses bytes"),
        ("Packet content transfer stopped (received 3 bytes)", SlowerError, "the line loses bytes"),
        ("Invalid head of packet (0x45): Possible serial noise or corruption.", SlowerError, "the line loses bytes"),
        ("Failed to write compressed data to flash after seq 3 (result was 0701: Checksum error)", SlowerError,
         "the line loses bytes"),
        ("Could not open socket://h:1, the port is busy or doesn't exist.\n(Connection refused)", NoAnswerError,
         "nobody serves this port"),
        ("Could not open rfc2217://h:1, the port is busy or doesn't exist.\n(Could not open port rfc2217://h:1: [Errno "
         "-2] Name or service not known)", NoAnswerError, "no machine of that name is known"),
        ("Could not open /dev/null, the port is busy or doesn't exist.\n(Could not configure port: (25, 'Inappropriate "
         "ioctl for device'))\n\n", UsageError, "this is no serial port"),
        ("Lost connection, retrying...", NoAnswerError, "the board went away in the middle"),
        ("Secure Boot V1 detected, writing to flash regions < 0x8000 is disabled", RefusedError, "locked for ever"),
        ("[Errno 28] No space left on device", ZhuqueError, "the disk is full"),
        ("a sentence of tomorrow", ZhuqueError, "with words that Zhuque does not know: a sentence of tomorrow"),
    ],
)  # fmt: skip
def test_what_esptool_says_is_explained(words: str, kind: type[ZhuqueError], said: str) -> None:
    error = esptool.explain("socket://h:1", Talk(error=words))
    assert type(error) is kind and said in str(error) and str(error).startswith("socket://h:1: ")


def test_a_port_that_is_gone_after_the_board_was_there_is_a_cable() -> None:
    error = esptool.explain(
        "/dev/ttyUSB77", Talk(facts={"mac": "x"}, error="could not open port: No such file")
    )
    assert type(error) is NoAnswerError and "the board went away in the middle" in str(error)


def test_hello_is_found_among_other_words() -> None:
    assert console.parse("zhuque: " + json.dumps(HELLO)) == Hello("0.1.0", "zq10", "ready", (), 61234)
    for line in ("zhuque: ready", "zhuque: {", 'zhuque: {"firmware":1}', "zhuque: {}", json.dumps(HELLO), ""):
        assert console.parse(line) is None


@pytest.mark.parametrize(
    ("state", "problems", "provisioned", "wrong"),
    [
        ("ready", (), True, []),
        ("misconfigured", ("config.json cannot be read (2): provision the board again",), False, []),
        ("misconfigured", ("config.json cannot be read (2): provision the board again",), True,
         ["config.json cannot be read (2): provision the board again"]),
        ("misconfigured", ("config.json cannot", "board.json: sockets is missing"), False,
         ["board.json: sockets is missing"]),
        ("meter_fault", ("meter: no answer",), False, ["meter: no answer"]),
        ("safe_mode", (), True, ["its state is safe_mode"]),
        ("starting", (), True, ["its state is starting"]),
    ],
)  # fmt: skip
def test_what_keeps_a_board_from_passing(
    state: str, problems: tuple[str, ...], provisioned: bool, wrong: list[str]
) -> None:
    assert Hello("0.1.0", "zq10", state, problems, 1).wrong("zq10", provisioned) == wrong


def test_another_board_than_was_meant_does_not_pass() -> None:
    (wrong,) = Hello("0.1.0", "kc868-a8-pzem", "ready", (), 1).wrong("zq10", True)
    assert "says that it is a 'kc868-a8-pzem' and not a 'zq10'" in wrong


def heard(*pieces: tuple[float, bytes], wait_s: float = 5, explained: Callable[[str], str] = str) -> Hello:
    """Listens on a port where these bytes come, each so many seconds after the one before."""
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    os.set_blocking(ours, False)

    def speak() -> None:
        for pause_s, data in pieces:
            time.sleep(pause_s)
            os.write(ours, data)

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        return console.listen(name, wait_s, explained=explained)
    finally:
        speaker.join()
        os.close(ours)
        os.close(theirs)


def line(**changes: object) -> bytes:
    return b"zhuque: " + json.dumps({**HELLO, **changes}).encode() + b"\r\n"


def test_listening_waits_for_a_state_that_stays() -> None:
    whole = (
        b"rst:0x1 (POWERON_RESET)\r\nzhuque: zq10 0.1.0\r\n"
        + line(state="starting")
        + line(state="meter_fault")
    )
    hello = heard((0.3, whole[:100]), (0.2, whole[100:] + line()[:30]), (0.2, line()[30:]))
    assert hello.state == "ready"


def test_a_fault_is_believed_when_it_stays() -> None:
    assert (
        heard((0.2, line(state="meter_fault", problems=["meter: no answer"])), wait_s=1).state
        == "meter_fault"
    )


def test_a_board_that_never_says_how_it_is_is_quoted() -> None:
    with pytest.raises(Silent, match=r"its last words: Traceback .* / OSError: 19") as caught:
        heard((0.2, b"\x00\xff\r\nTraceback (most recent call last):\r\nOSError: 19\r\n"), wait_s=1)
    assert caught.value.exit_code == 4 and "everything was written" in str(caught.value)
    with pytest.raises(Silent, match="it said nothing at all: press its EN button"):
        heard(wait_s=0.5)


def test_a_firmware_that_fails_as_it_starts_is_not_waited_for() -> None:
    """Its last words are told as they are explained; what came before them is not."""
    crash = (
        b'rst:0x1 (POWERON_RESET)\r\nTraceback (most recent call last):\r\n  File "main.py", line 5, in <module>\r\n'
        b"OSError: 19\r\nMicroPython v1.26.1 on 2025-09-11; Generic ESP32 module with ESP32\r\n"
        b'Type "help()" for more information.\r\n>>> '
    )
    began = time.monotonic()
    with pytest.raises(ZhuqueError) as caught:
        heard((0.2, crash), wait_s=60, explained=lambda text: text.replace("main.py", "core/point.py"))
    assert time.monotonic() - began < 50 and caught.value.exit_code == 1
    assert (
        'its firmware fails as it starts: Traceback (most recent call last): / File "core/point.py", line 5, in '
        "<module> / OSError: 19. Flash the board again, or with another version of MicroPython; if it stays so, report"
    ) in str(caught.value)


def test_a_prompt_without_a_failure_ends_no_wait() -> None:
    assert heard((0.2, b"MicroPython v1.26.1 on 2025-09-11; Generic\r\n>>> \r\n" + line())).state == "ready"


def test_words_that_cannot_be_explained_are_told_as_they_are(
    zq10: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zhuque.device import traceback

    monkeypatch.setattr(traceback, "true_names", lambda *_: {}["none"])
    words = 'Traceback (most recent call last): / File "main", line 1, in ba / OSError: 19'
    assert zq10.explained(words) == words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (b"invalid header: 0xffffffff\r\n", "its flash holds nothing that starts"),
        (b"ValueError: incompatible .mpy file\r\n", "its MicroPython cannot load the application"),
        (b"MemoryError: memory allocation failed\r\n", "it ran out of memory"),
    ],
)
def test_what_will_never_start_is_not_waited_for(words: bytes, said: str) -> None:
    began = time.monotonic()
    with pytest.raises(ZhuqueError, match=said):
        heard((0.2, words), wait_s=60)
    assert time.monotonic() - began < 50


@contextmanager
def server(after_s: float = 0.0) -> Iterator[tuple[str, bytearray]]:
    """Of RFC 2217, which takes nobody before; its URL, and what came."""
    came = bytearray()
    port, over = TcpPort("127.0.0.1", 0), threading.Event()

    def serve() -> None:
        over.wait(after_s)
        while not over.is_set():
            came.extend(port.read(4096) if port.look() else b"")
            time.sleep(0.001)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield port.address, came
    finally:
        over.set()
        thread.join()
        port.close()


def test_what_is_written_last_to_a_port_of_another_machine_arrives() -> None:
    sent = bytes(range(1, 251)) * 60
    with server() as (url, came):
        with as_device(url) as name, serial.Serial(name, 115200) as device:
            device.write(sent)
        until = time.monotonic() + 10
        while len(came) < len(sent) and time.monotonic() < until:
            time.sleep(0.01)
    assert came == sent


def test_a_server_that_was_just_left_is_waited_for() -> None:
    """esptool's waits for three seconds for a word of a board that has none, before it takes the next."""
    with server(after_s=4) as (url, _), as_device(url) as name:
        assert Path(name).is_char_device()


@pytest.mark.parametrize(
    ("config", "point"),
    [
        (b'{"site": "riverside", "point": "p01", "calibration": {}}', ("riverside", "p01")),
        (b'{"calibration": {}}', None),
        (b'{"site": "riverside", "point": null}', None),
        (b'{"site": "../riverside", "point": "p01"}', None),
        (b'{"site": "riverside", "point": 1}', None),
        (b'["riverside", "p01"]', None),
        (b'{"site": "riverside", "po', None),
        (b"\xff\xff\xff\xff", None),
        (b"", None),
        (None, None),
    ],
)
def test_which_point_a_config_names(config: bytes | None, point: tuple[str, str] | None) -> None:
    assert contents.point_of(contents.config_of(config)) == point
