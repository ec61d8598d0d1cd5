"""When missing records are asked for, and when they are given up: the pure part."""

from __future__ import annotations

from itertools import pairwise

from zhuque.collector.gaps import Ask, Gaps, Loss
from zhuque.store.journals import Standing

POINT = ("riverside", "p01")
JOURNAL = (*POINT, "9f3ac2d15b7e0c44")
EPOCH = JOURNAL[2]


def gaps(age_s: float = 60.0) -> Gaps:
    """Connected at 0, and the point online with all it ever had."""
    made = Gaps(age_s, lambda: 0.0)
    made.hold(0.0)
    made.told(POINT, EPOCH, 1, True)
    return made


def test_a_young_gap_is_waited_for() -> None:
    made = gaps()
    made.standing(JOURNAL, Standing(4, 9, 20), 100.0)
    assert made.take(159.9) == []
    assert made.take(160.0) == [Ask(JOURNAL, 5, 9)]
    made.standing(JOURNAL, Standing(20, None, 20), 160.0)
    assert made.take(1000.0) == []


def test_progress_makes_it_young_again() -> None:
    made = gaps()
    for at in range(0, 600, 50):
        made.standing(JOURNAL, Standing(at, 9999, 9999), float(at))
        assert made.take(float(at) + 49) == []


def test_at_most_200_in_order_and_one_at_a_time() -> None:
    made = gaps()
    made.standing(JOURNAL, Standing(0, 450, 450), 0.0)
    (ask,) = made.take(60.0)
    assert ask == Ask(JOURNAL, 1, 200)
    made.asked(ask, "a", 60.0)
    assert made.take(61.0) == []
    made.standing(JOURNAL, Standing(150, 450, 450), 62.0)  # a part has come
    assert made.take(89.0) == []
    assert made.reply(POINT, "a", True, None, None, 63.0) is None
    made.standing(JOURNAL, Standing(200, 450, 450), 64.0)
    (ask,) = made.take(130.0)
    assert ask == Ask(JOURNAL, 201, 400)


def test_it_goes_on_at_once_where_an_answer_was_complete() -> None:
    made = gaps()
    made.standing(JOURNAL, Standing(0, 450, 450), 0.0)
    for first, last in ((1, 200), (201, 400), (401, 450)):
        now = 60.0 + first / 100
        (ask,) = made.take(now)
        assert ask == Ask(JOURNAL, first, last)
        made.asked(ask, str(first), now)
        made.reply(POINT, str(first), True, None, None, now + 0.1)
        made.standing(JOURNAL, Standing(last, 450 if last < 450 else None, 450), now + 0.2)
    assert made.take(1e6) == []


def test_silence_is_asked_again_with_backoff() -> None:
    made = gaps()
    made.standing(JOURNAL, Standing(0, 5, 5), 0.0)
    asked_at = []
    now = 0.0
    while now < 20_000:
        for ask in made.take(now):
            assert isinstance(ask, Ask)
            asked_at.append(now)
            made.asked(ask, "x", now)
        now += 1.0
    waits = [b - a for a, b in pairwise(asked_at)]
    assert asked_at[0] == 60.0
    assert waits == sorted(waits)
    assert waits[0] >= 60
    assert max(waits) <= 3700


def test_points_are_spread() -> None:
    made = Gaps(60.0, lambda: 0.0)
    made.hold(0.0)
    for number in range(50):
        made.told(("riverside", f"p{number}"), EPOCH, 1, True)
        made.standing(("riverside", f"p{number}", EPOCH), Standing(0, 5, 5), 0.0)
    now, asks = 60.0, 0
    while asks < 50:
        for ask in made.take(now):
            assert isinstance(ask, Ask)
            made.asked(ask, str(asks), now)
            asks += 1
        now += 0.01
    assert now >= 64.8


