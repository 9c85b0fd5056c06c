"""The pick-list of the open image: asked once, kept, filtered, and never another image's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from prompt_desk import SIZE, Desk, ScriptedModel, card, photo

from segstudio.core.annotation import Annotation
from segstudio.core.errors import BadInputError, DeviceError
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.prompt import Candidate, Candidates, Embedding
from segstudio.engine.everything_results import ResultsStore, raw_settings
from segstudio.engine.pick_session import PickSession
from segstudio.engine.picks import PickFilters
from segstudio.models.prompt.contract import EncodeCrop, EverythingSettings

LEFT, MIDDLE, RIGHT = (Mask.from_crop(np.ones((4, 2), dtype=bool), (x, 1), SIZE) for x in (0, 3, 6))


class FindingModel(ScriptedModel):
    """Finds three masks in every photo, with predicted IoUs of 0.95, 0.9 and 0.8."""

    searches = 0

    def everything(
        self,
        embedding: Embedding,
        settings: EverythingSettings,
        report: ProgressSink,
        cancel: CancelToken,
        encode_crop: EncodeCrop | None = None,
    ) -> Candidates:
        assert settings.box_nms == 1.0
        self.searches += 1
        report(Progress(5, 10, "Searching"))
        self.started[-1].set()
        while not self.gates.get(-1, self.free).wait(0.005):
            cancel.check()
        if self.error is not None:
            raise self.error
        found = zip((LEFT, MIDDLE, RIGHT), (0.95, 0.9, 0.8), strict=True)
        return Candidates(tuple(Candidate(m, s, 1.0) for m, s in found), self.model_key)


@dataclass
class PickDesk:
    """A pick session with all it needs, and what it told."""

    desk: Desk
    found: int = 0
    changes: int = 0
    rows: tuple[Annotation, ...] = ()
    errors: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.desk.models["slow"] = self.model = FindingModel(card())
        self.store = ResultsStore(self.desk.folder / "all", 1 << 20)
        self.picks = PickSession(self.desk.runner, self.desk.session, self.store)
        self.picks.on_found = self._found
        self.picks.on_change = self._changed
        self.picks.on_error = self.errors.append
        self.desk.session.use_model(card())

    def _found(self) -> None:
        self.found += 1

    def _changed(self) -> None:
        self.changes += 1

    def open(self, number: int) -> None:
        self.desk.session.open(photo(number))
        self.picks.open(photo(number), lambda: self.rows)
        self.desk.settle()

    def find(self, *, anew: bool = False) -> None:
        self.picks.find(raw_settings(), anew=anew)
        self.desk.settle()

    def accept(self, *masks: Mask) -> None:
        self.rows = tuple(Annotation(n, 1, 1, mask) for n, mask in enumerate(masks, start=1))
        self.picks.refresh()
        self.desk.settle()

    @property
    def shown(self) -> list[int]:
        assert self.picks.shown is not None
        return [int(index) for index in self.picks.shown.indices]


@pytest.fixture
def one(tmp_path: Path) -> Iterator[PickDesk]:
    desk = PickDesk(Desk(tmp_path))
    desk.open(1)
    yield desk
    desk.desk.runner.shutdown()


def test_what_passes_is_shown_and_told_once(one: PickDesk) -> None:
    one.find()
    assert one.shown == [0, 1]
    assert one.found == 1
    assert not one.picks.running
    assert one.picks.picks is not None
    assert len(one.picks.picks) == 3


def test_filters_show_more_without_asking_again(one: PickDesk) -> None:
    one.find()
    one.picks.filter(PickFilters(predicted_iou=0.7))
    one.desk.settle()
    assert one.shown == [0, 1, 2]
    assert one.model.searches == 1
    assert one.found == 1


def test_the_newest_of_many_filters_wins(one: PickDesk) -> None:
    one.find()
    for least in (0.1, 0.92, 0.3, 0.99, 0.7):
        one.picks.filter(PickFilters(predicted_iou=least))
    one.desk.settle()
    assert one.shown == [0, 1, 2]


def test_another_search_of_the_same_photo_asks_nobody(one: PickDesk, tmp_path: Path) -> None:
    one.find()
    one.find()
    assert (one.model.searches, one.found) == (1, 2)
    one.open(2)
    assert one.picks.shown is None
    one.find()
    one.open(1)
    one.find()
    assert one.model.searches == 2
    assert one.shown == [0, 1]
    later = PickDesk(Desk(tmp_path))
    later.open(1)
    later.find()
    assert later.shown == [0, 1]
    assert later.model.searches == 0
    later.desk.runner.shutdown()


def test_run_again_asks_again(one: PickDesk) -> None:
    one.find()
    one.picks.dismiss(0)
    one.desk.settle()
    assert one.shown == [1]
    one.find(anew=True)
    assert one.model.searches == 2
    assert one.shown == [0, 1]


def test_looking_shows_what_is_stored_and_never_asks(one: PickDesk) -> None:
    one.picks.look(raw_settings())
    one.desk.settle()
    assert one.picks.shown is None
    one.find()
    one.open(2)
    one.open(1)
    one.picks.look(raw_settings())
    one.desk.settle()
    assert one.shown == [0, 1]
    assert one.model.searches == 1


def test_accepted_masks_leave_the_list_and_undo_brings_them_back(one: PickDesk) -> None:
    one.find()
    one.picks.filter(PickFilters(unlabelled_only=False))
    one.accept(LEFT)
    assert one.shown == [1]
    one.accept()
    assert one.shown == [0, 1]


def test_what_is_covered_is_left_out_until_the_cover_goes(one: PickDesk) -> None:
    one.find()
    one.accept(LEFT.union(MIDDLE))
    assert one.shown == []
    one.picks.filter(PickFilters(unlabelled_only=False))
    one.desk.settle()
    assert one.shown == [0, 1]


def test_a_cancelled_search_leaves_what_was_shown(one: PickDesk) -> None:
    one.find()
    one.model.hold(-1)
    one.model.started[-1].clear()
    one.picks.find(raw_settings(), anew=True)
    one.desk.until(lambda: one.picks.progress == Progress(5, 10, "Searching"))
    assert one.picks.running
    one.picks.cancel()
    one.desk.settle()
    assert not one.picks.running
    assert one.shown == [0, 1]
    assert one.errors == []


def test_a_search_that_is_under_way_is_not_begun_again(one: PickDesk) -> None:
    one.model.hold(-1)
    one.picks.find(raw_settings())
    one.desk.until(one.model.started[-1].is_set)
    one.picks.find(raw_settings())
    one.model.gates[-1].set()
    one.desk.settle()
    assert one.model.searches == 1
    assert one.shown == [0, 1]


def test_another_image_ends_the_search_and_shows_nothing_of_it(one: PickDesk) -> None:
    one.model.hold(-1)
    one.picks.find(raw_settings())
    one.desk.until(one.model.started[-1].is_set)
    one.open(2)
    one.model.gates[-1].set()
    one.desk.settle()
    assert one.picks.shown is None
    assert not one.picks.running
    assert one.found == 0


def test_results_on_their_way_do_not_show_on_another_image(one: PickDesk) -> None:
    one.picks.find(raw_settings())
    assert one.desk.runner.wait_idle(10)
    while not one.picks._preparing:  # the answer came, its masks are being prepared
        one.desk.inbox.get()()
    one.open(2)
    assert one.picks.shown is None
    assert one.found == 0


def test_a_failing_model_is_told_and_the_next_search_works(one: PickDesk) -> None:
    one.model.error = DeviceError("The device is out of memory.")
    one.find()
    assert not one.picks.running
    assert [str(error) for error in one.desk.errors] == ["The device is out of memory."]
    one.model.error = None
    one.find()
    assert one.shown == [0, 1]


def test_without_an_image_there_is_nothing_to_find(one: PickDesk) -> None:
    one.picks.open(None, tuple)
    with pytest.raises(BadInputError, match="Open an image"):
        one.picks.find(raw_settings())
    one.picks.look(raw_settings())
    one.picks.refresh()
    one.desk.settle()
    assert one.picks.shown is None
