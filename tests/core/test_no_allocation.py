"""The trip path allocates nothing, whatever the time since the last tick. The runtimes of the board prove it.

`heap_lock` makes any allocation an exception; the 32-bit build has the board's small integers, so that it also shows a
number that has grown out of them.
"""

try:
    from micropython import heap_lock, heap_unlock
except ImportError:  # CPython has nothing to prove: there the same steps only have to run

    def heap_lock():
        pass

    heap_unlock = heap_lock

from fakes.bench import RATED_MA, Bench
from fakes.tick_bench import TickBench

from core import causes, trip_memo
from core.load import PointLoad
from core.protection import FAULT_LEASE, FAULT_RELAYS
from core.supply import UNKNOWN_DC
from core.thermal import THETA_ONE, THETA_TRIP

STEPS_MS = (0, 1, 10, 20, 60, 61, 67, 68, 600, 2000, 2001, 7000, (1 << 29) - 1)
TICKS_MS = (20, 67, 68, 600, 7000)  # below 10 ms the tick returns at once


def locked_steps(bench, prepare=None):
    """One step of each length under the lock, each from the same prepared state."""
    for dt_ms in STEPS_MS:
        if prepare:
            prepare()
        bench.protection.renew()
        bench.read()
        heap_lock()
        try:
            bench.protection.step(dt_ms, bench.reading)
        finally:
            heap_unlock()


def ready():
    """A point with every relay closed and every socket loaded."""
    bench = Bench()
    for i in range(bench.sockets):
        bench.protection.want(i, True)
        bench.ma[i] = 3000
        bench.mw[i] = 700_000
    bench.run(11_000)
    assert bench.word == 1023
    return bench


def test_quiet_and_loaded():
    locked_steps(Bench())
    locked_steps(ready())


def test_every_trip():
    bench = ready()
    for where, i, value in (
        (bench.ma, 0, 1 << 29),
        (bench.theta, 1, THETA_TRIP),
        (bench.mw, 2, 4_000_000),
        (bench.silent, 3, True),
        (bench.slow_silent, 4, True),
        (bench.welded, 5, 30_000),
    ):
        where[i] = value
        bench.protection.want(5, False)
        locked_steps(bench)
        locked_steps(bench)
    seen = 0
    for bits in bench.protection.latched:
        seen |= bits
    wanted = causes.OVERCURRENT_INSTANT | causes.OVERCURRENT | causes.OVERPOWER | causes.RELAY_WELDED
    assert seen & wanted == wanted


def test_theta_at_its_highest():
    bench = ready()
    bench.ma = [8 * RATED_MA] * bench.sockets

    def hot():
        for i in range(bench.sockets):
            bench.theta[i] = 64 * THETA_ONE

    locked_steps(bench, hot)


def test_inputs_and_faults():
    bench = ready()
    heap_lock()
    try:
        bench.protection.renew()
        bench.protection.want(0, False)
        bench.protection.want(0, True)
        bench.protection.announce_gap()
        bench.protection.ran(21)
        bench.protection.may_stall()
        bench.protection.fail_now(causes.INTERNAL)
    finally:
        heap_unlock()
    assert bench.protection.fault


def test_the_lease_runs_out():
    bench = ready()
    bench.read()
    heap_lock()
    try:
        for _ in range(300):
            bench.protection.step(20, bench.reading)
    finally:
        heap_unlock()
    assert bench.protection.fault and bench.protection.word == 0


def set_of(where, i, value):
    where[i] = value


