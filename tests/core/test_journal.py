"""The journal on a flash that does not fail: seq, room, reading, rot, the collector's word, and what it all costs.

Power cuts are in test_journal_power.py.
"""

from both import raises
from fakes.flash import Dice, Flash

from core.journal import MAX_PENDING, Journal, JournalFull
from core.outbox import Outbox

EPOCH = "9f3ac2d15b7e0c44"
OTHER = "00112233445566ff"


def end_record(i):
    """A session_end, the largest of the usual records."""
    return {
        "kind": "session_end",
        "boot": 17,
        "uptime_ms": 81234000 + i,
        "time": 1764000123 + i,
        "socket": i % 10 + 1,
        "session": "{}-{}".format(EPOCH, max(1, i - 40)),
        "reason": "full",
        "account": "r-0412",
        "source": "remote",
        "started": 1763990000,
        "duration_s": 10123,
        "suspended_s": 0,
        "energy_mwh": 402113 + i,
        "peak_ma": 1020,
        "peak_mw": 188000,
    }


def opened(flash, epoch=EPOCH):
    journal = Journal(flash, lambda: epoch)
    problems = journal.recover()
    return journal, problems


def filled(flash, n):
    """A journal with n records, all durable."""
    journal, _ = opened(flash)
    for i in range(n):
        take(journal, end_record(i + 1))
    return journal


def take(journal, record):
    """Append a record that is durable at once; a checkpoint only where the ring is full of what none knows."""
    for _ in range(400):
        if journal.ready(1):
            break
        erases = journal.window.store.erases
        journal.prepare()
        if journal.window.store.erases == erases:
            journal.write_checkpoint(b"")
    return journal.enter(record)


def seqs(journal):
    return [record["seq"] for record in journal.replay()]


def test_a_new_flash():
    journal, problems = opened(Flash())
    assert problems == []
    assert (journal.epoch, journal.first_seq, journal.last_seq, journal.next_seq) == (EPOCH, 1, 0, 1)
    assert (journal.checkpoint, journal.checkpoint_seq, journal.pending) == (None, 0, 0)
    assert journal.read(0) is None and journal.read(1) is None
    assert seqs(journal) == []


def test_records_come_back_as_they_were_with_epoch_and_seq():
    flash = Flash()
    journal = filled(flash, 100)
    again, problems = opened(flash, OTHER)
    assert problems == []
    assert (again.epoch, again.first_seq, again.last_seq, again.next_seq) == (EPOCH, 1, 100, 101)
    for seq in (1, 100, 50, 51, 49, 78, 79, 80, 81):
        expected = dict(end_record(seq), epoch=EPOCH, seq=seq)
        assert journal.read(seq) == expected and again.read(seq) == expected
    assert again.read(101) is None
    assert seqs(again) == list(range(1, 101))


def test_an_append_is_one_program_and_never_an_erase():
    flash = Flash()
    journal = filled(flash, 1)
    erases = flash.erases
    for i in range(2, 150):  # over two openings of a block
        programs, reads = flash.programs, flash.reads
        journal.enter(end_record(i))
        assert flash.programs == programs + 1 and flash.reads - reads <= 8
        assert flash.erases == erases
        if journal.wants_erase:
            erases += 1
            journal.prepare()
            assert flash.erases == erases


def test_without_erased_room_records_wait_and_nobody_sees_them():
    flash = Flash(20, 512, fill=0)
    journal, problems = opened(flash)
    assert [alarm for alarm, _ in problems] == ["journal_unreadable"]
    assert not journal.ready(1) and journal.wants_erase
    for i in range(MAX_PENDING):
        assert journal.enter(end_record(i + 1)) == i + 1
    assert (journal.pending, journal.last_seq, journal.next_seq) == (MAX_PENDING, 0, MAX_PENDING + 1)
    assert journal.read(1) is None and seqs(journal) == [] and Outbox(journal).take() is None
    assert "prepare()" in str(raises(JournalFull, journal.enter, end_record(65)))
    assert not journal.write_checkpoint(b"state")
    assert flash.programs == 0 and flash.erases == 0
    journal.prepare()
    assert flash.erases == 1 and journal.last_seq > 0 and journal.pending > 0
    written = journal.last_seq
    assert journal.read(written)["energy_mwh"] == 402113 + written
    assert journal.read(written + 1) is None
    for _ in range(20):
        journal.prepare()
    assert (journal.pending, journal.last_seq) == (0, MAX_PENDING)
    assert journal.enter(end_record(65)) == 65


