"""What was set for each semantic model: kept with the project, so that it is there next time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any

import msgspec
from PySide6.QtCore import QObject, QTimer, Signal

from segstudio.engine.jobs import Lane
from segstudio.engine.label_map_parts import LabelMapOptions
from segstudio.gui.canvas.label_map_look import LabelMapLook
from segstudio.gui.workspace import Workspace
from segstudio.models.semantic.contract import PredictSettings

SETTING = "semantic-models"  # a JSON object of the project: `_Kept` by the cards' keys
KEEP_MS = 400  # after the last change of a slider

_Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


@dataclass(frozen=True)
class _Kept:
    """Of one model: what the legend says of its categories, by name, how it is asked, and what
    becomes of its label maps (without thresholds: those are the legend's).
    """

    thresholds: dict[str, _Share] = field(default_factory=dict)
    opacities: dict[str, _Share] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    asked: PredictSettings = field(default_factory=PredictSettings)
    turning: LabelMapOptions = field(default_factory=LabelMapOptions)


class KeptBesideModels(QObject):
    """Thresholds, opacities, eyes, questions and mappings, by the key of a model's card.

    Read when a project opens, written a moment after a change; a project that is read-only, or
    none, remembers them as long as it is open.
    """

    read = Signal()  # what the project that is open now has kept is known

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._kept: dict[str, _Kept] = {}
        self._changed: set[str] = set()  # keys of models that were changed and not written yet
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(KEEP_MS)
        self._soon.timeout.connect(self.write)
        workspace.project_changed.connect(self._read)

    # -- asked ----------------------------------------------------------------------------------

    def look(self, key: str, look: LabelMapLook) -> LabelMapLook:
        """`look` with what is kept of the model's categories."""
        kept = self._kept.get(key, _Kept())
        return replace(
            look,
            thresholds=dict(kept.thresholds),
            opacities=dict(kept.opacities),
            hidden=frozenset(kept.hidden),
            shown=frozenset(kept.shown),
        )

    def asked(self, key: str) -> PredictSettings:
        """How the model was asked last."""
        return self._kept.get(key, _Kept()).asked

    def turning(self, key: str, thresholds: Mapping[str, float]) -> LabelMapOptions:
        """How its label maps became annotations last, with these thresholds."""
        return replace(self._kept.get(key, _Kept()).turning, thresholds=dict(thresholds))

    # -- told -----------------------------------------------------------------------------------

    def keep_look(self, key: str, look: LabelMapLook) -> None:
        """Keep what a look says of the model's categories."""
        self._keep(
            key,
            thresholds=dict(look.thresholds),
            opacities=dict(look.opacities),
            hidden=tuple(sorted(look.hidden)),
            shown=tuple(sorted(look.shown)),
        )

    def keep_asked(self, key: str, settings: PredictSettings) -> None:
        """Keep how the model is asked."""
        self._keep(key, asked=settings)

    def keep_turning(self, key: str, options: LabelMapOptions) -> None:
        """Keep how its label maps become annotations."""
        self._keep(key, turning=replace(options, targets=dict(options.targets), thresholds={}))

    def _keep(self, key: str, **changes: Any) -> None:
        old = self._kept.get(key, _Kept())
        new = replace(old, **changes)
        if key and new != old:
            self._kept[key] = new
            self._changed.add(key)
            self._soon.start()

    # -- on disk --------------------------------------------------------------------------------

    def write(self) -> None:
        """Write what has changed, in the background."""
        self._soon.stop()
        store, changed = self._workspace.store, self._changed
        if store is None or store.read_only or not changed:
            return
        self._changed = set()
        new = {key: asdict(self._kept[key]) for key in changed}
        self._workspace.runner.submit(
            Lane.STORE,
            self.tr("keeping how models are shown"),
            lambda _c, _p: store.set_setting(SETTING, _plain(store.setting(SETTING)) | new),
            on_error=self._workspace.tell_error,
        )

    def _read(self) -> None:
        """Another project: what was kept of the last one is no more of use."""
        self._soon.stop()
        self._kept, self._changed = {}, set()
        store = self._workspace.store
        self.read.emit()
        if store is None:
            return

        def done(found: dict[str, _Kept]) -> None:
            if found and store is self._workspace.store:
                self._kept = found | {key: self._kept[key] for key in self._changed}
                self.read.emit()

        self._workspace.runner.submit(
            Lane.STORE,
            self.tr("reading how models are shown"),
            lambda _c, _p: _understood(store.setting(SETTING)),
            on_done=done,
            on_error=self._workspace.tell_error,
        )


def _plain(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _understood(value: Any) -> dict[str, _Kept]:
    """What of a project's JSON means something; anybody may have written it."""
    found = {}
    for key, one in _plain(value).items():
        try:
            found[key] = msgspec.convert(one, _Kept)
        except msgspec.ValidationError:
            continue
    return found
