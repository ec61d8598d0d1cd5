"""The stock images that were added, kept by hash in the user's data folder: `firmware/HASH.bin`.

Strategy: the file is its own index. What an image is, is read from its bytes every time, so nothing can disagree with
them, and a file that rots on the disk is noticed before it is flashed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from zhuque import files
from zhuque.device import stock
from zhuque.device.stock import ImageError, StockImage
from zhuque.errors import NotFoundError, RefusedError, UsageError

_SHOWN = 12  # characters of a hash that people see and type
_LEAST = 4  # of a beginning that is taken for one


class Shelf:
    """The images in a folder; by default the user's own, which $XDG_DATA_HOME moves."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _users_folder()

    def add(self, file: Path) -> StockImage:
        """Keeps a copy of the file. Raises NotFoundError, ImageError, UnfitImageError, ZhuqueError."""
        data = _read(file)
        image = _judge(file, data)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise files.cannot_write(self.folder, error) from error
        place = self._place(image.sha256)
        if not place.exists() or place.read_bytes() != data:
            files.write(place, data)
        return image

    def remove(self, name: str) -> str:
        """Takes an image away, by hash, version or the beginning of one; gives its hash and what it was, for a person.

        One that was damaged goes by its hash. Raises NotFoundError, UsageError where several could be meant,
        RefusedError.
        """
        file = self._place(self._hash(name))
        try:
            was = self._load(file).title
        except ImageError:
            was = "an image that no board could get"
        try:
            file.unlink()
        except OSError as error:
            raise RefusedError(
                f"{file} may not be removed: {error.strerror}; mend the mode of its folder and do it again"
            ) from error
        return f"{_short(file.stem)}: {was}"

    def images(self) -> list[StockImage]:
        """All of them, newest version first. Raises ImageError where one was damaged."""
        found = [self._load(file) for file in self.folder.glob("*.bin")]
        return sorted(found, key=lambda image: (image.version, image.date, image.sha256), reverse=True)

    def find(self, name: str) -> StockImage:
        """An image by hash or version, or by the beginning of one. Raises NotFoundError, UsageError."""
        images = self.images()
        named = [image for image in images if name in (image.release, image.sha256)]
        if not named and len(name) >= _LEAST:
            named = [
                image
                for image in images
                if image.sha256.startswith(name.lower()) or image.release.startswith(name + ".")
            ]
        if not named:
            raise NotFoundError(
                f"no firmware {name!r} was added; there is {_listed(images)}; `zhuque firmware add FILE` adds one"
            )
        return self._only(named, f"{name!r} could be")

    def newest(self) -> StockImage:
        """The image of the highest version. Raises NotFoundError, UsageError where two could be meant."""
        images = self.images()
        if not images:
            raise NotFoundError(
                f"no MicroPython image was added yet: download the .bin file of {stock.WHERE_FROM}, then "
                "`zhuque firmware add FILE`"
            )
        return self._only(
            [image for image in images if image.version == images[0].version], "the newest could be"
        )

    def _hash(self, name: str) -> str:
        """By the names of the files, whatever is in them, then by what they are."""
        begin = name.lower()
        hashes = [file.stem for file in self.folder.glob("*.bin") if file.stem.startswith(begin)]
        if not hashes or len(begin) < _LEAST:
            return self.find(name).sha256
        if len(hashes) > 1:
            told = " or ".join(sorted(map(_short, hashes)))
            raise UsageError(f"{name!r} could be {told}: nothing was removed; give more of its hash")
        return hashes[0]

    def _only(self, images: list[StockImage], text: str) -> StockImage:
        if len(images) > 1:
            raise UsageError(
                f"{text} {_listed(images)}: name one by its hash; `zhuque firmware remove HASH` takes one away"
            )
        return images[0]

    def _place(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.bin"

    def _load(self, file: Path) -> StockImage:
        data = _read(file)
        if hashlib.sha256(data).hexdigest() != file.stem:
            raise ImageError(
                f"{file} changed since it was added: the disk may be failing; `zhuque firmware remove "
                f"{_short(file.stem)}`, and add it again"
            )
        return _judge(file, data)


def load(name: str | None, shelf: Shelf) -> StockImage:
    """The image that a command names: a file, a hash or a version; None is the newest on the shelf."""
    if name is None:
        return shelf.newest()
    if "/" in name or name.endswith(".bin"):
        return _judge(Path(name), _read(Path(name)))
    return shelf.find(name)


def short(image: StockImage) -> str:
    """As much of the hash as people see."""
    return _short(image.sha256)


def _short(sha256: str) -> str:
    return sha256[:_SHOWN]


def _users_folder() -> Path:
    from platformdirs import user_data_path

    return user_data_path("zhuque") / "firmware"


def _read(file: Path) -> bytes:
    try:
        if file.exists() and not (file.is_file() or file.is_dir()):  # a pipe would be waited for without end
            raise NotFoundError(f"{file} is no file; give the file that was downloaded")
        with file.open("rb") as stream:
            return stream.read(2 * stock.LARGEST)
    except OSError as error:
        raise NotFoundError(
            f"{file} cannot be read: {error.strerror or error}; give the file that was downloaded"
        ) from error


def _judge(file: Path, data: bytes) -> StockImage:
    try:
        return stock.read(data)
    except ImageError as error:
        raise type(error)(f"{file}: {error}") from error


def _listed(images: list[StockImage]) -> str:
    return " or ".join(f"{short(image)} ({image.title})" for image in images) or "none"