def test_a_record_that_cannot_be_written_takes_no_seq():
    journal = filled(Flash(), 3)
    raises(ValueError, journal.enter, dict(end_record(1), account="x" * 110))
    raises(ValueError, journal.enter, {"kind": "no such kind"})
    assert journal.enter(end_record(4)) == 4
    assert journal.read(4)["seq"] == 4


def test_the_largest_records():
    flash = Flash()
    journal = filled(flash, 0)
    record = {"kind": "alarm", "boot": 1, "alarm": "internal", "state": "raised", "detail": ""}
    while True:
        try:
            journal.enter(dict(record, detail=record["detail"] + "d"))
        except ValueError:
            break
        record["detail"] += "d"
        if journal.wants_erase:
            journal.prepare()
    assert 100 < len(record["detail"]) < 120
    last = journal.last_seq
    assert last == len(record["detail"])
    again, _ = opened(flash)
    assert [r["detail"] for r in again.replay()] == ["d" * n for n in range(1, last + 1)]


def test_the_ring_keeps_the_newest_and_counts_what_nobody_stored():
    flash = Flash(10, 512)
    journal = filled(flash, 400)
    assert journal.last_seq == 400 and 320 < journal.first_seq < 345
    assert journal.lost_unstored == journal.first_seq - 1
    assert [r["seq"] for r in replay_all(journal)] == list(range(journal.first_seq, 401))
    again, problems = opened(flash)
    assert problems == [] and (again.first_seq, again.last_seq) == (journal.first_seq, 400)


def test_what_is_stored_is_not_counted_as_lost():
    journal = filled(Flash(10, 512), 30)
    for i in range(31, 400):
        take(journal, end_record(i))
        assert journal.confirm(EPOCH, i)
    assert journal.first_seq > 300 and journal.lost_unstored == 0
    for i in range(400, 500):
        take(journal, end_record(i))
    assert journal.lost_unstored == journal.first_seq - 1 - 399


def replay_all(journal):
    journal.checkpoint_seq = 0
    return list(journal.replay())


def test_confirm_believes_only_what_can_be():
    journal = filled(Flash(), 10)
    assert (
        not journal.confirm(OTHER, 5)
        and not journal.confirm(EPOCH, 1 << 40)
        and not journal.confirm(EPOCH, -1)
    )
    assert journal.stored_seq == 0
    assert journal.confirm(EPOCH, 10) and journal.stored_seq == 10
    assert journal.confirm(EPOCH, 4) and journal.stored_seq == 4  # the collector's database was restored


def test_a_seq_that_the_collector_holds_is_not_given_again():
    flash = Flash()
    journal = filled(flash, 10)
    assert journal.confirm(EPOCH, 13)
    journal.prepare()
    assert journal.enter(end_record(14)) == 14
    assert journal.read(14)["seq"] == 14 and journal.read(12) is None and journal.read(10)["seq"] == 10
    again, problems = opened(flash)
    assert problems == [] and again.last_seq == 14
    found = seqs(again)
    assert found.pop() == 14 and found == list(range(1, 11))


def test_checkpoints():
    flash = Flash()
    journal = filled(flash, 5)
    for i in range(60):
        payload = b"state %d " % i * (i + 1)
        erases = flash.erases
        while not journal.write_checkpoint(payload):
            assert flash.erases == erases, "nothing but `prepare` erases, and only when it may"
            journal.prepare()
            erases = flash.erases
        assert flash.erases == erases
    journal.enter(end_record(6))
    journal.enter(end_record(7))
    again, _ = opened(flash)
    assert again.checkpoint == payload and again.checkpoint_seq == 5
    assert seqs(again) == [6, 7]
    assert again.write_checkpoint(b"") and opened(flash)[0].checkpoint == b""
    raises(ValueError, journal.write_checkpoint, bytes(3801))


