"""Amounts as people give them, with a unit: durations and energies."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import click

from zhuque.cli.options import ParamType

_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}
_MWH = {"wh": 1000, "kwh": 1_000_000}


class Quantity(ParamType):
    """A number with a unit; gives an integer of the smallest."""

    def __init__(self, name: str, units: dict[str, int], example: str) -> None:
        self.name = name
        self._units = units
        self._example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*([a-z]*)", value.lower(), re.ASCII)
        factor = self._units.get(match[2]) if match else None
        amount = Decimal(match[1]) * factor if match and factor else Decimal(0)
        if amount < 1 or amount != int(amount):
            self.fail(f"{value!r} is no {self.name}; it looks like {self._example}", param, ctx)
        return int(amount)


DURATION = Quantity("duration", _SECONDS, "4h, 90min or 600s")
ENERGY = Quantity("energy", _MWH, "500Wh or 1.2kWh")
