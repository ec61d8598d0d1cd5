"""A generated year against its ground truth: every month to the milliwatt-hour and the fen."""

from __future__ import annotations

import io
import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pypdfium2
import pytest

from tests.host import wire_samples as wire
from tests.host.billing.test_tariff import GOOD, SHANGHAI, read
from zhuque.billing.tariff import parse
from zhuque.collector.ingest import decode
from zhuque.errors import UsageError
from zhuque.report.bills import Terms, check, price_sessions
from zhuque.report.month import Line, Month, month, notes, span
from zhuque.report.month_pdf import write_pdf
from zhuque.store.engine import open_reader
from zhuque.store.items import Item
from zhuque.store.write import Store

SITE = "riverside"
YEAR = 2027
TERMS = Terms(SITE, parse(read(GOOD)), SHANGHAI)
PRICES = [Decimal("30.71")] * 16 + [Decimal("104.32")] * 6 + [Decimal("63.2")] * 12
PRICES += [Decimal("104.32")] * 10 + [Decimal("30.71")] * 4


@dataclass
class Lived:
    """What a session of the ground truth took, told from the records' makings and not from the records."""

    point: str
    socket: int
    account: str
    ended: datetime
    energy_mwh: int
    duration_s: int
    electricity_fen: int
    service_fen: int


