"""The only place that decides whether a relay is closed.

Permission is earned anew at every tick: a socket's relay is closed in the word that `step` returns only while it is
wanted, nothing is latched or held against it or against the point, the session loop's lease runs and the point passed
its self-test. Everything else, an exception included, is open; and a relay that opened forgets that it was wanted.

Rules of this file and of what it calls: no I/O, no clock (time is the argument `dt_ms`), no allocation in anything that
`step` calls, no integer above 2**30 - 1, few calls (core/judge says why). The tick may come
wherever other code jumps, and nothing interrupts it: so what others do here is a straight line, or a request that the
tick carries out. The causes, their precedence and how each clears are in core/causes, the table in firmware/README.md.
"""

from array import array

from wire.units import const

from .causes import (
    INPUTS,
    INTERNAL,
    LOCAL_ONLY,
    METER_IMPLAUSIBLE,
    METER_STALE,
    OVERTEMPERATURE,
    POINT_OVERLOAD,
    RELAY_WELDED,
)
from .judge import Judge
from .load import PointLoad
from .supply import COOL_DC, UNKNOWN_DC, Supply
from .timer import FOREVER
from .trips import Trips

# The tick. A burst of queued ticks after a stall is one tick: those that follow closer than this return at once.
MIN_TICK_MS = const(10)
MAX_GAP_MS = const(2000)

IMPLAUSIBLE_SPAN_MS = const(5000)
IMPLAUSIBLE_PERCENT = const(10)

LEASE_MS = const(5000)
ANNOUNCED_MS = const(5000)
CLOSING_GAP_MS = const(1000)
# After the contactor closes: a charger starts softly, and until it draws, a welded relay before it looks open.
FED_MS = const(2000)
SETTLED_MS = const(1000)

SLOW_TICK_MS = const(20)
SLOW_TICK_SPAN_MS = const(60000)

# Why an internal fault, by its number; in words in tasks/fault.
FAULT_TICK = const(1)
FAULT_LOOP = const(2)
FAULT_LEASE = const(3)
FAULT_SLOW = const(4)
FAULT_RELAYS = const(5)

# The place of the whole point among the sockets: `latched[WHOLE]` is the last one.
WHOLE = const(-1)


