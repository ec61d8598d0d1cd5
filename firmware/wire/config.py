"""The two files that tell a board what it is: `config.json` (identity, site, network) and `board.json` (hardware).

`check_config` and `check_board` return every problem found, as text a person can act on; a board with a problem
closes no relay and says so in `status`, and the host refuses to write such a file in the first place. Numbers are
integers in the units of their names. Absent keys that have a default read as it.
"""

from .topics import is_name
from .version import WIRE

_NONE = object()

# (path, type, lowest, highest, default); a default of _NONE makes the key required. For text the bounds are lengths.
_CONFIG = (
    ("wire", int, WIRE, WIRE, _NONE),
    ("site", "name", 1, 32, _NONE),
    ("point", "name", 1, 32, _NONE),
    ("provisioned", int, 1_700_000_000, 4_000_000_000, _NONE),  # Unix seconds: the clock never shows less
    ("wifi.ssid", str, 1, 32, _NONE),
    ("wifi.password", str, 0, 63, ""),
    ("broker.host", str, 1, 120, _NONE),
    ("broker.port", int, 1, 65535, _NONE),
    ("broker.tls", bool, 0, 0, True),
    ("broker.password", str, 0, 64, ""),
    ("broker.keepalive_s", int, 10, 300, 30),
    ("time.host", str, 1, 120, _NONE),
    ("time.port", int, 1, 65535, 123),
    ("limits.rated_ma", int, 500, 16000, None),
    ("limits.max_power_mw", int, 50_000, 4_000_000, None),
    ("limits.point_current_ma", int, 2500, 80_000, None),
    ("session.resume_after_outage_s", int, 0, 86_400, 900),
    ("session.max_duration_s", int, 60, 86_400, 43_200),
)

# `calibration`: of each quantity a list of [gain in ppm, offset], one pair a channel. The offsets' highest magnitudes,
# in mA, mW and mV; gains within 10 %.
CALIBRATION_OFFSETS = {"current": 100, "power": 5000, "voltage": 5000}
GAIN_LOWEST_PPM = 900_000
GAIN_HIGHEST_PPM = 1_100_000
_MOST_CHANNELS = 16

_BOARD = (
    ("name", "name", 1, 32, _NONE),
    ("sockets", int, 1, 16, _NONE),
    ("limits.rated_ma", int, 500, 16000, _NONE),
    ("limits.max_power_mw", int, 50_000, 4_000_000, _NONE),
    ("limits.point_current_ma", int, 2500, 80_000, _NONE),
    ("meter.driver", str, 1, 16, _NONE),
    ("relay.driver", str, 1, 16, _NONE),
)


class Settings:
    """A checked file: `settings["limits.rated_ma"]` gives the value or its default, `section` a nested dict."""

    def __init__(self, data: dict, table) -> None:
        self._data = data
        self._rows = {path: (kind, low, high, default) for path, kind, low, high, default in table}

    def __getitem__(self, path: str):
        value = self.get(path, _NONE)
        if value is not _NONE:
            return value
        default = self._rows[path][3]
        if default is _NONE:
            raise KeyError(path)
        return default

    def get(self, path: str, default):
        """The value of the file, else the default given here: a value that has a problem counts as none."""
        value = _find(self._data, path)
        kind, low, high, _ = self._rows[path]
        return default if value is None or _judge(value, kind, low, high) else value

    def plain(self) -> dict:
        """{path: value or default} of every key that has one: all that a board keeps of the file."""
        values = {path: self.get(path, row[3]) for path, row in self._rows.items()}
        return {path: value for path, value in values.items() if value is not _NONE}

    def section(self, name: str) -> dict:
        """The nested dict of that name, empty where there is none."""
        value = self._data.get(name)
        return value if isinstance(value, dict) else {}


def config(data: dict) -> Settings:
    """The settings of a config.json."""
    return Settings(data, _CONFIG)


def board(data: dict) -> Settings:
    """The settings of a board.json."""
    return Settings(data, _BOARD)


def check_config(data: object) -> list:
    """Every problem of a config.json, one line each; empty when it can be used."""
    return _check(data, _CONFIG) + _check_calibration(data)


def check_board(data: object) -> list:
    """Every problem of a board.json that is common to all boards; drivers check their own sections."""
    return _check(data, _BOARD)


def _check_calibration(data):
    section = data.get("calibration", {}) if isinstance(data, dict) else {}
    if not isinstance(section, dict):
        return ["calibration is not an object"]
    problems = []
    for quantity in sorted(section):
        pairs = section[quantity]
        if quantity not in CALIBRATION_OFFSETS:
            problems.append("calibration.{} is no quantity: current, power, voltage are".format(quantity))
        elif not isinstance(pairs, list) or len(pairs) > _MOST_CHANNELS:
            problems.append("calibration.{} must be a list of at most {}".format(quantity, _MOST_CHANNELS))
        else:
            problems += _check_pairs(quantity, pairs)
    return problems


def _check_pairs(quantity, pairs):
    most = CALIBRATION_OFFSETS[quantity]
    problems = []
    for i, pair in enumerate(pairs):
        if not isinstance(pair, list) or len(pair) != 2:
            problem = "must be [gain, offset], is {}".format(repr(pair))
        else:
            problem = _judge(pair[0], int, GAIN_LOWEST_PPM, GAIN_HIGHEST_PPM) or _judge(
                pair[1], int, -most, most
            )
        if problem:
            problems.append("calibration.{} of channel {} {}".format(quantity, i + 1, problem))
    return problems


def _find(data, path):
    for key in path.split("."):
        if not isinstance(data, dict):
            return None
        data = data.get(key)
    return data


def _check(data, table):
    if not isinstance(data, dict):
        return ["not a JSON object"]
    sections = sorted({path.split(".")[0] for path, _, _, _, _ in table if "." in path})
    problems = [name + " is not an object" for name in sections if not isinstance(data.get(name, {}), dict)]
    for path, kind, low, high, default in table:
        value = _find(data, path)
        if value is None:
            if default is _NONE:
                problems.append(path + " is missing")
        else:
            problem = _judge(value, kind, low, high)
            if problem:
                problems.append("{} {}".format(path, problem))
    return problems


def _judge(value, kind, low, high):
    if kind == "name":
        return "" if is_name(value) else "must be 1 to 32 of a-z, 0-9 and '-', is {}".format(repr(value))
    if type(value) is not kind:
        return "must be {}, is {}".format(kind.__name__, type(value).__name__)
    if kind is int and not low <= value <= high:
        return "must be {} to {}, is {}".format(low, high, value)
    if kind is str and not low <= len(value) <= high:
        return "must be {} to {} characters, is {}".format(low, high, len(value))
    return ""
