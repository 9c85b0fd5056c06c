"""What is said of a package that training data is taken from, and which of its files are taken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

DEBIAN = "https://deb.debian.org/debian/"
# Keeps every file that Debian ever published; asked where the mirror has dropped one.
SNAPSHOT = "https://snapshot.debian.org/archive/debian/20261121T000000Z/"
NPM = "https://registry.npmjs.org/"
PYPI = "https://files.pythonhosted.org/packages/"

PUBLIC_DOMAIN = "LicenseRef-Public-Domain"
_COPYRIGHT = r"usr/share/doc/[^/]+/copyright"


@dataclass(frozen=True)
class Take:
    """Members of a package whose path is `member` (a regular expression) and not `but` go to
    `path`, in which \\1 stands for the first group."""

    member: str
    path: str
    but: str = ""

    def target(self, member: str) -> str | None:
        """Where a member goes, relative to the folder of raw data; None if it is not taken."""
        found = re.fullmatch(self.member, member)
        if found is None or (self.but and re.search(self.but, member)):
            return None
        return found.expand(self.path)


@dataclass(frozen=True)
class Source:
    """A package: where it is, byte for byte, under which licences what is taken of it stands.

    `urls` are tried in order. `stated`: where the licence is said. `credit`: who must be named, as
    they ask for it. `taken` and `left_out` say in words what `takes` does, and why.
    """

    key: str
    title: str
    package: str
    version: str
    origin: str
    urls: tuple[str, ...]
    size: int
    sha256: str
    licence: str
    stated: str
    taken: str
    takes: tuple[Take, ...]
    left_out: str = ""
    credit: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        return self.urls[0].rsplit("/", 1)[-1]

    def target(self, member: str) -> str | None:
        """Where a member of the package goes; None if it is not taken."""
        targets = (take.target(member) for take in self.takes)
        return next((target for target in targets if target is not None), None)


def debian(
    key: str,
    title: str,
    version: str,
    suite: str,
    path: str,
    *,
    size: int,
    sha256: str,
    licence: str,
    taken: str,
    takes: tuple[Take, ...],
    stated: str = "debian/copyright",
    left_out: str = "",
    credit: tuple[str, ...] = (),
) -> Source:
    """A Debian package; its statement of licences is taken as well."""
    pool = f"pool/main/{quote(path)}"
    return Source(
        key,
        title,
        path.rsplit("/", 1)[-1].split("_", 1)[0],
        version,
        f"Debian {suite}",
        (DEBIAN + pool, SNAPSHOT + pool),
        size,
        sha256,
        licence,
        stated,
        taken,
        (*takes, Take(_COPYRIGHT, f"COPYRIGHT/{key}.txt")),
        left_out,
        credit,
    )


def words(text: str) -> str:
    """A regular expression for one of these words."""
    return "(?:" + "|".join(re.escape(word) for word in text.split()) + ")"
