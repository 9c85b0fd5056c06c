"""Label sets by the names that people know: models by their titles, tools by their words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

from segstudio.core.annotation import Stage
from segstudio.engine.label_set import LabelSet
from segstudio.engine.label_sets import AnnotationSet
from segstudio.engine.prediction_sets import PredictionSet
from segstudio.formats.registry import IMPORT_FORMATS
from segstudio.models.registry import prompt_models
from segstudio.models.semantic.registry import semantic_cards
from segstudio.tools.registry import TOOLS


def _text(text: str) -> str:
    return str(QT_TRANSLATE_NOOP("Quality", text))


def _tr(text: str) -> str:
    return QCoreApplication.translate("Quality", text)


STAGES: Mapping[str, str] = {
    Stage.ASSISTED: _text("People's work"),
    Stage.SEMI_AUTOMATIC: _text("Models' work, chosen by people"),
    Stage.AUTOMATIC: _text("Models' work"),
}
MADE_BY = {
    "point": _text("Tool: Point"),
    "everything": _text("Picked from everything"),
    "semantic": _text("From label maps of models"),
}


def titled(sets: Sequence[LabelSet]) -> list[LabelSet]:
    """The same sets with titles for people, no two of them alike.

    Reads the cards of the models that were trained here: off the GUI thread.
    """
    cards = {card.key: card.title for card in prompt_models()}
    cards |= {card.key: card.title for card in semantic_cards()}
    titles = [_title(one, cards) for one in sets]
    often = Counter(titles)
    return [
        _called(one, f"{title} ({_mark(one)})" if often[title] > 1 else title)
        for one, title in zip(sets, titles, strict=True)
    ]


def model_title(model_key: str, cards: Mapping[str, str]) -> str:
    """The title of a model with its weights: a card's key, a dash and what tells the weights."""
    known = [key for key in cards if model_key == key or model_key.startswith(f"{key}-")]
    return cards[max(known, key=len)] if known else model_key


def tool_title(tool: str) -> str:
    """What made annotations, in the words of the menus; imported ones by their format."""
    if tool in MADE_BY:
        return _tr(MADE_BY[tool])
    formats = {row.key: row.title for row in IMPORT_FORMATS}
    if tool in formats:
        return _tr("Imported: {}").format(formats[tool])
    title = next((row.title for row in TOOLS if row.key == tool), tool)
    return _tr("Tool: {}").format(title)


def _title(one: LabelSet, cards: Mapping[str, str]) -> str:
    if isinstance(one, PredictionSet):
        return _tr("Predictions of {}").format(model_title(one.found.model_key, cards))
    if not isinstance(one, AnnotationSet):
        return one.title
    if one.kind == "all":
        return _tr("All annotations")
    if one.kind == "stage":
        return _tr(STAGES.get(one.value, one.title))
    if one.kind == "model":
        return _tr("Made with {}").format(model_title(one.value, cards))
    if one.kind == "tool":
        return tool_title(one.value)
    if one.kind == "user":
        return _tr("By {}").format(one.value)
    return one.title


def _mark(one: LabelSet) -> str:
    """What tells a set from others of the same title."""
    if isinstance(one, PredictionSet):
        model, _, asked = one.value.rpartition("/")
        return f"{model.rpartition('-')[2][:4]} {asked[:4]}"
    return one.value.rpartition("-")[2][:6] if one.kind == "model" else one.key


def _called(one: LabelSet, title: str) -> LabelSet:
    if isinstance(one, AnnotationSet | PredictionSet):
        return replace(one, title=title)
    return one
