"""Going to a step of the history: one step of the store, one new look at the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageState
from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate
from segstudio.engine.edited_image import Snapshot
from segstudio.engine.image_session import ImageSession
from segstudio.store.project import NewImage, ProjectStore

SIZE = (20, 30)


def square(x: int) -> Candidate:
    array = np.zeros(SIZE, dtype=bool)
    array[3:9, x : x + 4] = True
    return Candidate(Mask.from_array(array), 0.9, 0.9)


def worked_on(path: Path) -> tuple[ProjectStore, ImageSession]:
    store = ProjectStore.create(path / "p.segstudio", path)
    store.add_images([NewImage("a.jpg", SIZE[1], SIZE[0], "a" * 64)])
    session = ImageSession(store, 1)
    category = session.add_category("leaf").after.categories[0].id
    for x in (2, 8, 14):
        session.accept([square(x)], category, tool="brush")
    session.delete([session.annotations[0].id])
    return store, session


def test_every_step_can_be_gone_to_in_any_order_and_after_a_restart(tmp_path: Path) -> None:
    store, session = worked_on(tmp_path)
    counts = {0: 0, 1: 0, 2: 1, 3: 2, 4: 3, 5: 2}
    texts = ["Add category leaf", *["Accept mask"] * 3, "Delete annotation"]
    for _ in range(2):
        for step in (5, 1, 4, 0, 3, 2, 5):
            session.go_to(step)
            assert len(session.annotations) == counts[step]
            assert session.snapshot == Snapshot.read(store, 1)
            line = session.history_line()
            assert (line.at, [row.text for row in line.steps]) == (step, texts)
            wanted = ImageState.LABELLED if counts[step] else ImageState.TODO
            assert session.image.state is wanted
        store.close()
        store = ProjectStore.open(tmp_path / "p.segstudio")
        session = ImageSession(store, 1)
    store.close()


def test_one_journey_is_one_step_of_the_store_and_one_new_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, session = worked_on(tmp_path)
    with store:
        read, looks = Snapshot.read, []

        def counted(*arguments: object) -> Snapshot:
            looks.append(arguments)
            return read(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(Snapshot, "read", counted)
        moved = session.go_to(1)
        assert moved is not None
        assert (len(moved.before.annotations), moved.after.annotations) == (2, ())
        assert len(looks) == 1
        assert session.go_to(1) is None
        assert len(looks) == 1


def test_work_after_going_back_drops_what_lay_ahead(tmp_path: Path) -> None:
    store, session = worked_on(tmp_path)
    with store:
        session.go_to(2)
        session.set_state(ImageState.REVIEWED)
        line = session.history_line()
        assert [row.sequence for row in line.steps] == [1, 2, 6]
        assert line.at == 6
        assert session.redo() is None
        with pytest.raises(BadInputError, match="no longer in the history"):
            session.go_to(4)
        session.go_to(2)
        session.undo()
        assert session.history_line().at == 1