def test_nothing_is_written_before_the_journal_is_recovered():
    """Recovery may fail for want of memory: then what was locked is on the flash, and must still be there next time."""
    flash = Flash()
    journal = filled(flash, 200)
    assert journal.write_checkpoint(b"locked")
    before = [bytes(block) for block in flash.data]
    journal = Journal(flash, lambda: OTHER)
    assert not journal.ready(1)
    for i in range(MAX_PENDING):
        journal.enter(end_record(i))
        journal.prepare()
    assert not journal.write_checkpoint(b"nothing is locked") and journal.pending == MAX_PENDING
    assert not Journal(flash, lambda: OTHER).write_checkpoint(b"nothing is locked")
    assert before == [bytes(block) for block in flash.data]
    again, problems = opened(flash)
    assert again.checkpoint == b"locked" and again.last_seq == 200 and not problems


def test_checkpoints_keep_what_is_stored():
    flash = Flash()
    journal = filled(flash, 20)
    journal.confirm(EPOCH, 17)
    assert journal.write_checkpoint(b"x")
    assert opened(flash)[0].stored_seq == 17


def test_a_rotten_checkpoint_gives_way_to_the_one_before():
    flash = Flash()
    journal = filled(flash, 5)
    assert journal.write_checkpoint(b"first")
    journal.enter(end_record(6))
    assert journal.write_checkpoint(b"second")
    flash.rot(0, flash.data[0].find(b"second"))
    again, _ = opened(flash)
    assert again.checkpoint == b"first" and again.checkpoint_seq == 5 and seqs(again) == [6]
    assert again.write_checkpoint(b"third")
    assert opened(flash)[0].checkpoint == b"third"


def test_a_day_of_checkpoints_wears_the_flash_evenly():
    """On the board's partition: a minute each for a year stays below a tenth of what a block stands."""
    flash = Flash(384)
    journal = filled(flash, 1)
    for _ in range(400):
        while not journal.write_checkpoint(bytes(1000)):
            journal.prepare()
    a_year = max(flash.most_erases) * 365 * 1440 // 400
    assert 0 < a_year < 10000, a_year


def test_rot_in_the_middle_costs_one_record():
    flash = Flash()
    journal = filled(flash, 60)
    start = flash.data[2].find(b"r-0412", 1000)
    for offset, bits in ((start, 1), (start - 10, 0x80)):  # a payload, and after it another of the same frame
        flash.rot(2, offset, bits)
    again, problems = opened(flash)
    assert [alarm for alarm, _ in problems] == ["journal_damaged"]
    gone = sorted(set(range(1, 61)) - set(seqs(again)))
    assert len(gone) == 1 and again.last_seq == 60
    assert again.read(gone[0]) is None and again.read(gone[0] + 1) == journal.read(gone[0] + 1)
    assert again.enter(end_record(61)) == 61


def test_rotten_lengths_do_not_hide_what_follows():
    flash = Flash()
    journal = filled(flash, 150)
    before = [journal.read(seq) for seq in range(1, 151)]
    at = 24
    for _ in range(5):
        at += (8 + flash.data[2][at] + 3) & ~3
    flash.rot(2, at, 0x3C)
    fresh, problems = opened(flash)
    assert problems == []  # not in the newest block: seen when it is read
    assert fresh.damaged == 0
    found = replay_all(fresh)
    assert [r["seq"] for r in found] == [n for n in range(1, 151) if n != 6]
    assert found == [r for r in before if r["seq"] != 6]
    assert fresh.damaged == 1
    assert fresh.read(6) is None and fresh.damaged == 1  # counted once


def test_a_rotten_header_in_the_ring():
    flash = Flash()
    filled(flash, 300)
    flash.rot(3, 5)
    again, problems = opened(flash)
    assert problems == [] and (again.first_seq, again.last_seq) == (1, 300)
    assert seqs(again) == list(range(1, 301))
    assert again.read(90)["seq"] == 90


