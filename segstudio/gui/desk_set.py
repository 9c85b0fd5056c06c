"""All desks of one window, by the names that the action table uses."""

from __future__ import annotations

from dataclasses import dataclass

from segstudio.gui.desks.annotations import AnnotationDesk
from segstudio.gui.desks.brush import BrushDesk
from segstudio.gui.desks.everything import EverythingDesk
from segstudio.gui.desks.exporting import ExportDesk
from segstudio.gui.desks.history import HistoryDesk
from segstudio.gui.desks.hover import HoverDesk
from segstudio.gui.desks.importing import ImportDesk
from segstudio.gui.desks.in_view import InViewDesk
from segstudio.gui.desks.jump import JumpDesk
from segstudio.gui.desks.locks import LockDesk
from segstudio.gui.desks.model import ModelDesk
from segstudio.gui.desks.operations import OperationsDesk
from segstudio.gui.desks.painting import PaintingDesk
from segstudio.gui.desks.partition import PartitionDesk
from segstudio.gui.desks.polygon import PolygonDesk
from segstudio.gui.desks.project import ProjectDesk
from segstudio.gui.desks.prompt import PromptDesk
from segstudio.gui.desks.quality import QualityDesk
from segstudio.gui.desks.refine import RefineDesk
from segstudio.gui.desks.semantic import SemanticDesk
from segstudio.gui.desks.semantic_models import SemanticModelDesk
from segstudio.gui.desks.semantic_turning import SemanticTurnDesk
from segstudio.gui.desks.semantic_view import SemanticViewDesk
from segstudio.gui.desks.splits import SplitDesk
from segstudio.gui.desks.strip import StripDesk
from segstudio.gui.desks.superpixels import SuperpixelDesk
from segstudio.gui.desks.tools import ToolDesk
from segstudio.gui.desks.training import TrainingDesk
from segstudio.gui.desks.tuning import TuningDesk
from segstudio.gui.desks.view import ViewDesk
from segstudio.gui.desks.window import WindowDesk


@dataclass(frozen=True)
class DeskSet:
    """The desks; the field's name is the first part of an action row's `calls`."""

    project: ProjectDesk
    tools: ToolDesk
    prompt: PromptDesk
    hover: HoverDesk
    strip: StripDesk
    refine: RefineDesk
    in_view: InViewDesk
    model: ModelDesk
    everything: EverythingDesk
    annotations: AnnotationDesk
    locks: LockDesk
    partition: PartitionDesk
    history: HistoryDesk
    operations: OperationsDesk
    tuning: TuningDesk
    painting: PaintingDesk
    polygon: PolygonDesk
    brush: BrushDesk
    superpixels: SuperpixelDesk
    view: ViewDesk
    importing: ImportDesk
    exporting: ExportDesk
    jump: JumpDesk
    splits: SplitDesk
    semantic: SemanticDesk
    semantic_models: SemanticModelDesk
    semantic_view: SemanticViewDesk
    semantic_turning: SemanticTurnDesk
    training: TrainingDesk
    quality: QualityDesk
    window: WindowDesk

    def by_name(self) -> dict[str, object]:
        return dict(vars(self))
