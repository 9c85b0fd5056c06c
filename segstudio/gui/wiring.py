"""Who hears whom: signals of workspace, desks and panels are connected here and nowhere else."""

from __future__ import annotations

import gc

from PySide6.QtCore import QCoreApplication

from segstudio.core.changes import Edit
from segstudio.engine.jobs import Lane
from segstudio.engine.prompt_session import EmbeddingState, PromptSession
from segstudio.gui.action_set import ActionSet
from segstudio.gui.desk_set import DeskSet
from segstudio.gui.desks.pointing import Pointing
from segstudio.gui.dialog_wiring import wire_dialogs
from segstudio.gui.drawing_wiring import draw_in_background
from segstudio.gui.export_wiring import wire_export
from segstudio.gui.history_wiring import wire_history
from segstudio.gui.import_wiring import wire_import
from segstudio.gui.main_window import MainWindow
from segstudio.gui.operations_wiring import wire_operations
from segstudio.gui.painting_wiring import wire_painting
from segstudio.gui.partition_wiring import wire_partition
from segstudio.gui.picks_wiring import wire_picks
from segstudio.gui.polygon_wiring import wire_polygon
from segstudio.gui.quality_wiring import wire_quality
from segstudio.gui.semantic_wiring import wire_semantic
from segstudio.gui.split_wiring import wire_splits
from segstudio.gui.training_wiring import wire_training
from segstudio.gui.workspace import Workspace
from segstudio.models.device import settle_objects


def wire(
    window: MainWindow,
    workspace: Workspace,
    desks: DeskSet,
    actions: ActionSet,
    prompts: PromptSession,
) -> None:
    """Connect one window's parts."""
    _wire_welcome(window, workspace, desks)
    _wire_gallery(window, workspace, desks)
    _wire_embedding(window, workspace, desks, prompts)
    _wire_canvas(window, workspace, desks, actions)
    _wire_panels(window, workspace, desks)
    _wire_status(window, workspace, prompts)
    _wire_actions(workspace, desks, actions)
    wire_picks(window, desks)
    wire_painting(window, workspace, desks)
    wire_history(window, desks)
    wire_polygon(window, desks)
    wire_operations(window, workspace, desks, actions)
    wire_partition(window, workspace, desks, actions)
    wire_dialogs(window, workspace, desks, actions)
    wire_export(window, workspace, desks)
    wire_import(window, workspace, desks)
    wire_splits(window, workspace, desks)
    wire_semantic(window, workspace, desks, actions)
    wire_training(window, workspace, desks, actions)
    wire_quality(window, workspace, desks)


def _wire_welcome(window: MainWindow, workspace: Workspace, desks: DeskSet) -> None:
    welcome = window.welcome
    welcome.open_requested.connect(desks.project.choose_folder)
    welcome.folder_dropped.connect(desks.project.open)
    welcome.recent_chosen.connect(desks.project.open)
    welcome.samples_requested.connect(desks.project.open_samples)
    welcome.set_recent(workspace.settings.recent_projects)

    def show() -> None:
        store = workspace.store
        window.show_welcome(store is None)
        window.setWindowTitle(f"{store.name} — SegStudio" if store else "SegStudio")
        welcome.set_recent(workspace.settings.recent_projects)

    workspace.project_changed.connect(show)


def _wire_gallery(window: MainWindow, workspace: Workspace, desks: DeskSet) -> None:
    gallery, project = window.gallery, desks.project

    def fill() -> None:
        gallery.set_images(list(workspace.images.values()), dict(workspace.image_counts))

    def follow(edit: Edit) -> None:
        image = workspace.images.get(edit.image_id)
        if image is not None:
            gallery.update_image(image, workspace.image_counts[edit.image_id])

    def renew() -> None:
        images, counts = list(workspace.images.values()), dict(workspace.image_counts)
        gallery.model.renew_images(images, counts)
        gallery.set_current(project.wanted_image)

    workspace.project_changed.connect(fill)
    workspace.renewed.connect(renew)
    workspace.edited.connect(follow)
    project.opening.connect(gallery.set_current)
    gallery.image_chosen.connect(project.open_image)
    project.neighbours = gallery.neighbours
    project.unlabelled_after = gallery.next_unlabelled


def _wire_embedding(
    window: MainWindow, workspace: Workspace, desks: DeskSet, prompts: PromptSession
) -> None:
    """What is said of the embedding, and what begins when it is ready."""
    gallery, project = window.gallery, desks.project
    before, told = EmbeddingState.NONE, ""

    def show() -> None:
        desks.in_view.follow(prompts.state)
        in_part = window.canvas.overlay.part is not None
        window.status.set_embedding(_in_words(prompts.state, told, in_part=in_part))

    def embedded(state: EmbeddingState, text: str) -> None:
        nonlocal before, told
        same_image, before, told = before is EmbeddingState.ENCODING_CROP, state, text
        window.prompt.show_state(text)
        show()
        window.status.set_device(prompts.device)
        shown = project.wanted_image
        if state is EmbeddingState.READY and shown is not None:
            gallery.set_embedding_ready(shown, True)
            desks.hover.look_again()
            if not gc.get_freeze_count():  # all is imported now that models need
                tidy = workspace.tr("tidying up memory")
                workspace.runner.submit(Lane.IO, tidy, lambda _c, _p: settle_objects())
            if not same_image:
                reads = project.neighbour_reads(workspace.settings.prefetch_neighbours)
                prompts.prefetch(reads)

    prompts.on_state = embedded
    desks.in_view.looked.connect(show)