def test_a_rotten_header_of_the_newest_block_loses_no_seq():
    flash = Flash()
    journal = filled(flash, 170)
    newest = 2 + journal.head
    flash.rot(newest, 5)
    again, problems = opened(flash)
    assert [alarm for alarm, _ in problems] == ["journal_damaged"]
    assert again.last_seq == 170 and seqs(again) == list(range(1, 171))
    while not again.ready(1):
        again.prepare()
    assert again.enter(end_record(171)) == 171
    third, _ = opened(flash)
    assert third.last_seq == 171 and seqs(third) == list(range(1, 172))


def test_a_rotten_tail_below_a_checkpoint_gives_no_seq_twice():
    flash = Flash()
    journal = filled(flash, 50)
    assert journal.write_checkpoint(b"state")
    last = flash.data[2].find(bytes([50, 0]), journal.offset - 64)
    flash.rot(2, last + 10)
    again, problems = opened(flash)
    assert [alarm for alarm, _ in problems] == ["journal_damaged"]
    assert again.last_seq == 50 and again.read(50) is None
    assert again.enter(end_record(51)) == 51
    third, problems = opened(flash)
    assert third.last_seq == 51 and seqs(third) == [51] and problems == []


def test_a_ring_that_cannot_be_read_begins_anew_and_says_so():
    flash = Flash()
    journal = filled(flash, 170)
    assert journal.write_checkpoint(b"sessions")
    for block in range(2, 12):
        for offset in range(24):
            flash.rot(block, offset, 0x55)
    again, problems = opened(flash, OTHER)
    assert [alarm for alarm, _ in problems] == ["journal_unreadable"]
    assert (again.epoch, again.first_seq, again.last_seq) == (OTHER, 1, 0)
    assert (again.checkpoint, again.checkpoint_seq, again.stored_seq) == (b"sessions", 0, 0)
    while not again.ready(1):
        again.prepare()
    again.enter(end_record(1))
    third, problems = opened(flash)
    assert problems == [] and (third.epoch, third.last_seq) == (OTHER, 1)


def test_a_block_that_takes_no_program_is_stepped_over():
    flash = Flash(10, 512)
    flash.bad_blocks = (5,)
    journal = filled(flash, 200)
    kept = [record["seq"] for record in replay_all(journal)]
    assert kept == list(range(journal.first_seq, 201)) and len(kept) > 30
    again, problems = opened(flash)
    assert problems == [] and again.last_seq == 200
    assert [record["seq"] for record in replay_all(again)] == kept


def test_a_block_that_keeps_a_bit_after_its_erase_is_never_written():
    flash = Flash(10, 512, fill=0)
    flash.stuck_blocks = (5,)
    journal = filled(flash, 200)
    kept = [record["seq"] for record in replay_all(journal)]
    assert kept == list(range(journal.first_seq, 201)) and len(kept) > 30
    assert flash.data[5].count(b"ZR") == 0


def test_a_program_that_does_not_take_is_repeated_in_the_next_block():
    for n in (1, 2):
        flash = Flash()
        journal = filled(flash, 20)
        journal.prepare()
        flash.bad_programs = n
        assert journal.enter(end_record(21)) == 21
        assert journal.pending == n - 1
        journal.prepare()
        assert journal.pending == 0 and journal.enter(end_record(22)) == 22
        for some in (journal, opened(flash)[0]):
            assert some.last_seq == 22 and seqs(some) == list(range(1, 23)) and some.damaged == 0


def test_a_torn_opening_whose_record_happens_to_be_whole_is_dropped():
    flash = Flash()
    journal = filled(flash, 1)
    while journal.head == 0:
        if journal.wants_erase:
            journal.prepare()
        journal.enter(end_record(journal.next_seq))
    last = journal.last_seq
    flash.rot(3, 5)
    again, problems = opened(flash)
    assert problems == [] and again.last_seq == last - 1
    again.prepare()
    assert again.enter(end_record(last)) == last and again.pending == 0
    third, problems = opened(flash)
    assert problems == [] and seqs(third) == list(range(1, last + 1))


def test_a_checkpoint_is_refused_while_records_wait():
    flash = Flash(10, 512)
    journal = filled(flash, 8)
    while not journal.pending:
        assert journal.write_checkpoint(b"before") or True
        journal.enter(end_record(journal.next_seq))
    seen = journal.last_seq
    flash.programs = 0
    assert not journal.write_checkpoint(b"tells of records that are not on flash")
    assert flash.programs == 0
    again, _ = opened(flash)
    assert again.checkpoint == b"before" and again.checkpoint_seq <= seen


