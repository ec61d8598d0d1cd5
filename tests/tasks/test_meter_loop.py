"""What main does with a meter that is not believed, on the real protection: set up, trusted again, or out of use."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import pytest
from fakes.bench import Bench

pytestmark = pytest.mark.filterwarnings("error")


class Meter:
    """A chip whose set-up succeeds unless `error` is set; `during` runs in the middle of it, as a tick may."""

    def __init__(self) -> None:
        self.wrong = 0
        self.set_ups = 0
        self.error: OSError | None = None
        self.during = lambda: None

    def configure(self) -> None:
        self.set_ups += 1
        self.during()
        if self.error:
            raise self.error


class Life:
    """A Board with two sockets of a bench, whose loop runs while time passes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, crashes: int = 0, contactor: object = None) -> None:
        monkeypatch.setitem(sys.modules, "machine", ModuleType("machine"))
        main = importlib.import_module("main")
        monkeypatch.setattr(main, "print", lambda *words: self.said.append(" ".join(words)), raising=False)
        monkeypatch.setattr(main, "asyncio", SimpleNamespace(sleep_ms=self._sleep_ms, sleep=self._sleep))
        monkeypatch.setattr(main, "drop_setup", lambda: None)
        self.said: list[str] = []
        self.bench = Bench(sockets=2)
        self.meter = Meter()
        self.alarms: list[str] = []
        board = self.board = main.Board()
        board.problems, board.crashes, board.contactor = [], crashes, contactor
        board.meter, board.protection = self.meter, self.bench.protection
        board.protection.ready = False
        board.reading = self.bench.reading
        board.protect = SimpleNamespace(
            safe_mode=crashes >= 3, meter_is_safe=crashes <= 3, meter=None, meter_wrong=0
        )
        alarm = lambda name, *_: self.alarms.append(name)  # noqa: E731
        board.point = SimpleNamespace(maintenance=False, state="starting", problems=[], alarm=alarm)
        board.clock = SimpleNamespace(uptime_ms=lambda: 0, unix=lambda: None)
        self._loop = board.meter_loop()
        self._left_ms = 0

    async def _sleep_ms(self, ms: int) -> None:
        for _ in range(ms // 20):
            self.bench.tick()
        self._left_ms -= ms
        if self._left_ms <= 0:
            await asyncio.sleep(0)

    async def _sleep(self, seconds: int) -> None:
        await self._sleep_ms(1000 * seconds)

    def live(self, ms: int) -> None:
        self._left_ms = ms
        self._loop.send(None)

    def end(self) -> None:
        self._loop.close()


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    life = Life(monkeypatch)
    yield life
    life.end()


def test_a_meter_that_is_set_up_makes_the_point_ready(life: Life) -> None:
    life.live(500)
    assert life.meter.set_ups == 1 and life.board.protection.ready and life.board.protect.meter is life.meter
    assert life.board.point.state == "ready" and life.said == ["zhuque: ready"]


def test_a_socket_that_is_not_believed_waits_five_seconds_and_a_set_up(life: Life) -> None:
    life.live(500)
    life.board.protection.distrust(1)
    life.live(4500)
    assert life.board.protection.distrusted == 2 and life.meter.set_ups == 1
    life.live(500)
    assert life.board.protection.distrusted == 0 and life.meter.set_ups == 2 and not life.alarms


def test_each_socket_waits_its_own_five_seconds(life: Life) -> None:
    life.live(500)
    life.board.protection.distrust(0)
    life.live(4000)
    life.board.protection.distrust(1)
    life.live(1500)
    life.board.protection.distrust(1)  # for the same again: that begins nothing anew
    life.live(3000)
    assert life.board.protection.distrusted == 3 and life.meter.set_ups == 1
    life.live(500)
    assert life.board.protection.distrusted == 0 and life.meter.set_ups == 2


def test_a_line_that_is_noisy_is_left_in_peace_for_half_a_minute(life: Life) -> None:
    life.live(500)
    life.bench.errors = 3  # of fifteen frames
    life.live(10_000)
    assert life.board.protection.noisy and life.board.protection.distrusted == 3 and life.meter.set_ups == 1
    life.live(30_000)
    assert life.board.protection.distrusted == 3 and life.meter.set_ups == 2, (
        "which may have been what it needed"
    )
    life.bench.errors = 0
    life.live(12_000)
    assert not life.board.protection.noisy and life.board.protection.distrusted == 0


@pytest.mark.parametrize("closed", [False, True], ids=["waits to close", "is closed"])
def test_nobody_is_blinded_for_a_neighbours_meter(life: Life, closed: bool) -> None:
    life.live(500)
    life.bench.protection.want(0, True)
    if closed:
        life.live(1500)
    life.bench.protection.still = not closed
    life.bench.protection.distrust(1)
    life.live(5000)
    assert bool(life.bench.word) is closed
    assert life.bench.protection.distrusted == 0 and life.meter.set_ups == 1


def test_a_set_up_that_fails_takes_the_whole_point_out_of_use(life: Life) -> None:
    life.live(500)
    life.board.protection.distrust(1)
    life.meter.error = OSError("no answer")
    life.live(5000)
    assert not life.board.protection.ready and life.board.point.state == "meter_fault"
    life.bench.protection.want(0, True)  # as a session that resumes
    life.live(10_000)
    assert life.bench.word == 0 and life.meter.set_ups == 3, (
        "tried again after ten seconds, with nothing closed"
    )
    life.meter.error = None
    life.live(10_000)
    assert life.board.protection.ready and life.board.point.state == "ready" and not life.board.point.problems
    assert life.said[-1] == "zhuque: ready"


def test_registers_that_changed_are_written_within_half_a_second_though_a_socket_is_distrusted(
    life: Life,
) -> None:
    life.live(500)
    life.board.protection.distrust(1)
    life.live(1000)
    life.meter.wrong = 1
    life.live(500)
    assert (
        life.meter.set_ups == 2 and life.board.protect.meter_wrong == 1 and life.alarms == ["meter_rewritten"]
    )


def test_an_alarm_that_cannot_be_told_is_an_internal_fault(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    told: list[BaseException] = []
    monkeypatch.setattr(sys, "print_exception", told.append, raising=False)
    life.live(1000)
    life.board.point.alarm = fails
    life.meter.wrong = 1
    life.live(1000)
    assert len(told) == 1 and life.meter.set_ups == 2 and life.board.protection.fault
    life.live(5000)
    assert len(told) == 1, "the loop goes on"


def test_a_meter_that_falls_silent_is_set_up_within_five_seconds_and_the_point_says_why(life: Life) -> None:
    life.live(6000)
    life.bench.silent[0] = True
    life.live(10_000)
    assert life.meter.set_ups == 1 and life.board.point.state == "ready", "the other socket is heard"
    life.bench.silent[1] = True
    life.live(4500)
    assert life.meter.set_ups == 1
    life.meter.error = OSError("no answer")
    life.live(1000)
    assert life.meter.set_ups == 2 and not life.board.protection.ready
    assert (life.board.point.state, life.board.point.problems) == ("meter_fault", ["meter: no answer"])
    life.meter.error = None
    life.bench.silent[:] = [False, False]
    life.live(10_000)
    assert life.board.point.state == "ready" and life.board.protection.ready and not life.alarms


def test_one_that_answers_and_says_nothing_valid_is_set_up_every_five_seconds(life: Life) -> None:
    life.live(500)
    life.bench.silent[:] = [True, True]
    life.live(16_000)
    assert life.meter.set_ups == 4 and not life.alarms


def test_what_is_found_during_a_set_up_asks_for_the_next_one(life: Life) -> None:
    life.meter.during = lambda: setattr(life.meter, "wrong", 1)
    life.live(500)
    assert (life.board.protect.meter_wrong, life.meter.set_ups) == (0, 1)
    life.live(500)
    assert (life.board.protect.meter_wrong, life.meter.set_ups) == (1, 2)


@pytest.mark.parametrize(
    ("crashes", "contactor", "looks"),
    [(3, None, True), (4, None, False), (3, "one", False)],
    ids=["looks for welds", "crashed there already", "the contactor has cut them off"],
)
def test_safe_mode_looks_at_the_meter_once_and_only_where_it_may_see_a_weld(
    monkeypatch: pytest.MonkeyPatch, crashes: int, contactor: object, looks: bool
) -> None:
    life = Life(monkeypatch, crashes, contactor)
    if looks:
        life.live(500)
    else:
        with pytest.raises(StopIteration):
            life.live(500)
    life.end()
    assert life.meter.set_ups == looks and (life.board.protect.meter is not None) == looks
    assert life.board.point.state == "safe_mode" and not life.board.protection.ready
    assert life.board.point.problems == [f"it crashed {crashes} times in a row: relays stay open"]
