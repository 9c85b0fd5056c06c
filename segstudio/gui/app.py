"""Composition root: settings, jobs, cache and engine become one window."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import (
    QCoreApplication,
    QMessageLogContext,
    QObject,
    QTimer,
    QtMsgType,
    qInstallMessageHandler,
)
from PySide6.QtWidgets import QApplication

from segstudio.config.paths import cache_dir
from segstudio.config.qt_environment import drop_foreign_qt_plugins
from segstudio.config.settings import Settings, load_settings
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.everything_results import ResultsStore
from segstudio.engine.jobs import JobRunner
from segstudio.engine.model_loading import load_prompt_model
from segstudio.engine.prediction_cache import PredictionCache
from segstudio.engine.prompt_session import PromptSession
from segstudio.engine.semantic_loading import load_semantic_model
from segstudio.engine.superpixel_cache import SuperpixelCache
from segstudio.gui.action_set import ActionSet
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.desk_set import DeskSet
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
from segstudio.gui.job_bridge import JobBridge
from segstudio.gui.main_window import MainWindow
from segstudio.gui.panels.gallery import GalleryPanel
from segstudio.gui.theme import apply_theme, theme_signal
from segstudio.gui.wiring import wire
from segstudio.gui.workspace import Workspace
from segstudio.imaging.read import thumbnail
from segstudio.models.card import ModelCard
from segstudio.models.prompt.contract import PromptModel
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.contract import SemanticModel

MEGABYTE = 1 << 20
# A thread that computes keeps Python's lock that long while the hand waits for it: painting takes
# the lock again after every call into Qt, so Python's own 5 ms add up to several frames.
SWITCH_S = 0.001
SUPERPIXEL_BYTES = 256 * MEGABYTE, 1024 * MEGABYTE  # in memory and on disk
REST_MS = 60_000  # how often one looks whether the model may be unloaded


class Studio(QObject):
    """One window and everything behind it, alive together."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.bridge = JobBridge()
        self.runner = JobRunner(deliver=self.bridge.deliver)
        self.workspace = Workspace(self.runner, settings)
        self.cache = EmbeddingCache(
            cache_dir() / "embeddings",
            settings.embedding_memory_mb * MEGABYTE,
            settings.embedding_disk_mb * MEGABYTE,
        )
        self.superpixels = SuperpixelCache(cache_dir() / "superpixels", *SUPERPIXEL_BYTES)
        self.prompts = PromptSession(self.runner, self.cache, self._load_model)
        self.canvas = Canvas()
        self.gallery = GalleryPanel(
            self.runner, lambda record: thumbnail(self._image_path(record.id), 256)
        )
        self.window = MainWindow(self.workspace, self.canvas, self.gallery)
        self.desks = self._make_desks(settings)
        self.actions = ActionSet(self.window, self.desks.by_name())
        self.actions.rebind(settings.shortcuts)
        self.actions.hold_keys.used_up = lambda: self.canvas.panned_while_held
        self.window.take_actions(self.actions, self.desks)
        wire(self.window, self.workspace, self.desks, self.actions, self.prompts)
        self.window.restore_places(settings.window_geometry, settings.window_state)
        self.window.closing.connect(self.close)
        self.prompts.on_notice = self.workspace.tell
        self._rest = QTimer(self)
        self._rest.timeout.connect(
            lambda: self.prompts.rest(self.workspace.settings.unload_minutes)
        )
        self._rest.timeout.connect(
            lambda: self.desks.semantic_models.rest(self.workspace.settings.unload_minutes)
        )
        self._rest.start(REST_MS)
        self._closed = False
        self.desks.model.start()
        self.desks.semantic_models.look()

    def _make_desks(self, settings: Settings) -> DeskSet:
        view = ViewDesk(self.workspace, self.canvas)
        tools = ToolDesk(self.workspace, self.canvas)
        prompt = PromptDesk(self.workspace, self.prompts, self.canvas, tools)
        project = ProjectDesk(self.workspace, self.window)
        models = SemanticModelDesk(self.workspace, self._load_semantic)
        cached = self._predictions(settings)
        shown = SemanticViewDesk(self.workspace, self.canvas)
        semantic = SemanticDesk(self.workspace, models, shown, cached)
        jump = JumpDesk(self.workspace, project)
        superpixels = SuperpixelDesk(self.workspace, prompt, self.canvas, self.superpixels)
        return DeskSet(
            project=project,
            tools=tools,
            prompt=prompt,
            hover=HoverDesk(self.workspace, self.prompts, prompt, self.canvas),
            strip=StripDesk(self.workspace, prompt, self.canvas),
            refine=RefineDesk(self.workspace, prompt, self.canvas),
            in_view=InViewDesk(self.workspace, self.prompts, self.canvas),
            model=ModelDesk(self.workspace, self.prompts),
            everything=EverythingDesk(
                self.workspace, self.prompts, prompt, self.canvas, self._results_store(settings)
            ),
            annotations=AnnotationDesk(self.workspace),
            locks=LockDesk(self.workspace),
            partition=PartitionDesk(self.workspace, self.canvas),
            history=HistoryDesk(self.workspace),
            operations=OperationsDesk(self.workspace, project, self.superpixels),
            tuning=TuningDesk(self.workspace, prompt, self.canvas),
            painting=PaintingDesk(self.workspace, prompt, self.canvas),
            polygon=PolygonDesk(self.workspace, prompt, self.canvas),
            brush=BrushDesk(self.workspace, tools, self.canvas, superpixels),
            superpixels=superpixels,
            view=view,
            importing=ImportDesk(self.workspace, project),
            exporting=ExportDesk(self.workspace),
            jump=jump,
            splits=SplitDesk(self.workspace),
            semantic=semantic,
            semantic_models=models,
            semantic_view=semantic.view,
            semantic_turning=SemanticTurnDesk(self.workspace, semantic, self.prompts, self.cache),
            training=TrainingDesk(self.workspace),
            quality=QualityDesk(self.workspace, jump, self.canvas, self.window, cached),
            window=WindowDesk(self.workspace, self.window),
        )

    @staticmethod
    def _results_store(settings: Settings) -> ResultsStore:
        return ResultsStore(cache_dir() / "everything", settings.everything_disk_mb * MEGABYTE)

    @staticmethod
    def _predictions(settings: Settings) -> PredictionCache:
        return PredictionCache(cache_dir() / "predictions", settings.predictions_disk_mb * MEGABYTE)

    def _image_path(self, image_id: int) -> Path:
        store = self.workspace.store
        if store is None:
            raise FileNotFoundError("no project is open")
        return store.image_path(self.workspace.images[image_id])

    def _load_model(
        self, card: ModelCard, device: str | None, cancel: CancelToken, report: ProgressSink
    ) -> PromptModel:
        """Called on the device lane; `device` None is the one of the settings.

        Downloads only what the user asked for (`Get MobileSAM`).
        """
        return load_prompt_model(
            card,
            device=device or self.workspace.settings.device,
            weights=None,
            download=card.key in self.desks.model.may_download,
            report=report,
            cancel=cancel,
        )

    def _load_semantic(
        self, card: SemanticCard, device: str | None, cancel: CancelToken, report: ProgressSink
    ) -> SemanticModel:
        """Called on the device lane; downloads nothing: that is done before, where it is wanted."""
        wanted = device or self.workspace.settings.device
        return load_semantic_model(
            card, device=wanted, download=False, report=report, cancel=cancel
        )

    def close(self) -> None:
        """Write what is queued, remember the window, stop the threads."""
        if self._closed:
            return
        self._closed = True
        self._rest.stop()
        geometry, state = self.window.places()
        self.workspace.change_settings(window_geometry=geometry, window_state=state)
        self.desks.everything.remember()
        self.desks.semantic_view.keep_look()
        self.desks.training.close()
        self.prompts.close()
        self.desks.project.close()
        self.runner.shutdown()
        self.bridge.close()


def make_application(arguments: Sequence[str]) -> QApplication:
    """The Qt application, offscreen where there is no display, with our look."""
    drop_foreign_qt_plugins(os.environ)
    qInstallMessageHandler(_hear_qt)
    sys.setswitchinterval(SWITCH_S)
    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else QApplication(list(arguments))
    QCoreApplication.setApplicationName("SegStudio")
    QCoreApplication.setOrganizationName("SegStudio")
    return app


def _hear_qt(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    """Qt's own warnings go to stderr, but for what the offscreen platform says of itself."""
    del kind, context
    if not message.startswith("This plugin does not support"):
        print(message, file=sys.stderr)


def run(path: Path | None) -> int:
    """Open the window, on `path` if given (a project, an image or a folder); returns the status."""
    app = make_application(sys.argv[:1])
    complaints: list[str] = []
    settings = load_settings(complain=complaints.append)
    apply_theme(app, settings.theme)
    studio = Studio(settings)
    theme_signal(app).connect(studio.window.follow_theme)
    studio.window.show()
    for complaint in complaints:
        studio.workspace.tell(complaint)
    if path is not None:
        studio.desks.project.open(path)
    status = app.exec()
    studio.close()
    return int(status)
