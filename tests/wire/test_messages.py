"""Messages in and out: what is taken, and what is refused with which word. Runs on both runtimes."""

import json

from both import raises, vectors

from wire import commands, messages
from wire.messages import MAX_MESSAGE, WireError


def test_every_vector():
    for case in vectors("messages"):
        payload = case["payload"].encode() if "payload" in case else bytes.fromhex(case["hex"])
        if "error" in case:
            error = raises(WireError, commands.command, payload)
            assert error.code == case["error"], (case, error.code)
            assert case["detail"] in error.detail, (case, error.detail)
            assert error.id == case.get("id"), (case, error.id)
        else:
            assert commands.command(payload) == case["command"], case


def test_a_command_may_come_as_a_memoryview():
    payload = b'{"id":"1","op":"ping"}'
    assert commands.command(memoryview(payload))["op"] == "ping"


def test_too_large():
    payload = b'{"id":"1","op":"ping","x":"' + MAX_MESSAGE * b"x" + b'"}'
    assert raises(WireError, commands.command, payload).code == "too_large"
    raises(ValueError, messages.dump, {"x": MAX_MESSAGE * "x"})


def test_a_bool_is_no_integer():
    error = raises(WireError, commands.command, b'{"id":"1","op":"stop","socket":true}')
    assert error.code == "bad_field" and "socket must be int, is bool" in error.detail


def test_reply():
    assert messages.reply("7") == {"id": "7", "ok": True}
    assert messages.reply("7", "expired", "x") == {"id": "7", "ok": False, "error": "expired", "detail": "x"}


def test_dump_is_compact_and_utf8():
    assert messages.dump({"account": "楼"}) in (b'{"account":"\xe6\xa5\xbc"}', b'{"account":"\\u697c"}')
    assert json.loads(messages.dump({"a": [1, None, True]})) == {"a": [1, None, True]}


def test_stored():
    assert messages.stored(b'{"epoch":"9f3ac2d15b7e0c44","seq":409}') == ("9f3ac2d15b7e0c44", 409)
    for payload in (
        b"{}",
        b'{"epoch":1,"seq":1}',
        b'{"epoch":"a","seq":-1}',
        b'{"epoch":"a","seq":1.5}',
        b"[]",
        b"",
    ):
        raises(WireError, messages.stored, payload)
