"""A power cut at every flash operation of a scripted day, whole and torn, and what the journal then knows.

Blocks of 512 bytes, so that the ring goes round several times in a short day. On MicroPython each operation is cut in
one way, on CPython in every way.
"""

import sys

from fakes.flash import CutAfter, Dice, Flash, PowerCut

from core.journal import Journal

_WAYS = ("before", "after", "bits", "part", "bits", "part")
_EVERY_WAY = sys.implementation.name != "micropython"
_STEPS = 150
_KINDS = ("session_start", "session_checkpoint", "trip", "session_end")


def a_record(epoch, i):
    """A record of one of the usual kinds and sizes."""
    record = {
        "kind": _KINDS[i % 4],
        "boot": 3,
        "uptime_ms": 1000 * i,
        "time": None if i % 5 == 0 else 1764000000 + i,
    }
    record["socket"] = i % 10 + 1
    record["session"] = "{}-{}".format(epoch, i + 1)
    if i % 4 == 0:
        record.update(account="r-" + "0" * (i % 17), source="remote", max_duration_s=43200)
    elif i % 4 == 2:
        record.update(cause="overcurrent", current_ma=7000 + i, power_mw=1500000, voltage_mv=230000)
    else:
        record.update(duration_s=i, suspended_s=0, energy_mwh=400000 + i, peak_ma=1020, peak_mw=188000)
    return record


class Diary:
    """Writes a journal, and remembers what it was promised."""

    def __init__(self, flash):
        self.flash = flash
        self.given = {}  # seq: record, whether durable or not
        self.promised = 0
        self.checkpoints = [None]  # that may be found: the last one kept, and the one being written

    def boot(self):
        self.journal = Journal(self.flash, lambda: "9f3ac2d15b7e0c44")
        return self.journal.recover()

    def fork(self):
        """The same memories over a copy of the flash, not booted."""
        other = Diary(self.flash.copy())
        other.given = dict(self.given)
        other.promised = self.promised
        other.checkpoints = list(self.checkpoints)
        return other

    def append(self, i):
        journal = self.journal
        record = a_record(journal.epoch, i)
        seq = journal.next_seq
        self.given[seq] = record
        assert journal.enter(record) == seq
        if not journal.pending:
            self.promised = seq

    def prepare(self):
        self.journal.prepare()
        self.promised = max(self.promised, self.journal.last_seq)

    def checkpoint(self, i):
        payload = b"%d " % i * (20 + i % 30)
        self.checkpoints = [self.checkpoints[-1], payload]
        kept = self.journal.write_checkpoint(payload)
        self.checkpoints = self.checkpoints[1:] if kept else self.checkpoints[:1]

    def step(self, i):
        """One step of the day; the erases are sometimes late."""
        self.append(i)
        if i % 3 == 0:
            self.checkpoint(i)
        if i % 11 < 7 and self.journal.wants_erase:
            self.prepare()
        if i % 9 == 0:
            assert self.journal.confirm(self.journal.epoch, max(0, self.journal.last_seq - 4))

    def check(self, problems, first_seq):
        """After a recovery: everything promised is there, once, as it was given."""
        journal = self.journal
        assert problems == [], problems
        assert journal.last_seq >= self.promised, (journal.last_seq, self.promised)
        assert journal.first_seq <= first_seq, (journal.first_seq, first_seq)
        for seq in range(journal.first_seq, journal.last_seq + 1):
            self.check_one(journal.read(seq), seq)
        assert journal.read(journal.first_seq - 1) is None
        assert journal.read(journal.last_seq + 1) is None
        assert journal.damaged == 0
        assert journal.checkpoint in self.checkpoints
        replayed = [record["seq"] for record in journal.replay()]
        assert replayed == list(
            range(max(journal.checkpoint_seq + 1, journal.first_seq), journal.last_seq + 1)
        )

    def check_one(self, record, seq):
        assert record is not None, seq
        assert (record["epoch"], record["seq"]) == (self.journal.epoch, seq)
        for name, value in self.given[seq].items():
            assert record[name] == value, (seq, name)


def resume(live, operation, how, seed):
    """The flash as the cut leaves it, a new boot on it; a second cut soon after; a third boot."""
    dice = Dice(seed)
    diary = live.fork()
    diary.flash.tear(operation, how, dice)
    diary.check(diary.boot(), live.journal.first_seq)
    # The records that were not on flash are gone, and their seqs are free.
    diary.checkpoints = [diary.journal.checkpoint]
    diary.promised = diary.journal.last_seq
    diary.flash.before = CutAfter(dice.roll(9), ("bits", "part", "after")[seed % 3], dice)
    try:
        for i in range(1000 + seed % 4, 1008):
            diary.step(i)
    except PowerCut:
        pass
    diary.flash.before = None
    first_seq = diary.journal.first_seq
    diary.check(diary.boot(), first_seq)
    settle(diary)


def settle(diary):
    """Without cuts everything works: room is made, records are durable at once and found by the next boot."""
    diary.checkpoints = [diary.journal.checkpoint]
    diary.promised = diary.journal.last_seq
    for _ in range(4):
        if diary.journal.wants_erase:
            diary.prepare()
    assert not diary.journal.wants_erase
    for i in range(2001, 2004):
        assert diary.journal.ready(1)
        diary.append(i)
    assert diary.journal.pending == 0
    first_seq = diary.journal.first_seq
    diary.check(diary.boot(), first_seq)


def test_power_cut_at_every_operation_of_a_day():
    live = Diary(Flash(10, 512))
    live.boot()
    cuts = [0]

    def cut_here(flash, operation):
        n = cuts[0]
        cuts[0] += 1
        for k, how in enumerate(_WAYS):
            if _EVERY_WAY or k == n % len(_WAYS):
                resume(live, operation, how, 7 * n + k)

    live.flash.before = cut_here
    for i in range(_STEPS):
        live.step(i)
    assert cuts[0] > _STEPS + 30, cuts
    assert live.journal.first_seq > 1  # the ring went round
    assert live.journal.damaged == 0


def test_cut_again_and_again_in_the_same_place():
    """Thirty boots in a row that each lose the power in their first operations."""
    diary = Diary(Flash(10, 512))
    diary.boot()
    for i in range(20):
        diary.step(i)
    for n in range(60):
        dice = Dice(n)
        diary.flash.before = CutAfter(dice.roll(3), _WAYS[n % 6], dice)
        try:
            for i in range(3000 + 10 * n, 3010 + 10 * n):
                diary.step(i)
        except PowerCut:
            pass
        diary.flash.before = None
        first_seq = diary.journal.first_seq
        diary.check(diary.boot(), first_seq)
        diary.checkpoints = [diary.journal.checkpoint]
        diary.promised = diary.journal.last_seq
    settle(diary)
