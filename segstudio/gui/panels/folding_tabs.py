"""Tabs that all stay in sight: where their titles do not fit, icons stand for them."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QIcon, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QTabBar, QTabWidget, QWidget

from segstudio.gui.icons import icon
from segstudio.gui.theme import SPACING

SIDE = 16  # px of the icons


class _Bar(QTabBar):
    """Tabs as wide as what is in them: a style sheet counts the icon twice."""

    def tabSizeHint(self, index: int) -> QSize:
        size = super().tabSizeHint(index)
        if not self.tabIcon(index).isNull():
            gap = 2 * SPACING if self.tabText(index) else 0  # between icon and title
            size.setWidth(size.width() - SIDE + gap)
        return size


class FoldingTabs(QTabWidget):
    """Titles while all of them fit; in less room icons, and the title of the current tab alone.

    Screen readers hear the titles either way, and tool tips show them.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._places: list[tuple[str, QIcon]] = []
        self._fitting = False
        self._whole: int | None = None  # px that all titles take, once they were measured
        self._fitted: tuple[int, int] | None = None  # width and current tab that it is right for
        self._fitted_hint = QSize()
        self.setTabBar(_Bar())
        self.setDocumentMode(True)
        self.setIconSize(QSize(SIDE, SIDE))
        self.currentChanged.connect(lambda _: self.fit())

    def add_place(self, content: QWidget, picture: str, title: str) -> None:
        """Add a tab; `picture` is the name of its icon."""
        self._places.append((title, icon(picture)))
        at = self.addTab(content, title)
        self.tabBar().setAccessibleTabName(at, title)
        self.setTabToolTip(at, title)
        self._fit_anew()

    @property
    def folded(self) -> bool:
        """Whether icons stand for the titles."""
        return any(not self.tabIcon(at).isNull() for at in range(self.count()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fit_anew()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        restyled = event.type() in (QEvent.Type.StyleChange, QEvent.Type.FontChange)
        if restyled and self._places and self._hint() != self._fitted_hint:
            self._fit_anew()

    def _hint(self) -> QSize:
        """What the current tab, as it is, wants: another theme has the same, another font not."""
        return self.tabBar().tabSizeHint(self.currentIndex())

    def _fit_anew(self) -> None:
        """Titles take another width than before."""
        self._whole = self._fitted = None
        self.fit()

    def fit(self) -> None:
        """Titles or icons, by the room that there is now."""
        now = self.width(), self.currentIndex()
        if self._fitting or not self._places or now == self._fitted:
            return
        self._fitting = True
        try:
            if self._whole is None or self._whole <= self.width():
                for at, (title, _) in enumerate(self._places):
                    self._put(at, title, QIcon())
                self._whole = self._wanted()
            if self._whole > self.width():
                self._fold()
            self._fitted, self._fitted_hint = now, self._hint()
        finally:
            self._fitting = False

    def _fold(self) -> None:
        here = self.currentIndex()
        for at, (title, picture) in enumerate(self._places):
            self._put(at, title if at == here else "", picture)
        excess = self._wanted() - self.width()
        if excess > 0 and here >= 0:
            title = self._places[here][0]
            metrics = self.tabBar().fontMetrics()
            room = max(0, metrics.horizontalAdvance(title) - excess)
            shorter = metrics.elidedText(title, Qt.TextElideMode.ElideRight, room)
            self._put(here, shorter if len(shorter) > 1 else "", self._places[here][1])

    def _put(self, at: int, title: str, picture: QIcon) -> None:
        if self.tabText(at) != title:
            self.setTabText(at, title)
        if self.tabIcon(at).cacheKey() != picture.cacheKey():
            self.setTabIcon(at, picture)

    def _wanted(self) -> int:
        """Width in px that the tabs, as they are, would take."""
        bar = self.tabBar()
        return sum(bar.tabRect(at).width() for at in range(bar.count()))
