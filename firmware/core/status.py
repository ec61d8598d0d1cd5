"""What a point says of itself now and then: `status`, but for what only the network knows. Loaded for it."""

from wire.version import VERSION

from . import causes
from .point import MOST_TRIES
from .protection import WHOLE


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
        "problems": problems + _flash(point),
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
    if not any(point.reading.slow_ok) or not point.reading.voltage_ok:
        return "meter_fault", ["the meter gives no valid reading: every relay is open"]
    held = ~causes.METER_STALE  # heard, and in some seconds trusted: as after every start
    for i in range(protection.sockets):
        held &= protection.against(i)[0]
    return "ready", ["every relay is open: {}".format(causes.name(held))] if held else point.problems


def _flash(point):
    """What it no longer keeps, in a list; the alarm that says so may be among the records that wait."""
    if point.unkept < MOST_TRIES:
        return []
    waiting = point.journal.pending
    if waiting:
        what = "records: {} wait, no session starts, and a power cut loses what was charged since"
        what = what.format(waiting)
    else:
        what = "checkpoints: a power cut loses what was charged since the last half hour"
    return ["the journal takes no {}; pull it, then have the board replaced".format(what)]
