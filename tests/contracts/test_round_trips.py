"""Random projects go out in every format and come back as exactly what it can hold.

What should come back is worked out here with numpy on whole arrays, by neither writer nor reader.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_project import MemoryProject
from random_projects import projects

from segstudio.core.annotation import Annotation
from segstudio.core.image import ImageRecord
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine.export_run import export
from segstudio.engine.import_run import carry_out, survey
from segstudio.formats.contract import ExportFormat, ExportOptions
from segstudio.formats.found import Fault, FoundAnnotation, FoundCategory, FoundImage
from segstudio.formats.holding import HeldImage
from segstudio.formats.registry import EXPORT_FORMATS, IMPORT_FORMATS, import_format
from segstudio.store.project import NewImage, ProjectStore

every_format = pytest.mark.parametrize("member", EXPORT_FORMATS, ids=lambda member: member.key)
every_way_back = pytest.mark.parametrize(
    "key", [member.key for member in IMPORT_FORMATS if member.key != "cut-outs"]
)
ONE_INDEX_A_PIXEL = {"voc", "coco-panoptic", "label-maps"}  # what is in front covers the rest
# SEGSTUDIO_FUZZ=1000 takes as many random projects for each; the suite has seconds, not hours.
EXAMPLES = int(os.environ.get("SEGSTUDIO_FUZZ", "0"))
quick = settings(max_examples=EXAMPLES or 25, suppress_health_check=[HealthCheck.too_slow])
few = settings(max_examples=EXAMPLES or 8, suppress_health_check=[HealthCheck.too_slow])


# Category, crowd flag and the mask's pixels: what must come back of an annotation.
CameBack = tuple[str, bool, bytes]


@contextmanager
def an_empty_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def written(member: ExportFormat, project: MemoryProject, folder: Path) -> ExportOptions:
    options = member.options()
    folder.mkdir()
    member.write(project, folder, options, ignore_progress, CancelToken())
    return options


def read_back(
    member: ExportFormat, folder: Path, options: ExportOptions, sizes: dict[str, tuple[int, int]]
) -> dict[str, list[CameBack]]:
    """What each image has, by the name that the format gives it; from the back to the front."""
    categories: dict[str, str] = {}
    images: dict[str, str] = {}
    found: dict[str, list[CameBack]] = {}
    for piece in member.reread(folder, options, ignore_progress, CancelToken()):
        assert not isinstance(piece, Fault), piece
        if isinstance(piece, FoundCategory):
            categories[piece.key] = piece.name
        elif isinstance(piece, FoundImage):
            assert piece.size in (None, sizes[piece.name])
            images[piece.key] = piece.name
            found[piece.name] = []
        elif isinstance(piece, FoundAnnotation):
            name = images[piece.image]
            mask = piece.mask(sizes[name])
            assert mask.size == sizes[name]
            pixels = mask.to_array().tobytes()
            found[name].append((categories[piece.category], piece.iscrowd, pixels))
    return found


def drawn(project: MemoryProject, image: ImageRecord) -> list[Annotation]:
    return [row for row in project.annotations(image.id) if row.mask.to_array().any()]


def in_front(annotations: list[Annotation], size: tuple[int, int]) -> np.ndarray:
    """(H, W) the id of the annotation that is seen at each pixel; 0 where there is none."""
    seen = np.zeros(size, dtype=np.int64)
    for annotation in annotations:
        seen[annotation.mask.to_array()] = annotation.id
    return seen


def check_announced(key: str, held: HeldImage, project: MemoryProject, image: ImageRecord) -> None:
    """What is announced is what differs, to the pixel, and nothing else does."""
    truth = {row.id: row for row in drawn(project, image)}
    names = {category.id: category.name for category in project.categories()}
    lost: dict[int, list[tuple[str, int]]] = {}
    for loss in held.losses:
        assert loss.path == image.path
        assert loss.text.endswith(".")
        lost.setdefault(loss.annotation_id, []).append((loss.kind.value, loss.pixels))
    kept = [number for item in held.annotations for number in item.ids]
    for number, annotation in truth.items():
        mine = [item for item in held.annotations if number in item.ids]
        kinds = {kind for kind, _ in lost.get(number, [])}
        pixels = sum(count for _, count in lost.get(number, []))
        if not mine:
            assert kinds, f"annotation {number} is gone and nobody said so"
            continue
        mask = annotation.mask.to_array()
        if len(mine) == 1 and mine[0].ids == (number,):
            differing = int(np.count_nonzero(mine[0].mask.to_array() != mask))
            assert differing == pixels, (number, kinds)
        for item in mine:
            if item.category != names[annotation.category_id]:
                assert kinds & {"category"} or key in {"sa1b"}
            if item.iscrowd != annotation.iscrowd:
                assert kinds & {"crowd"}, (number, kinds)
    assert set(kept) <= set(truth)
    if held.ordered and len(set(kept)) == len(kept):
        assert kept == [number for number in truth if number in kept]
    if key in ONE_INDEX_A_PIXEL:
        seen = in_front(list(truth.values()), image.size)
        for item in held.annotations:
            covered = [loss for loss in held.losses if loss.kind == "covered"]
            if item.ids[0] not in {loss.annotation_id for loss in covered}:
                assert np.array_equal(item.mask.to_array(), np.isin(seen, item.ids))


@every_format
@quick
@given(data=st.data())
def test_a_random_project_comes_back_as_announced(
    member: ExportFormat, data: st.DataObject
) -> None:
    with an_empty_folder() as folder:
        project = data.draw(projects(folder / "photos"))
        options = written(member, project, folder / "out")
        holding = member.holding(project, options)
        images = list(project.images())
        held = {image.id: holding.image(image, drawn(project, image)) for image in images}
        sizes = {held[image.id].name: image.size for image in images}
        assert len(sizes) == len(images), "two images share a name"
        found = read_back(member, folder / "out", options, sizes)
    for image in images:
        expected = held[image.id]
        check_announced(member.key, expected, project, image)
        wanted = [
            (item.category, item.iscrowd, item.mask.to_array().tobytes())
            for item in expected.annotations
        ]
        came = found.get(expected.name, [])
        if not expected.ordered:
            wanted.sort()
            came.sort()
        assert came == wanted, image.path


@every_format
@few
@given(data=st.data())
def test_the_app_proves_each_export_itself(member: ExportFormat, data: st.DataObject) -> None:
    with an_empty_folder() as folder:
        project = data.draw(projects(folder / "photos"))
        report = export(member.key, project, folder / "out")
    assert report.proof is not None
    assert report.proof.differences == ()
    assert report.losses is not None


def store_of(project: MemoryProject, path: Path) -> ProjectStore:
    """A real project over the same photos, with no category and no annotation."""
    store = ProjectStore.create(path, project.folder)
    store.add_images(
        [NewImage(row.path, row.width, row.height, row.sha256) for row in project.images()]
    )
    return store


@every_way_back
@few
@given(data=st.data())
def test_an_export_imported_again_is_the_project_that_it_came_from(
    key: str, data: st.DataObject
) -> None:
    member = next(item for item in EXPORT_FORMATS if item.key == key)
    with an_empty_folder() as folder:
        project = data.draw(projects(folder / "photos"))
        export(key, project, folder / "out")
        options = import_format(key).options()
        with store_of(project, folder / "p.segstudio") as store:
            for times in (1, 2):
                with survey(key, folder / "out", store, options) as plan:
                    report = carry_out(plan, store)
                if times == 2:
                    assert report.annotations == 0, "it came twice"
            names = {category.id: category.name for category in store.categories()}
            holding = member.holding(project, member.options())
            for image, mine in zip(project.images(), store.images(), strict=True):
                assert image.path == mine.path
                wanted = holding.image(image, drawn(project, image))
                came = [(names[row.category_id], row.mask) for row in store.annotations(mine.id)]
                expected = [(item.category, item.mask) for item in wanted.annotations]
                if not wanted.ordered:
                    expected.sort(key=lambda item: (item[0], item[1].counts))
                    came.sort(key=lambda item: (item[0], item[1].counts))
                assert came == expected
            assert store.integrity() == []
