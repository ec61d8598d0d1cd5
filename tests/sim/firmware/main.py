"""A firmware that hangs, then starves its watchdog, then resets: told apart by what RTC memory and reset cause say."""

import time

import machine

rtc = machine.RTC()
memory = rtc.memory()
print("kept memory", memory)
watchdog = machine.WDT(timeout=2000)
timer = machine.Timer(0)
timer.init(period=20, callback=lambda _: watchdog.feed())
time.sleep_ms(500)
if memory == b"":
    rtc.memory(b"first")
    time.sleep_ms(500)
    while True:
        pass
elif memory == b"first":
    rtc.memory(b"second")
    timer.deinit()
    time.sleep_ms(10000)
elif memory == b"second":
    rtc.memory(b"third")
    machine.reset()
while True:
    time.sleep_ms(1000)