def whole(exact: Decimal) -> int:
    return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def lived(point: str, socket: int, begin: int, energies: dict[int, int], end: int, peak_mw: int) -> Lived:
    """The bill by hand, from Decimal prices by the half hour."""
    total, duration_s = sum(energies.values()), end - begin
    electricity = service = 0
    if duration_s > 300 and total:
        exact = Decimal(0)
        for slot, mwh in energies.items():
            local = datetime.fromtimestamp(slot, SHANGHAI)
            exact += PRICES[local.hour * 2 + local.minute // 30] * mwh / 1_000_000
        electricity = whole(exact)
        fee = Decimal(30) * total / 1_000_000
        if peak_mw > 200_000:
            fee = (Decimal(40) * total * 3600 + Decimal(5) * duration_s * 1_000_000) / (3600 * 1_000_000)
        service = whole(fee)
        service = max(service, 50 - electricity)
        if electricity + service > 1000:
            electricity = min(electricity, 1000)
            service = 1000 - electricity
    account = f"r-{socket:04}"
    return Lived(
        point, socket, account, datetime.fromtimestamp(end, SHANGHAI), total, duration_s, electricity, service
    )


def year(chance: random.Random, point: str, epoch: str) -> tuple[list[dict[str, Any]], list[Lived]]:
    """The records of one point's year, and its truth."""
    bodies, truth = [], []
    seq = 1
    first, last = span(f"{YEAR}-01", SHANGHAI)[0], span(f"{YEAR}-12", SHANGHAI)[1]
    now = first + chance.randrange(86400)
    while now < last:
        socket, begin, id = chance.randrange(1, 5), now, f"{epoch}-{seq}"
        end = begin + chance.choice((chance.randrange(1, 400), chance.randrange(400, 40_000)))
        peak_mw = chance.randrange(20_000, 400_000)
        same = {"epoch": epoch, "socket": socket, "session": id, "account": f"r-{socket:04}"}
        bodies.append(wire.start(seq, time=begin, **same))
        energies: dict[int, int] = {}
        so_far, at = 0, begin
        while at < end:
            slot = at - at % 1800
            until = min(end, slot + 1800)
            energies[slot] = chance.randrange(0, peak_mw * (until - at) // 3600 + 1)
            so_far += energies[slot]
            at = until
            seq += 1
            if at < end:
                bodies.append(wire.checkpoint(seq, 0, so_far, time=at, **same))
        totals = {
            "duration_s": end - begin,
            "peak_mw": peak_mw,
            "reason": chance.choice(("full", "unplugged")),
        }
        bodies.append(wire.end(seq, 0, so_far, time=end, **same, **totals))
        seq += 1
        truth.append(lived(point, socket, begin, energies, end, peak_mw))
        now = end + chance.randrange(60, 200_000)
    return bodies, truth


def fill(where: str, seed: int, points: int) -> list[Lived]:
    chance = random.Random(seed)
    truth: list[Lived] = []
    items: list[Item] = []
    for n in range(1, points + 1):
        bodies, more = year(chance, f"p{n:02}", f"{n:016x}")
        truth += more
        items += [
            decode(f"zq/1/{SITE}/p{n:02}/record", wire.raw(body), False, body["time"]) for body in bodies
        ]
    chance.shuffle(items)
    store = Store(where)
    for at in range(0, len(items), 2000):
        store.write(items[at : at + 2000])
    price_sessions(open_reader(where), store.database, TERMS)
    store.close()
    return truth


def line(of: list[Lived]) -> Line:
    return Line(
        len(of),
        sum(x.energy_mwh for x in of),
        sum(x.duration_s for x in of),
        sum(x.electricity_fen for x in of),
        sum(x.service_fen for x in of),
    )


def grouped(of: list[Lived], key: Any) -> dict[Any, Line]:
    return {value: line([x for x in of if key(x) == value]) for value in sorted({key(x) for x in of})}


def test_every_month_equals_the_truth(where: str) -> None:
    truth = fill(where, 11, 3)
    reader = open_reader(where)
    seen = 0
    for number in range(1, 13):
        name = f"{YEAR}-{number:02}"
        of_month = [x for x in truth if x.ended.strftime("%Y-%m") == name]
        seen += len(of_month)
        found = month(reader, SITE, name, SHANGHAI)
        assert found.total == line(of_month)
        assert found.accounts == grouped(of_month, lambda x: x.account)
        assert found.sockets == grouped(of_month, lambda x: (x.point, x.socket))
        assert found.points == grouped(of_month, lambda x: x.point)
        assert found.days == grouped(of_month, lambda x: x.ended.day)
    after = [x for x in truth if x.ended.year > YEAR]
    assert seen + len(after) == len(truth) > 400
    assert list(check(reader, TERMS)) == []


def test_what_went_wrong_is_told(where: str) -> None:
    at = span("2026-11", SHANGHAI)[0] + 86400
    bodies = [
        wire.start(1, time=at),
        wire.checkpoint(2, 1, 5000, time=at + 1800),
        wire.record(3, "trip", at + 1900, socket=3, cause="overcurrent"),
        wire.record(4, "trip", at - 90_000, socket=3, cause="overcurrent"),
        wire.record(5, "reset", at + 2000, socket=3, cause="overcurrent", actor="li", source="remote"),
        wire.record(6, "alarm", at + 2000, alarm="load_anomaly", state="raised", socket=3, detail=""),
        wire.checkpoint(7, 1, 777, time=at + 3600, session=None),
        wire.checkpoint(8, 1, 888, time=at + 40 * 86400, session=None),
    ]
    store = Store(where)
    store.write([decode(wire.RECORD, wire.raw(body), False, at + 2000) for body in bodies])
    elsewhere = wire.checkpoint(1, 1, 999, time=at + 3600, session=None)
    store.write([decode("zq/1/hillside/p01/record", wire.raw(elsewhere), False, at + 2000)])
    heard = [wire.telemetry(time=at + 3600 * n) for n in range(6)] + [wire.telemetry(time=at + 60)]
    store.write([decode(wire.TELEMETRY, wire.raw(body), False, body["time"]) for body in heard])
    store.close()
    found = month(open_reader(where), SITE, "2026-11", SHANGHAI)
    assert found.total == Line()
    events = found.events
    assert events.trips == Counter({("p01", "overcurrent"): 1})
    assert events.resets == Counter({("p01", "overcurrent"): 1})
    assert events.alarms == Counter({("p01", "load_anomaly"): 1})
    assert (events.stray_mwh, events.open_sessions, events.open_mwh) == (Counter(p01=777), 1, 5000)
    assert found.availability("p01", at + 86400) == 6 / 48
    assert found.availability("p01", found.since) is None


def test_what_came_without_a_clock_is_dated_back_or_told(where: str) -> None:
    at = span("2026-11", SHANGHAI)[0] + 3600
    timeless: dict[str, Any] = {"time": None, "boot": 3}
    bodies = [
        wire.start(1, **timeless, uptime_ms=60_000),
        wire.record(2, "trip", None, socket=3, cause="overcurrent") | {"boot": 3, "uptime_ms": 100_000},
        wire.end(3, 1, 4000, **timeless, uptime_ms=160_000),
        wire.record(4, "alarm", at + 9 * 86400, alarm="load_anomaly", state="raised", socket=3, detail=""),
    ]

    def told(more: list[dict[str, Any]]) -> Month:
        store = Store(where)
        late = span("2026-12", SHANGHAI)[0] + 86400  # a board that was pulled a month later
        store.write([decode(wire.RECORD, wire.raw(body), False, late) for body in more])
        store.close()
        return month(open_reader(where), SITE, "2026-11", SHANGHAI)

    without = told(bodies)
    assert without.total == Line() and without.events.trips == Counter()
    assert (without.events.undated_sessions, without.events.undated_mwh) == (1, 4000)
    assert any("nobody knows when" in note for note in notes(without))
    assert without.events.alarms == Counter({("p01", "load_anomaly"): 1})
    dated = told([wire.record(5, "clock", at, was=None) | {"boot": 3, "uptime_ms": 200_000}])
    assert dated.total.energy_mwh == 4000 and dated.events.undated_sessions == 0
    assert dated.events.trips == Counter({("p01", "overcurrent"): 1})
    assert not any("nobody knows when" in note for note in notes(dated))


@pytest.mark.parametrize(
    ("name", "zone", "hours"), [("2026-03", "Europe/Berlin", 743), ("2026-10", "Europe/Berlin", 745)]
)
def test_a_month_with_a_change_of_summer_time(name: str, zone: str, hours: int) -> None:
    since, until = span(name, ZoneInfo(zone))
    assert until - since == hours * 3600


@pytest.mark.parametrize("name", ["2026", "2026-13", "2026-1", "1999-01", "November"])
def test_what_is_no_month(name: str) -> None:
    with pytest.raises(UsageError):
        span(name, SHANGHAI)


def test_the_pages_hold_the_sums(tmp_path: Path) -> None:
    where = str(tmp_path / "site.db")
    truth = fill(where, 5, 2)
    found = month(open_reader(where), SITE, f"{YEAR}-06", SHANGHAI)
    file = tmp_path / "month.pdf"
    with file.open("wb") as out:
        write_pdf(found, out, found.until, "河畔 & Co")
    document = pypdfium2.PdfDocument(file)
    text = "\n".join(page.get_textpage().get_text_bounded() for page in document)
    document.close()
    of_month = line([x for x in truth if (x.ended.year, x.ended.month) == (YEAR, 6)])
    assert found.total == of_month
    assert f"{of_month.sessions} sessions" in text
    assert f"{Decimal(of_month.energy_mwh).scaleb(-6):.3f} kWh" in text
    assert f"{Decimal(of_month.fen).scaleb(-2):.2f} yuan" in text
    again = io.BytesIO()
    write_pdf(found, again, found.until, "河畔 & Co")
    assert file.read_bytes() == again.getvalue()
