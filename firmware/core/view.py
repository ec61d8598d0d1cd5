"""What a point says of itself: `status` and `telemetry`, but for what only the network or the tick knows."""

from wire.version import VERSION

from . import causes
from .protection import WHOLE
from .supply import UNKNOWN_DC


def status(point, unix):
    """The `status` message of a point that is online."""
    journal = point.journal
    state, problems = _condition(point)
    return {
        "online": True,
        "boot": point.boot,
        "epoch": journal.epoch,
        "first_seq": journal.first_seq,
        "last_seq": journal.last_seq,
        "firmware": VERSION,
        "board": point.board_name,
        "sockets": point.protection.sockets,
        "state": state,
        "problems": problems,
        "time": unix,
    }


def _condition(point):
    """(state, problems): of a point that is ready, what keeps every relay of it open all the same."""
    if point.state != "ready":
        return point.state, point.problems
    protection = point.protection
    locked = causes.name(protection.latched[WHOLE])
    if locked:
        return "locked", ["locked for {}: remove the cause, then reset the point".format(locked)]
    held = -1
    for i in range(protection.sockets):
        held &= protection.against(i)[0]
    if held & causes.METER_STALE:
        return "meter_fault", ["the meter gives no valid reading: every relay is open"]
    return "ready", ["every relay is open: {}".format(causes.name(held))] if held else point.problems


def telemetry(point, uptime_ms, unix):
    """The `telemetry` message; what the meter does not give now is null, never the value it gave last."""
    reading = point.reading
    rows = []
    for i, session in enumerate(point.sessions):
        heard = reading.slow_ok[i]
        current_ma = reading.current_ma[i] if heard else None
        power_mw = reading.power_mw[i] if heard else None
        rows.append([session.state, current_ma, power_mw, session.energy_mwh])
    voltage_mv = reading.voltage_mv if reading.voltage_ok else None
    temperature_dc = None if reading.temperature_dc == UNKNOWN_DC else reading.temperature_dc
    return {
        "time": unix,
        "uptime_ms": uptime_ms,
        "voltage_mv": voltage_mv,
        "temperature_dc": temperature_dc,
        "sockets": rows,
    }
