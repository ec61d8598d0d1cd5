"""From the uplink or the console to core/commands and back: a command is obeyed where it arrives, and answered."""

import sys

from .forget import forget

# What a command loads, and a rare one more.
_LOADED = (
    "core.commands",
    "wire.commands",
    "core.rare_commands",
    "tasks.configure",
    "tasks.identify",
    "drivers.led",
    "core.calibration",
    "wire.config",
)


class CommandTask:
    """Call it with a command's payload; `board` is main.Board, `reply(message)` queues the answer.

    `line` is as core/commands has it.
    """

    def __init__(self, board, reply, line):
        self._board = board
        self._reply = reply
        self._line = line

    def __call__(self, payload):
        board = self._board
        try:
            from core.commands import Commands

            commands = Commands(board.point, board.obeyed, board.configure, board.identify)
            answer = commands.execute(payload, board.clock.uptime_ms(), board.clock.unix(), self._line)
        except Exception as e:  # noqa: BLE001 - our own fault must not end the connection, and must be seen
            sys.print_exception(e)
            board.protection.fail()
            return
        finally:
            forget(_LOADED)
        self._reply(answer)
