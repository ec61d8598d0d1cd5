"""The op `identify`: which of these boxes is it? Loaded when such a command comes.

A board whose file has `[led]` blinks it for ten seconds; every board says on its console that it is the one.
"""

import asyncio
import json

from drivers import led


def obey(machine, commands, command, uptime_ms, unix):
    """(error, detail), or what the reply has: {"led": whether this board has one that blinks now}."""
    refused = commands.journal(command, uptime_ms, unix)
    if refused:
        return refused
    who = command["actor"] or "somebody"
    print("zhuque: identify: this is {}, {} asks".format(commands.point.board_name, who))
    with open("board.json") as file:
        section = json.load(file).get("led")
    if section:
        asyncio.create_task(led.blink(*led.from_board(section, machine)))  # noqa: RUF006 - the scheduler keeps it
    return {"led": bool(section)}
