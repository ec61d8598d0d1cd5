"""The virtual clock as the firmware sees it: time, asyncio, machine.Timer, machine.WDT, machine.RTC."""

import asyncio
import time

import machine
import utime
from clock import clock

HOUR_MS = 3600000


def _timer(callback, **options):
    timer = machine.Timer(0)
    timer.init(callback=callback, **options)
    return timer


def test_no_tick_is_skipped_at_speed(_folder):
    seen = []
    _timer(lambda _: seen.append(time.ticks_ms()), period=20)
    time.sleep_ms(10000)
    assert len(seen) == 500
    for i in range(1, len(seen)):
        assert time.ticks_diff(seen[i], seen[i - 1]) == 20


def test_ticks_come_while_asyncio_waits(_folder):
    seen = []
    _timer(lambda _: seen.append(1), period=20)
    order = []

    async def sleeper(name, ms):
        for _ in range(3):
            await asyncio.sleep_ms(ms)
            order.append((name, time.ticks_ms() - start))

    async def both():
        await asyncio.gather(sleeper("a", 1000), sleeper("b", 1450))

    start = time.ticks_ms()
    asyncio.run(both())
    assert order == [("a", 1000), ("b", 1450), ("a", 2000), ("b", 2900), ("a", 3000), ("b", 4350)], order
    assert len(seen) == 4350 // 20


def test_an_hour_takes_no_hour(_folder):
    began = utime.ticks_ms()
    time.sleep_ms(HOUR_MS)
    assert utime.ticks_diff(utime.ticks_ms(), began) < 20000
    assert clock.now_us == HOUR_MS * 1000


def test_speed_is_a_limit(_folder):
    clock.set_speed(50)
    _timer(lambda _: None, period=20)
    began = utime.ticks_us()
    time.sleep_ms(10000)
    took_us = utime.ticks_diff(utime.ticks_us(), began)
    assert took_us >= 10000000 / 50 - 5000, took_us


def test_speed_1_is_the_wall_clock(_folder):
    clock.set_speed(1)
    began = utime.ticks_us()
    began_virtual = time.ticks_us()
    time.sleep_ms(120)
    took_virtual = time.ticks_us() - began_virtual
    assert 119000 <= took_virtual <= utime.ticks_us() - began


def test_speed_1_delivers_late_ticks_in_a_burst_of_eight(_folder):
    clock.set_speed(1)
    seen = []
    _timer(lambda _: seen.append(time.ticks_us()), period=100)
    utime.sleep_ms(2000)  # Python is busy: twenty ticks fall due, and nobody delivers them
    assert not seen
    time.sleep_ms(1)
    # On a machine that is busy itself the next one may be due by now: twelve came to nothing all the same.
    assert 8 <= len(seen) <= 10, len(seen)
    assert seen[7] - seen[0] < 100000


def test_a_stall_at_speed_does_the_same(_folder):
    seen = []
    _timer(lambda _: seen.append(clock.now_us), period=20)
    clock.stall(400000)
    time.sleep_ms(1)
    assert seen == [400000] * 8, seen
    time.sleep_ms(39)
    assert seen[8:] == [420000, 440000], seen


def test_a_callback_that_fails_is_printed_and_comes_again(_folder):
    seen = []

    def callback(_):
        seen.append(1)
        raise ValueError("printed, as on the board")

    _timer(callback, period=100)
    time.sleep_ms(300)
    assert len(seen) == 3


def test_one_shot_and_deinit(_folder):
    seen = []
    timer = machine.Timer(1)
    timer.init(mode=machine.Timer.ONE_SHOT, period=50, callback=lambda _: seen.append("once"))
    periodic = _timer(lambda _: seen.append("on"), period=100)
    time.sleep_ms(350)
    periodic.deinit()
    time.sleep_ms(1000)
    assert seen == ["once", "on", "on", "on"], seen
    assert machine.Timer(0) is periodic


def test_callbacks_do_not_nest(_folder):
    depth = []
    deepest = [0]

    def callback(_):
        depth.append(1)
        deepest[0] = max(deepest[0], len(depth))
        time.sleep_ms(50)
        depth.pop()

    _timer(callback, period=20)
    time.sleep_ms(500)
    assert deepest[0] == 1


def test_a_loop_that_only_looks_at_the_clock_ends(_folder):
    began = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), began) < 20:
        pass


def test_the_clock_counts_from_2000_and_starts_unset(_folder):
    time.rtc_zero_us = 0
    assert time.gmtime(0)[:3] == (2000, 1, 1)
    assert time.gmtime(59 * 86400) == (2000, 2, 29, 0, 0, 0, 1, 60)
    assert time.gmtime(2**31 - 946684800) == (2038, 1, 19, 3, 14, 8, 1, 19)  # the 31st bit of Unix seconds
    assert time.gmtime(2**31) == (2068, 1, 19, 3, 14, 8, 3, 19)
    assert time.time() == 0
    machine.RTC().datetime((2026, 11, 23, 0, 20, 15, 30, 250000))
    assert time.gmtime() == (2026, 11, 23, 20, 15, 30, 0, 327)
    time.sleep_ms(1750)
    assert machine.RTC().datetime() == (2026, 11, 23, 0, 20, 15, 32, 0)


def test_mktime_undoes_gmtime(_folder):
    for day in range(0, 40000, 13):
        seconds = day * 86400 + day * 7 % 86400
        assert time.mktime(time.gmtime(seconds)) == seconds, seconds


def test_the_watchdog_bites_when_nobody_feeds_it(_folder):
    class Bitten(Exception):
        pass

    def bite(cause):
        raise Bitten(cause)

    machine.begin(machine.PWRON_RESET, b"", bite)
    watchdog = machine.WDT(timeout=4000)
    _timer(lambda _: None, period=20)
    for _ in range(10):
        time.sleep_ms(3000)
        watchdog.feed()
    time.sleep_ms(3900)
    try:
        time.sleep_ms(200)
    except Bitten as e:
        assert e.args == (machine.WDT_RESET,)
    else:
        raise AssertionError("it did not bite")


def test_the_shim_costs_less_than_ten_microseconds_a_tick(_folder):
    """A generous multiple, for a busy machine: 2 us were measured."""
    _timer(lambda _: None, period=20)
    began = utime.ticks_us()
    time.sleep_ms(200000)
    assert utime.ticks_diff(utime.ticks_us(), began) / 10000 < 40


def test_a_stream_is_told_once_though_the_house_answers_meanwhile(_folder):
    import select

    import usocket

    def listening(port):
        sock = usocket.socket(usocket.AF_INET, usocket.SOCK_DGRAM)
        sock.bind(usocket.getaddrinfo("127.0.0.1", port)[0][-1])
        return sock

    ports = [40000 + utime.ticks_us() % 9000 + i for i in range(2)]
    house, own = map(listening, ports)

    def answer(_events):
        house.recv(16)
        return True

    clock.add_house(house, answer)
    poller = select.poll()
    poller.register(own, select.POLLIN)
    for port in ports:
        house.sendto(b"x", usocket.getaddrinfo("127.0.0.1", port)[0][-1])
    assert [item[0] for item in poller.poll(1000)] == [own]
    del clock.house[id(house)]
