"""The tables of a site's own: what is installed there, and who may use it. They belong to schema.py's metadata.

sites             a row a garage that keeps its records here: `id` is that of its site.toml
people            who has an account at the broker, and as what
inventory         a row a point: the board that is it at present, and what was issued to it
inventory_events  what was done to points, by whom and when; never changed
point_tests       a row a test at the wall, with all its lines; never changed
tokens            a row a socket: the token of its label, for the socket's life
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from zhuque.store.schema import metadata

sites = Table(
    "sites",
    metadata,
    Column("site", String(32), primary_key=True),
    Column("id", String(16), nullable=False),
    Column("made_at", BigInteger, nullable=False),
)

people = Table(
    "people",
    metadata,
    Column("site", String(32), primary_key=True),
    Column("name", String(32), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Column("added_by", String(64), nullable=False),
)

inventory = Table(
    "inventory",
    metadata,
    Column("site", String(32), primary_key=True),
    Column("point", String(32), primary_key=True),
    Column("label", Text),
    Column("board", String(32), nullable=False),
    # Of the board that is this point; null while there is none.
    Column("mac", String(17)),
    Column("chip", String(40)),
    Column("firmware", String(32)),
    Column("installed_at", BigInteger),
    Column("installed_by", String(64)),
    # Of what was issued to it: the password's fingerprint, and the numbers of the authorities that it trusts.
    Column("fingerprint", String(16)),
    Column("trusts", String(40)),
    Column("issued_at", BigInteger),
    Column("retired_at", BigInteger),
)
Index("ix_inventory_mac", inventory.c.mac, unique=True)

inventory_events = Table(
    "inventory_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", String(32), nullable=False),
    Column("point", String(32), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", String(64), nullable=False),
    Column("what", String(16), nullable=False),
    Column("detail", Text),
)
Index("ix_inventory_events_point", inventory_events.c.site, inventory_events.c.point, inventory_events.c.at)

point_tests = Table(
    "point_tests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", String(32), nullable=False),
    Column("point", String(32), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", String(64), nullable=False),
    Column("via", String(8), nullable=False),  # mqtt or usb
    Column("mac", String(17)),  # of the board that was tested
    Column("firmware", String(32)),
    Column("passed", Integer, nullable=False),
    Column("lines", Text, nullable=False),  # JSON: a list of [name, result, detail, remedy]
)
Index("ix_point_tests_point", point_tests.c.site, point_tests.c.point, point_tests.c.at)

tokens = Table(
    "tokens",
    metadata,
    Column("site", String(32), primary_key=True),
    Column("point", String(32), primary_key=True),
    Column("socket", Integer, primary_key=True, autoincrement=False),
    Column("token", String(10), nullable=False),
)
