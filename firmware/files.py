"""What board.json and config.json say. Loaded before anything else, and dropped before the rest is loaded.

A file that is missing or absurd is a problem that `status` and the console tell, never an exception.
"""

import json

from wire import config as wire_config

# Of no use once the files are read.
LOADED = ("files", "wire.config")

# A config.json with one of these wrong leads nowhere; with any other the board still says what is wrong in `status`.
_NEEDED_ONLINE = ("wire", "site", "point", "wifi", "broker", "time")
_PARTS = ("meter", "relay", "contactor", "inputs", "temperature")


def read(board):
    """Into the main.Board: `settings` of board.json and `config`, {path: value}; `sections`, a dict for each part.

    `sound` is True where board.json is; `offline` where config.json does not say how to reach anybody.
    """
    hardware, wrong_board = _read_json("board.json", wire_config.check_board)
    config, wrong_config = _read_json("config.json", wire_config.check_config)
    board.problems = wrong_board + wrong_config
    settings = wire_config.board(hardware)
    board.settings = settings.plain()
    board.sections = {name: settings.section(name) for name in _PARTS}
    settings = wire_config.config(config)
    board.config = settings.plain()
    board.calibration = settings.section("calibration")
    board.sound = not wrong_board
    board.offline = not config or any(
        [problem.split(": ", 1)[1].startswith(_NEEDED_ONLINE) for problem in wrong_config]
    )


def _read_json(name, check):
    """(data, problems) of a file; the data are empty where it cannot be read."""
    try:
        with open(name) as file:
            data = json.load(file)
    except (OSError, ValueError) as e:
        return {}, ["{} cannot be read ({}): provision the board again".format(name, e)]
    return data if isinstance(data, dict) else {}, [name + ": " + problem for problem in check(data)]
