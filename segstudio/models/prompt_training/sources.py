"""Where segstudio_nano's training data comes from: pinned packages, their licences and credits.

Each package is named with its version and SHA-256, each licence (SPDX) with the file that states
it. For works in the public domain SPDX has no identifier: `LicenseRef-Public-Domain`.
"""

from __future__ import annotations

from collections.abc import Iterator

from segstudio.models.prompt_training.photo_sources import PHOTOGRAPHS
from segstudio.models.prompt_training.source_records import Source
from segstudio.models.prompt_training.thing_sources import TEXTURES, THINGS

SOURCES: tuple[Source, ...] = (*THINGS, *PHOTOGRAPHS, *TEXTURES)

# Folders of photographs, in the order in which these are numbered.
PHOTO_FOLDERS = (
    "krank",
    "wordpress-themes/twentytwentyfive",
    "wordpress-themes/twentytwentyfour",
    "gcompris/photos",
    "budgie-backgrounds",
    "lomiri-wallpapers",
    "grub2-splashimages",
    "libjxl-testdata",
    "scikit-image",
    "palapeli",
    "scikit-learn",
)


def source_table() -> str:
    """The sources as rows of Markdown, as model cards show them."""
    head = "| source | package | licence, and where it says so | what is taken | what is left out |"
    rows = [
        f"| {one.title} | {one.package} {one.version}, {one.origin} | {one.licence}: {one.stated} "
        f"| {one.taken} | {one.left_out} |"
        for one in SOURCES
    ]
    return "\n".join((head, "|---|---|---|---|---|", *rows)) + "\n"


def credit_lines() -> Iterator[str]:
    """Whom to name, and whom it is right to name, one line of Markdown each."""
    for one in SOURCES:
        for credit in one.credit:
            yield f"- {one.title}, {credit}"