def keep(flash, journal, n):
    """n checkpoints, each of them found by a start at once; at most five calls a checkpoint."""
    for i in range(n):
        payload = b"state %d " % i * 40
        for _ in range(5):
            if journal.write_checkpoint(payload):
                break
            assert opened(flash.copy())[0].checkpoint is not None or i == 0, "the one before is there"
            journal.prepare()
        assert opened(flash.copy())[0].checkpoint == payload


def test_a_bad_block_of_checkpoints_is_stepped_over():
    """It keeps a bit, refuses the erase, or takes no program: each costs one erase in every round of the blocks."""
    for kind in ("stuck_blocks", "unerasable", "bad_blocks"):
        for bad in (0, 1, 2):
            flash = Flash(48, 1024)  # three blocks
            setattr(flash, kind, (bad,))
            if kind == "unerasable":
                flash.data[bad][:] = bytes(1024)
            journal = filled(flash, 1)
            keep(flash, journal, 40)
            good = [flash.most_erases[n] for n in range(3) if n != bad]
            assert flash.most_erases[bad] <= max(good) + 1 and min(good) > 5, (kind, bad)
            journal, _ = opened(flash)
            keep(flash, journal, 40)


def test_the_last_good_checkpoint_is_not_erased_for_want_of_another_block():
    for kind in ("stuck_blocks", "unerasable", "bad_blocks"):
        flash = Flash(10, 512)
        journal = filled(flash, 1)
        keep(flash, journal, 1)
        used = journal.checkpoints.block
        setattr(flash, kind, (1 - used,))
        if kind == "unerasable":
            flash.data[1 - used][:] = bytes(512)
        erases = flash.most_erases[used]
        kept = b"state 0 " * 40
        for start in (False, True):
            again = opened(flash)[0] if start else journal
            for i in range(300):
                if again.write_checkpoint(b"%d" % i * 100):
                    kept = b"%d" % i * 100
                again.prepare()
            found = opened(flash.copy())[0].checkpoint
            assert found == kept and flash.most_erases[used] == erases, kind


def test_erases_that_lead_to_nothing_come_further_and_further_apart():
    """An hour and a half of the session loop; what is good, of the ring or of the checkpoints, goes on meanwhile."""
    for kind in ("stuck_blocks", "unerasable", "bad_blocks"):
        for of_ring in (False, True):
            flash = Flash(48, 1024)
            journal = filled(flash, 1)
            keep(flash, journal, 1)
            # Of the ring all but the block in use, or of the checkpoints.
            bad = [n for n in range(48) if (n > 3 if of_ring else n < 3 and n != journal.checkpoints.block)]
            for n in bad:
                flash.data[n][:] = bytes(1024)
            journal.ahead = -1
            setattr(flash, kind, tuple(bad))
            while of_ring and not journal.pending:
                journal.enter(end_record(2))
            vain, at = 0, []
            for i in range(10_000):
                journal.write_checkpoint(bytes(900))
                journal.prepare()
                erases = sum([flash.most_erases[n] for n in bad])
                if erases > vain:
                    vain = erases
                    at.append(i)
            gaps = [b - a for a, b in zip(at, at[1:])]
            assert 100 <= len(at) <= 200 and gaps[:5] == [1, 2, 3, 4, 5], (kind, of_ring, len(at), gaps)
            assert max(gaps) == 121 and gaps == sorted(gaps), (kind, of_ring)
            setattr(flash, kind, ())
            for _ in range(123):
                journal.prepare()
            assert not journal.pending and not journal.wants_erase, "and with the first good one it goes on"


