"""XML of a source: read without entities, and its unknown elements kept as JSON."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from segstudio.core.errors import BadInputError
from segstudio.formats.source_files import SourceFolder

_MOST_XML_BYTES = 64 << 20
_DEEPEST = 8  # elements inside one another that are kept

# Characters that XML 1.0 cannot hold at all, not even escaped.
_NOT_XML = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def load_xml(source: SourceFolder, path: Path) -> ET.Element:
    """The root element of an XML file.

    Raises BadInputError, with file and line, for what is no XML, has a document type or entities
    (which can make a small file endless, or read other files), or is too large.
    """
    data = source.bytes_of(path, _MOST_XML_BYTES)
    try:
        root: ET.Element = fromstring(data, forbid_dtd=True)
    except ET.ParseError as error:
        place = source.place(path, f"line {error.position[0]}")
        raise BadInputError(f"{place}: this is not valid XML.") from None
    except DefusedXmlException:
        raise BadInputError(
            f"{source.place(path)}: it declares a document type or entities, which are not read."
        ) from None
    except (ValueError, LookupError):  # an encoding that is not known
        raise BadInputError(f"{source.place(path)}: its encoding cannot be read.") from None
    return root


def text_of(element: ET.Element, path: str) -> str:
    """The text at `path` below the element, without blanks around it; "" if there is none."""
    return (element.findtext(path) or "").strip()


def kept_trees(parent: ET.Element, known: frozenset[str]) -> list[Any]:
    """The children that are not `known`, as JSON: [tag, text, [children]].

    Raises BadInputError if they are nested deeper than any such file has them.
    """
    return [_kept(child, 1) for child in parent if child.tag not in known]


def add_trees(parent: ET.Element, trees: object) -> None:
    """Add what `kept_trees` gave; anything that has another shape is left out."""
    for tree in trees if isinstance(trees, list) else []:
        if not (isinstance(tree, list) and len(tree) == 3 and isinstance(tree[0], str)):
            continue
        if _TAG.fullmatch(tree[0]):
            child = ET.SubElement(parent, tree[0])
            child.text = xml_text(str(tree[1]))
            add_trees(child, tree[2])


def xml_text(text: str) -> str:
    """`text` with what no XML 1.0 reader gives back (control characters) as U+FFFD."""
    return _NOT_XML.sub("\ufffd", text)


def _kept(element: ET.Element, depth: int) -> list[Any]:
    if depth > _DEEPEST:
        raise BadInputError("Its elements are nested too deep.")
    children = [_kept(child, depth + 1) for child in element]
    return [str(element.tag), (element.text or "").strip(), children]
