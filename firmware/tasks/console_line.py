"""One line of the USB console: a command as the broker brings it, answered by a line. Loaded for it, and then dropped.

Whoever holds the cable stands at the point: what is reset there alone is reset here. The lines are in wire/README.md,
"The console". A line goes out in pieces that the port's own buffer holds, so that the tick comes between them, and the
loops between lines.
"""

import asyncio
import json
import sys
from binascii import crc32

from core.outbox import within
from wire.messages import reply
from wire.units import const

from .command import CommandTask
from .console import MAX_LINE

# Characters at once: 8 ms at 115200 baud.
_PIECE = const(96)


async def answer(line, board, view):
    """What the line asks, and the lines that answer it; never raises."""
    try:
        await _Line(board, view).obey(line)
    except Exception as e:  # noqa: BLE001 - our own fault: seen, and the next line is taken all the same
        sys.print_exception(e)


class _Line:
    is_local = True

    def __init__(self, board, view):
        self._board = board
        self._view = view
        self._asked = None  # [next, last] of the records to print
        self._reply = None

    async def obey(self, line):
        if not line:
            status = self._view.status()
            for name in ("site", "point"):
                status[name] = self._board.config.get(name)
            _say("status", status)
        elif len(line) > MAX_LINE:
            _say("reply", reply(None, "too_large", "a line has at most {} bytes".format(MAX_LINE)))
        elif line[:1] == b"{":
            CommandTask(self._board, self._take_reply, self)(bytes(line))
            await self._print_records()
            if self._reply:
                _say("reply", self._reply)

    def resend(self, epoch, first, last):
        """As Outbox.resend: the records are printed before the reply."""
        self._asked = within(self._board.point.journal, epoch, first, last)
        return 0 if self._asked is None else self._asked[1] - self._asked[0] + 1

    def _take_reply(self, message):
        self._reply = message

    async def _print_records(self):
        """One a turn; what cannot be read is passed over."""
        while self._asked:
            seq, record = self._board.point.journal.read_from(self._asked[0])
            if seq > self._asked[1]:
                return
            self._asked[0] = seq
            if record is not None:
                self._asked[0] += 1
                _say("record", record)
            await asyncio.sleep_ms(0)


def _say(channel, message):
    """A serial line has no checksum of its own, and a digit that flips is money."""
    told = json.dumps(message, separators=(",", ":"))
    text = 'zhuque: {{"{}":{},"crc32":{}}}\n'.format(channel, told, crc32(told.encode()))
    for at in range(0, len(text), _PIECE):
        sys.stdout.write(text[at : at + _PIECE])