def test_has_work_is_when_a_call_of_prepare_would_do_more_than_count():
    """A journal of which `prepare` is called only then does the same, call by call, on flash that fails in all ways."""
    dice = Dice(5)
    idle = 0
    for seed in range(40):
        flashes = [Flash(24, 1024), Flash(24, 1024)]
        journals = [filled(flash, 3) for flash in flashes]
        for n in range(300):
            kind = ("stuck_blocks", "unerasable", "bad_blocks")[dice.roll(3)] if not dice.roll(40) else None
            bad = tuple([block for block in range(24) if dice.roll(3)]) if dice.roll(2) else ()
            enters, commits, confirms = not dice.roll(3), not dice.roll(6), not dice.roll(9)
            for i in (0, 1):
                if kind:
                    setattr(flashes[i], kind, bad)
                if enters and journals[i].pending < MAX_PENDING:
                    journals[i].enter(end_record(n + 1))
                if commits:
                    took = journals[i].takes_checkpoint
                    assert journals[i].write_checkpoint(bytes(500)) <= took
                if confirms:
                    journals[i].confirm(EPOCH, journals[i].last_seq)
            journals[0].prepare()
            if journals[1].has_work():
                journals[1].prepare()
            else:
                idle += 1
            seen = [
                (
                    (
                        flash.erases,
                        flash.programs,
                        journal.ahead,
                        journal._pause,
                        journal._vain,
                        journal.last_seq,
                    ),
                    (
                        journal.checkpoints.ahead,
                        journal.checkpoints.pause,
                        journal.checkpoints._vain,
                        journal.pending,
                    ),
                )
                for flash, journal in zip(flashes, journals)
            ]
            assert seen[0] == seen[1], (seed, n, seen)
    assert idle > 4000


def test_nothing_is_to_be_done_before_what_was_there_is_known():
    journal = Journal(Flash(24, 1024), lambda: EPOCH)
    assert not journal.has_work() and not journal.takes_checkpoint
    journal.recover()
    journal.ahead = -1
    assert journal.has_work()


def test_what_is_good_again_is_erased_at_once():
    """The pause is over with the first block that takes what is written."""
    flash = Flash(48, 1024)
    journal = filled(flash, 1)
    keep(flash, journal, 1)
    while journal.wants_erase:
        journal.prepare()
    for area in (journal, journal.checkpoints):
        area._vain = 13
    journal._pause = journal.checkpoints.pause = 0
    erases = flash.erases
    while journal._vain:
        journal.enter(end_record(journal.next_seq))
    while not journal.write_checkpoint(bytes(900)) or journal.checkpoints._vain:
        journal.prepare()
    assert (journal._pause, journal.checkpoints.pause) == (0, 0)
    while journal.wants_erase:
        journal.prepare()
    assert flash.erases <= erases + 4 and journal.ready(1)


def test_a_start_finds_the_newest_good_checkpoint_beside_garbage():
    flash = Flash(64, 1024)  # four blocks
    journal = filled(flash, 1)
    keep(flash, journal, 1)
    flash.bad_programs = 1
    while flash.bad_programs:  # the second block takes the head, and spoils what follows
        if not journal.write_checkpoint(bytes(900)):
            journal.prepare()
    assert journal.checkpoints.block == 0
    flash.data[2][:] = bytes(1024)
    flash.data[3][:] = b"ZC" * 512
    flash.unerasable = (1, 2)
    again, problems = opened(flash)
    assert problems == [] and again.checkpoint == b"state 0 " * 40
    assert again.checkpoints.serial == journal.checkpoints.serial and not again.checkpoints.ahead
    for _ in range(10):
        again.prepare()
    assert (again.checkpoints.next, again.checkpoints.ahead) == (3, True)
    keep(flash, again, 12)


def test_what_no_checkpoint_knows_is_never_erased():
    """Lockouts and endings are in it. The ring takes no program; the collector has confirmed everything, or nothing."""
    for stored in (0, 150):
        flash = Flash(24, 512)
        journal = filled(flash, 100)
        keep(flash, journal, 1)
        known = journal.last_seq
        for i in range(101, 151):
            take(journal, end_record(i))
        assert journal.checkpoint_seq == known == 100 and journal.confirm(EPOCH, stored)
        flash.bad_blocks = range(2, 24)
        while not journal.pending:
            journal.enter(end_record(151))
        last = journal.last_seq
        for _ in range(3000):
            journal.prepare()
        assert journal.first_seq <= known + 1
        again, problems = opened(flash)
        assert problems == [] and seqs(again) == list(range(known + 1, last + 1))
        flash.bad_blocks = ()
        for _ in range(130):
            journal.prepare()
        assert not journal.pending, "and with the first block that takes it, it goes on"
        again, problems = opened(flash)
        assert problems == [] and seqs(again) == list(range(known + 1, journal.last_seq + 1))


