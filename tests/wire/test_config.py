"""config.json and board.json: what is refused, and in which words. Runs on both runtimes."""

from wire import config

GOOD = {
    "wire": 1,
    "site": "riverside",
    "point": "p01",
    "provisioned": 1_764_000_000,
    "wifi": {"ssid": "garage", "password": "x" * 12},
    "broker": {"host": "10.0.0.2", "port": 8883, "tls": True, "password": "x" * 20},
    "time": {"host": "10.0.0.2"},
    "limits": {"rated_ma": 4000},
}

BOARD = {
    "name": "zq10",
    "sockets": 10,
    "limits": {"rated_ma": 5000, "max_power_mw": 1_000_000, "point_current_ma": 40_000},
    "meter": {"driver": "bl0910"},
    "relay": {"driver": "hc595"},
}


def changed(path, value, base=GOOD):
    """A copy with one value replaced, or taken out for None."""
    copy = {key: dict(part) if isinstance(part, dict) else part for key, part in base.items()}
    keys = path.split(".")
    part = copy
    for key in keys[:-1]:
        part = part[key]
    if value is None:
        part.pop(keys[-1])
    else:
        part[keys[-1]] = value
    return copy


def test_good_files():
    assert config.check_config(GOOD) == []
    assert config.check_board(BOARD) == []


def test_values_and_defaults():
    settings = config.config(GOOD)
    assert settings["limits.rated_ma"] == 4000
    assert settings["limits.max_power_mw"] is None
    assert settings["session.resume_after_outage_s"] == 900
    assert settings["time.port"] == 123
    assert settings.section("wifi")["ssid"] == "garage" and settings.section("nothing") == {}


def test_each_problem_is_named():
    for path, value, said in (
        ("wire", 2, "wire must be 1 to 1, is 2"),
        ("site", "River Side", "site must be 1 to 32"),
        ("point", None, "point is missing"),
        ("provisioned", 0, "provisioned must be"),
        ("wifi.ssid", "", "wifi.ssid must be 1 to 32 characters, is 0"),
        ("broker.port", "8883", "broker.port must be int, is str"),
        ("broker.port", 0, "broker.port must be 1 to 65535, is 0"),
        ("broker.tls", 1, "broker.tls must be bool, is int"),
        ("limits.rated_ma", 0, "limits.rated_ma must be 500 to 16000, is 0"),
        ("limits.rated_ma", 10_000_000, "limits.rated_ma must be 500 to 16000"),
        ("limits.rated_ma", True, "limits.rated_ma must be int, is bool"),
        ("limits", "none", "limits is not an object"),
    ):
        problems = config.check_config(changed(path, value))
        assert len(problems) == 1 and said in problems[0], (path, problems)


def test_an_absent_limit_is_the_boards_own():
    assert config.check_config(changed("limits", None)) == []


def test_a_board_without_limits_is_refused():
    for path in ("limits.rated_ma", "limits.max_power_mw", "limits.point_current_ma", "sockets", "name"):
        assert config.check_board(changed(path, None, BOARD)) == [path + " is missing"]


def test_not_even_an_object():
    for data in (None, [], "x", 7):
        assert config.check_config(data) == ["not a JSON object"]
        assert config.check_board(data) == ["not a JSON object"]


def test_calibration_is_checked():
    good = {"current": [[1_003_100, 4], [900_000, -100]], "power": [[1_100_000, 5000]] * 16, "voltage": []}
    assert config.check_config(changed("calibration", good)) == []
    assert config.config(changed("calibration", good)).section("calibration")["current"][0] == [1_003_100, 4]
    for value, said in (
        ([], "calibration is not an object"),
        ({"energy": []}, "calibration.energy is no quantity"),
        ({"power": {}}, "calibration.power must be a list of at most 16"),
        ({"power": [[1_000_000, 0]] * 17}, "calibration.power must be a list of at most 16"),
        ({"power": [1_000_000]}, "calibration.power of channel 1 must be [gain, offset], is 1000000"),
        ({"power": [[1_000_000]]}, "must be [gain, offset]"),
        ({"power": [[1_000_000, 0], [899_999, 0]]}, "channel 2 must be 900000 to 1100000, is 899999"),
        ({"power": [[1_100_001, 0]]}, "must be 900000 to 1100000"),
        ({"power": [[1.0, 0]]}, "must be int, is float"),
        ({"current": [[1_000_000, 101]]}, "must be -100 to 100, is 101"),
        ({"voltage": [[1_000_000, -5001]]}, "must be -5000 to 5000"),
    ):
        problems = config.check_config(changed("calibration", value))
        assert len(problems) == 1 and said in problems[0], (value, problems)