# Every way through a tick: what is done before it, again and again. That every line which the tick may run ran here,
# with the heap locked, is checked in conftest.py.
PATHS = {
    "quiet": lambda board: None,
    "short": lambda board: set_of(board.bench.ma, 0, 1 << 29),
    "hot wire": lambda board: set_of(board.bench.theta, 1, THETA_TRIP),
    "a peaky current": lambda board: set_of(board.bench.slow_ma, 1, 4000),
    "cut by the chip": lambda board: setattr(board.bench, "cut", 1),
    "power": lambda board: set_of(board.bench.mw, 2, 1_800_000),
    "silence": lambda board: set_of(board.bench.silent, 3, not board.bench.silent[3]),
    "no power read": lambda board: set_of(board.bench.slow_silent, 4, not board.bench.slow_silent[4]),
    "welded": lambda board: set_of(board.bench.welded, 5, 30_000) or board.guard.want(5, False),
    "leak": lambda board: set_of(board.bench.welded, 5, 60) or board.guard.want(5, False),
    "closing": lambda board: board.guard.want(6, not board.guard.word >> 6 & 1),
    "undervoltage": lambda board: setattr(board.bench, "mv", 90_000),
    "overvoltage": lambda board: setattr(board.bench, "mv", 290_000),
    "broken neutral": lambda board: setattr(board.bench, "mv", 420_000),
    "mains back": lambda board: setattr(board.bench, "mv", 90_000 if board.bench.mv == 230_000 else 230_000),
    "mains good for a minute": lambda board: (
        setattr(board.guard.supply, "held", causes.UNDERVOLTAGE),
        setattr(board.guard.supply, "_good_ms", 60_000),
    ),
    "no voltage read": lambda board: setattr(board.bench, "voltage_silent", True),
    "heat": lambda board: setattr(board.bench, "dc", 800 if board.bench.dc < 600 else 500),
    "no thermometer": lambda board: setattr(board.bench, "dc", UNKNOWN_DC),
    "smoke": lambda board: setattr(board.inputs, "active", causes.SMOKE),
    "inputs not read": lambda board: setattr(board.inputs, "unread", causes.INPUTS),
    "bad frames": lambda board: setattr(board.bench, "errors", 9),
    "distrust": lambda board: board.guard.distrust(7),
    "overload": lambda board: setattr(board.guard, "load", board.light),
    "waits and may not": lambda board: (
        setattr(board.guard.load, "held", True),
        set_of(board.bench.silent, 6, True),
        board.guard.want(6, True),
    ),
    "a power of the past": lambda board: (
        set_of(board.bench.slow_silent, 2, True),
        set_of(board.bench.reading.power_mw, 2, 1_800_000),
    ),
    "far overload": lambda board: setattr(board.guard.load, "_limit_ma", 9000),
    "not ready": lambda board: setattr(board.guard, "ready", False),
    "gap announced": lambda board: board.guard.announce_gap(),
    "closing while somebody is about to block": lambda board: (
        setattr(board.guard, "still", True),
        board.guard.want(6, not board.guard.word >> 6 & 1),
    ),
    "the contactor comes back": lambda board: setattr(board.guard, "ready", not board.guard.ready),
    "a meter to be set up": lambda board: setattr(board.meter, "wrong", 1),
    "fault": lambda board: board.guard.fail(),
    "relays do not read back": lambda board: setattr(board.relays, "readback_ok", False),
    "slow ticks": lambda board: setattr(board, "slow_us", 25_000),
    "exception": lambda board: setattr(board.meter, "error", board.error),
    "relays raise": lambda board: setattr(board.relays, "error", board.error),
}


def test_every_path_of_the_tick():
    """An allocation in it would be an exception, which the tick keeps."""
    for name in sorted(PATHS):
        board = TickBench(*range(10), sockets=10)
        board.guard.supply._has_temperature = True
        board.light = PointLoad(10, 18_000)  # of 20 A
        board.error = ValueError("a bug")
        for i in range(10):
            board.bench.ma[i], board.bench.mw[i] = 2000, 460_000
        for dt_ms in TICKS_MS:
            for _ in range(12):
                PATHS[name](board)
                board.guard._lease_ms = dt_ms + 1  # the session loop was not kept waiting
                board.tick(dt_ms, lease=False)
                board.tick(0, lease=False)
        injected = board.meter.error or board.relays.error
        assert board.task.error is injected, (name, board.task.error)
        faulty = name in ("fault", "relays do not read back", "slow ticks", "exception", "relays raise")
        assert bool(board.guard.fault) == faulty, name


def test_the_lease_and_the_readback_within_the_tick():
    board = TickBench(0, 1)
    board.run(6000, lease=False)
    assert board.guard.fault == FAULT_LEASE and board.task.error is None
    board = TickBench(0, 1)
    board.relays.readback_ok = False
    board.run(200)
    assert board.guard.fault == FAULT_RELAYS and board.task.error is None


def test_trip_memo():
    bench = ready()
    bench.protection.restore(3, causes.OVERPOWER | causes.METER_STALE)
    places = bench.sockets + 1
    memo = bytearray(trip_memo.size(places))
    heap_lock()
    try:
        trip_memo.pack_into(memo, bench.protection.latched, 2, 1)
    finally:
        heap_unlock()
    assert trip_memo.unpack(bytes(memo), places) == (list(bench.protection.latched), 2, 1)
    assert memo[0] == ord("Z"), "a restart may bring newer firmware: it must know this one's"


def test_the_memo_byte_for_byte():
    """What one firmware wrote, the next one reads: after an update too."""
    head = [0x5A, 2, 5 + 128, 0xFF, 0x3F, 0x01, 0x01]
    memo = bytearray(trip_memo.size(2))
    trip_memo.pack_into(memo, [0x3FFF, 0x0101], 5, 1)
    assert list(memo) == head + [sum(head) & 255]
    assert trip_memo.unpack(bytes(memo), 2) == ([0x3FFF, 0x0101], 5, 1)
    for at in (0, 1):
        other = list(head)
        other[at] += 1
        assert trip_memo.unpack(bytes(other + [sum(other) & 255]), 2) == ([], 0, 1), (
            "a good sum is not enough"
        )


def test_trip_memo_that_is_none():
    memo = bytearray(trip_memo.size(2))
    trip_memo.pack_into(memo, [1 << 12, 1 << 4], 1, 0)
    good = bytes(memo)
    none = ([], 0, 1)
    assert trip_memo.unpack(good, 2) == ([1 << 12, 1 << 4], 1, 0)
    assert trip_memo.unpack(None, 2) == none and trip_memo.unpack(b"", 2) == none
    assert trip_memo.unpack(good, 3) == none and trip_memo.unpack(bytes(len(good)), 2) == none
    for at in range(len(good)):
        spoilt = bytearray(good)
        spoilt[at] ^= 1
        assert trip_memo.unpack(bytes(spoilt), 2) == none, at
