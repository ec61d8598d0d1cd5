"""Mutation test of the safety modules: every small mistake (tests/mutants.py) must make a test of tests/core fail.

    python tests/mutation.py                    every mutant, on all cores
    python tests/mutation.py --sample 30        as many as 30 s allow, drawn by the sources' own checksum
    python tests/mutation.py core/judge tasks/protect      those of some modules

A mutant runs in a process forked for it, with the tests that pass its line, the one that is likeliest to notice
first. One that no test notices is an error, unless tests/mutation_survivors.toml says why no test can; an explanation
of a mutant that a test does notice, or that is no longer there, is an error too. Exit code 1 for any of these.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.util
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import mutants, safety  # noqa: E402
from tests.mutants import Mutant  # noqa: E402

SURVIVORS = ROOT / "tests" / "mutation_survivors.toml"
KEYS = ("module", "where", "before", "after")


class _Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Puts a mutant in the place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, name: str, path: object, target: object = None) -> object:
        if name != safety.import_name(self._mutant.module):
            return None
        return importlib.util.spec_from_loader(name, self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._mutant.tree, f"{self._mutant.module}.py", "exec"), module.__dict__)


# One mutant ---------------------------------------------------------------------------------------------------------


def _noticed_by(
    mutant: Mutant, tests: list[str], seconds: dict[str, float], end: Callable[[str | None], None]
) -> str | None:
    """The first of the tests that fails with the mutant; to be run in a process of its own, which `end(test)` ends.

    A test that does not come to an end notices it, too. That ends the process: an exception the mutant might catch.
    """
    mutant.apply()
    sys.meta_path.insert(0, _Loader(mutant))
    loaded: dict[str, ModuleType] = {}
    for test in tests:
        file, name = test.split("::")
        signal.signal(signal.SIGVTALRM, lambda signum, frame, test=test: end(test))
        signal.setitimer(signal.ITIMER_VIRTUAL, 2 + 5 * seconds[test])
        try:
            if file not in loaded:
                loaded[file] = _load(file)
            getattr(loaded[file], name)()
        except BaseException:  # noqa: BLE001 - whatever it is, the mutant was noticed
            return test
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return None


def _load(file: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file, safety.test_file(file))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Worker:
    """Lives in each process of the pool; knows which tests noticed mutants of the same function before."""

    def __init__(self, chosen: list[Mutant], reached: dict) -> None:
        self._mutants = chosen
        self._seconds = reached["seconds"]
        self._tests = _Tests(reached)
        self._keen: dict[str, Counter[str]] = {}

    def run(self, n: int) -> tuple[int, str | None]:
        mutant = self._mutants[n]
        keen = self._keen.setdefault(mutant.module + mutant.where, Counter())
        tests = self._tests.of(mutant)
        tests.sort(key=lambda test: (-keen[test] / (0.02 + self._seconds[test]), self._seconds[test]))
        tests += [test for test in self._tests.rest(mutant) if test not in tests]
        test = self._forked(mutant, tests)
        if test:
            keen[test] += 1
        return n, test

    def _forked(self, mutant: Mutant, tests: list[str]) -> str | None:
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)

            def end(test: str | None) -> None:
                os.write(write, (test or "").encode())
                os._exit(0)

            end(_noticed_by(mutant, tests, self._seconds, end))
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            said = pipe.read().decode()
        status = os.waitpid(child, 0)[1]
        return said or (f"a crash, status {status}" if status else None)


class _Tests:
    """Which tests pass a line; for a constant of the module, the lines that name it."""

    def __init__(self, reached: dict) -> None:
        self._all = list(reached["seconds"])
        self._lines = reached["lines"]
        self._sources = {name: safety.module_file(name).read_text().splitlines() for name in safety.MODULES}

    def of(self, mutant: Mutant) -> list[str]:
        named = re.match(r"(\w+) = ", mutant.before) if mutant.where == "-" else None
        if named is None:
            lines = self._lines[mutant.module]
            found = {test for at in range(mutant.line, mutant.last + 1) for test in lines.get(str(at), ())}
            return sorted(found)
        word = re.compile(rf"\b{named[1]}\b")
        tests = {
            test
            for module, text in self._sources.items()
            for at, line in enumerate(text, 1)
            if word.search(line)
            for test in self._lines[module].get(str(at), ())
        }
        return sorted(tests)

    def rest(self, mutant: Mutant) -> list[str]:
        """After those: a constant may be looked at by a test that runs no line that names it."""
        return self._all if mutant.where == "-" else []


_NOT_RUN = "not run: the time was up"
_worker: _Worker
_deadline: float


def _begin(chosen: list[Mutant], reached: dict, deadline: float) -> None:
    global _worker, _deadline
    _worker = _Worker(chosen, reached)
    _deadline = deadline
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "tests")]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _run(n: int) -> tuple[int, str | None]:
    return (n, _NOT_RUN) if time.monotonic() > _deadline else _worker.run(n)


# All of them --------------------------------------------------------------------------------------------------------


def reached() -> dict:
    """Which test passes which line: as the last run of the tests left it, or from a run of their own."""
    kept = safety.load()
    if kept is None:
        files = [str(safety.test_file(test)) for test in safety.TESTS]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
        subprocess.run(command, cwd=ROOT, check=False)  # kept only where every test passed
        kept = safety.load()
        if kept is None:
            sys.exit("mutation: the tests fail without any mutant: mend that first")
    return kept


def explained() -> dict[tuple[str, ...], str]:
    """The reasons in tests/mutation_survivors.toml, by the mutant's key."""
    rows = tomllib.loads(SURVIVORS.read_text())["survivor"]
    return {tuple(row[key] for key in KEYS): row["reason"] for row in rows}


