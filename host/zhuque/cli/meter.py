"""`zhuque meter decode`: what a captured frame says, by the firmware's own code."""

from __future__ import annotations

from typing import Any

import click

from zhuque.board_code import KEYS, METERS, Decoded, Reading, Scale, decode
from zhuque.cli.options import json_option, json_text, print_table
from zhuque.errors import NotFoundError, UsageError
from zhuque.report import figures

_UNITS = ("V", "A", "W", "Wh", "Hz")


@click.group(name="meter")
def command() -> None:
    """Meters and their bytes.

    \b
    Example:
      zhuque meter decode pzem004t "01 04 14 09 59 02 04 00 00 03 85 00 00 12 29 00 00 01 F3 00 49 00 00 D3 EA"
    """


@command.command(name="decode")
@click.argument("meter", type=click.Choice(METERS))
@click.argument("hexdump", metavar="HEX", nargs=-1, required=True)
@click.option("--k-voltage", type=float, help="BL09xx: counts per volt; HLW8032: the factor K of voltage.")
@click.option("--k-current", type=float, help="BL09xx: counts per ampere; HLW8032: the factor K of current.")
@click.option(
    "--k-power", type=float, help="BL09xx: counts per watt, where they do not follow from the others."
)
@click.option(
    "--address", type=click.IntRange(0, 247), default=0, help="BL0942: the chip's; PZEM-004T: 0 is any."
)
@click.option("--board", metavar="NAME", help="Take the shunt, divider and reference of this board.")
@json_option
def decode_command(
    meter: str,
    hexdump: tuple[str, ...],
    k_voltage: float | None,
    k_current: float | None,
    k_power: float | None,
    address: int,
    board: str | None,
    as_json: bool,
) -> None:
    """What a captured frame of a meter says. A frame that is damaged, cut off or empty fails, and why is said.

    A BL0910 on SPI is given as 82, register, high, middle, low, sum; on its UART as 35, register, low, middle, high,
    sum. Without a scale the BL0942 is taken to stand in its data sheet's circuit (1 mOhm), the HLW8032 to have K = 1. A
    current of the HLW8032 that cannot be told from none, and a power whose pulse has not ended, are not given; nor is a
    value at full scale or above, which --json names in over_range.

    \b
    Example:
      zhuque meter decode bl0910 --board zq10 --json "82 16 12 19 3D FF"
      zhuque meter decode bl0910 --board zq10 "35 16 3D 19 12 81"
      zhuque meter decode hlw8032 --k-voltage 1.88 \
          "55 5A 02 DC D0 00 05 FF 00 3C D7 00 20 51 4D E5 68 00 62 43 71 02 3C 24"
    """
    if meter == "bl0942" and address > 3:
        raise UsageError(f"a BL0942 has an address of 0 to 3, not {address}")
    scale = _scale(meter, board, k_voltage, k_current, k_power)
    _print(decode(meter, _bytes(" ".join(hexdump)), scale, address), as_json)


def _bytes(text: str) -> bytes:
    """Hexadecimal with or without blanks, commas, colons and 0x."""
    plain = text.lower().replace("0x", " ")
    for separator in ",:;-":
        plain = plain.replace(separator, " ")
    try:
        return bytes.fromhex(plain)
    except ValueError:
        raise UsageError(f"{text!r} is not hexadecimal: give whole bytes such as 55 5A 02") from None


def _scale(
    meter: str, board: str | None, voltage: float | None, current: float | None, power: float | None
) -> Scale:
    if any(k is not None and not 0 < k < 1e9 for k in (voltage, current, power)):
        raise UsageError("a scale is a number above 0")
    if board is None:
        return Scale(voltage, current, power)
    if (voltage, current, power) != (None, None, None):
        raise UsageError("--board gives the whole scale: leave out --k-voltage, --k-current and --k-power")
    return Scale(board=_board_meter(meter, board))


def _board_meter(meter: str, board: str) -> dict[str, Any]:
    from zhuque.boards import list_boards, load

    if board not in list_boards():
        raise NotFoundError(f"there is no board {board!r}; there is {', '.join(list_boards())}")
    section = load(board).data["meter"]
    assert isinstance(section, dict)
    if section["driver"] != meter:
        raise UsageError(f"the board {board} has the meter {section['driver']}, not {meter}")
    return section


def _print(decoded: Decoded, as_json: bool) -> None:
    """The last frame's values; those of all frames where there are several."""
    for number, reading in enumerate(decoded.readings, 1):
        for note in reading.notes:
            click.echo(f"frame {number}: {note}" if len(decoded.readings) > 1 else note, err=True)
    if decoded.junk:
        click.echo(f"{decoded.junk} bytes belonged to no frame", err=True)
    if as_json:
        value = _object(decoded.readings[-1])
        if len(decoded.readings) > 1:
            value["frames"] = [_object(reading) for reading in decoded.readings]
        click.echo(json_text(value))
    else:
        print_table(_UNITS, [_row(reading) for reading in decoded.readings], _UNITS)


def _object(reading: Reading) -> dict[str, Any]:
    """As JSON: `over_range` is there where something is."""
    over = {"over_range": list(reading.over_range)} if reading.over_range else {}
    return {**reading.values, **over}


def _row(reading: Reading) -> list[str]:
    values = [reading.values[key] for key in KEYS]
    return [figures.DASH if value is None else str(figures.milli(value)) for value in values]
