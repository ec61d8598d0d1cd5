"""Many rows with one statement: Core's constructs, compiled once for each kind of database.

SQLite takes the rows with `executemany`; PostgreSQL takes them as one JSON text, which is several times faster than a
statement a row, or than the driver's arrays. What is compiled comes from the tables of `schema.py`.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    String,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
)
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.selectable import TableValuedAlias

Values = Sequence[tuple[Any, ...]]
# What a row that is there already becomes, of the columns of the one that was to be inserted (`excluded`).
Update = Callable[[Any], dict[str, Any]]


def newer(*names: str) -> Update:
    """These columns as in the new row."""
    return lambda excluded: {name: excluded[name] for name in names}


class Insert:
    """Rows into a table: `names` are the columns, in the order of the table (else those without the `id`).

    A row that is there already, by `keys` (else the primary key), is left alone, or `update`d where `where` holds.
    """

    def __init__(
        self,
        table: Table,
        names: Sequence[str] = (),
        update: Update | None = None,
        keys: Sequence[str] = (),
        where: Callable[[Any], Any] | None = None,
    ) -> None:
        self._table = table
        self._names = tuple(names or (c.name for c in table.columns if c.name != "id"))
        if list(self._names) != [c.name for c in table.columns if c.name in self._names]:
            raise ValueError(f"not in the order of the table {table.name}: {self._names}")
        self._update = update
        self._keys = keys or [key.name for key in table.primary_key]
        self._where = where
        self._sql: dict[str, str] = {}

    def run(self, db: Connection, rows: Values) -> int:
        """How many rows it changed."""
        if not rows:
            return 0
        kind = db.dialect.name
        sql = self._sql.get(kind)
        if sql is None:
            sql = self._sql[kind] = _text(self._statement(kind), db)
        if kind == "postgresql":
            return db.exec_driver_sql(sql, _json(self._names, rows)).rowcount
        return db.exec_driver_sql(sql, list(rows)).rowcount

    def _statement(self, kind: str) -> ClauseElement:
        statement: Any
        if kind == "postgresql":
            from sqlalchemy.dialects.postgresql import insert

            source = _given(self._table, self._names)
            statement = insert(self._table).from_select(self._names, select(source))
        else:
            from sqlalchemy.dialects.sqlite import insert as insert_values

            values: dict[str, Any] = {name: bindparam(name) for name in self._names}
            statement = insert_values(self._table).values(values).inline()
        if self._update is None:
            return typing.cast(ClauseElement, statement.on_conflict_do_nothing())
        where = self._where(statement.excluded) if self._where else None
        changes = {"index_elements": self._keys, "set_": self._update(statement.excluded), "where": where}
        return typing.cast(ClauseElement, statement.on_conflict_do_update(**changes))


class Lookup:
    """The rows of a table that have one of these keys, in one question."""

    def __init__(self, table: Table, keys: Sequence[str], names: Sequence[str]) -> None:
        self._table = table
        self._keys = keys
        self._names = names
        self._sql: dict[str, str] = {}

    def run(self, db: Connection, wanted: Values) -> Sequence[Sequence[Any]]:
        """The columns `names` of the rows with these values of `keys`."""
        kind = db.dialect.name
        sql = self._sql.get(kind)
        if sql is None:
            sql = self._sql[kind] = _text(self._statement(kind), db)
        if kind == "postgresql":
            return db.exec_driver_sql(sql, _json(self._keys, wanted)).all()
        return db.exec_driver_sql(sql, (json.dumps(wanted),)).all()

    def _statement(self, kind: str) -> ClauseElement:
        columns = self._table.columns
        if kind == "postgresql":
            source = _given(self._table, self._keys)
            pairs = [columns[name] == source.c[name] for name in self._keys]
        else:
            source = func.json_each(bindparam("wanted")).table_valued("value", name="wanted")
            pairs = [
                columns[name] == func.json_extract(source.c.value, literal_column(f"'$[{i}]'"))
                for i, name in enumerate(self._keys)
            ]
        joined = source.join(self._table, and_(*pairs))
        return select(*(columns[name] for name in self._names)).select_from(joined)


def _text(statement: ClauseElement, db: Connection) -> str:
    return str(statement.compile(dialect=db.dialect))


def _given(table: Table, names: Sequence[str]) -> TableValuedAlias:
    """The rows of `_json` as a table, on PostgreSQL."""
    columns = [column(name, _form(table.columns[name])) for name in names]
    function = func.json_to_recordset(cast(bindparam("given", type_=Text()), JSON()))
    return function.table_valued(*columns, name="given").render_derived(with_types=True)


def _form(stored: Column[Any]) -> Any:
    """Text of any length: what is too long is refused when it is stored, not cut before without a word."""
    return Text() if isinstance(stored.type, String) else stored.type


def _json(names: Sequence[str], rows: Values) -> dict[str, str]:
    return {"given": json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=_hexadecimal)}


def _hexadecimal(data: bytes) -> str:
    return "\\x" + data.hex()
