"""Many boards in one run: those on named ports, or whatever is plugged in until every point has its board."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from zhuque.device import ports
from zhuque.install.provision import Outcome, Provisioner

_LOOK_S = 0.5


def named(work: Provisioner, chosen: Sequence[str], jobs: int) -> Iterator[Outcome]:
    """Each of these ports once, at most `jobs` at a time; outcomes as they come."""
    with ThreadPoolExecutor(jobs, thread_name_prefix="provision") as pool:
        running = {pool.submit(work.run, port) for port in ports.distinct(chosen)}
        try:
            yield from _as_they_end(running)
        except BaseException:
            work.stop()
            for one in running:
                one.cancel()
            raise


def _as_they_end(running: set[Future[Outcome]]) -> Iterator[Outcome]:
    while running:
        ended, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
        running -= ended
        yield from (one.result() for one in ended)


def plugged(
    work: Provisioner,
    jobs: int,
    over: threading.Event,
    find: Callable[[], Iterable[str]] | None = None,
) -> Iterator[Outcome]:
    """Whatever is plugged in, until no point is left or `over` is set. A port is tried again after it was unplugged.

    `find` gives the ports that are there; without it they are those with a board's USB id.
    """
    look = find or (lambda: [port.name for port in ports.find()])
    running: dict[str, Future[Outcome]] = {}
    tried: set[str] = set()
    with ThreadPoolExecutor(jobs, thread_name_prefix="provision") as pool:
        try:
            while True:
                for port, one in list(running.items()):
                    if one.done():
                        del running[port]
                        yield one.result()
                if not running and (over.is_set() or not work.assigner.left()):
                    return
                there = set(look())
                tried &= there | set(running)
                for port in sorted(there - tried):
                    if not over.is_set():
                        tried.add(port)
                        running[port] = pool.submit(work.run, port)
                over.wait(_LOOK_S) if not over.is_set() else wait(running.values(), timeout=_LOOK_S)
        except BaseException:
            work.stop()
            raise
