"""Labels: what a phone reads off the rendered page, and that a code is the same for the socket's life."""

from __future__ import annotations

from pathlib import Path

import pypdfium2
import pytest
import zxingcpp

from tests.fakes.garage import make_site
from zhuque.report import labels
from zhuque.site import points, tokens
from zhuque.site.settings import Settings

DPI = 200


def read(pdf: Path) -> list[list[str]]:
    """The codes on each page, as a reader finds them on the printed sheet."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        pages = [page.render(scale=DPI / 72, grayscale=True).to_numpy() for page in document]
    finally:
        document.close()
    return [[found.text for found in zxingcpp.read_barcodes(page.squeeze())] for page in pages]


def words(pdf: Path) -> str:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return "\n".join(page.get_textpage().get_text_range() for page in document)
    finally:
        document.close()


def label(place: str | None, point: str, socket: int) -> labels.Label:
    url = labels.url("charge.example", "riverside", point, socket, f"abcdefgh{socket:02}")
    return labels.Label(url, place, point, socket, "north wall")


@pytest.mark.parametrize("kind", sorted(labels.SHEETS))
def test_every_code_of_a_sheet_can_be_read(tmp_path: Path, kind: str) -> None:
    sheet = labels.SHEETS[kind]
    wanted = [label(f"A-{n:03}", f"p{n // 10 + 1:02}", n % 10 + 1) for n in range(sheet.stickers)]
    assert labels.write(tmp_path / "labels.pdf", wanted, sheet) == 1
    [codes] = read(tmp_path / "labels.pdf")
    assert sorted(codes) == sorted(one.url for one in wanted)
    text = words(tmp_path / "labels.pdf")
    assert all(one.place in text for one in wanted if one.place) and "p01 / 2" in text


def test_used_stickers_are_skipped_and_the_rest_goes_on_the_next_sheet(tmp_path: Path) -> None:
    sheet = labels.SHEETS["2x4"]
    wanted = [label(str(n), "p01", n) for n in range(1, 5)]
    assert labels.write(tmp_path / "labels.pdf", wanted, sheet, skip=6) == 2
    first, second = read(tmp_path / "labels.pdf")
    assert sorted(first) == sorted(one.url for one in wanted[:2])
    assert sorted(second) == sorted(one.url for one in wanted[2:])


def test_a_long_or_chinese_place_stays_on_its_sticker(tmp_path: Path) -> None:
    wanted = [label("A区-017", "p01", 1), label("the twenty-letter one", "p" * 32, 16)]
    labels.write(tmp_path / "labels.pdf", wanted, labels.SHEETS["3x7"])
    assert sorted(read(tmp_path / "labels.pdf")[0]) == sorted(one.url for one in wanted)
    assert "A区-017" in words(tmp_path / "labels.pdf")


def test_tokens_are_for_life_and_their_own(site: Settings) -> None:
    sockets = [("p01", n) for n in range(1, 11)]
    first = tokens.of_sockets(site, sockets)
    assert len(set(first.values())) == 10
    assert all(
        len(token) == 10 and set(token) <= set("abcdefghijklmnopqrstuvwxyz234567") for token in first.values()
    )
    points.replace(site, "p01", 1_795_500_000, "tester")
    again = tokens.of_sockets(site, [*sockets, ("p02", 1)])
    assert {key: again[key] for key in sockets} == first


def test_a_copy_of_the_garage_has_tokens_of_its_own(site: Settings, tmp_path: Path) -> None:
    other = make_site(tmp_path / "hillside", "hillside")
    sockets = [("p01", 1), ("p01", 2)]
    assert not set(tokens.of_sockets(site, sockets).values()) & set(
        tokens.of_sockets(other, sockets).values()
    )
