"""Accounts: whom sessions are for. All that is known of a person is here, is little, and can be forgotten.

Rules: a session says the account's id, and so do the records, which nobody changes: so an id must say nothing of the
person (`r-0412`, not a name or a number). The telephone number is never kept, only a salted scrypt hash of it, by
which an account is found. `erase` empties the row but for its id and its dates, and lets go of the cards.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.engine import Connection, Engine

from zhuque.errors import NotFoundError, UsageError, ZhuqueError
from zhuque.store import schema
from zhuque.store.names import check_account
from zhuque.wire.messages import MAX_ACCOUNT

_C = schema.accounts.c
_CARD_MAX = 32
_TEXT_MAX = 200
# 16 MiB and about 40 ms a number: all numbers of a country would take years.
_SCRYPT = {"n": 1 << 14, "r": 8, "p": 1, "dklen": 32}


class AccountError(ZhuqueError):
    """An account cannot be added or changed as asked."""


@dataclass(frozen=True)
class Person:
    """What is told of an account; `phone` is the number itself, and is not kept."""

    account: str
    name: str | None = None
    flat: str | None = None
    phone: str | None = None
    note: str | None = None
    cards: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises UsageError for what cannot be kept."""
        _check("an account's id", self.account, MAX_ACCOUNT, re.compile(r"[^\s/]+"), "blanks or slashes")
        for card in self.cards:
            _check(
                "a card",
                card,
                _CARD_MAX,
                re.compile(r"[0-9A-Za-z:-]+"),
                "anything but letters, digits, ':', '-'",
            )
        for what, text in (("name", self.name), ("flat", self.flat), ("note", self.note)):
            if text is not None:
                _check(
                    f"the {what} of {self.account}",
                    text,
                    _TEXT_MAX,
                    re.compile(r"[^\0-\x1f]+"),
                    "control characters",
                )
        if self.phone is not None:
            plain_number(self.phone)


@dataclass(frozen=True)
class Account:
    """An account as it is kept; times are Unix seconds, `phone` tells whether a hash is there."""

    account: str
    name: str | None
    flat: str | None
    phone: bool
    note: str | None
    added_at: int
    disabled_at: int | None
    erased_at: int | None
    cards: tuple[str, ...]


@dataclass(frozen=True)
class Called:
    """What people call an account's holder by."""

    name: str | None = None
    flat: str | None = None


@dataclass(frozen=True)
class Charged:
    """The sessions of an account in sum."""

    sessions: int
    energy_mwh: int
    last_started_at: int | None


def add(db: Connection, person: Person, now: int) -> None:
    """A new account. Raises UsageError, AccountError where the id or a card is taken."""
    person.check()
    if db.execute(select(_C.account).where(_C.account == person.account)).first():
        raise AccountError(
            f"account {person.account} exists: change it with `zhuque account import`, or take another id"
        )
    phone_hash = _hash(db, person.phone)
    db.execute(insert(schema.accounts).values(**_told(person), phone_hash=phone_hash, added_at=now))
    _give_cards(db, person)


def put(db: Connection, people: Sequence[Person], told: Collection[str], now: int) -> int:
    """Accounts as told, new or in place of what was known; returns how many are new.

    `told` names the fields of Person that are meant: what the others say of an account that exists is left alone, and
    so is its phone where none is given. Raises UsageError, AccountError for a card that is somebody else's and for an
    account that was erased.
    """
    if "cards" in told:  # of all of them first: a card may go from one to the other
        for person in people:
            db.execute(delete(schema.cards).where(schema.cards.c.account == person.account))
    return sum(_put(db, person, told, now) for person in people)


def _put(db: Connection, person: Person, told: Collection[str], now: int) -> bool:
    found = db.execute(select(_C.erased_at).where(_C.account == person.account)).first()
    if found is None:
        add(db, person, now)
        return True
    person.check()
    if found.erased_at is not None:
        raise _erased(person.account)
    values = {name: value for name, value in _told(person).items() if name == "account" or name in told}
    if person.phone is not None:
        values["phone_hash"] = _hash(db, person.phone)
    db.execute(update(schema.accounts).where(_C.account == person.account).values(**values))
    _give_cards(db, person)
    return False


def set_disabled(db: Connection, account: str, at: int | None) -> None:
    """Mark an account as disabled since then, or as enabled. Raises NotFoundError, AccountError for one erased."""
    _must_be_there(db, account)
    if at is None and db.scalar(select(_C.erased_at).where(_C.account == account)) is not None:
        raise _erased(account)
    db.execute(update(schema.accounts).where(_C.account == account).values(disabled_at=at))


def erase(db: Connection, account: str, now: int) -> None:
    """Forget the person: everything but the id and the dates. Sessions stay, under the id."""
    _must_be_there(db, account)
    if db.dialect.name == "sqlite":  # what is deleted is overwritten, not left in free pages
        db.exec_driver_sql("PRAGMA secure_delete = ON")
    db.execute(delete(schema.cards).where(schema.cards.c.account == account))
    nothing = dict.fromkeys(("name", "flat", "phone_hash", "note"))
    at = func.coalesce(_C.disabled_at, now)
    query = update(schema.accounts).where(_C.account == account)
    db.execute(query.values(**nothing, disabled_at=at, erased_at=func.coalesce(_C.erased_at, now)))