def test_what_left_the_journal_is_lost_but_not_before_its_time() -> None:
    made = gaps()
    made.told(POINT, EPOCH, 7, True)
    made.standing(JOURNAL, Standing(1, 8, 8), 0.0)
    assert made.take(59.0) == []
    (loss,) = made.take(60.0)
    assert isinstance(loss, Loss)
    assert loss.begin == 7
    assert made.take(61.0) == []  # once
    made.standing(JOURNAL, Standing(6, 8, 8), 61.0)
    assert made.take(140.0) == [Ask(JOURNAL, 7, 8)]


def test_gone_is_lost_at_once() -> None:
    made = gaps()
    made.standing(JOURNAL, Standing(1, 8, 8), 0.0)
    (ask,) = made.take(60.0)
    assert isinstance(ask, Ask)
    made.asked(ask, "a", 60.0)
    made.reply(POINT, "other", False, "gone", 5, 60.5)
    assert made.take(61.0) == []
    made.reply(POINT, "a", False, "gone", 12, 61.0)
    (loss,) = made.take(61.0)
    assert isinstance(loss, Loss)
    assert loss.begin == 9  # no farther than is known of


def test_a_journal_begun_anew_is_lost_behind_what_is_known() -> None:
    made = gaps()
    made.standing(JOURNAL, Standing(1, 3, 8), 0.0)
    made.told(POINT, "00112233445566aa", 1, True)
    (loss,) = made.take(60.0)
    assert isinstance(loss, Loss)
    assert loss.begin == 9
    assert not made.is_present(JOURNAL)


def test_records_that_cannot_be_read_are_given_up_after_three_answers() -> None:
    made = gaps()
    made.standing(JOURNAL, Standing(1, 3, 8), 0.0)
    now, asks = 0.0, 0
    while now < 10_000:
        for due in made.take(now):
            if isinstance(due, Loss):
                assert (due.begin, asks) == (4, 3)
                return
            asks += 1
            made.asked(due, str(asks), now)
            made.reply(POINT, str(asks), True, None, None, now)
        now += 1.0
    raise AssertionError("never given up")


def test_an_old_firmware_is_named_once_and_nothing_is_lost() -> None:
    made = gaps()
    made.standing(JOURNAL, Standing(1, 3, 8), 0.0)
    now, said = 0.0, []
    while now < 10_000:
        for due in made.take(now):
            assert isinstance(due, Ask)
            made.asked(due, "x", now)
            said.append(made.reply(POINT, "x", False, "unknown_op", None, now))
        now += 1.0
    assert said[0] is not None
    assert "unknown_op" in said[0]
    assert len(said) > 2
    assert set(said[1:]) == {None}


def test_age_does_not_count_while_we_are_away_or_behind() -> None:
    made = gaps()
    made.standing(JOURNAL, Standing(1, 3, 8), 0.0)
    made.hold(50.0)
    assert made.take(109.0) == []
    made.disconnected()
    assert made.take(500.0) == []
    made.hold(500.0)
    assert made.take(559.0) == []
    assert len(made.take(560.0)) == 1


def test_who_is_always_behind_asks_at_last() -> None:
    made = gaps()
    made.standing(JOURNAL, Standing(1, 3, 8), 0.0)
    asked = [now for now in range(1, 1500) if made.behind(float(now)) or made.take(float(now))]
    assert asked[0] == 1 + 600 + 60, "ten ages from the first time, and then the age itself"
    made.hold(1500.0)
    assert made.take(1559.0) == [], "while nothing can be stored there is no use in asking"
    made.behind(1700.0)
    assert made.take(1759.0) == [] and made.take(1760.0), "after a quiet age its patience is whole again"


def test_a_point_that_is_offline_is_not_asked() -> None:
    made = gaps()
    made.told(POINT, None, None, False)
    made.standing(JOURNAL, Standing(1, 3, 8), 0.0)
    assert made.take(1000.0) == []
    made.told(POINT, EPOCH, 1, True)
    assert len(made.take(1001.0)) == 1