def outcomes(chosen: list[Mutant], deadline: float, jobs: int) -> Iterator[tuple[Mutant, str | None]]:
    """Each mutant with the test that noticed it, in no order, until the deadline."""
    context = multiprocessing.get_context("fork")
    with context.Pool(jobs, _begin, (chosen, reached(), deadline)) as pool:
        for n, test in pool.imap_unordered(_run, range(len(chosen))):
            if test != _NOT_RUN:
                yield chosen[n], test


def every_mutant(modules: list[str]) -> list[Mutant]:
    return [
        mutant
        for module in modules
        for mutant in mutants.of_source(module, safety.module_file(module).read_text())
    ]


def judge(chosen: list[Mutant], deadline: float, jobs: int, whole: bool) -> list[str]:
    """Runs them, prints the figures, returns what is wrong."""
    reasons = explained()
    wrong = []
    noticed = survived = 0
    for mutant, test in outcomes(chosen, deadline, jobs):
        if test:
            noticed += 1
            if mutant.key in reasons:
                wrong.append(f"explained as a survivor, but {test} notices it: {mutant}")
        elif mutant.key in reasons:
            survived += 1
        else:
            wrong.append(f"no test notices: {mutant}")
            print(wrong[-1], flush=True)
    if whole:
        there = {mutant.key for mutant in chosen}
        for key in sorted(set(reasons) - there):
            if key[0] in {mutant.module for mutant in chosen}:
                wrong.append(f"explained as a survivor, but there is no such mutant: {' | '.join(key)}")
    tried = noticed + survived + sum(text.startswith("no test") for text in wrong)
    print(f"mutation: {tried} of {len(chosen)} mutants, {noticed} noticed, {survived} explained survivors")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("modules", nargs="*", help="some of: " + " ".join(safety.MODULES))
    parser.add_argument("--sample", type=float, metavar="SECONDS", help="a random part, for so long")
    parser.add_argument("--seed", type=int, help="of the sample; without it the sources' checksum")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    asked = parser.parse_args()
    unknown = set(asked.modules) - set(safety.MODULES)
    if unknown:
        parser.error(f"no such safety module: {', '.join(sorted(unknown))}")
    reached()
    chosen = every_mutant(asked.modules or list(safety.SAMPLED if asked.sample else safety.MODULES))
    deadline = float("inf")
    if asked.sample:
        random.Random(safety.fingerprint() if asked.seed is None else asked.seed).shuffle(chosen)
        deadline = time.monotonic() + asked.sample
    wrong = judge(chosen, deadline, asked.jobs, whole=not asked.sample)
    for text in sorted(wrong):
        print(text)
    if wrong:
        print(
            f"mutation: {len(wrong)} to mend: a test that notices it, or, where none can, a reason in {SURVIVORS.name}"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
