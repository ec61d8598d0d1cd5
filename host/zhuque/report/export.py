"""Sessions as CSV, JSON lines or Parquet: a stream in, a stream out, however many there are.

The columns and their order are those of `report/sessions.py`, in all three; README.md says what they mean. pyarrow, of
the extra `parquet`, is imported only for Parquet.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from zhuque.errors import UsageError
from zhuque.report import figures
from zhuque.report.sessions import COLUMNS, public

Row = Mapping[str, Any]
Rows = Iterable[Row]

_PAGE = 10_000
# What a number becomes: exact, and never by way of a float.
_MILLI = {"energy_wh": "energy_mwh", "peak_w": "peak_mw"}


def write_csv(rows: Rows, file: BinaryIO) -> None:
    """CSV in UTF-8 with a header; null is empty."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(public(row).values() for row in rows)
    text.flush()
    text.detach()


def write_json_lines(rows: Rows, file: BinaryIO) -> None:
    """An object a line, as in `session list --json`."""
    for row in rows:
        file.write(_json(public(row)).encode() + b"\n")


def write_parquet(rows: Rows, file: BinaryIO) -> None:
    """Parquet, zstd, a row group a page. Raises UsageError without pyarrow."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow: `pip install 'zhuque[parquet]'`") from error
    schema = _arrow_schema(pa)
    stream = iter(rows)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while page := list(islice(stream, _PAGE)):
            columns = [[_typed(name, row) for row in page] for name in COLUMNS]
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


FORMATS: dict[str, Callable[[Rows, BinaryIO], None]] = {
    "csv": write_csv,
    "jsonl": write_json_lines,
    "parquet": write_parquet,
}


def format_of(path: Path) -> str:
    """The format that the name of a file asks for. Raises UsageError."""
    ending = path.suffix.lstrip(".").lower()
    if ending not in FORMATS:
        raise UsageError(f"{path}: which format? End the name in .csv, .jsonl or .parquet, or give --format")
    return ending


def _json(row: dict[str, Any]) -> str:
    return "{" + ", ".join(f'"{name}": {_value(value)}' for name, value in row.items()) + "}"


def _value(value: Any) -> str:
    return json.dumps(value) if value is None or type(value) in (str, int) else str(value)


def _typed(name: str, row: Row) -> Any:
    if name in _MILLI:
        return figures.milli(row[_MILLI[name]])
    return row[name]


def _arrow_schema(pa: Any) -> Any:
    moment, exact = pa.timestamp("s", "UTC"), pa.decimal128(18, 3)
    kinds = {
        "socket": pa.int32(),
        "started_at": moment,
        "ended_at": moment,
        "duration_s": pa.int64(),
        "suspended_s": pa.int64(),
        "energy_wh": exact,
        "peak_w": exact,
    }
    return pa.schema([pa.field(name, kinds.get(name, pa.string())) for name in COLUMNS])
