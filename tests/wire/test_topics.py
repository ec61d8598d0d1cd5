"""Topic names, and what is not one of ours. Runs on both runtimes."""

from wire import topics


def test_a_topic_and_back():
    for channel in topics.CHANNELS:
        text = topics.topic("riverside", "p01", channel)
        assert text == "zq/1/riverside/p01/" + channel
        assert topics.parse(text) == (1, "riverside", "p01", channel)


def test_a_newer_major_is_parsed_so_that_it_can_be_named():
    assert topics.parse("zq/2/riverside/p01/status") == (2, "riverside", "p01", "status")
    assert topics.parse("zq/2/riverside/p01/whatever") == (2, "riverside", "p01", "whatever")


def test_what_is_not_ours():
    for text in (
        "",
        "zq",
        "zq/1/riverside/p01",
        "zq/1/riverside/p01/status/x",
        "zq/1/riverside/p01/nonsense",
        "zq/one/riverside/p01/status",
        "zq//riverside/p01/status",
        "zq/12345/riverside/p01/status",
        "zq/1/River/p01/status",
        "zq/1//p01/status",
        "zq/1/" + 33 * "a" + "/p01/status",
        "zq/1/river\u00e9/p01/status",
        "xx/1/riverside/p01/status",
    ):
        assert topics.parse(text) is None, text


def test_names():
    assert all(topics.is_name(name) for name in ("a", "p01", "north-gate-2", 32 * "z"))
    assert not any(
        topics.is_name(name) for name in ("", "P01", "aBa", "-é-", "a b", "a/b", "+", "#", 33 * "z", None, 7)
    )
