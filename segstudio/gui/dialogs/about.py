"""About SegStudio: version, licence, what it stands on, and where its files are."""

from __future__ import annotations

import re
from importlib import metadata

from PySide6.QtCore import QCoreApplication, Qt, QUrl
from PySide6.QtGui import QFont, QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from segstudio.config.paths import cache_dir, data_dir
from segstudio.config.settings import settings_path
from segstudio.gui.dialogs.fields import dim_label, fit_height, make_form
from segstudio.gui.icons import icon
from segstudio.gui.theme import SPACING

PACKAGE = "segstudio"


class AboutDialog(QDialog):
    """All of it can be selected and copied; folders open when they are clicked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("About SegStudio"))
        self.setMinimumWidth(480)
        name = QLabel("SegStudio")
        font = QFont(name.font())
        font.setPointSizeF(font.pointSizeF() * 1.6)
        font.setWeight(QFont.Weight.DemiBold)
        name.setFont(font)
        form = make_form()
        self._add(form, self.tr("Version"), version())
        self._add(form, self.tr("Licence"), licence())
        self._add(form, self.tr("Stands on"), ", ".join(foundations()))
        for label, path in (
            (self.tr("Settings"), settings_path()),
            (self.tr("Projects of read-only folders"), data_dir() / "projects"),
            (self.tr("Weights and embeddings"), cache_dir()),
        ):
            folder = path if not path.suffix else path.parent
            address = QUrl.fromLocalFile(str(folder)).toString()
            self._add(form, label, f'<a href="{address}">{_escaped(str(path))}</a>')
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[5 * SPACING] * 4)
        layout.setSpacing(3 * SPACING)
        picture = QLabel()
        picture.setPixmap(icon("app").pixmap(48, 48))
        head = QHBoxLayout()
        head.setSpacing(3 * SPACING)
        head.addWidget(picture)
        head.addWidget(name, 1)
        layout.addLayout(head)
        layout.addWidget(dim_label(self.tr("Point-and-click segmentation and dataset building.")))
        layout.addLayout(form)
        layout.addStretch(1)
        layout.addWidget(buttons)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        fit_height(self)

    def _add(self, form: QFormLayout, label: str, text: str) -> None:
        value = QLabel(text)
        value.setWordWrap(True)
        value.setOpenExternalLinks(True)
        value.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        form.addRow(dim_label(label), value)


def version() -> str:
    """The installed version; a checkout that was never installed has none."""
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return QCoreApplication.translate("AboutDialog", "not installed")


def licence() -> str:
    """SPDX expression of the installed package."""
    try:
        return str(metadata.metadata(PACKAGE)["License-Expression"])
    except (metadata.PackageNotFoundError, KeyError):
        return "Apache-2.0"


def foundations() -> list[str]:
    """The packages that the app needs and finds here, each with its version."""
    try:
        wanted = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for line in wanted:
        requirement, _, marker = line.partition(";")
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        if match is None or "extra" in marker:
            continue
        try:
            package = metadata.distribution(match.group())
            found.append(f"{package.metadata['Name']} {package.version}")
        except metadata.PackageNotFoundError:
            continue
    return found


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
