"""How a training is run: what most people change, and the rest behind "more"."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFormLayout, QFrame, QScrollArea, QToolButton, QVBoxLayout, QWidget

from segstudio.gui.dialogs.fields import (
    Field,
    add_row,
    check_field,
    choice_field,
    make_form,
    real_field,
    whole_field,
)
from segstudio.gui.theme import SPACING
from segstudio.models.training.settings import (
    Augmentation,
    ClassWeights,
    Loss,
    Optimiser,
    Precision,
    Schedule,
    TrainingSettings,
)


class TrainingFields(QScrollArea):
    """Fields of one `TrainingSettings`; what they do not show stays as it was."""

    changed = Signal()

    def __init__(self, settings: TrainingSettings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self._settings = settings
        self.fields: dict[str, Field] = {}
        self.more = QToolButton()
        self.more.setText(self.tr("More settings"))
        self.more.setCheckable(True)
        self.more.setArrowType(Qt.ArrowType.RightArrow)
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.rest = QWidget()
        first, rest = make_form(), make_form()
        self._first(first)
        self._learning(rest)
        self._treatment(rest)
        self.rest.setLayout(rest)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 2 * SPACING, 2 * SPACING, 0)
        column.setSpacing(3 * SPACING)
        column.addLayout(first)
        column.addWidget(self.more, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.rest)
        column.addStretch(1)
        self.setWidget(inner)
        self.more.toggled.connect(self._disclose)
        self._disclose(False)
        self.show_settings(settings)
        for field in self.fields.values():
            field.listen(self.changed.emit)

    def _disclose(self, shown: bool) -> None:
        self.rest.setVisible(shown)
        arrow = Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow
        self.more.setArrowType(arrow)

    # -- rows -----------------------------------------------------------------------------------

    def _add(self, form: QFormLayout, name: str, label: str, field: Field, told: str = "") -> None:
        self.fields[name] = field
        add_row(form, label, field, told)

    def _first(self, form: QFormLayout) -> None:
        tr = self.tr
        self._add(
            form,
            "epochs",
            tr("Epochs"),
            whole_field(1, 100_000),
            tr("Passes over the images. It can be stopped at any time; the best stays."),
        )
        self._add(
            form,
            "minutes",
            tr("At most"),
            plain_field(100_000, 0, tr("minutes")),
            tr("Ends it earlier; 0 sets no limit."),
        )
        self._add(
            form,
            "patience",
            tr("Patience"),
            whole_field(0, 10_000, tr("epochs")),
            tr("Ends it when the mIoU has not risen for so long; 0 waits for ever."),
        )
        self._add(
            form,
            "side",
            tr("Square"),
            whole_field(64, 4096, "px"),
            tr("Cut out of each image for each step. Smaller ones need less memory."),
        )
        self._add(
            form,
            "batch",
            tr("Batch"),
            whole_field(1, 1024, tr("squares")),
            tr("Looked at together in one step."),
        )
        devices = [
            ("auto", tr("Automatic"), ""),
            ("cpu", "CPU", ""),
            ("cuda", "NVIDIA GPU (CUDA)", ""),
            ("mps", "Apple GPU (MPS)", ""),
        ]
        self._add(form, "device", tr("Device"), choice_field(devices))  # fmt: skip

    def _learning(self, form: QFormLayout) -> None:
        tr = self.tr
        losses = [
            (Loss.CE_DICE, tr("Cross-entropy and Dice"), ""),
            (Loss.CROSS_ENTROPY, tr("Cross-entropy"), ""),
            (Loss.DICE, tr("Dice"), ""),
            (Loss.FOCAL, tr("Focal"), ""),
        ]
        self._add(
            form,
            "loss",
            tr("Loss"),
            choice_field(losses),
            tr("Dice counts small categories as much as large ones."),
        )
        weights = [
            (ClassWeights.EQUAL, tr("All pixels alike"), ""),
            (ClassWeights.MEDIAN_FREQUENCY, tr("Rare categories more"), ""),
        ]
        self._add(form, "class_weights", tr("Class weights"), choice_field(weights))
        squared = check_field(tr("Squares in Dice's denominator"))
        self._add(form, "dice_squared", "", squared)
        self._add(form, "focal_gamma", tr("Focal gamma"), plain_field(10, 1))
        kinds = [(Optimiser.ADAMW, "AdamW", ""), (Optimiser.SGD, "SGD", "")]
        self._add(form, "optimiser", tr("Optimiser"), choice_field(kinds))
        self._add(form, "learning_rate", tr("Learning rate"), rate_field())
        self._add(
            form,
            "encoder_rate",
            tr("Encoder's share of it"),
            rate_field(),
            tr("A pretrained encoder learns more slowly than the rest."),
        )
        self._add(form, "weight_decay", tr("Weight decay"), rate_field())
        falls = [
            (Schedule.POLY, tr("Poly"), ""),
            (Schedule.COSINE, tr("Cosine"), ""),
            (Schedule.CONSTANT, tr("Constant"), ""),
        ]
        self._add(form, "schedule", tr("Schedule"), choice_field(falls))
        self._add(form, "warmup", tr("Warm-up"), whole_field(0, 100_000, tr("steps")))
        self._add(form, "clip", tr("Longest gradient"), plain_field(1000, 1))  # fmt: skip

    def _treatment(self, form: QFormLayout) -> None:
        tr = self.tr
        self._add(
            form,
            "scale_low",
            tr("Shrink to"),
            plain_field(4, 2),
            tr("Chance treatment of the images, so that few go further."),
        )
        self._add(form, "scale_high", tr("Enlarge to"), plain_field(4, 2))
        self._add(form, "flip", tr("Mirror"), real_field(0.0, 1.0))
        self._add(form, "rotate", tr("Turn by up to"), plain_field(180, 0, "°"))
        self._add(form, "colour", tr("Change colours by up to"), real_field(0.0, 1.0))
        self._add(form, "blur", tr("Blur"), real_field(0.0, 1.0))
        kinds = [
            (Precision.AUTO, tr("Automatic"), ""),
            (Precision.FULL, tr("32 bits"), ""),
            (Precision.BFLOAT, tr("bfloat16 where it can"), ""),
            (Precision.HALF, tr("16 bits where it can"), ""),
        ]
        self._add(form, "precision", tr("Precision"), choice_field(kinds))
        self._add(
            form,
            "workers",
            tr("Reading processes"),
            whole_field(-1, 64),
            tr("-1 leaves it to the device."),
        )
        self._add(form, "validate_every", tr("Check every"), whole_field(1, 1000, tr("epochs")))
        self._add(
            form,
            "validate_steps",
            tr("But not before"),
            whole_field(1, 100_000, tr("steps")),
            tr("Few images make short epochs, after which a check says little."),
        )
        self._add(form, "seed", tr("Seed"), whole_field(0, None),
                  tr("The same number gives the same training again."))  # fmt: skip

    # -- value ----------------------------------------------------------------------------------

    def show_settings(self, settings: TrainingSettings) -> None:
        """Start from these."""
        self._settings = settings
        augmentation = settings.augmentation
        own = {"scale_low": augmentation.scale[0], "scale_high": augmentation.scale[1]}
        own |= {name: getattr(augmentation, name) for name in ("flip", "rotate", "colour", "blur")}
        for name, field in self.fields.items():
            field.set_value(own[name] if name in own else getattr(settings, name))

    def settings(self) -> TrainingSettings:
        """What the fields say."""
        values = {name: field.value() for name, field in self.fields.items()}
        low, high = values.pop("scale_low"), values.pop("scale_high")
        treated = {name: values.pop(name) for name in ("flip", "rotate", "colour", "blur")}
        kinds = {"loss": Loss, "class_weights": ClassWeights, "optimiser": Optimiser,
                 "schedule": Schedule, "precision": Precision}  # fmt: skip
        values |= {name: kind(values[name]) for name, kind in kinds.items()}
        scale = (max(0.1, min(low, high)), max(0.1, low, high))
        return replace(self._settings, augmentation=Augmentation(scale, **treated), **values)


def plain_field(high: float, decimals: int, unit: str = "") -> Field:
    """A number from 0 on with so many decimals."""
    field = real_field(0, high, unit)
    field.widget.setDecimals(decimals)  # type: ignore[attr-defined]
    return field


def rate_field() -> Field:
    """A positive number over many decades, typed as 0.001 or 1e-3."""
    field = real_field(0, 10)
    spin = field.widget
    spin.setDecimals(7)  # type: ignore[attr-defined]
    spin.setStepType(spin.StepType.AdaptiveDecimalStepType)  # type: ignore[attr-defined]
    return field
