"""What a board has not delivered, into the site's database, before it gets another identity."""

from __future__ import annotations

from collections.abc import Callable

from zhuque.collector.pull import stretches
from zhuque.collector.pull_console import ConsoleSource
from zhuque.device.console_link import ConsoleLink
from zhuque.errors import RefusedError
from zhuque.site.settings import Settings
from zhuque.store import journals
from zhuque.store.engine import translate
from zhuque.store.merge import Merged, merge
from zhuque.store.write import Store

_WAIT_S = 6.0  # it was restarted a moment ago


def rescue(site: Settings, port: str, actor: str, on_part: Callable[[float], None]) -> int:
    """Pulls the records that the database lacks, and returns how many; on_part hears 0 to 1.

    A board that was no point yet has none. Raises NoAnswerError where it does not answer: then they stay on it, and it
    sends them by itself; RefusedError where they are another garage's.
    """
    with ConsoleLink(port, _WAIT_S) as link:
        status = link.status()
        if status.get("point") is None:
            return 0
        if status["site"] != site.name:
            owner = f"{status['site']}/{status['point']}"
            raise RefusedError(
                f"the board at {port} is {owner}, of another garage, and may hold records that only that one may bill: "
                f"`zhuque log pull {owner} --port {port}` there first, then give --yes here"
            )
        return _pull(site, ConsoleSource(link, site.name, str(status["point"]), actor), on_part)


def _pull(site: Settings, source: ConsoleSource, on_part: Callable[[float], None]) -> int:
    extent, merged = source.extent, Merged()
    store = Store(str(site.database))
    try:
        with translate(site.database):
            with store.database.begin() as opened:
                ranges = journals.absent(opened, extent.journal, extent.first_seq, extent.last_seq)
            todo = list(stretches(ranges, source.most))
            for number, (first, last) in enumerate(todo):
                on_part(number / len(todo))
                merge(store, source.read(first, last), merged)
    finally:
        store.close()
    return merged.added
