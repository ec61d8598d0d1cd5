"""For whoever stands at the point, at the prompt of its USB port: loaded there, and by nothing else.

The prompt has ended the session loop, so every relay opens within seconds: the board is to be restarted afterwards.
"""

from core import rare_commands
from core.protection import WHOLE

from . import record


def reset(socket, actor):
    """Clears a lockout that is reset at the point alone, `socket` 0 for the whole point's; says what came of it."""
    point, clock, protect = record.running
    protect.going_to_restart()
    where = socket - 1 if socket else WHOLE
    refused = rare_commands.reset(point, where, True, actor, "button", clock.uptime_ms(), clock.unix())
    print("zhuque: not reset: {}, {}".format(*refused) if refused else "zhuque: reset")
    return not refused