def _wire_canvas(
    window: MainWindow, workspace: Workspace, desks: DeskSet, actions: ActionSet
) -> None:
    canvas = window.canvas
    pointing = Pointing(workspace, desks.prompt, canvas)

    draw_in_background(canvas, workspace.runner, workspace.tell_error)

    def show_image() -> None:
        canvas.show_image(workspace.pyramid)
        show_masks()

    def show_masks() -> None:
        masks = canvas.masks
        masks.annotations, masks.categories = workspace.annotations, workspace.categories
        canvas.refresh()

    def show_selection() -> None:
        canvas.overlay.selected = workspace.selected
        canvas.update()

    def shut_eyes(_: object = None) -> None:
        canvas.masks.hidden = window.annotations.model.hidden | desks.refine.lifted
        canvas.refresh()
        pointing.look_again()

    workspace.image_changed.connect(show_image)
    workspace.edited.connect(lambda _: show_masks())
    workspace.categories_changed.connect(show_masks)
    workspace.selection_changed.connect(show_selection)
    window.annotations.hidden_changed.connect(shut_eyes)
    desks.refine.lifted_changed.connect(shut_eyes)
    pointing.opens = desks.refine.open_at
    desks.view.masks_shown.connect(actions.actions["view.masks"].setChecked)
    actions.actions["view.masks"].setChecked(True)
    desks.hover.toggled.connect(actions.actions["view.hover"].setChecked)
    desks.hover.follow_settings()
    desks.strip.toggled.connect(actions.actions["view.candidates"].setChecked)
    desks.strip.follow_settings()
    desks.in_view.toggled.connect(actions.actions["model.in_view"].setChecked)
    desks.in_view.follow_settings()


def _wire_panels(window: MainWindow, workspace: Workspace, desks: DeskSet) -> None:
    categories, panel, desk = window.categories, window.prompt, desks.annotations
    categories.chosen.connect(desk.use_category)
    categories.named.connect(desk.add_category)
    categories.changed.connect(desk.change_category)
    categories.deleted.connect(desk.delete_category)
    categories.left.connect(window.canvas.setFocus)
    window.annotations.lock_wanted.connect(desks.locks.set_locked)
    window.annotations.opened.connect(desks.refine.open)
    panel.model_chosen.connect(lambda _: window.canvas.setFocus())
    desk.name_wanted.connect(categories.ask_name)
    panel.model_chosen.connect(desks.model.use)
    panel.candidate_chosen.connect(desks.prompt.choose_candidate)
    panel.candidate_stepped.connect(desks.prompt.step_candidate)
    desks.model.model_changed.connect(panel.show_model)
    desks.model.missing.connect(panel.offer)
    desks.prompt.model_failed.connect(desks.model.fall_back)
    panel.get_wanted.connect(desks.model.get)

    def show_answer() -> None:
        answer = desks.prompt.answer
        panel.show_candidates(
            answer.candidates if answer else None,
            list(answer.pictures) if answer else [],
            desks.prompt.current,
        )

    desks.prompt.answered.connect(show_answer)
    window.opacity.setValue(round(100 * workspace.settings.mask_opacity))
    window.opacity.valueChanged.connect(lambda value: desks.view.show_opacity(value / 100))
    window.opacity.sliderReleased.connect(desks.view.keep_opacity)


def _wire_status(window: MainWindow, workspace: Workspace, prompts: PromptSession) -> None:
    status, canvas = window.status, window.canvas
    canvas.pointed_at.connect(status.set_coordinates)
    canvas.view_changed.connect(
        lambda view: status.set_zoom(view.scale if view.image_size != (0, 0) else None)
    )
    workspace.told.connect(status.tell)
    workspace.offered.connect(status.offer)
    workspace.saved.connect(status.set_saved)
    prompts.on_neighbours = status.set_neighbours


def _in_words(state: EmbeddingState, text: str, *, in_part: bool) -> str:
    """What the status strip says of the embedding."""
    if state is EmbeddingState.READY and in_part:
        return QCoreApplication.translate("Status", "visible part ready")
    if state is EmbeddingState.READY:
        return QCoreApplication.translate("Status", "embedding ready")
    return text


def _wire_actions(workspace: Workspace, desks: DeskSet, actions: ActionSet) -> None:
    """Grey out what cannot be done now."""

    def follow_project() -> None:
        paging = ("image.next", "image.previous")
        files = ("file.import", "file.take_back", "file.export", "file.cut_outs", "file.save_copy")
        for name in (*files, "image.splits", *paging):
            actions.actions[name].setEnabled(workspace.store is not None)

    def follow_selection() -> None:
        for name in ("edit.delete", "mask.front", "mask.back", "mask.refine", "mask.lock"):
            actions.actions[name].setEnabled(bool(workspace.selected))

    def follow_answer() -> None:
        several = desks.prompt.answer is not None
        for name in ("mask.next_candidate", "mask.previous_candidate"):
            actions.actions[name].setEnabled(several)

    def follow_tool(key: str) -> None:
        for name, action in actions.actions.items():
            if name.startswith("tool."):
                action.setChecked(name == f"tool.{key}")

    workspace.project_changed.connect(follow_project)
    workspace.selection_changed.connect(follow_selection)
    desks.prompt.answered.connect(follow_answer)
    desks.tools.tool_changed.connect(follow_tool)
    follow_project()
    follow_selection()
    follow_answer()
    follow_tool(desks.tools.tool_key)
