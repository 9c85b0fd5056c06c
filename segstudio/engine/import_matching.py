"""Which image of a project is meant by an image of a source."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.formats.checked import shown
from segstudio.formats.found import FoundImage
from segstudio.formats.naming import export_stems, safe_stem
from segstudio.imaging.read import file_sha256


class SourceImage:
    """An image of a source with the SHA-256 of its bytes, which are read once and only if asked."""

    def __init__(self, found: FoundImage) -> None:
        self.found = found

    @property
    def has_bytes(self) -> bool:
        return self.found.file is not None or self.found.data is not None

    @cached_property
    def sha256(self) -> str:
        """ "" where there is none. Raises BadInputError where they cannot be read."""
        if self.found.file is not None:
            return file_sha256(self.found.file)
        if self.found.data is not None:
            return hashlib.sha256(self.found.data()).hexdigest()
        return ""


class ImageMatching:
    """Finds the image of a project that a source means.

    In this order: a file of the source that lies in the project's image folder; the same path;
    another name that the source has for it; the only file of that name, or of several the one with
    the same bytes or else most of the path; the same bytes; the name that an export gave it. A
    name that only an export could have made is preferred where it names another image and the bytes
    agree.
    """

    def __init__(self, images: Sequence[ImageRecord], folder: Path) -> None:
        """`folder` is where the images' paths begin."""
        self._images = images
        self._folder = folder.resolve()
        self._by_path = {image.path: image for image in images}

    @cached_property
    def _by_name(self) -> dict[str, list[ImageRecord]]:
        return _grouped(self._images, lambda image: PurePosixPath(image.path).name)

    @cached_property
    def _by_sha256(self) -> dict[str, list[ImageRecord]]:
        return _grouped(self._images, lambda image: image.sha256)

    @cached_property
    def _by_stem(self) -> dict[str, ImageRecord]:
        by_id = {image.id: image for image in self._images}
        return {stem: by_id[number] for number, stem in export_stems(self._images).items()}

    def match(self, source: SourceImage) -> ImageRecord | None:
        """The project's image, or None.

        Raises BadInputError, saying what is wrong but not where, if it has another size there, or
        if several could be meant.
        """
        found = source.found
        image = self._beneath(source) or self._by_paths(source) or self._by_file_name(source)
        image = image or self._by_bytes(source)
        if image is None and len(exported := self._exported(found, flat=True)) == 1:
            image = exported[0]
        if image is not None and not _fits(image, found):
            height, width = found.size or (0, 0)
            raise BadInputError(
                f"“{shown(image.path)}” is {image.width} x {image.height} pixels in the project "
                f"and {width} x {height} in the source."
            )
        return image

    def _beneath(self, source: SourceImage) -> ImageRecord | None:
        if source.found.file is None:
            return None
        try:
            path = source.found.file.resolve().relative_to(self._folder).as_posix()
        except (OSError, RuntimeError, ValueError):
            return None
        return self._by_path.get(path)

    def _by_paths(self, source: SourceImage) -> ImageRecord | None:
        found = source.found
        named = (self._by_path.get(name) for name in (found.name, *found.also))
        image = next((one for one in named if one is not None), None)
        if image is None or not source.has_bytes:
            return image
        rivals = [one for one in self._exported(found, flat=True) if one.id != image.id]
        same = [one for one in rivals if one.sha256 == _sha256(source)]
        return same[0] if len(same) == 1 and image.sha256 != same[0].sha256 else image

    def _by_file_name(self, source: SourceImage) -> ImageRecord | None:
        found = source.found
        names = dict.fromkeys(PurePosixPath(name).name for name in (found.name, *found.also))
        called = [image for name in names for image in self._by_name.get(name, ())]
        fitting = [image for image in called if _fits(image, found)]
        if not fitting:  # of another size: the same image only where its folders agree
            alike = [image for image in called if _same_folders(image.path, found)]
            return alike[0] if len(alike) == 1 else None
        if len(fitting) == 1 and (_same_folders(fitting[0].path, found) or not source.has_bytes):
            return fitting[0]
        same = [image for image in fitting if image.sha256 == _sha256(source)]
        if source.has_bytes and not same:
            fitting = [image for image in fitting if _same_folders(image.path, found)]
        return self._closest(same or fitting, found)

    def _by_bytes(self, source: SourceImage) -> ImageRecord | None:
        if not source.has_bytes or not self._images:
            return None
        same = self._by_sha256.get(_sha256(source), [])
        fitting = [image for image in same if _fits(image, source.found)]
        return self._closest(fitting or same, source.found)

    def _exported(self, found: FoundImage, *, flat: bool) -> list[ImageRecord]:
        """The images whose export has one of the source's names; `flat`: names without folders."""
        images = {}
        for name in (found.name, *found.also):
            path = PurePosixPath(name)
            if len(path.parts) == 1 or (path.parts and not flat):
                image = self._by_stem.get(safe_stem(path.name.removesuffix(path.suffix)))
                if image is not None and _fits(image, found):
                    images[image.id] = image
        return list(images.values())

    def _closest(self, images: Sequence[ImageRecord], found: FoundImage) -> ImageRecord | None:
        """The one that shares most of its path's end with the source's names, or of several the
        one whose export is called so; None of none.

        Raises BadInputError if they cannot be told apart.
        """
        shared = [_shared_end(image.path, found) for image in images]
        most = max(shared, default=0)
        best = [image for image, length in zip(images, shared, strict=True) if length == most]
        if len(best) > 1:
            exported = {image.id for image in self._exported(found, flat=False)}
            best = [image for image in best if image.id in exported] or best
        if len(best) > 1:
            raise BadInputError(
                f"“{shown(found.name)}” could be “{shown(best[0].path)}” or "
                f"“{shown(best[1].path)}” of the project."
            )
        return best[0] if best else None


def _grouped(
    images: Iterable[ImageRecord], key: Callable[[ImageRecord], str]
) -> dict[str, list[ImageRecord]]:
    groups: dict[str, list[ImageRecord]] = {}
    for image in images:
        groups.setdefault(key(image), []).append(image)
    return groups


def _fits(image: ImageRecord, found: FoundImage) -> bool:
    return found.size is None or image.size == found.size


def _sha256(source: SourceImage) -> str:
    """ "" also where the bytes cannot be read: then they are nobody's."""
    try:
        return source.sha256
    except BadInputError:
        return ""


def _same_folders(path: str, found: FoundImage) -> bool:
    """Whether one of the source's names for it ends with the path, or the path with that name."""
    parts = PurePosixPath(path).parts
    for name in (found.name, *found.also):
        others = PurePosixPath(name).parts
        length = min(len(parts), len(others))
        if length and parts[-length:] == others[-length:]:
            return True
    return False


def _shared_end(path: str, found: FoundImage) -> int:
    """How many parts of a path, from its end, one of the source's names has too."""
    longest = 0
    parts = PurePosixPath(path).parts[::-1]
    for name in (found.name, *found.also):
        length = 0
        for mine, other in zip(parts, PurePosixPath(name).parts[::-1], strict=False):
            if mine != other:
                break
            length += 1
        longest = max(longest, length)
    return longest
