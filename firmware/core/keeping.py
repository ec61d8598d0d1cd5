"""What the point has for its journal, when it has it: loaded for that, and dropped by tasks/record.

Here is only who asks for it. What is reached from nowhere else, the writing half of the journal, is on a board a part
of this module (host/zhuque/device/move.py): between two records it takes no memory.
"""

from . import snapshot


def load():
    """What a record takes, before anything is given up for it; MemoryError, OSError, ImportError."""
    from wire import records  # noqa: F401


def take_record(journal, record):
    """As Journal.enter."""
    journal.enter(record)


def do_work(journal):
    """As Journal.prepare."""
    journal.prepare()


def checkpoint(point, unix):
    """True when what is to outlive a power cut is on the flash."""
    return point.journal.write_checkpoint(snapshot.pack(point, unix))
