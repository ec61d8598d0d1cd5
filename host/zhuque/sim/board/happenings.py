"""What people, bikes and the house do to a point: the events of world.py that are no fault of ours.

A mixin of World. Each `_do_NAME(i, event)` lets the event NAME happen now, to socket i from 0 (None where it is about
no socket); what cannot happen raises EventError with the reason.
"""

import json

import outside
from clock import clock


class EventError(ValueError):
    """An event that cannot happen: the text says why."""


def us(event, key):
    """Microseconds of a number of seconds, -1 where there is none."""
    seconds = event.get(key)
    return -1 if seconds is None else int(seconds * 1000000)


class Happenings:
    """Bikes and people, loads that go wrong, mains, box and loops."""

    def _do_plug(self, i, event):
        self.physics.plug(i, event.get("load", {}))
        if self.physics.sockets[i].closed:
            self.truth.closed(i, clock.now_us)
        account = event.get("account")
        self.tell("plug", socket=i + 1, account=account)
        if event.get("scan_after_s") is not None:
            scan = {"do": "scan", "socket": i + 1, "account": account, "bike": True}
            self.later(scan, clock.now_us + us(event, "scan_after_s"))

    def _do_scan(self, i, event):
        if event.get("bike") and self.physics.sockets[i].charger is None:
            return  # gone again
        self.truth.asked(i, event.get("account"))
        self.tell("scan", socket=i + 1, account=event.get("account"))

    def _do_ask(self, i, event):
        """Without a socket it is asked of the whole point; `at_point` by somebody who stands there, at its console."""
        asked = {"op": event["op"], "actor": event.get("actor")}
        if i is not None:
            asked["socket"] = i + 1
        if not event.get("at_point"):
            self.tell("ask", **asked)
            return
        if outside.type_line is None:
            raise EventError("this board has a port: ask there, with `zhuque ... --port`")
        outside.type_line(json.dumps(dict(asked, id="here-{}".format(clock.now_us // 1000))).encode())
        self.tell("ask", at_point=True, **asked)

    def _do_unplug(self, i, event):
        if self.physics.sockets[i].charger is None:
            raise EventError("nothing is plugged into socket {}".format(i + 1))
        watts = self.physics.power_w(i)
        self.physics.unplug(i)
        self.truth.unplugged(i, clock.now_us)
        for name in ("overload", "short", "leak"):
            self.truth.fault(name, i, False, clock.now_us)
        self.tell("unplug", socket=i + 1, power_mw=int(watts * 1000))

    def _do_overload(self, i, event):
        ramp_us = max(0, us(event, "ramp_s"))
        self.physics.overload(i, float(event["watts"]), us(event, "for_s"), ramp_us)
        self.truth.fault("overload", i, True, clock.now_us, event["watts"])
        if us(event, "for_s") >= 0:
            self.later({"do": "overload_over", "socket": i + 1}, clock.now_us + us(event, "for_s"))
        self.tell("overload", socket=i + 1, watts=event["watts"], ramp_s=ramp_us // 1000000)

    def _do_overload_over(self, i, event):
        self.truth.fault("overload", i, False, clock.now_us)

    def _do_short(self, i, event):
        self.physics.short(i, True, us(event, "for_s"))
        self.truth.fault("short", i, True, clock.now_us)
        self.tell("short", socket=i + 1)

    def _do_breaker(self, i, event):
        """A breaker clears a short; the event follows the short by itself."""
        socket = self.physics.sockets[i]
        if not (socket.shorted and socket.closed):
            return
        self.tell("breaker", socket=i + 1, for_s=event["for_s"], whole=not self.breakers)
        self.truth.fault("breaker", i, True, clock.now_us)
        self.physics.short(i, False)  # whoever closes the breaker again has found it
        self.truth.fault("short", i, False, clock.now_us)
        if self.breakers:
            socket.cleared = True
            self.later({"do": "breaker_closed", "socket": i + 1}, clock.now_us + us(event, "for_s"))
        else:
            self.truth.fault("breaker", i, False, clock.now_us + us(event, "for_s"))
            self.cut_power(us(event, "for_s"))

    def _do_breaker_closed(self, i, event):
        self.physics.sockets[i].cleared = False
        self.truth.fault("breaker", i, False, clock.now_us)
        self.tell("breaker_closed", socket=i + 1)

    def _do_leak(self, i, event):
        on = event.get("on", True)
        milliamps = float(event["ma"]) if on else 0.0
        self.physics.around.leak(i, milliamps, event.get("over_s", 0), clock.now_us)
        self.truth.fault("leak", i, on, clock.now_us, event.get("ma"))
        self.tell("leak", socket=i + 1, on=on, ma=milliamps)

    def _do_heat(self, i, event):
        on = event.get("on", True)
        self.physics.around.heat(event["celsius"] if on else None, event.get("over_s", 600))
        self.truth.fault("heat", None, on, clock.now_us, event.get("celsius"))
        self.tell("heat", on=on, celsius=event.get("celsius"))

    def _do_mains(self, i, event):
        on = event.get("on", True)
        self.physics.around.mains(float(event["volts"]) if on else None)
        self.truth.fault("mains", None, on, clock.now_us, event.get("volts"))
        self.tell("mains", on=on, volts=event.get("volts"))

    def _do_smoke(self, i, event):
        self._loop("smoke", event)

    def _do_emergency_stop(self, i, event):
        self._loop("emergency_stop", event)

    def _do_residual_current(self, i, event):
        self._loop("residual_current", event)

    def _loop(self, name, event):
        """A normally closed loop opens: what it watches for, or its wire is cut."""
        on = event.get("on", True)
        self.physics.around.open_loop(name, on)
        self.truth.fault(name, None, on, clock.now_us)
        self.tell(name, on=on)
