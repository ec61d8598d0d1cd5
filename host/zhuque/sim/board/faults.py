"""What breaks in the system itself: the events of world.py that are faults.

A mixin of World, as happenings.py. Chips are reached through `self.meters` (wiring.py). Every fault is kept in the
truth with its beginning and its end.
"""

import time

import esp32
import network
from clock import clock
from happenings import EventError, us


class Faults:
    """Relays, meter, network, supply, clock."""

    def _do_relay_stuck(self, i, event):
        self._relay_fault("relay_stuck", "stuck", i, event)

    def _do_relay_dead(self, i, event):
        self._relay_fault("relay_dead", "dead", i, event)

    def _relay_fault(self, name, attribute, i, event):
        on = event.get("on", True)
        setattr(self.physics.sockets[i], attribute, on)
        self.truth.fault(name, i, on, clock.now_us)
        self.tell(name, socket=i + 1, on=on)
        self._move_contact(i)

    def _do_meter_silent(self, i, event):
        on = event.get("on", True)
        for chip in self._chips(i):
            chip.silent = on
        self._meter_fault("meter_silent", i, on)

    def _do_meter_frozen(self, i, event):
        on = event.get("on", True)
        if event.get("what", "all") == "counter":
            self.meters.freeze_energy(i, on)
        else:
            for chip in self._chips(i):
                chip.frozen = on
        self._meter_fault("meter_frozen", i, on, event.get("what", "all"))

    def _do_meter_corrupt(self, i, event):
        frames = event.get("frames", 1)
        for chip in self._chips(i):
            chip.corrupt_next(frames)
        self.truth.fault("meter_corrupt", i, True, clock.now_us, frames)
        self.truth.fault("meter_corrupt", i, False, clock.now_us)
        self.tell("meter_corrupt", frames=frames)

    def _do_meter_reset(self, i, event):
        """Its supply dipped: registers, and with them its scale, are those of a new chip."""
        for chip in self._chips(i):
            chip.power_on()
        self.truth.fault("meter_reset", i, True, clock.now_us)
        self.truth.fault("meter_reset", i, False, clock.now_us)
        self.tell("meter_reset")

    def _do_meter_error(self, i, event):
        """Its current is off by so many percent: a shunt that is not what the board says."""
        for chip in self._chips(i):
            error = event["percent"] / 100
            if isinstance(chip.gain_error, list):
                for ch in range(len(chip.gain_error)) if i is None else (i,):
                    chip.gain_error[ch] = error
            else:
                chip.gain_error = error
        self.meters.changed()
        self.truth.fault("meter_error", i, True, clock.now_us, event["percent"])
        self.truth.fault("meter_error", i, False, clock.now_us)
        self.tell("meter_error", percent=event["percent"])

    def _do_meter_register(self, i, event):
        """A register that nobody wrote holds another value."""
        chips = self._chips(i)
        if not hasattr(chips[0], "poke"):
            raise EventError("this meter has no registers that could be corrupted")
        for chip in chips:
            chip.poke(event["register"], event["value"])
        self.truth.fault("meter_register", i, True, clock.now_us, event["register"])
        self.truth.fault("meter_register", i, False, clock.now_us)
        self.tell("meter_register", register=event["register"], value=event["value"])

    def _chips(self, i):
        return self.meters.of_socket(i)

    def _meter_fault(self, name, i, on, detail=None):
        self.meters.changed()
        self.truth.fault(name, i, on, clock.now_us, detail)
        self.tell(name, on=on)

    def _do_network_down(self, i, event):
        network.cut(True)
        self.truth.fault("network_down", None, True, clock.now_us)
        self.tell("network_down")
        if us(event, "for_s") >= 0:
            self.later({"do": "network_up"}, clock.now_us + us(event, "for_s"))

    def _do_network_up(self, i, event):
        network.cut(False)
        self.truth.fault("network_down", None, False, clock.now_us)
        self.tell("network_up")

    def _do_wifi(self, i, event):
        """The access point takes this password and no other; "" is any."""
        network.password = event["password"]
        self.tell("wifi")

    def _do_broker_down(self, i, event):
        """Told to the host, which has the broker (../faults.py)."""
        self.truth.fault("broker_down", None, True, clock.now_us)
        self.tell("broker_down", kill=bool(event.get("kill", False)))
        if us(event, "for_s") >= 0:
            self.later({"do": "broker_up"}, clock.now_us + us(event, "for_s"))

    def _do_broker_up(self, i, event):
        self.truth.fault("broker_down", None, False, clock.now_us)
        self.tell("broker_up")

    def _do_power_cut(self, i, event):
        for_us = max(0, us(event, "for_s"))
        during = event.get("during")
        if during is None:
            self.cut_power(for_us)
        elif during in esp32.OPERATIONS:
            self.tell("power_cut_awaits", during=during)
            until_us = us(event, "until_s")
            esp32.cut_during(during, until_us, lambda: self._cut_late(for_us, until_us, during))
        else:
            raise EventError("during must be one of {}".format(", ".join(esp32.OPERATIONS)))

    def _cut_late(self, for_us, until_us, during):
        """What was to come in an operation of the flash comes now, and is over by `until_us` (< 0: whenever)."""
        self.cut_power(for_us if until_us < 0 else min(for_us, until_us - clock.read()), during)

    def cut_power(self, for_us, during=None):
        """The supply of the whole point goes now, for so long, in an operation of the flash or not. Does not return."""
        now = clock.read()
        self.tell("power_cut", for_s=for_us // 1000000, during=during)
        self.truth.fault("power_cut", None, True, now, for_us / 1000000)
        self.truth.fault("power_cut", None, False, now + for_us)
        self._power_cut(for_us)

    def cut_between(self, now_us, until_us):
        """Of a power cut that comes between these times how long it is, and forget it; -1 when there is none."""
        for i in range(len(self._events) - 1, -1, -1):
            at_us, _, event = self._events[i]
            if at_us > until_us:
                break
            if at_us > now_us and event.get("do") == "power_cut" and "during" not in event:
                self._events.pop(i)
                clock.now_us = max(clock.now_us, at_us)
                return max(0, us(event, "for_s"))
        return -1

    def _do_clock_jump(self, i, event):
        """The board's own clock is suddenly another."""
        time.rtc_zero_us += us(event, "by_s") if event["by_s"] >= 0 else -int(-event["by_s"] * 1000000)
        self.truth.fault("clock_jump", None, True, clock.now_us, event["by_s"])
        self.truth.fault("clock_jump", None, False, clock.now_us)
        self.tell("clock_jump", by_s=event["by_s"])

    def _do_time_server(self, i, event):
        """The time server tells a wrong time."""
        on = event.get("on", True)
        self.time_error_us = int(event["by_s"] * 1000000) if on else 0
        self.truth.fault("time_server", None, on, clock.now_us, event.get("by_s"))
        self.tell("time_server", on=on, by_s=event.get("by_s"))
