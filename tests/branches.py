"""Every branch of the safety modules is taken by tests/core: a run of these tests that leaves one out fails.

Coverage is measured while the tests of tests/safety.py run, and only in those modules: nothing runs twice. A run of
some of the tests, or with a failure, proves nothing and is not judged. Of several processes one runs them all
(tests/conftest.py groups them), judges, and tells the one that reports.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from collections.abc import Iterator
from typing import Any

import coverage
import pytest

from tests import safety

_cov = coverage.Coverage(
    data_file=None,
    branch=True,
    config_file=False,
    include=[str(safety.module_file(module)) for module in safety.MODULES],
    messages=False,
)
_ran: dict[str, float] = {}
_missing: list[str] = []
_deselected = 0


def _name(item: pytest.Item) -> str:
    return f"{item.path.stem}::{item.name}"


def _is_ours(item: pytest.Item) -> bool:
    return safety.is_test(item.path)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    if not _is_ours(item):
        yield
        return
    if not _ran:
        _run_definitions()
    _cov.start()
    _cov.switch_context(_name(item))
    yield
    _cov.stop()


def _run_definitions() -> None:
    """The modules may have been imported before anybody measured: their own statements run once more."""
    _cov.start()
    sys.modules["micropython"] = sys  # the tick imports it, and asks nothing of it before it runs
    for module in safety.MODULES:
        spec = importlib.util.spec_from_file_location(safety.import_name(module), safety.module_file(module))
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    del sys.modules["micropython"]
    _cov.stop()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed:
        file, name = report.nodeid.removesuffix(f"@{safety.GROUP}").rsplit("::", 1)
        folder, stem = file.removesuffix(".py").split("/")[-2:]
        if folder == "core" and stem in safety.TESTS:
            _ran[f"{stem}::{name}"] = report.duration


def pytest_deselected(items: list[pytest.Item]) -> None:
    global _deselected
    _deselected += sum(map(_is_ours, items))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    ours = [item for item in session.items if _is_ours(item)]
    files = {item.path.stem for item in ours}
    named = any("::" in str(argument) for argument in session.config.args)
    if _deselected or named or files != set(safety.TESTS) or len(_ran) != len(ours):
        _fail_if_missing(session)
        return
    lines: dict[str, dict[int, list[str]]] = {}
    data = _cov.get_data()
    for module in safety.MODULES:
        file = str(safety.module_file(module))
        contexts = data.contexts_by_lineno(file)
        lines[module] = {line: [test for test in tests if test] for line, tests in contexts.items()}
    safety.save(_ran, lines)
    _missing.extend(_missed())
    _missing.extend(_unlocked(lines))
    told = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["missing"] = _missing
    _fail_if_missing(session)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """In the process that reports: one of the others has ended."""
    _missing.extend(getattr(node, "workeroutput", {}).get("missing", ()))


def _fail_if_missing(session: pytest.Session) -> None:
    if _missing:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _missed() -> Iterator[str]:
    """What no test reached, in words."""
    report = safety.REACHED.with_name("branches.json")
    report.parent.mkdir(parents=True, exist_ok=True)
    _cov.json_report(outfile=str(report))
    covered = {str(safety.module_file(module)) for module in safety.COVERED}
    for file, found in sorted(json.loads(report.read_text())["files"].items()):
        if str((safety.ROOT / file).resolve()) not in covered:
            continue
        for line in found["missing_lines"]:
            yield f"{file}:{line}: this line is run by no test of tests/core"
        for line, end in found["missing_branches"]:
            to = "the end" if end < 0 else f"line {end}"
            if line not in found["missing_lines"]:
                yield f"{file}:{line}: no test of tests/core goes from here to {to}"


def _unlocked(lines: dict[str, dict[int, list[str]]]) -> Iterator[str]:
    """What the tick may run, and no test with the heap locked does."""
    for module in safety.IN_THE_TICK:
        outside = {"__init__", *safety.NOT_IN_THE_TICK.get(module, "").split()}
        for node in ast.walk(ast.parse(safety.module_file(module).read_text())):
            if not isinstance(node, ast.FunctionDef) or node.name in outside:
                continue
            for line in range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1):
                tests = lines[module].get(line)
                if tests and not any(test.startswith("test_no_allocation::") for test in tests):
                    yield f"{module}.py:{line}: {node.name}: no test runs this with the heap locked"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _missing:
        terminalreporter.section("what no test takes of the safety modules", red=True)
        for line in _missing:
            terminalreporter.line(line)
