"""Records on flash: every kind, every null, every length. Runs on both runtimes."""

from both import raises

from wire import codes, records

EPOCH = "9f3ac2d15b7e0c44"
OTHER = "0011223344556677"

LARGEST = {"u": (1 << 45) - 1, "s": OTHER + "-1234567890"}


def filled(kind, text="x"):
    """A record of that kind with every field at its largest."""
    record = {"kind": kind, "boot": 65_535, "uptime_ms": 1 << 42, "time": 4_000_000_000}
    for name, form in records.FIELDS[kind]:
        if form == "t":
            record[name] = text
        else:
            record[name] = LARGEST.get(form) if form in LARGEST else form[-1]
    return record


def test_every_kind_with_every_field_and_with_none():
    assert set(records.FIELDS) == set(codes.RECORD_KINDS)
    for kind in codes.RECORD_KINDS:
        for record in (filled(kind), {"kind": kind}):
            back = records.decode(records.encode(record, EPOCH), EPOCH, 41)
            assert back["epoch"] == EPOCH and back["seq"] == 41
            for name, _ in records.HEAD + records.FIELDS[kind]:
                assert back[name] == record.get(name), (kind, name)


def test_every_code_of_every_tuple():
    for kind, fields in records.FIELDS.items():
        for name, form in fields:
            if isinstance(form, tuple):
                for code in form:
                    raw = records.encode({"kind": kind, name: code}, EPOCH)
                    assert records.decode(raw, EPOCH, 1)[name] == code


def test_integers_around_each_length():
    for bits in range(50):
        for value in ((1 << bits) - 1, 1 << bits, (1 << bits) + 1):
            raw = records.encode({"kind": "boot", "uptime_ms": value}, EPOCH)
            assert records.decode(raw, EPOCH, 1)["uptime_ms"] == value


def test_the_longest_real_records_fit_in_120_bytes():
    end = filled("session_end")
    end["account"] = 32 * "a"
    for name in ("duration_s", "suspended_s", "peak_ma"):
        end[name] = 200_000
    end["energy_mwh"] = end["peak_mw"] = 100_000_000
    end["started"] = 4_000_000_000
    command = filled("command")
    command["id"], command["actor"], command["socket"] = 36 * "i", 40 * "a", 16
    for record in (end, command):
        assert len(records.encode(record, EPOCH)) <= records.MAX_ENCODED


def test_a_session_of_this_journal_costs_no_epoch():
    own = records.encode({"kind": "trip", "session": EPOCH + "-371"}, EPOCH)
    other = records.encode({"kind": "trip", "session": OTHER + "-371"}, EPOCH)
    assert len(other) == len(own) + 8
    assert records.decode(other, EPOCH, 1)["session"] == OTHER + "-371"


def test_a_field_appended_later_reads_as_null():
    raw = records.encode({"kind": "clock", "was": 5}, EPOCH)
    assert records.decode(raw[:-1], EPOCH, 1)["was"] is None


def test_what_is_no_record():
    good = records.encode(filled("session_start"), EPOCH)
    for raw in (b"", b"\xff" + good[1:], good[:7], good[:2] + b"\xff" * 20):
        raises(ValueError, records.decode, raw, EPOCH, 1)


def test_what_cannot_be_written():
    raises(ValueError, records.encode, {"kind": "boot", "boot": -1}, EPOCH)
    raises(ValueError, records.encode, {"kind": "boot", "firmware": 200 * "x"}, EPOCH)
    raises(ValueError, records.encode, {"kind": "trip", "cause": "boredom"}, EPOCH)
