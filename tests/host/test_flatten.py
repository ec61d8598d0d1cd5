"""device/flatten.py: modules without packages, by names that cost nothing, and everybody still finds them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from zhuque.device.flatten import FlattenError, flatten

SOURCES = {
    "main.py": "import sys\nimport files\nfrom core import recovery\nfrom core import limits as of_site\n"
    "from core.limits import lowest as least\n\n\ndef driver(kind, name):\n"
    "    module = __import__('drivers.{}_{}'.format(kind, name), None, None, ('from_board',))\n"
    "    return module.from_board()\n\n\n"
    "def forget(names):\n    return [sys.modules.pop(name, None) is not None for name in names]\n\n\n"
    "def relay(name):\n    return __import__('drivers.relay_' + name, None, None, ('on',)).on\n\n\n"
    "def told():\n    found = recovery.found(), of_site.lowest(3), least(9), files.read()\n"
    "    found += driver('meter', 'x'), relay('y')\n"
    "    gone = forget(('core.recovery', 'core.limits'))\n"
    "    left = [n for n in sys.modules if n.endswith('_setup')]\n"
    "    return found + (gone, left, '/'.join(('core', 'a')))\n",
    "files.py": "from core.limits import lowest\n\ndef read():\n    return lowest(7)\n",
    "core/__init__.py": '"""Logic."""\n',
    "core/limits.py": "def lowest(n):\n    return min(n, 5)\n",
    "core/recovery.py": "def found():\n    from . import limits\n    from .limits import lowest\n"
    "    return limits.lowest(1) + lowest(2)\n",
    "drivers/__init__.py": "",
    "drivers/meter_x.py": "from .x_setup import ready\n\ndef from_board():\n    return ready\n",
    "drivers/x_setup.py": "from core import limits\nready = limits.lowest(8)\n",
    "drivers/relay_y.py": "on = 'drivers of relays'\n",
}
ANSWER = "(3, 3, 5, 5, 5, 'drivers of relays', [True, True], ['{}x_setup'], 'core/a')\n"


def run(micropython: Path, folder: Path, sources: dict[str, str]) -> str:
    for name, text in sources.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    done = subprocess.run(
        [micropython, "-c", "import main; print(main.told())"], cwd=folder, capture_output=True, text=True
    )
    return done.stdout or done.stderr


def test_flat_they_do_what_they_did(micropython: Path, tmp_path: Path) -> None:
    flat, table = flatten(SOURCES)
    assert run(micropython, tmp_path / "packages", SOURCES) == ANSWER.format("drivers.")
    assert run(micropython, tmp_path / "flat", flat) == ANSWER.format("")
    kept = {"main.py", "files.py", "meter_x.py", "relay_y.py", "x_setup.py"}
    assert kept < set(flat) == set(table.values()) and not any("/" in name for name in flat)
    assert all(table[name][0].isupper() for name in ("core/limits.py", "core/recovery.py"))
    assert (flat, table) == flatten(dict(reversed(SOURCES.items())))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"core/__init__.py": "limit = 5\n"}, "core/__init__.py: a package does nothing itself"),
        ({"files.py": "import core.limits\n"}, "files.py: import core.limits needs the package"),
        ({"files.py": "from core import limits, none\n"}, "files.py: core is a package and has no none"),
        ({"core/x_setup.py": "ready = 1\n"}, "two files would be called x_setup.py"),
    ],
)
def test_what_needs_the_packages_is_refused(changed: dict[str, str], said: str) -> None:
    with pytest.raises(FlattenError, match=said):
        flatten({**SOURCES, **changed})