def test_a_ring_full_of_what_no_checkpoint_knows_waits_for_one():
    flash = Flash(10, 512)
    journal = filled(flash, 1)
    while not journal.pending:
        journal.enter(end_record(journal.next_seq))
        journal.prepare()
    erases = sum(flash.most_erases[2:])
    for _ in range(50):
        journal.prepare()
    assert journal.first_seq == 1 and sum(flash.most_erases[2:]) == erases and journal._vain == 0
    again, problems = opened(flash)
    assert problems == [] and seqs(again) == list(range(1, journal.last_seq + 1))
    assert not again.ready(1)
    keep(flash, again, 1)
    again.prepare()
    assert again.ready(1) and again.first_seq > 1


def test_a_full_ring_keeps_to_the_last_what_only_it_knows():
    """To the record: the block that ends with the last one known goes, the next one stays."""
    for more, goes in ((0, True), (1, False)):
        flash = Flash(10, 512)
        journal = filled(flash, 1)
        while journal.head < 7:
            take(journal, end_record(journal.next_seq))
        journal.checkpoint_seq = journal.firsts[1] - 1 - more
        assert journal.ahead == -1
        journal.prepare()
        assert (journal.ahead == 0, journal.first_seq > 1) == (goes, goes)


def test_in_vain_only_so_much_is_emptied_that_nobody_else_has():
    """Twenty blocks; then these again, until the collector has confirmed more or one of them takes a record."""
    flash = Flash(72, 512)
    journal = filled(flash, 1)
    while journal.first_seq == 1:
        take(journal, end_record(journal.next_seq))
    keep(flash, journal, 1)
    flash.bad_blocks = range(4, 72)
    while not journal.pending:
        journal.enter(end_record(journal.next_seq))
    for _ in range(5000):
        journal.prepare()
    first = journal.first_seq
    assert 15 <= sum([1 for first in journal.firsts if not first]) <= 21
    assert journal.lost_unstored == first - 1 and journal._vain > 40
    assert journal.confirm(EPOCH, first + 100)
    for _ in range(5000):
        journal.prepare()
    lost = journal.lost_unstored
    assert first + 50 < journal.first_seq <= first + 101 and lost == first - 1, "what is confirmed may go"
    good = (journal.head + 3) % journal.count
    flash.bad_blocks = [n for n in range(4, 72) if n != 4 + good]
    for _ in range(5000):
        journal.prepare()
    assert not journal.pending and journal.head == good and journal.lost_unstored == lost
    again, problems = opened(flash)
    kept = [record["seq"] for record in replay_all(again)]
    assert problems == [] and kept == list(range(journal.first_seq, journal.last_seq + 1))


def test_a_start_says_when_records_are_gone_that_no_checkpoint_knew():
    flash = Flash(10, 512)
    journal = filled(flash, 5)
    keep(flash, journal, 1)
    old = [bytes(block) for block in flash.data[:2]]
    for i in range(100):
        take(journal, end_record(i))
    keep(flash, journal, 1)
    assert opened(flash)[1] == []
    for n in range(2):
        flash.data[n][:] = old[n]
    again, problems = opened(flash)
    assert again.checkpoint_seq == 5 and again.first_seq > 6
    text = "records up to {} are gone: they are lost here if they were not sent".format(again.first_seq - 1)
    assert problems == [("journal_damaged", text)]


def test_a_rotten_oldest_block_is_given_up_only_where_a_checkpoint_knows_it():
    """Half erased it looks like that; what no checkpoint knows was not about to be erased."""
    for known in (False, True):
        flash = Flash(10, 512)
        journal = filled(flash, 1)
        while not journal.pending:
            journal.enter(end_record(journal.next_seq))
            journal.prepare()
        again, _ = opened(flash)
        if known:
            keep(flash, again, 1)
        flash.rot(2, 60)
        again, problems = opened(flash)
        assert problems == [] and again.first_seq == (again.firsts[1] if known else 1)