class Protection:
    """Judges one point. `meter` gives window_ms, stale_windows, settle_ms, floor_ma and rms_floor_ma."""

    def __init__(self, sockets, limits, meter, has_temperature=False):
        zeros = [0] * sockets
        self.sockets = sockets
        self.limits = limits
        self._hot_ma = limits.rated_ma + limits.rated_ma // 5
        self.judge = Judge(sockets, limits, meter)
        self.supply = Supply(has_temperature, meter.window_ms)
        self.load = PointLoad(sockets, limits.point_current_ma)
        self.trips = Trips()

        # Upstream of all sockets: when it opens, nothing is to be had behind any relay.
        self.has_contactor = False
        self.ready = False  # set by the boot sequence once the self-test passed
        self.fault = 0  # an internal fault, one of FAULT_...; only a restart clears it
        self.word = 0  # bit per socket: the relay is closed
        self.wanted = 0
        self.changes = 0  # counts every change of `latched`: the tick then refreshes its copy in RTC memory
        # Lockouts of each socket, and last those of the whole point.
        self.latched = array("i", zeros + [0])
        self._none_latched = array("i", zeros + [0])
        self._none = bytes(sockets)
        self._welded = 0  # bit per socket: its relay is locked as welded, as of the change `_welded_of`
        self._welded_of = -1
        self.distrusted = 0  # bit per socket: its meter must pass the self-test again
        self.dropped = array("i", zeros)  # the bits for which a wanted relay was opened, or not closed

        self._active = 0  # what the inputs said last
        self._unread = INPUTS  # which of them have not said anything yet
        self._lease_ms = LEASE_MS
        self._since_closing_ms = 0
        self.still = False  # somebody is about to block, and nothing closes until he is done
        self._fed_ms = 0  # how long the contactor of this point has been closed
        self._announced_ms = 0
        self._fail_asked = 0
        self._slow_ms = FOREVER  # since the last slow tick
        self._slower_ms = FOREVER  # since the one before it
        self._span_ms = 0
        self._frames = 0  # the reading's counters when the span began
        self._errors = 0
        self.noisy = False  # the last whole span was in which any meter was heard

    # What others may ask ------------------------------------------------------------------------------------------

    def against(self, i):
        """(held, latched) bits that keep socket i open, the point's own included."""
        return self._held(i), self.latched[i] | self.latched[WHOLE]

    def _held(self, i):
        held = self.supply.held | self._unread
        if self.has_contactor and self._see_welded():
            held |= RELAY_WELDED
        if self.judge.stale[i]:
            held |= METER_STALE
        if self.distrusted >> i & 1:
            held |= METER_IMPLAUSIBLE
        if self.load.held and not self.word >> i & 1:
            held |= POINT_OVERLOAD
        return held

    def refuses_start(self):
        """The cause that forbids any new start at this point now, or None; nothing that runs is touched by it."""
        if self.supply.warm:
            return "overtemperature"
        # Those that wait for their second count already: a whole garage may be started within one.
        waiting = bin(self.wanted & ~self.word).count("1")
        return None if self.load.room_beside(waiting) else "point_overload"

    def is_settled(self, i):
        """True once socket i's relay has been closed for SETTLED_MS: what it closed onto has not tripped it."""
        return bool(self.word >> i & 1 and self.load.closed_ms[i] >= SETTLED_MS)

    def may_stall(self):
        """True when a blocking stretch (an erase, a handshake) may begin: no closed socket is hot or just closed."""
        if self.word and self._since_closing_ms < CLOSING_GAP_MS:
            return False
        for i in range(self.sockets):
            if self.word >> i & 1 and self.judge.flow_ma(i) > self._hot_ma:
                return False
        return True

    @property
    def contactor(self):
        """True while the upstream contactor of a board that has one may be closed."""
        if self.fault or not self.ready or self.latched[WHOLE]:
            return False
        # Asked twice in every tick, where nearly always nothing has changed: that look costs less than a call.
        return not (self._welded if self._welded_of == self.changes else self._see_welded())

    def _see_welded(self):
        """The bits of the sockets whose relay is locked as welded; counted anew where a lockout has changed."""
        changes = self.changes
        if changes != self._welded_of:
            welded = 0
            for i in range(self.sockets):
                if self.latched[i] & RELAY_WELDED:
                    welded |= 1 << i
            # A tick that came meanwhile and changed a lockout has counted it: then the next look begins anew.
            self._welded = welded
            self._welded_of = changes
        return self._welded

    # Inputs from outside the tick -----------------------------------------------------------------------------------

    def want(self, socket, on):
        """Ask for the socket's relay to be closed (earned at the coming ticks) or opened (at the next tick).

        Asking for a locked socket is not remembered: a reset alone must close nothing.
        """
        if on:
            self.dropped[socket] = 0
            if not self.latched[socket] and not self.latched[WHOLE] and not self.fault:
                self.wanted |= 1 << socket
        else:
            self.wanted &= ~(1 << socket)

    def renew(self):
        """The session loop is alive: relays may stay closed for another LEASE_MS."""
        self._lease_ms = LEASE_MS

    @property
    def leased(self):
        """True while the session loop was alive a short while ago; the watchdog is not fed without it."""
        return self._lease_ms > 0

    def announce_gap(self):
        """Within ANNOUNCED_MS comes a known blocking stretch: gaps between ticks up to that long are no fault."""
        self._announced_ms = ANNOUNCED_MS

    def end_gap(self):
        """What was announced is over: from here on a gap is a fault again."""
        self._announced_ms = 0

    @property
    def announced(self):
        """True while an announced stretch may come."""
        return self._announced_ms > 0

    def distrust(self, socket=None):
        """No relay is closed on what a meter says until its self-test passes again: one socket's, or all.

        What opens and locks is believed all the same: a weld that nobody looked for is worse than one that is none.
        """
        bits = (1 << self.sockets) - 1 if socket is None else 1 << socket
        self.distrusted |= bits

    def trust(self):
        """The meters' self-test passed; that counts only where their line was quiet, too."""
        if self.noisy:
            return
        self.distrusted = 0
        if self.noisy:  # a tick came between the question and the answer, which has undone what it did
            self.distrust()

    def restore(self, socket, bits):
        """Latch causes known from before a restart, of a socket or of the WHOLE point."""
        self.latched[socket] |= bits
        self._changed()

    def lock(self, socket, bits):
        """Latch a cause that the session logic found, with an event like that of any trip."""
        self._latch(socket, bits, 0, 0, 0)

    def unlock(self, socket, local, reading):
        """Clear the lockouts of a socket or of the WHOLE point; None, or why not (wire.codes.REPLY_ERRORS)."""
        bits = self.latched[socket]
        if not bits:
            return "not_locked"
        if bits & LOCAL_ONLY and not local:
            return "local_only"
        if socket == WHOLE:
            present = self._whole_present(bits, reading)
        else:
            # A welded relay holds every socket, itself too: whether it still conducts is for the judge to say.
            present = self.judge.present(socket, bits) or bits & self._held(socket) & ~RELAY_WELDED
        if present:
            return "cause_present"
        self.latched[socket] &= ~bits
        self._changed()
        return None

    def _whole_present(self, bits, reading):
        if bits & OVERTEMPERATURE and not UNKNOWN_DC < reading.temperature_dc <= COOL_DC:
            return True
        return bool(bits & (self._active | self._unread))  # what is not known may be there

    def fail(self):
        """An internal fault, found outside the tick: the next tick opens every relay."""
        self._fail_asked = FAULT_LOOP

    def fail_now(self, fault):
        """An internal fault, one of FAULT_...: every relay opens until a restart. For the tick alone."""
        if not self.fault:
            self.fault = fault
            for i in range(self.sockets):
                if self.word >> i & 1:
                    self._open(i)
                    self.trips.put(i, INTERNAL, self.judge.last_ma[i], 0, 0)
        self.word = 0
        self.wanted = 0

    def ran(self, ms):
        """How long a tick took; three above SLOW_TICK_MS within a minute are an internal fault."""
        if ms > SLOW_TICK_MS:
            if self._slower_ms < SLOW_TICK_SPAN_MS:
                self.fail_now(FAULT_SLOW)
            self._slower_ms = self._slow_ms
            self._slow_ms = 0

    # The tick -------------------------------------------------------------------------------------------------------

    def step(self, dt_ms, reading):
        """One decision: the relay word, bit i for socket i. dt_ms is the time since the last step, at least 1."""
        if dt_ms > MAX_GAP_MS and dt_ms > self._announced_ms:
            self._go_stale()
        if self._announced_ms:
            self._announced_ms = max(0, self._announced_ms - dt_ms)
        self.advance(dt_ms)
        self._follow_contactor(dt_ms)
        self._judge_point(dt_ms, reading)
        if self.judge.judge(dt_ms, self.word, reading):
            self._latch_found(reading)
        if self.changes != self._welded_of:
            self._see_welded()
        self._judge_load(dt_ms, reading)
        if self._fail_asked or (self.word and self._lease_ms <= 0):
            self.fail_now(self._fail_asked or FAULT_LEASE)
        else:
            self._apply()
        return self.word

    def advance(self, dt_ms):
        """Move the point's own timers on; by itself only where a tick failed before it came to `step`."""
        self._lease_ms = max(0, self._lease_ms - dt_ms)
        if dt_ms > MAX_GAP_MS:
            dt_ms = MAX_GAP_MS
        if self._since_closing_ms < FOREVER:
            self._since_closing_ms += dt_ms
        if self._slow_ms < FOREVER:
            self._slow_ms += dt_ms
        if self._slower_ms < FOREVER:
            self._slower_ms += dt_ms

    def _follow_contactor(self, dt_ms):
        """Without its supply nothing was seen of a relay: when it comes back, each must be seen open anew."""
        if not self.has_contactor or not self.contactor:
            self._fed_ms = 0
        elif not self._fed_ms:
            self._feed()
        elif self._fed_ms < FED_MS:
            self._fed_ms += dt_ms

    def _feed(self):
        for i in range(self.sockets):
            self.judge.opens(i)
        self._fed_ms = 1  # it closes at the end of this tick: none of the tick's time counts

    def _judge_point(self, dt_ms, reading):
        """What concerns every socket: the supply, the inputs, the meter as a whole."""
        if dt_ms > MAX_GAP_MS:
            dt_ms = MAX_GAP_MS
        self.supply.judge(dt_ms, reading)
        self._active = reading.active
        self._unread = reading.unread
        tripped = reading.active
        if self.supply.hot:
            tripped |= OVERTEMPERATURE
        tripped &= ~self.latched[WHOLE]
        if tripped:
            self._latch(WHOLE, tripped, 0, 0, reading.voltage_mv)
        self._span_ms += dt_ms
        if self._span_ms >= IMPLAUSIBLE_SPAN_MS:
            self._span_ms = 0
            self._judge_errors(reading)

    def _judge_errors(self, reading):
        """More than a tenth of a span's frames were bad; where no socket is heard that is silence, timed elsewhere."""
        frames = reading.frames - self._frames & 0xFFFFFF
        errors = reading.errors - self._errors & 0xFFFFFF
        self._frames = reading.frames
        self._errors = reading.errors
        if self._is_heard():
            self.noisy = errors * 100 > frames * IMPLAUSIBLE_PERCENT
            if self.noisy:
                self.distrust()

    def _is_heard(self):
        for i in range(self.sockets):
            if not self.judge.is_silent(i):
                return True
        return False

    def _latch_found(self, reading):
        for i in range(self.sockets):
            bits = self.judge.found[i] & ~self.latched[i]
            if bits:
                self._latch(i, bits, self.judge.last_ma[i], reading.power_mw[i], reading.voltage_mv)

    def _judge_load(self, dt_ms, reading):
        """Shed the newest socket, or all, when the sum of the currents is too much for the point."""
        if self._welded:
            self._flow_of_welded()
        self.load.take(dt_ms, self.word, self._welded, self.judge.flowing_ma)
        shed = self.load.judge(dt_ms)
        if shed == 1:
            self._shed(self.load.newest(self.word), reading)
        elif shed:
            for i in range(self.sockets):
                self._shed(i, reading)

    def _flow_of_welded(self):
        """Nobody stops it: what flows there is what flows through a closed one."""
        for i in range(self.sockets):
            if self._welded >> i & 1:
                self.judge.flowing_ma[i] = self.judge.flow_ma(i)

    def _shed(self, i, reading):
        """Open, without a lockout: the event ends the session."""
        if i != WHOLE and self.word >> i & 1:
            self.dropped[i] = POINT_OVERLOAD
            self._open(i)
            self.trips.put(i, POINT_OVERLOAD, self.judge.last_ma[i], reading.power_mw[i], reading.voltage_mv)

    def _apply(self):
        """The word: open whatever lost its permission, close at most one socket that earned it."""
        permitted = self.wanted
        if not self.ready or self.fault or self.latched[WHOLE] or self.supply.held or self._unread:
            permitted = 0
        if self.has_contactor and self._welded:
            permitted = 0
        permitted &= ~self.distrusted
        latched = self.latched
        stale = self.judge.stale
        word = self.word
        asked = word | self.wanted
        if permitted == word == asked and stale == self._none and latched == self._none_latched:
            return  # nearly always: comparing two arrays is quicker than a look at each of ten sockets
        for i in range(self.sockets):
            mask = 1 << i  # what becomes of one socket's bit changes no other's
            if not permitted & mask or latched[i] or stale[i]:
                if asked & mask:
                    self._drop(i)
            elif not word & mask and self._may_close() and self.judge.seen_open(i):
                self._close(i)  # not before: closing it would hide that it is welded

    def _drop(self, i):
        """Open, and forget that it was wanted, but not why."""
        # Not from `against`: within the tick its pair would come from the heap, which is locked.
        self.dropped[i] = self._held(i) | self.latched[i] | self.latched[WHOLE]
        self._open(i)

    def _may_close(self):
        if self.still or self._announced_ms or (self.has_contactor and self._fed_ms < FED_MS):
            return False  # nobody could look at what it closes onto, or has looked
        return self._since_closing_ms >= CLOSING_GAP_MS and self._lease_ms > 0 and not self.load.held

    def _close(self, i):
        self.word |= 1 << i
        self._since_closing_ms = 0
        self.load.closes(i)
        self.judge.closes(i)

    def _open(self, i):
        """Open, and forget that it was wanted: what closes it again must ask again."""
        if self.word >> i & 1:
            self.judge.opens(i)
        self.word &= ~(1 << i)
        self.wanted &= ~(1 << i)

    def _go_stale(self):
        for i in range(self.sockets):
            self.judge.go_stale(i)

    # Trips ----------------------------------------------------------------------------------------------------------

    def _latch(self, i, bits, ma, mw, mv):
        self.latched[i] |= bits
        self._changed()
        if i != WHOLE:
            self._open(i)
        self.trips.put(i, bits, ma, mw, mv)

    def _changed(self):
        self.changes = self.changes + 1 & 0xFFFFF
