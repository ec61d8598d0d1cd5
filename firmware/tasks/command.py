"""From the uplink or the console to core/commands and back: a command is obeyed where it arrives, and answered."""

import sys

from .forget import forget

# What a rare command loads.
_LOADED = (
    "core.rare_commands",
    "tasks.configure",
    "tasks.identify",
    "drivers.led",
    "core.calibration",
    "wire.config",
)


class CommandTask:
    """Call it with a command's payload; `reply(message)` queues the answer, `line` is as core/commands has it."""

    def __init__(self, commands, clock, reply, line):
        self._commands = commands
        self._clock = clock
        self._reply = reply
        self._line = line

    def __call__(self, payload):
        try:
            answer = self._commands.execute(payload, self._clock.uptime_ms(), self._clock.unix(), self._line)
        except Exception as e:  # noqa: BLE001 - our own fault must not end the connection, and must be seen
            sys.print_exception(e)
            self._commands.point.protection.fail()
            return
        finally:
            if _LOADED[0] in sys.modules:
                forget(_LOADED)
        self._reply(answer)