def scrub(engine: Engine) -> None:
    """After an erasure: SQLite's log is emptied into the file, so that nothing is left of the person in it either."""
    if engine.dialect.name == "sqlite":
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            raw.close()


def find(
    db: Connection, account: str | None = None, card: str | None = None, phone: str | None = None
) -> list[Account]:
    """The accounts, by id; all, or those with this id, this card or this number."""
    query = select(schema.accounts).order_by(_C.account)
    if account is not None:
        query = query.where(_C.account == account)
    if card is not None:
        query = query.where(
            _C.account == select(schema.cards.c.account).where(schema.cards.c.card == card).scalar_subquery()
        )
    if phone is not None:
        query = query.where(_C.phone_hash == _hash(db, phone))
    cards: dict[str, list[str]] = {}
    for number, owner in db.execute(select(schema.cards).order_by(schema.cards.c.card)):
        cards.setdefault(owner, []).append(number)
    return [
        Account(
            row.account,
            row.name,
            row.flat,
            row.phone_hash is not None,
            row.note,
            row.added_at,
            row.disabled_at,
            row.erased_at,
            tuple(cards.get(row.account, ())),
        )
        for row in db.execute(query)
    ]


def one(engine: Engine, account: str) -> Account | None:
    """An account; None for one that only sessions name. Raises NotFoundError with the nearest ids."""
    with engine.begin() as db:
        found = find(db, account)
    if not found:
        check_account(engine, account)
        return None
    return found[0]


def called(engine: Engine, accounts: Collection[str]) -> dict[str, Called]:
    """Name and flat of those accounts of which one of them is known: of one that was erased nothing is."""
    query = select(_C.account, _C.name, _C.flat).where(or_(_C.name.is_not(None), _C.flat.is_not(None)))
    with engine.begin() as db:
        return {
            account: Called(name, flat) for account, name, flat in db.execute(query) if account in accounts
        }


def disabled_at(engine: Engine, account: str) -> int | None:
    """Since when the account may not charge; None where it may, or was never added."""
    with engine.begin() as db:
        return db.scalar(select(_C.disabled_at).where(_C.account == account))


def charged(db: Connection, account: str) -> Charged:
    """The sessions of an account in sum."""
    c = schema.sessions.c
    query = select(func.count(), func.coalesce(func.sum(c.energy_mwh), 0), func.max(c.started_at))
    count, energy_mwh, last = db.execute(query.where(c.account == account)).one()
    return Charged(count, int(energy_mwh), last)


def plain_number(phone: str) -> str:
    """A telephone number without its spaces and the country's 86. Raises UsageError where it is none."""
    digits = re.sub(r"[\s().-]", "", phone)
    digits = re.sub(r"^(\+|00)86", "", digits)
    if not re.fullmatch(r"\+?[0-9]{5,15}", digits, re.ASCII):
        raise UsageError(
            f"no telephone number: it has {len(phone)} characters, and needs 5 to 15 digits and nothing else; a table "
            "shows 1.38E+10 where its column is no text"
        )
    return digits


def _erased(account: str) -> AccountError:
    return AccountError(f"account {account} was erased, for ever: give the person a new id")


def _told(person: Person) -> dict[str, Any]:
    return {"account": person.account, "name": person.name, "flat": person.flat, "note": person.note}


def _hash(db: Connection, phone: str | None) -> str | None:
    """SALT$HASH in hexadecimal; one salt a database, so that a number can be looked for."""
    if phone is None:
        return None
    known = db.scalar(select(_C.phone_hash).where(_C.phone_hash.is_not(None)).limit(1))
    salt = bytes.fromhex(known.partition("$")[0]) if known else os.urandom(16)
    return f"{salt.hex()}${hashlib.scrypt(plain_number(phone).encode(), salt=salt, **_SCRYPT).hex()}"


def _give_cards(db: Connection, person: Person) -> None:
    c = schema.cards.c
    for card in dict.fromkeys(person.cards):
        owner = db.scalar(select(c.account).where(c.card == card))
        if owner is not None:
            raise AccountError(f"card {card} is account {owner}'s: take it from there first")
        db.execute(insert(schema.cards).values(card=card, account=person.account))


def _must_be_there(db: Connection, account: str) -> None:
    if not db.execute(select(_C.account).where(_C.account == account)).first():
        from zhuque.store.names import nearest

        known: Sequence[str] = db.scalars(select(_C.account)).all()
        raise NotFoundError(
            f"no account {account} was added{nearest(account, known)}; `zhuque account list` shows all"
        )


def _check(what: str, text: str, most: int, form: re.Pattern[str], never: str) -> None:
    if not form.fullmatch(text) or len(text.encode(errors="replace")) > most:
        raise UsageError(
            f"{what} must be 1 to {most} bytes (a Chinese character has 3) without {never}, is {text!r}"
        )