def test_reading_follows_when_a_block_is_used_again():
    journal = filled(Flash(10, 512), 100)
    ring = (journal.head + 2) % 8
    assert journal.read(journal.first_seq + 5) is not None
    last = journal.last_seq
    while journal.head != ring or journal.last_seq < last:
        take(journal, end_record(journal.next_seq))
        last = max(last, 101)
    assert journal.read(journal.last_seq)["seq"] == journal.last_seq


def test_seqs_beyond_sixteen_bits():
    flash = Flash()
    journal, _ = opened(flash)
    journal.last_seq = 0x1FFF0
    for _ in range(40):
        journal.enter(end_record(journal.next_seq))
    again, problems = opened(flash)
    assert problems == [] and again.last_seq == 0x1FFF0 + 40 and again.first_seq == 0x1FFF1
    assert seqs(again) == list(range(0x1FFF1, 0x1FFF1 + 40))


def test_a_block_that_cannot_be_read_costs_its_records_only():
    flash = Flash()
    filled(flash, 300)
    flash.unreadable = (3,)
    again, _ = opened(flash)
    found = seqs(again)
    assert (
        again.last_seq == 300 and found[:50] == list(range(1, 51)) and found[-100:] == list(range(201, 301))
    )
    assert again.damaged == 1


def test_too_small_a_partition_is_refused():
    assert "at least 6" in str(raises(ValueError, Journal, Flash(5), lambda: EPOCH))


def test_what_it_costs_on_the_boards_partition():
    """384 blocks, the ring full: 20,000 records kept, boot and reading bounded."""
    flash = Flash(384)
    journal, _ = opened(flash)
    for i in range(30000):
        if not journal.ready(1):
            journal.prepare()
        if i % 1000 == 0:
            journal.write_checkpoint(b"")
        reads = flash.reads
        journal.enter(end_record(i + 1))
        assert flash.reads - reads <= 8
    assert 30000 - journal.first_seq >= 20000
    flash.reads = 0
    again, problems = opened(flash)
    assert problems == [] and again.last_seq == 30000
    assert flash.reads <= 450, flash.reads
    for seq in (again.first_seq, 30000, 20000, 25000, 24999, again.first_seq + 5):
        flash.reads = 0
        assert again.read(seq)["seq"] == seq
        assert flash.reads <= 8, (seq, flash.reads)
    flash.reads = 0
    for seq in range(20000, 20800):
        assert again.read(seq)["seq"] == seq
    assert flash.reads <= 80, flash.reads  # in turn: by far less than one a record
    _check_costs_of_a_full_ring(flash, again)


def _check_costs_of_a_full_ring(flash, journal):
    """In any call at most one erase, two programs and eight reads; an erase for each block of records, no more."""
    worst = {}
    ring_erases = sum(flash.most_erases[24:])
    calls = {
        "prepare": lambda i: journal.prepare() if journal.wants_erase else None,
        "append": lambda i: journal.enter(end_record(i)),
        "checkpoint": lambda i: journal.write_checkpoint(bytes(1000)) if i % 20 == 0 else None,
        "confirm": lambda i: journal.confirm(journal.epoch, i - 40),
        "read in turn": lambda i: journal.read_from(i - 30),
        "read anywhere": lambda i: journal.read_from(10000 + i * 7 % 20000),
    }
    for i in range(30001, 32001):
        for name, call in calls.items():
            before = flash.erases, flash.programs, flash.reads
            call(i)
            cost = flash.erases - before[0], flash.programs - before[1], flash.reads - before[2]
            worst[name] = tuple([max(pair) for pair in zip(cost, worst.get(name, (0, 0, 0)))])
    for name, (erases, programs, reads) in worst.items():
        assert erases <= 1 and programs <= 2 and reads <= 8, (name, worst[name])
    assert worst["append"][0] == 0 and worst["prepare"][0] == 1 and worst["append"][1] == 1, worst
    # Some seventy of these records fill a block.
    assert 2000 // 100 <= sum(flash.most_erases[24:]) - ring_erases <= 2000 // 50
