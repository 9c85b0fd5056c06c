"""What is said of semantic models and of how they are asked."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from PySide6.QtCore import QCoreApplication

from segstudio.core.errors import BadInputError
from segstudio.models.pins import provenance
from segstudio.models.semantic.card import Architecture, Encoder, SemanticCard
from segstudio.models.semantic.contract import PredictSettings
from segstudio.models.semantic.registry import architecture, encoder

_SCORES = {"miou": "mIoU", "mean_dice": "mean Dice", "pixel_accuracy": "pixel accuracy"}


def _tr(text: str) -> str:
    return QCoreApplication.translate("Semantic", text)


def categories_in_words(card: SemanticCard) -> str:
    """How many categories a model knows, and which."""
    names = ", ".join(category.name for category in card.categories)
    if len(card.categories) == 1:
        return _tr("1 category: {}").format(names)
    return _tr("{} categories: {}").format(len(card.categories), names)


def asked_in_words(settings: PredictSettings) -> str:
    """How a model is asked, as far as that is not as usual; "" where all of it is."""
    scales = ", ".join(f"× {scale:g}" for scale in settings.scales)
    if len(settings.scales) > 1:
        scales = _tr("{} scales").format(len(settings.scales))
    told = [
        scales if settings.scales != (1.0,) else "",
        _tr("mirrored") if settings.flip else "",
        _tr("CRF") if settings.crf is not None else "",
        _tr("window {} px").format(settings.tile) if settings.tile else "",
        _tr("temperature {:g}").format(settings.temperature) if settings.temperature else "",
    ]
    return ", ".join(one for one in told if one)


def images_in_words(count: int) -> str:
    return _tr("1 image") if count == 1 else _tr("{:,} images").format(count)


def annotations_in_words(count: int) -> str:
    return _tr("1 annotation") if count == 1 else _tr("{:,} annotations").format(count)


def turned_in_words(added: int, replaced: int) -> str:
    """What came, and what went for it."""
    if not replaced:
        return _tr("{}.").format(annotations_in_words(added))
    return _tr("{}, in place of {:,} former ones.").format(annotations_in_words(added), replaced)


def score_name(key: str) -> str:
    """A score's usual name, from its key."""
    return _SCORES.get(key, key.replace("_", " "))


def scores_in_words(card: SemanticCard) -> str:
    """All scores of the card; shares in percent."""
    return ", ".join(f"{score_name(key)} {_number(value)}" for key, value in card.scores.items())


def _number(value: float) -> str:
    return f"{100 * value:.1f} %" if 0 <= value <= 1 else f"{value:g}"


def facts_of(card: SemanticCard) -> list[str]:
    """What stands below a card's description: the main score, and the licence."""
    facts = []
    main = "miou" if "miou" in card.scores else next(iter(card.scores), "")
    if main:
        facts.append(f"{score_name(main)} {_number(card.scores[main])}")
    if card.trained_on:
        facts.append(_tr("trained on {}").format(card.trained_on))
    facts.append(card.licence)
    return facts


def size_in_words(card: SemanticCard) -> str:
    """How large the weights are; "" where that is not known."""
    size = card.weights.size if card.weights is not None else 0
    return f"{max(1, round(size / 2**20))} MB" if size else ""


def get_text(card: SemanticCard) -> str:
    """What the button that downloads the weights says."""
    size = size_in_words(card)
    if size:
        return _tr("Get {} ({})").format(card.title, size)
    return _tr("Get {}").format(card.title)


def source_in_words(card: SemanticCard) -> str:
    """Where the weights come from, and how that they are the right ones is known."""
    weights = card.weights
    if weights is None:
        return ""
    known = provenance(weights)
    if weights.sha256:
        known += f": {weights.sha256}"
    host = urlsplit(weights.url).netloc
    if not host:
        return _tr("{}; {}").format(weights.name, known)
    return _tr("{} from {}; {}").format(weights.name, host, known)


def network_in_words(card: SemanticCard) -> str:
    """Architecture and encoder by their titles, as far as the registry knows them."""
    names = [_title(architecture, card.spec.architecture)]
    if card.spec.encoder:
        names.append(_title(encoder, card.spec.encoder))
    return _tr(" on ").join(names)


def _title(known: Callable[[str], Architecture | Encoder], key: str) -> str:
    try:
        return known(key).title
    except BadInputError:
        return key


def settings_in_words(card: SemanticCard) -> str:
    """How it was trained: plain values, each after its name."""
    plain = {
        key: value
        for key, value in card.settings.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""
    }
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in plain.items())
