"""`zhuque bill`: what sessions cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from zhuque.cli.options import (
    db_option,
    json_option,
    need_db,
    need_site,
    print_json,
    print_table,
    site_option,
)
from zhuque.errors import NotFoundError, ZhuqueError
from zhuque.report import figures

if TYPE_CHECKING:
    from zhuque.billing.tariff import Tariff
    from zhuque.report.bills import Difference, Terms

MONTH = click.argument("month", metavar="YYYY-MM")
_TARIFF = ("version", "from", "hours", "period", "fen/kWh")
_TARIFF_KEYS = ("version", "from", "hours", "period", "fen_per_kwh")


@click.group(name="bill")
def command() -> None:
    """What sessions cost, by the tariffs in site.toml.

    \b
    Example:
      zhuque bill price 2026-11 --site riverside
      zhuque bill check 2026-11 --site riverside
    """


@command.command()
@MONTH
@db_option
@click.option("--again", is_flag=True, help="Price those too that have a price; the old one is replaced.")
def price(month: str, db: str | None, again: bool) -> None:
    """Price the sessions that ended in a month and have no price yet.

    A price is kept with the version of the tariff that made it. The version in force on the day of the start prices
    the whole session; electricity goes by the half hours in which it flowed.

    \b
    Example:
      zhuque bill price 2026-11 --site riverside
    """
    where, terms = need_db(db), the_terms()

    from zhuque.report.bills import price_sessions
    from zhuque.report.month import span
    from zhuque.store.engine import open_reader, open_writer, translate

    since, until = span(month, terms.zone)
    with translate(where):
        outcome = price_sessions(open_reader(where), open_writer(where), terms, since, until, again=again)
    had = "" if again else f", {outcome.kept} had a price"
    click.echo(f"{outcome.priced} sessions priced{had}")
    for why, count in outcome.left.items():
        click.echo(f"{count} sessions have no price: {why}", err=True)


@command.command()
@MONTH
@db_option
@json_option
def check(month: str, db: str | None, as_json: bool) -> None:
    """Make every price of a month again from the records and compare; exit 1 where one comes out differently.

    \b
    Example:
      zhuque bill check 2026-11 --site riverside
    """
    where, terms = need_db(db), the_terms()

    from zhuque.report.bills import check as find
    from zhuque.report.month import span
    from zhuque.store.engine import open_reader, translate

    since, until = span(month, terms.zone)
    with translate(where):
        found = list(find(open_reader(where), terms, since, until))
    if as_json:
        print_json(map(_difference, found))
    else:
        for difference in found:
            click.echo(_sentence(difference))
    if found:
        raise ZhuqueError(
            f"{len(found)} prices do not come out again; `zhuque bill price {month} --again` replaces them"
        )
    if not as_json:
        click.echo("every price comes out again")


@command.command()
@site_option
@json_option
def tariff(as_json: bool) -> None:
    """The tariffs of the site: which price when, the service fee, and what a session costs at least and at most.

    \b
    Example:
      zhuque bill tariff --site riverside
    """
    terms = the_terms()

    from zhuque.billing.tariff import spans

    rows = [
        {
            "version": tariff.version,
            "from": tariff.begins.isoformat(),
            "hours": hours,
            "period": period,
            "fen_per_kwh": float(tariff.prices[period]),
            "free_minutes": tariff.free_s // 60,
            "minimum_fen": tariff.minimum_fen,
            "cap_fen": tariff.cap_fen,
            "service": [
                {
                    "up_to_w": None if tier.up_to_mw is None else tier.up_to_mw // 1000,
                    "fen_per_kwh": float(tier.fen_per_kwh),
                    "fen_per_hour": float(tier.fen_per_hour),
                }
                for tier in tariff.tiers
            ],
        }
        for tariff in terms.tariffs
        for hours, period in spans(tariff)
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(_TARIFF, [[str(row[key]) for key in _TARIFF_KEYS] for row in rows], ("fen/kWh",))
        for tariff in terms.tariffs:
            click.echo(f"\n{tariff.version}")
            for line in _terms_of(tariff):
                click.echo(f"  {line}")


def the_terms() -> Terms:
    """What the bills of --site are made by. Raises UsageError, NotFoundError where the site has no tariff."""
    from zoneinfo import ZoneInfo

    from zhuque.report.bills import Terms

    site = need_site()
    if not site.tariffs:
        raise NotFoundError(
            f"{site.folder}/site.toml has no tariff: add [[tariff]] tables as host/README.md shows them"
        )
    return Terms(site.name, site.tariffs, ZoneInfo(site.time_zone))


def _terms_of(tariff: Tariff) -> Iterator[str]:
    """What a version says beside the prices of electricity, a line each."""
    for tier in tariff.tiers:
        up_to = f"up to {tier.up_to_mw // 1000} W" if tier.up_to_mw is not None else "any other session"
        yield (
            f"service, {up_to}: {float(tier.fen_per_kwh):g} fen/kWh, {float(tier.fen_per_hour):g} fen an hour"
        )
    most = "without a cap" if tariff.cap_fen is None else f"at most {figures.yuan_text(tariff.cap_fen)} yuan"
    least = figures.yuan_text(tariff.minimum_fen)
    yield f"a session: at least {least} yuan, {most}, free up to {tariff.free_s // 60} min"


def _difference(found: Difference) -> dict[str, object]:
    return {
        "site": found.stored.site,
        "point": found.stored.point,
        "session": found.stored.session,
        "tariff": found.stored.tariff,
        "electricity_fen": found.stored.electricity_fen,
        "service_fen": found.stored.service_fen,
        "electricity_fen_now": found.made and found.made.electricity_fen,
        "service_fen_now": found.made and found.made.service_fen,
        "why": found.why,
    }


def _sentence(found: Difference) -> str:
    fen = found.stored.electricity_fen + found.stored.service_fen
    now = (
        "no price"
        if found.made is None
        else figures.yuan_text(found.made.electricity_fen + found.made.service_fen)
    )
    return f"{found.stored.point} {found.stored.session}: {figures.yuan_text(fen)} is {now} now: {found.why}"
