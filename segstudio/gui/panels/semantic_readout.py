"""What the prediction says under the pointer, in the status strip."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel, QWidget

from segstudio.gui.theme import numeric_font


class SemanticReadout(QLabel):
    """Category and confidence; hidden where there are none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFont(numeric_font(self.font()))
        self.setAccessibleName(self.tr("Predicted under the pointer"))
        self.tell("")

    def tell(self, text: str) -> None:
        self.setText(text)
        self.setVisible(bool(text))
