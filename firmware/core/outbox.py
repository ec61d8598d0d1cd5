"""Which record is sent next. Pure: the publish task asks, publishes, and tells what came of it.

A PUBACK is the broker's word and only frees a place in the window; what the collector confirmed as stored is the only
thing that counts. So every connection begins after the last record confirmed, and sends again what the broker may have
lost: the collector takes a record twice without harm, and its confirmations move the beginning on. Records that it
misses it asks for with `resend`; these go first. A record that cannot be read is passed over.
"""

from wire.units import const

MAX_RESEND = const(200)
# More ranges than this are not kept; the oldest goes, for the collector asks again.
_MAX_RANGES = const(4)


def within(journal, epoch, first, last):
    """[first, last] of the records first..last that the journal still has, None: all gone.

    ValueError where the range is none or longer than MAX_RESEND.
    """
    if not 0 < first <= last < first + MAX_RESEND:
        raise ValueError("records {} to {}: from 1 to {} can be sent again".format(first, last, MAX_RESEND))
    first = max(first, journal.first_seq)
    last = min(last, journal.last_seq)
    return None if epoch != journal.epoch or first > last else [first, last]


class Outbox:
    """`journal` gives read_from, first_seq, last_seq, stored_seq, epoch; at most `window` records are on their way."""

    is_local = False

    def __init__(self, journal, window=16):
        self._journal = journal
        self._window = window
        self._flight = {}  # packet id: seq
        self._asked = []  # ranges to resend: [next, last]
        self._taken = None  # what take() returned and sent() has not settled
        self._next = 1
        self.restart()

    def restart(self):
        """A new connection: nothing is on its way, and sending begins after what the collector has confirmed."""
        self._flight = {}
        self._taken = None
        self._next = self._journal.stored_seq + 1

    @property
    def idle(self):
        """True when nothing is on its way and nothing is left to send."""
        return not self._flight and not self._asked and self._next > self._journal.last_seq

    def take(self):
        """(seq, record) to send next, the same one until `sent` tells it went; None: nothing, or not yet."""
        if len(self._flight) >= self._window:
            return None
        if self._taken is None:
            self._taken = self._from_asked() or self._from_turn()
        return self._taken

    def sent(self, seq, pid):
        """The record that take() gave was published under this packet id."""
        if self._taken is None or self._taken[0] != seq:
            raise ValueError("record {} was not the one taken".format(seq))
        self._taken = None
        self._flight[pid] = seq
        if self._asked and self._asked[0][0] == seq:
            self._asked[0][0] = seq + 1
            self._drop_done()
        elif seq >= self._next:
            self._next = seq + 1

    def acked(self, pid):
        """The broker has it. False for a packet id that is no record's."""
        return self._flight.pop(pid, None) is not None

    def confirmed(self, epoch, seq):
        """The collector has stored every record up to seq: these are sent no more. False: not of this journal."""
        if not self._journal.confirm(epoch, seq):
            return False
        if seq >= self._next:
            self._next = seq + 1
            if self._taken is not None and not self._asked:
                self._taken = None
        return True

    def resend(self, epoch, first, last):
        """Send the records first..last again, before all others; as `within`, how many are still there."""
        asked = within(self._journal, epoch, first, last)
        if asked is None:
            return 0
        if asked not in self._asked:
            self._taken = None
            self._asked = (self._asked + [asked])[-_MAX_RANGES:]
        return asked[1] - asked[0] + 1

    def _from_asked(self):
        """The next of the records asked for; looks in one place a call, so that a rotten stretch blocks nobody."""
        if not self._asked:
            return None
        asked = self._asked[0]
        asked[0], record = self._journal.read_from(asked[0])
        if asked[0] > asked[1]:
            record = None
        self._drop_done()
        return None if record is None else (asked[0], record)

    def _drop_done(self):
        while self._asked and self._asked[0][0] > self._asked[0][1]:
            self._asked.pop(0)

    def _from_turn(self):
        if self._next > self._journal.last_seq:
            return None
        self._next, record = self._journal.read_from(self._next)
        return None if record is None else (self._next, record)
