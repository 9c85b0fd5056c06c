"""YAML of a source: texts, lists and mappings alone, read within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import yaml

from segstudio.core.errors import BadInputError
from segstudio.formats.source_files import SourceFolder

MOST_YAML_BYTES = 1 << 20
MOST_LEVELS = 20

Yaml: TypeAlias = "str | list[Yaml] | dict[str, Yaml]"


class _Loader(yaml.BaseLoader):
    """Makes no objects of tags and no numbers of texts ("no" stays a name), and repeats nothing:
    a few lines of aliases to aliases can stand for more entries than any memory holds."""

    levels = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            problem = "an alias, which such files do without"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        if self.levels >= MOST_LEVELS:
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="too many levels", problem_mark=event.start_mark)
        self.levels += 1
        node = super().compose_node(parent, index)
        self.levels -= 1
        return node


def load_yaml(source: SourceFolder, path: Path) -> Yaml:
    """The value of a YAML file; every number, truth and date in it is left a text.

    Raises BadInputError, with file and line, for what is no YAML, has aliases, is nested deeper
    than `MOST_LEVELS`, or is larger than `MOST_YAML_BYTES`.
    """
    text = source.text_of(path, MOST_YAML_BYTES)
    place = source.place(path)
    try:
        value: Yaml = yaml.load(text, Loader=_Loader)  # noqa: S506 - texts, lists, mappings alone
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{place}, line {mark.line + 1}" if mark else str(place)
        raise BadInputError(f"{where}: this is not valid YAML ({error.problem}).") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0][:100]
        raise BadInputError(f"{place}: this is not valid YAML ({reason}).") from None
    return value if value is not None else ""
