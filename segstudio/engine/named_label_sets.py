"""Label sets by what the command line calls them.

`PATH` is a project, a folder that has one, or a folder of label maps. `PROJECT:FILTERS` are some
of a project's annotations: `NAME=VALUE` with commas between, where the names are stage, tool,
model, run, user and split (see `AnnotationFilter`), as in `street.segstudio:stage=assisted`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from segstudio.config.paths import cache_dir
from segstudio.core.errors import BadInputError
from segstudio.engine.label_map_folder import LabelMapFolder
from segstudio.engine.label_set import LabelSet
from segstudio.engine.label_sets import FILTERS, AnnotationFilter, annotation_set
from segstudio.engine.prediction_cache import PredictionCache
from segstudio.engine.prediction_sets import PredictionSet, prediction_sets
from segstudio.engine.project_session import PROJECT_SUFFIX, project_path_for
from segstudio.store.project import ProjectStore

_PREDICTION = "prediction"
_WORDS = "|".join((*FILTERS, _PREDICTION))
_NAMED = re.compile(rf"(?P<path>.*?)(?::(?P<filters>(?:{_WORDS})=.*))?", re.DOTALL)


@dataclass(frozen=True)
class SetName:
    """A set as it was named: `project` is its file, None for the label maps in `folder`.

    `prediction` is a model's key, or that and a settings' key, "" where annotations are meant.
    """

    text: str
    folder: Path
    project: Path | None
    filters: AnnotationFilter
    prediction: str = ""

    @classmethod
    def read(cls, text: str, before: SetName | None = None) -> SetName:
        """What the text names. Without a path (":stage=assisted") the project is that of `before`.

        Raises BadInputError for what is not there, for filters that there are not, and for filters
        of label maps.
        """
        found = _NAMED.fullmatch(text)
        assert found is not None, "any text has a path, be it empty"
        whole = Path(text).exists()
        path = Path(text if whole else found["path"])
        asked = "" if whole else found["filters"] or ""
        model = asked.removeprefix(f"{_PREDICTION}=") if asked.startswith(_PREDICTION) else ""
        filters = AnnotationFilter.read("" if model else asked)
        if not whole and not found["path"] and before is not None:
            return replace(before, text=text, filters=filters, prediction=model)
        if not path.exists():
            raise BadInputError(f"There is no project and no folder {path}.")
        project: Path | None = path
        if path.is_dir():
            inside = project_path_for(path)
            project = inside if inside.is_file() else None
        elif path.suffix.lower() != PROJECT_SUFFIX:
            raise BadInputError(
                f"{path.name} is neither a project ({PROJECT_SUFFIX}) nor a folder of label maps."
            )
        if project is None and asked:
            raise BadInputError(
                f"{path} holds label maps, which have no {asked.partition('=')[0]}; only "
                "a project's annotations can be chosen so."
            )
        return cls(text, path, project, filters, model)


@contextmanager
def named_sets(
    predicted: str, truth: str, table: Path | None = None, void: tuple[int, ...] = ()
) -> Iterator[tuple[LabelSet, LabelSet]]:
    """The two sets of these names; their projects are open, for reading, until the block ends.

    `table` says what the ids of label maps mean, `void` are ids of theirs that are not scored.
    Where only one of two folders has a table it counts for both. Raises BadInputError.
    """
    said = SetName.read(predicted)
    true = SetName.read(truth, said)
    with ExitStack() as stack:
        stores: dict[Path, ProjectStore] = {}
        for name in (said, true):
            path = name.project.resolve() if name.project is not None else None
            if path is not None and path not in stores:
                stores[path] = stack.enter_context(ProjectStore.open(path, read_only=True))
        sets = [_label_set(name, stores, table, void) for name in (said, true)]
        yield _with_one_table(sets[0], sets[1])


def _label_set(
    name: SetName, stores: dict[Path, ProjectStore], table: Path | None, void: tuple[int, ...]
) -> LabelSet:
    if name.project is None:
        return LabelMapFolder(name.folder, table, void)
    store = stores[name.project.resolve()]
    if name.prediction:
        return replace(_predicted(store, name.prediction), title=name.text)
    return replace(annotation_set(store, name.filters), title=name.text)


def _predicted(store: ProjectStore, asked: str) -> PredictionSet:
    """The set of that model, or of that model and way of asking. Raises BadInputError."""
    cache = PredictionCache(cache_dir() / "predictions", 1)
    there = prediction_sets(store, cache)
    found = [row for row in there if asked in {row.value, row.found.model_key}]
    if len(found) == 1:
        return found[0]
    if found:
        ways = ", ".join(row.value for row in found)
        raise BadInputError(f"{asked} was asked in several ways; name one of {ways}.")
    known = ", ".join(sorted({row.found.model_key for row in there})) or "none"
    raise BadInputError(
        f"The cache has no predictions of {asked} for this project; predict first, or name one of "
        f"those that are there: {known}."
    )


def _with_one_table(one: LabelSet, other: LabelSet) -> tuple[LabelSet, LabelSet]:
    if isinstance(one, LabelMapFolder) and isinstance(other, LabelMapFolder):
        tables = one.own_table(), other.own_table()
        one = replace(one, table=tables[0] or tables[1])
        other = replace(other, table=tables[1] or tables[0])
    return one, other
