"""Real photos for trying SegStudio without a download: those inside the scikit-image package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from segstudio.core.errors import BadInputError
from segstudio.core.image import RgbImage
from segstudio.core.whole_files import put
from segstudio.imaging.read import read_image


@dataclass(frozen=True)
class SamplePhoto:
    """A photo, as scikit-image's own documentation credits it."""

    name: str
    title: str
    author: str
    licence: str
    source: str


SAMPLE_PHOTOS = (
    SamplePhoto(
        name="astronaut.png",
        title="Astronaut Eileen Collins",
        author="NASA",
        licence="public domain",
        source="NASA Great Images, https://flic.kr/p/r9qvLn",
    ),
    SamplePhoto(
        name="chelsea.png",
        title="Chelsea the cat",
        author="Stéfan van der Walt",
        licence="CC0 1.0",
        source="given to scikit-image by the photographer",
    ),
    SamplePhoto(
        name="coffee.png",
        title="A cup of coffee (Pikolo Espresso Bar)",
        author="Rachel Michetti",
        licence="CC0 1.0",
        source="given to scikit-image by the photographer",
    ),
    SamplePhoto(
        name="rocket.jpg",
        title="Launch of DSCOVR on a Falcon 9",
        author="SpaceX",
        licence="public domain",
        source="https://www.flickr.com/photos/spacexphotos/16511594820/",
    ),
)

CREDITS_NAME = "CREDITS.txt"


def write_sample_photos(folder: Path) -> list[Path]:
    """Copy the photos byte for byte into `folder` (made if absent), with `CREDITS.txt` beside.

    Returns the photos' paths. Never goes on the network. A file of the same name is replaced.
    Raises BadInputError if the folder cannot be written or scikit-image came without its photos.
    """
    source = _photos_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for photo in SAMPLE_PHOTOS:
            put(folder / photo.name, (source / photo.name).read_bytes())
            written.append(folder / photo.name)
        put(folder / CREDITS_NAME, _credits().encode("utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInputError(
            f"The sample photos cannot be written to “{folder}” ({reason}); name another folder."
        ) from error
    return written


def read_sample_photo(name: str = "coffee.png") -> RgbImage:
    """One of the photos, for trying things out on. Raises BadInputError if it is not there."""
    return read_image(_photos_folder() / name)


def _photos_folder() -> Path:
    # Found, not imported: `skimage.data` would bring its downloader along.
    spec = find_spec("skimage")
    roots = list(spec.submodule_search_locations or ()) if spec else []
    for root in roots:
        folder = Path(root) / "data"
        if all((folder / photo.name).is_file() for photo in SAMPLE_PHOTOS):
            return folder
    raise BadInputError("scikit-image came without its sample photos; install it again.")


def _credits() -> str:
    lines = ["Sample photos, as shipped with scikit-image (https://scikit-image.org).", ""]
    for photo in SAMPLE_PHOTOS:
        lines += [
            f"{photo.name}: {photo.title}",
            f"  by {photo.author}; {photo.licence}; {photo.source}",
            "",
        ]
    return "\n".join(lines)
