"""Run on MicroPython by trip.py: what a whole tick costs and takes from the heap, with the drivers of zq10.

    micropython tests/benchmarks/board_tick.py TICKS

The chips answer at once; the 0.7 ms that their bytes take on silicon's wires come on top.
"""

import gc
import sys
import time

import micropython
from fakes.meter_bench import SECTION

from core.limits import Limits
from core.protection import Protection
from core.reading import Reading
from drivers.bl0910_setup import rounds, settings
from drivers.inputs import Inputs, Loop
from drivers.meter_bl0910 import RMS_VOLTAGE
from drivers.meter_bl0910_spi import BL0910Spi
from drivers.relay_gpio import RelayGPIO
from drivers.relay_hc595 import RelayHC595
from tasks import protect

SOCKETS = 10
STEPS_MS = (0, 1, 20, 67, 68, 600, 7000)


class Runtime:
    """`micropython` but for the room for exceptions, which this port does not have."""

    heap_lock = micropython.heap_lock
    heap_unlock = micropython.heap_unlock

    def alloc_emergency_exception_buf(size):
        pass


class Time:
    """The clock that the tick sees: the real microseconds, milliseconds of the bench."""

    ms = 0
    ticks_us = time.ticks_us
    ticks_diff = time.ticks_diff

    def ticks_ms():
        return Time.ms


class Chip:
    """A BL0910 whose every measurement is `value`, but for the voltage; a chain of two shift registers."""

    def __init__(self):
        self.value = 0
        self.fixed = dict(rounds(settings(SECTION), True))
        self.fixed[RMS_VOLTAGE] = 1_100_000
        self.held = bytearray(2)

    def write_readinto(self, out, into):
        if len(out) == 2:
            for i in range(2):
                into[i] = self.held[i]
                self.held[i] = out[i]
            return
        at = 0
        while at < len(out):
            self._answer(into, at, out[at + 1])
            at += 6

    def _answer(self, into, at, address):
        value = self.fixed.get(address, self.value)
        into[at + 2] = value >> 16
        into[at + 3] = value >> 8 & 255
        into[at + 4] = value & 255
        into[at + 5] = ~(0x82 + address + into[at + 2] + into[at + 3] + into[at + 4]) & 255


class Nothing:
    """A watchdog and an RTC."""

    def feed(self):
        pass

    def memory(self, memo):
        pass


def _pin(level=0):
    return 0


_CONTACTOR = bytearray(1)


def _contactor(level=-1):
    """An output that shows what was written to it; a function, for calling an object takes heap."""
    if level >= 0:
        _CONTACTOR[0] = level
    return _CONTACTOR[0]


def build(chip):
    """The task as main.py builds it, with every relay closed where `value` is 0."""
    protect.micropython, protect.time = Runtime, Time
    meter = BL0910Spi(chip, _pin, SECTION)
    guard = Protection(SOCKETS, Limits(5000, 1_000_000, 80_000), meter)
    task = protect.ProtectTask(
        guard, Reading(SOCKETS), RelayHC595(chip, _pin, _pin, SOCKETS), Nothing(), Nothing()
    )
    task.meter = meter
    task.inputs = Inputs([Loop(bit, _pin, 0, 1, 40) for bit in (2, 4, 8)])
    task.contactor = RelayGPIO([_contactor], False)
    guard.has_contactor = guard.ready = True
    guard.ran = lambda ms: None  # a busy machine is no slow board
    return task


def tick(task, dt_ms=20):
    Time.ms += dt_ms
    task.protection.renew()
    task.tick(None)


def close_all(task):
    for _ in range(300):
        tick(task)
    for i in range(SOCKETS):
        task.protection.judge.replica.theta[i] = 0
        task.protection.want(i, True)
        for _ in range(55):
            tick(task)
    assert task.protection.word == (1 << SOCKETS) - 1, task.protection.word


def heap_taken(task, count, dt_ms=20):
    """Bytes that so many ticks took and did not give back at once: the collector does not run meanwhile."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(count):
        tick(task, dt_ms)
    taken = gc.mem_alloc() - before
    gc.enable()
    return taken


def collections(task, count):
    """Whether the collector ran in so many ticks: then it also took what lies about for it."""
    gc.collect()
    for size in range(10):
        bytearray(100 + size)
    gc.threshold(64)
    before = gc.mem_alloc()
    for _ in range(count):
        tick(task)
    after = gc.mem_alloc()
    gc.threshold(-1)
    return 0 if after >= before else 1


def cost(name, task, count):
    took = []
    taken = heap_taken(task, count)
    for _ in range(count):
        tick(task)
        took.append(task.take_tick_us())
    took.sort()
    assert task.protection.word == (1 << SOCKETS) - 1, (task.error, task.protection.latched)
    where = f"median {took[count // 2]} us, 99 % {took[count * 99 // 100]} us, {taken} bytes taken"
    print(f"tick, {name}: {where}")


def main(count):
    """A line for each case."""
    chip = Chip()
    task = build(chip)
    close_all(task)
    cost("ten sockets closed, nothing flows", task, count)
    chip.value = 100_000  # 1.9 A and 0.87 kW in every channel
    cost("ten sockets closed, ten loads", task, count)
    print(f"collections in {count} ticks: {collections(task, count)}")
    taken = 0
    for value in (0, 200_000, 3_000_000, 16_777_214):
        chip.value = value
        for dt_ms in STEPS_MS:
            task = build(chip)
            taken += heap_taken(task, 20, dt_ms)
            assert not task.protection.fault or task.error is None, task.error
    print(f"ticks of {STEPS_MS} ms with every current, trips among them: {taken} bytes taken")


if __name__ == "__main__":
    main(int(sys.argv[1]))
