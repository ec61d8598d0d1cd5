"""What is said of an internal fault; loaded when there is one."""

import sys

FAULTS = (
    "none",
    "an exception in the tick",
    "an exception in the session loop or in a command",
    "the session loop's lease ran out",
    "three slow ticks within a minute",
    "the relays do not read back what was written",
)


def report(point, protect, now):
    """On the console, and as an alarm; `now` is (uptime in ms, Unix seconds or None)."""
    fault = FAULTS[point.protection.fault]
    then = "the board stays in safe mode" if protect.safe_mode else "restarting"
    print("zhuque: internal fault: {}; every relay is open; {}".format(fault, then))
    if protect.error is not None:
        sys.print_exception(protect.error)
    point.checkpoint_soon()  # a session that has not settled before the restart ends after it, and does not go on
    point.alarm("internal", now[0], now[1], fault)
