"""The order of sending, the window, and that no record is passed over but one that cannot be read."""

from both import raises
from fakes.flash import Flash

from core.journal import Journal
from core.outbox import MAX_RESEND, Outbox

EPOCH = "9f3ac2d15b7e0c44"


def with_records(n, flash=None):
    journal = Journal(flash or Flash(), lambda: EPOCH)
    journal.recover()
    add(journal, n)
    return journal


def add(journal, n):
    for _ in range(n):
        while not journal.ready(1):
            journal.prepare()
            journal.write_checkpoint(b"")
        journal.enter({"kind": "command", "boot": 1, "id": "c-1", "op": "ping"})


def send(outbox, most=1000, pid=1):
    """Send what may be sent; the seqs, packet ids counting from `pid`."""
    out = []
    while len(out) < most:
        taken = outbox.take()
        if taken is None:
            break
        seq, record = taken
        assert record["seq"] == seq
        outbox.sent(seq, pid + len(out))
        out.append(seq)
    return out


def drain(outbox, rounds=1000):
    """Send everything, each record acknowledged at once; take() may say None between two rotten places."""
    out = []
    for _ in range(rounds):
        sent = send(outbox, 1)
        out += sent
        for _ in sent:
            assert outbox.acked(1)
    return out


def test_the_window_moves_with_the_acknowledgements():
    outbox = Outbox(with_records(40))
    assert send(outbox) == list(range(1, 17))
    assert outbox.take() is None and not outbox.idle
    assert outbox.acked(3) and outbox.acked(7) and not outbox.acked(7) and not outbox.acked(999)
    assert send(outbox, pid=100) == [17, 18]
    for pid in range(1, 102):
        outbox.acked(pid)
    assert drain(outbox) == list(range(19, 41))
    assert outbox.idle


def test_what_was_taken_and_could_not_be_sent_is_taken_again():
    outbox = Outbox(with_records(3))
    first = outbox.take()
    assert outbox.take() is first
    raises(ValueError, outbox.sent, 2, 1)
    assert send(outbox) == [1, 2, 3]


def test_new_records_follow():
    journal = with_records(2)
    outbox = Outbox(journal)
    assert drain(outbox) == [1, 2] and outbox.idle
    add(journal, 2)
    assert not outbox.idle and drain(outbox) == [3, 4]


def test_a_new_connection_begins_after_what_is_stored_not_after_what_was_acknowledged():
    journal = with_records(30)
    outbox = Outbox(journal)
    assert drain(outbox) == list(range(1, 31))
    assert outbox.confirmed(EPOCH, 12)
    outbox.restart()
    assert send(outbox) == list(range(13, 29))
    assert not Outbox(journal).acked(1)
    outbox.restart()
    assert not outbox.acked(1)  # packet ids of the old connection mean nothing
    assert drain(outbox) == list(range(13, 31))


def test_a_confirmation_overtakes_what_would_be_sent_again():
    outbox = Outbox(with_records(50))
    assert send(outbox, 2) == [1, 2]
    assert outbox.take()[0] == 3
    assert outbox.confirmed(EPOCH, 45)
    assert send(outbox, pid=10) == [46, 47, 48, 49, 50]
    assert not outbox.confirmed("0" * 16, 50) and not outbox.confirmed(EPOCH, 1 << 40)
    assert outbox.confirmed(EPOCH, 2)  # an older word holds no record back and sends none twice
    assert outbox.take() is None


def test_resend_goes_first():
    journal = with_records(60)
    outbox = Outbox(journal)
    assert send(outbox, 10) == list(range(1, 11))
    for pid in range(1, 11):
        outbox.acked(pid)
    assert outbox.take()[0] == 11
    assert outbox.resend(EPOCH, 4, 6) == 3
    assert outbox.resend(EPOCH, 4, 6) == 3  # asked twice, sent once
    assert outbox.resend(EPOCH, 9, 9) == 1
    sent = drain(outbox)
    assert sent[:4] == [4, 5, 6, 9] and sent[4:] == list(range(11, 61))
    assert outbox.idle


def test_resend_after_everything_was_sent():
    outbox = Outbox(with_records(60))
    assert drain(outbox) == list(range(1, 61))
    assert outbox.resend(EPOCH, 58, 90) == 3 and not outbox.idle
    assert drain(outbox) == [58, 59, 60] and outbox.idle


def test_resend_refuses_what_it_cannot_do():
    journal = with_records(400, Flash(10, 512))
    outbox = Outbox(journal)
    assert journal.first_seq > 10
    assert outbox.resend(EPOCH, 1, 5) == 0
    assert outbox.resend("0" * 16, 390, 391) == 0
    assert outbox.resend(EPOCH, 401, 402) == 0
    for first, last in ((5, 4), (0, 3), (1, MAX_RESEND + 1)):
        raises(ValueError, outbox.resend, EPOCH, first, last)
    assert outbox.resend(EPOCH, journal.first_seq - 1, journal.first_seq) == 1


def test_rotten_records_are_passed_over():
    flash = Flash()
    with_records(600, flash)
    for offset in range(500, 560):
        flash.rot(2, offset)
    for offset in range(4096):
        flash.rot(3, offset)
    journal = Journal(flash, lambda: EPOCH)
    journal.recover()
    outbox = Outbox(journal)
    sent = drain(outbox)
    expected = [seq for seq in range(1, 601) if journal.read(seq) is not None]
    assert sent == expected and 300 < len(sent) < 597 and sent[-1] == 600
    assert outbox.idle
    lost = [seq for seq in range(1, 601) if seq not in expected]
    assert outbox.resend(EPOCH, lost[0] - 1, lost[0] + 1) == 3
    assert drain(outbox) == [seq for seq in (lost[0] - 1, lost[0] + 1) if seq in expected] and outbox.idle
    assert outbox.resend(EPOCH, lost[0], lost[0]) == 1  # what follows was not asked for
    assert drain(outbox) == [] and outbox.idle


def test_records_overwritten_before_they_were_sent_do_not_stop_it():
    journal = with_records(5, Flash(10, 512))
    outbox = Outbox(journal)
    assert send(outbox, 3) == [1, 2, 3]
    add(journal, 600)
    for pid in (1, 2, 3):
        outbox.acked(pid)
    assert journal.first_seq > 10
    assert drain(outbox) == list(range(journal.first_seq, 606))
