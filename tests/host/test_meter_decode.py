"""`zhuque meter decode` on frames made by hand, and on owners' captures where those are at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from zhuque.board_code import KEYS
from zhuque.cli import main

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"
CAPTURES = ROOT.parent / "shared" / "vectors" / "meter_captures.json"
PZEM_AT_100_A = "01 04 14 08 FC 86 A0 00 01 82 70 00 03 00 00 00 00 01 F4 00 64 00 00 A7 E2"
METERS = {
    "BL0942": "bl0942",
    "HLW8032": "hlw8032",
    "CSE7766": "hlw8032",
    "CSE7759B": "hlw8032",
    "PZEM-004T-v3": "pzem004t",
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["meter", "decode", *arguments])


def decoded(*arguments: str) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    value: dict[str, Any] = json.loads(done.stdout)
    assert tuple(value)[:5] == KEYS
    return value


def rows(name: str, part: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text())[part]
    return found


def frame_of(name: str, how: str) -> str:
    return str(next(row["hex"] for row in rows(name, "frames") if row["how"] == how))


def captures() -> list[Any]:
    if not CAPTURES.is_file():
        return [pytest.param({}, marks=pytest.mark.skip(reason="no captures of owners here"))]
    return [pytest.param(row, id=row["id"]) for row in json.loads(CAPTURES.read_text())]


def scale_of(row: dict[str, Any]) -> list[str]:
    cal = row["cal"]
    if row["chip"] == "BL0942":
        return [
            "--k-voltage",
            str(cal["uref"]),
            "--k-current",
            str(cal["iref"]),
            "--k-power",
            str(cal["pref"]),
        ]
    if "k_i" in cal:
        return ["--k-voltage", str(cal["k_v"]), "--k-current", str(cal["k_i"])]
    return []


@pytest.mark.parametrize("row", captures())
def test_captures_are_right_or_refused_never_wrong(row: dict[str, Any]) -> None:
    frame = row["hex"]
    if row["kind"] == "good-22":
        assert run(METERS[row["chip"]], frame).exit_code == 1
        frame += f" {row['expect']['checksum_computed']:02X}"
    if row["kind"] in ("bad", "request"):
        done = run(METERS[row["chip"]], frame, "--json")
        assert done.exit_code == 1 and done.stdout == "" and len(done.stderr) > 40, done.output
        return
    value = decoded(METERS[row["chip"]], frame, *scale_of(row))
    expected = row["expect"]
    if row["kind"] == "stream":
        assert len(value["frames"]) == expected.get("n_frames", len(expected.get("frames", [])))
        return
    for key, milli in (("voltage", "voltage_mv"), ("current", "current_ma"), ("power", "power_mw")):
        if key in expected:
            same(row, key, value[milli])
    if "frequency" in expected:
        same(row, "frequency", value["frequency_mhz"])
    if "energy_wh" in expected:
        assert value["energy_mwh"] == 1000 * expected["energy_wh"]


def same(row: dict[str, Any], key: str, milli: int | None) -> None:
    expected = row["expect"][key]
    if expected is None:
        assert milli is None, key
    else:
        assert milli is not None, key
        tolerance = row["tolerance"].get(key, row["tolerance"].get("abs", 0))
        assert abs(milli / 1000 - expected) <= max(tolerance, 0.00101), (key, milli)


def assert_shown(value: dict[str, Any], key: str, want: int | None) -> None:
    """What the driver makes of a frame, to a millionth, or nothing where it is over range."""
    if value[key] is None or want is None:
        assert value[key] is None and (want is None or key in value["over_range"]), key
    else:
        assert abs(value[key] - want) <= 1 + abs(want) // 1_000_000, key


@pytest.mark.parametrize("row", rows("bl0942", "frames"), ids=lambda row: row["how"])
def test_bl0942(row: dict[str, Any]) -> None:
    # The circuit of the vectors: gain 4, so a quarter of the counts per ampere.
    per_volt = 73989 / 1.218 * 510 / 1950510 * 1000
    value = decoded(
        "bl0942",
        row["hex"],
        "--address",
        str(row["address"]),
        "--k-voltage",
        str(per_volt),
        "--k-current",
        str(305978 / 1.218 / 4),
    )
    for key in ("voltage_mv", "current_ma", "power_mw", "frequency_mhz"):
        assert_shown(value, key, row["expect"][key])
    assert ("over_range" in value) == (row["how"] == "full registers")
    # 419430.4 J over 155.9 counts of power a watt
    assert value["energy_mwh"] == pytest.approx(row["expect"]["count"] * 747.6, rel=0.001, abs=1)


@pytest.mark.parametrize("row", rows("hlw8032", "frames"), ids=lambda row: row["how"])
def test_hlw8032(row: dict[str, Any]) -> None:
    value = decoded("hlw8032", row["hex"], "--k-voltage", "1.881", "--k-current", "1")
    for key in ("voltage_mv", "current_ma", "power_mw"):
        assert_shown(value, key, row["expect"][key])
    assert ("over_range" in value) == ("as high as it goes" in row["how"])
    assert value["frequency_mhz"] is None
    if row["expect"]["voltage_mv"]:
        assert value["energy_mwh"] == pytest.approx(
            (row["expect"]["count"] & 0xFFFF) * 5.105 * 1.881 / 3.6, rel=1e-3, abs=0.5
        )
    if row["expect"]["fast_ma"] is None and row["expect"]["voltage_mv"] is None:
        assert value["energy_mwh"] is None


@pytest.mark.parametrize("row", rows("pzem004t", "frames"), ids=lambda row: row["how"])
def test_pzem004t(row: dict[str, Any]) -> None:
    value = decoded("pzem004t", row["hex"])
    for key in ("voltage_mv", "current_ma", "power_mw", "frequency_mhz"):
        assert value[key] == row["expect"][key]
    assert value["energy_mwh"] == 1000 * row["expect"]["count"]


@pytest.mark.parametrize("meter", ["bl0942", "hlw8032", "pzem004t"])
def test_bad_frames_say_why(meter: str) -> None:
    for row in rows(meter, "bad"):
        if row["how"] == "a byte too many":
            continue  # of a capture that is junk, and it is said
        done = run(meter, row["hex"], "--address", str(row.get("address", 0)))
        assert done.exit_code == 1 and done.stdout == "", row["how"]
        assert done.stderr.startswith("Error: ") and len(done.stderr) > 50


def test_bl0942_of_another_address_is_named() -> None:
    frame = rows("bl0942", "frames")[1]["hex"]
    done = run("bl0942", frame)
    assert done.exit_code == 1 and "--address 3" in done.stderr
    assert decoded("bl0942", frame, "--address", "3")["voltage_mv"] is not None


def test_bl0942_power_may_have_its_own_scale() -> None:
    frame = rows("bl0942", "frames")[0]["hex"]
    assert decoded("bl0942", frame, "--k-power", "1000")["power_mw"] == 179225


def test_bl0910_by_its_own_driver() -> None:
    reads = rows("bl0910", "reads")
    capture = " ".join(f"82{row['register']}{row['answer']}" for row in reads)
    value = decoded("bl0910", capture, "--board", "zq10")
    assert abs(value["voltage_mv"] - 230000) <= 2 and abs(value["current_ma"] - 5000) <= 1
    assert abs(value["power_mw"] - 1150000) <= 20 and abs(value["energy_mwh"] - 1000000) <= 25
    assert value["frequency_mhz"] is None
    one = decoded("bl0910", f"82 16 {reads[2]['answer']}", "--board", "zq10")
    assert one == dict.fromkeys(KEYS) | {"voltage_mv": value["voltage_mv"]}


def test_bl0910_channels_are_told_apart() -> None:
    capture = "820c0729d66b 820d0729d66a"
    value = decoded("bl0910", capture, "--board", "zq10")
    assert [frame["current_ma"] for frame in value["frames"]] == [4999, 4999]


def test_bl0910_on_its_uart() -> None:
    """The same values as on SPI, the bytes in the other order and another sum: 35, register, low, middle, high, sum."""
    capture = "35 0C D6 29 07 ED  35 16 3D 19 12 81  35 17 9C F0 03 59"
    value = decoded("bl0910", capture, "--board", "zq10")
    assert abs(value["voltage_mv"] - 230_000) <= 2 and abs(value["current_ma"] - 5000) <= 1
    assert value["power_mw"] is None and value["energy_mwh"] is None
    spi_sum = run("bl0910", "35 16 3D 19 12 4B", "--board", "zq10")
    assert spi_sum.exit_code == 1 and "35 (UART)" in spi_sum.stderr


def test_bl0910_with_the_counts_of_a_volt_and_an_ampere() -> None:
    reads = rows("bl0910", "reads")
    capture = " ".join(f"82{row['register']}{row['answer']}" for row in reads)
    counts = ["--k-voltage", str(1186109.7 / 230), "--k-current", str(469462.2 / 5)]
    value = decoded("bl0910", capture, *counts)
    assert abs(value["voltage_mv"] - 230_000) <= 3 and abs(value["current_ma"] - 5000) <= 1
    assert abs(value["power_mw"] - 1_150_000) <= 20
    assert abs(value["energy_mwh"] - 16_000_000) <= 500, "1 kWh at CFDIV 256 are 16 at the chip's own 16"
    assert decoded("bl0910", capture, *counts, "--k-power", "230.94268")["power_mw"] // 1000 == 574
    assert run("bl0910", capture, "--k-voltage", "0.5", "--k-current", "1").exit_code == 2


def test_bl0910_damaged_or_without_a_board() -> None:
    assert run("bl0910", "82 16 12 19 3D FE", "--board", "zq10").exit_code == 1
    done = run("bl0910", "82 16 12 19 3D FF")
    assert done.exit_code == 2 and "--board" in done.stderr


def test_a_stream_shows_every_frame_and_says_what_was_junk() -> None:
    first, second = (row["hex"] for row in rows("pzem004t", "frames")[:2])
    done = run("pzem004t", f"00 {first} 01 04 {second}", "--json")
    value = json.loads(done.stdout)
    assert [frame["voltage_mv"] for frame in value["frames"]] == [230100, 230000]
    assert value["voltage_mv"] == 230000 and "3 bytes" in done.stderr


def test_what_is_missing_is_said() -> None:
    for row in rows("hlw8032", "frames"):
        done = run("hlw8032", row["hex"])
        said = {"counting": "not measured yet: power", "not calibrated": "calibration", "carry": ""}
        for word, text in said.items():
            if word in row["how"]:
                assert text in done.stderr and bool(text) == bool(done.stderr)


OVER = {
    "a BL0910's current": (["bl0910", "820CFFFFFF74", "--board", "zq10"], ["current_ma"], "60.634 A"),
    "its fast current": (["bl0910", "8217FFFFFF69", "--board", "zq10"], ["current_ma"], "60.634 A"),
    # 5.81 million counts behind 700 mV, 0.98 of them, 90000 an ampere
    "with counts an ampere": (
        ["bl0910", "8217FFFFFF69", "--k-voltage", "5000", "--k-current", "90000"],
        ["current_ma"],
        "63.256 A",
    ),
    "its voltage": (["bl0910", "8216FFFFFF6A", "--board", "zq10"], ["voltage_mv"], "1128.567 V"),
    "its power": (["bl0910", "82227FFFFFDE", "--board", "zq10"], ["power_mw"], "the power is not known"),
    "a BL0942's in its data sheet's circuit": (
        ["bl0942", frame_of("bl0942", "full registers"), "--address", "2"],
        ["voltage_mv", "current_ma", "power_mw"],
        "265.027 V",
    ),
    "an HLW8032's on a board": (
        [
            "hlw8032",
            frame_of("hlw8032", "periods of one microsecond: as high as it goes"),
            "--board",
            "devkit-hlw8032",
        ],
        ["voltage_mv", "current_ma", "power_mw"],
        "30.317 A",
    ),
    # 230 V, 100 A
    "a PZEM-004T's": (["pzem004t", PZEM_AT_100_A], ["current_ma", "power_mw"], "100.000 A"),
}


@pytest.mark.parametrize("name", OVER)
def test_what_is_at_full_scale_is_no_value(name: str) -> None:
    arguments, over, said = OVER[name]
    done = run(*arguments, "--json")
    value = json.loads(done.stdout)
    assert value["over_range"] == over and all(value[key] is None for key in over)
    assert done.stderr.count("over range: ") == len(over) and said in done.stderr
    assert run(*arguments).stdout.splitlines()[1].split()[KEYS.index(over[0])] == "-"


@pytest.mark.parametrize(("counts", "shown"), [(5_692_000, 60_622), (5_694_000, None)])
def test_the_last_value_below_full_scale_is_one(counts: int, shown: int | None) -> None:
    frame = bytes([0x82, 0x0C]) + counts.to_bytes(3, "big")
    value = decoded("bl0910", (frame + bytes([~sum(frame) & 255])).hex(), "--board", "zq10")
    assert value["current_ma"] == shown and ("over_range" in value) == (shown is None)


def test_over_range_is_told_of_each_frame() -> None:
    value = decoded("bl0910", "820CFFFFFF74 820d0729d66a", "--board", "zq10")
    assert "over_range" not in value and value["current_ma"] == 4999
    assert value["frames"][0]["over_range"] == ["current_ma"] and "over_range" not in value["frames"][1]


def test_pzem004t_of_another_address_is_named() -> None:
    frame = rows("pzem004t", "frames")[0]["hex"]
    done = run("pzem004t", frame, "--address", "5")
    assert done.exit_code == 1 and "an answer of the meter 1, not of 5: give --address 1" in done.stderr
    assert decoded("pzem004t", frame, "--address", "1")["voltage_mv"] == 230100
    several = run("pzem004t", frame, frame, "--address", "5")
    assert several.exit_code == 1 and "give --address 1" in several.stderr
    question = run("pzem004t", "01 04 00 00 00 0A 70 0D", "--address", "5")
    assert "a question to the meter 1" in question.stderr


def test_what_is_below_the_range_is_not_called_unfinished_too() -> None:
    """A pulse of power that takes too long: state F2, and bit 4 of `adj` is not set."""
    how = "power over range: none; its period, which would be 75 kW, counts for nothing"
    done = run("hlw8032", frame_of("hlw8032", how), "--json")
    assert done.stderr.splitlines() == ["below the chip's range: power"]
    assert json.loads(done.stdout)["power_mw"] == 0


def test_people_get_a_table() -> None:
    done = run("pzem004t", rows("pzem004t", "frames")[0]["hex"])
    assert done.exit_code == 0
    head, line = done.stdout.splitlines()
    assert head.split() == ["V", "A", "W", "Wh", "Hz"]
    assert line.split() == ["230.100", "4.350", "1000.900", "4649.000", "50.000"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["pzem004t", "01 0"], 2),
        (["pzem004t", "hello"], 2),
        (["pzem004t"], 2),
        (["ade7953", "00"], 2),
        (["pzem004t", "00", "--k-voltage", "1"], 2),
        (["hlw8032", "00", "--k-power", "1"], 2),
        (["hlw8032", "00", "--k-voltage", "0"], 2),
        (["hlw8032", "00", "--k-voltage", "1e6"], 2),
        (["bl0942", "00", "--k-voltage", "0.06"], 2),
        (["bl0942", "00", "--address", "4"], 2),
        (["bl0942", "00", "--board", "zq10"], 2),
        (["bl0910", "00", "--board", "zq10", "--k-voltage", "1"], 2),
        (["bl0910", "00", "--board", "nowhere"], 3),
        (["pzem004t", ""], 1),
        (["pzem004t", "01 84 02 C2 C1"], 1),
    ],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    done = run(*arguments)
    assert done.exit_code == code and done.stdout == "" and done.stderr


@pytest.mark.parametrize("form", ["{}", "0x{}", "{},", "{}:"])
def test_forms_of_hexadecimal(form: str) -> None:
    frame = rows("pzem004t", "frames")[0]["hex"]
    text = "".join(form.format(byte) + (" " if form == "0x{}" else "") for byte in frame.split())
    assert decoded("pzem004t", text)["voltage_mv"] == 230100
    assert decoded("pzem004t", *frame.split())["voltage_mv"] == 230100


@pytest.mark.parametrize(
    ("frame", "missing"),
    [
        ("F2 5A 02 DC D0 00 05 FE 00 3C D7 00 0C 2B 4D E5 68 00 20 9E 71 00 07 CB", "power_mw"),
        ("F4 5A 02 DC D0 00 05 FE 00 3C D7 FE FF 01 4D E5 68 00 20 9E 71 00 07 92", "current_ma"),
    ],
)
def test_a_damaged_state_byte_of_an_hlw8032_is_said(frame: str, missing: str) -> None:
    done = run("hlw8032", frame, "--k-voltage", "1.881", "--json")
    assert done.exit_code == 0 and "it is damaged" in done.stderr and "below" not in done.stderr
    assert json.loads(done.stdout)[missing] is None
