"""Which commands came already: what was obeyed is not obeyed again, however often it comes.

Kept small, for most of a day's commands are in here: eight bytes of each id's SHA-256. Of those that were refused, and
so changed nothing, the last eight answers.
"""

from hashlib import sha256

from wire.messages import reply
from wire.units import const

KEPT_IDS = const(64)
_KEPT_REFUSALS = const(8)
_SIZE = const(8)


class Obeyed:
    """`ids` are those of the commands obeyed before a restart, oldest first."""

    def __init__(self, ids=()):
        self._marks = b""  # of what was obeyed, oldest first
        self._refused = []  # replies, oldest first
        for id in ids:
            self.remember(reply(id))

    def answer_to(self, id):
        """What the command of that id was answered, None if it is not known."""
        for refusal in self._refused:
            if refusal["id"] == id:
                return refusal
        mark = _mark(id)
        for at in range(0, len(self._marks), _SIZE):
            if self._marks[at : at + _SIZE] == mark:
                return reply(id)
        return None

    def remember(self, answer):
        """What a command was answered."""
        if answer["ok"]:
            self._marks = self._marks[_SIZE * (1 - KEPT_IDS) :] + _mark(answer["id"])
        else:
            self._refused = self._refused[1 - _KEPT_REFUSALS :] + [answer]


def _mark(id):
    return sha256(id.encode()).digest()[:_SIZE]
