"""The op `config`: config.json changed from afar. Loaded when such a command comes.

Only `calibration` can be changed so: a wrong value of anything else would cut the way by which it could be put right.
The flash is written only while no session is open and no relay closed, into a new file that then takes the old one's
place, so that a power cut leaves the one or the other.
"""

import json
import os

from core import calibration
from wire.config import check_config

FILE = "config.json"


def obey(board, commands, command, uptime_ms, unix):
    """(error, detail), or the keys that the reply has: {"config": {"calibration": ...}}, what is in force now.

    An empty change only asks. `board` is main.Board.
    """
    wanted = command["config"]
    with open(FILE) as file:
        config = json.load(file)
    if wanted:
        problem = _prepare(board, config, wanted)
        if problem:
            return "bad_field", problem
        refused = _refused(board.point) or commands.journal(command, uptime_ms, unix)
        if refused:
            return refused
        board.point.record("config", uptime_ms, unix, digest=digest(config["calibration"]))
        _write(board.protect, config)
        calibration.apply(config["calibration"], board.meter, board.energy)
    return {"config": {"calibration": config.get("calibration", {})}}


def _prepare(board, config, wanted):
    """Puts the change into `config`; what is wrong with it, "" when nothing is."""
    change = wanted.get("calibration")
    if len(wanted) > 1 or not isinstance(change, dict):
        return "only calibration can be changed from afar: provision the board for anything else"
    try:
        config["calibration"] = calibration.merge(config.get("calibration", {}), change, board.meter.channels)
    except ValueError as e:
        return str(e)
    return "; ".join([problem for problem in check_config(config) if problem.startswith("calibration")])


def _refused(point):
    if point.problems:
        return "not_ready", "; ".join(point.problems)
    if point.is_charging or point.protection.word:
        return "socket_busy", "the flash is written only while no session is open and every relay is"
    return None


def digest(section):
    """16 hexadecimal digits that name a calibration: the record's `digest`."""
    import hashlib

    return hashlib.sha256(_text(section).encode()).digest()[:8].hex()


def _text(section):
    """One form of a calibration, whatever order its keys came in."""
    return ";".join(["{}={}".format(name, section[name]) for name in sorted(section)])


def _write(protect, config):
    protect.going_to_write()
    with open("config.new", "w") as file:
        json.dump(config, file)
    os.rename("config.new", FILE)
