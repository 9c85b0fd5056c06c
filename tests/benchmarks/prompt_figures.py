"""Figures of measured rows, with intervals, and the tables that show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from prompt_rows import ALWAYS, GOAL, MOST_CLICKS, Answer, Row, reached
from scipy import stats

Truth = Literal["drawn", "any"]
Floats = npt.NDArray[np.float64]

CLICKS = (1, 3, 5)
PROMPTS = ("1", "3", "5", "box")
SIZES = ((0.0, 0.01), (0.01, 0.03), (0.03, 0.1), (0.1, 1.01))  # shares of the image
RESAMPLES = 2000


def answer_to(row: Row, prompt: str) -> Answer | None:
    """The answer after so many clicks ("1", "3", ...; the last one where no more were asked),
    or to the "box"."""
    if prompt == "box":
        return row.box
    return row.clicks[min(int(prompt), len(row.clicks)) - 1] if row.clicks else None


def figures(rows: Sequence[Row], promises: bool = True) -> dict[str, Any]:
    """All figures of one segmenter's rows of one dataset, as plain data.

    IoU: mean and 95 % interval by prompt, `sel` of the chosen mask, `best` of the best one, with
    the annotator's own segment ("drawn") and with any annotator's ("any"). `noc`: clicks until
    0.85, of `most` those that never got there.
    """
    iou = {
        truth: {
            kind: {prompt: _mean(rows, _value(prompt, truth, kind)) for prompt in PROMPTS}
            for kind in ("sel", "best")
        }
        for truth in ("drawn", "any")
    }
    return {
        "objects": len(rows),
        "images": len({row.image for row in rows}),
        "iou": iou,
        "sizes": [_size_figures(rows, *limits) for limits in SIZES],
        "noc": _clicks_needed(rows),
        "promise": _promise(rows) if promises else None,
        "cpu_seconds": _seconds(rows),
    }


def difference(ours: Sequence[Row], theirs: Sequence[Row]) -> dict[str, Any]:
    """By prompt, the mean IoU of our chosen masks less theirs on the same targets, and its
    interval."""
    found = {}
    for prompt in PROMPTS:
        value = _value(prompt, "drawn", "sel")
        other = {row.target: value(row) for row in theirs}

        def lead(row: Row, value: Any = value, other: Any = other) -> float | None:
            one, two = value(row), other.get(row.target)
            return None if one is None or two is None else one - two

        found[prompt] = _mean(ours, lead)
    return found


Value = Callable[[Row], "float | None"]


def _value(prompt: str, truth: str, kind: str) -> Value:
    def value(row: Row) -> float | None:
        answer = answer_to(row, prompt)
        if answer is None:
            return None
        values: tuple[float, ...] = getattr(answer, truth)
        return values[answer.chosen] if kind == "sel" else max(values)

    return value


def _mean(rows: Sequence[Row], value: Value) -> dict[str, Any] | None:
    """Mean over objects; its 95 % interval by resampling photos, since a photo's objects are not
    independent."""
    pairs = [(row.image, found) for row in rows if (found := value(row)) is not None]
    if not pairs:
        return None
    _, photo = np.unique([image for image, _ in pairs], return_inverse=True)
    sums = np.bincount(photo, [found for _, found in pairs])
    counts = np.bincount(photo)
    draws = np.random.default_rng(0).multinomial(
        len(counts), np.full(len(counts), 1 / len(counts)), size=RESAMPLES
    )
    low, high = np.percentile((draws @ sums) / (draws @ counts), (2.5, 97.5))
    mean = float(sums.sum() / counts.sum())
    return {"mean": mean, "low": float(low), "high": float(high), "n": len(pairs)}


def _size_figures(rows: Sequence[Row], least: float, most: float) -> dict[str, Any]:
    some = [row for row in rows if least <= row.share < most]
    found = {prompt: _mean(some, _value(prompt, "drawn", "sel")) for prompt in PROMPTS}
    return {"from": least, "below": most, "objects": len(some), "iou": found}


def _clicks_needed(rows: Sequence[Row]) -> dict[str, Any] | None:
    if any(row.most < MOST_CLICKS for row in rows) or not rows:
        return None
    counted = _mean(rows, lambda row: float(reached(row.clicks) or MOST_CLICKS))
    assert counted is not None
    return {**counted, "never": sum(reached(row.clicks) is None for row in rows)}


def _promise(rows: Sequence[Row]) -> dict[str, Any]:
    """How predicted IoU goes with the true one ("drawn"), over the answers that every object has:
    to one to five clicks, and to the box."""
    answers = [
        answer for row in rows for answer in (*row.clicks[:ALWAYS], row.box) if answer is not None
    ]
    pairs = [list(zip(answer.predicted, answer.drawn, strict=True)) for answer in answers]
    every = np.array([pair for masks in pairs for pair in masks])
    chosen = np.array([masks[a.chosen] for a, masks in zip(answers, pairs, strict=True)])
    ambiguous = [
        int(np.argmax(answer.drawn)) == answer.chosen for answer in answers if len(answer.drawn) > 1
    ]
    return {
        "all": _going_together(every),
        "chosen": _going_together(chosen),
        "best_was_chosen": float(np.mean(ambiguous)) if ambiguous else None,
    }


def _going_together(pairs: Floats) -> dict[str, float | None]:
    """Correlations (None where a column is constant), and the calibration error in ten bins."""
    predicted, true = pairs.T
    bins = np.clip((predicted * 10).astype(int), 0, 9)
    error = sum(
        abs(predicted[bins == b].mean() - true[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    )
    varied = np.ptp(predicted) > 0 and np.ptp(true) > 0
    return {
        "spearman": float(stats.spearmanr(predicted, true).statistic) if varied else None,
        "pearson": float(np.corrcoef(predicted, true)[0, 1]) if varied else None,
        "calibration_error": float(error),
    }


def _seconds(rows: Sequence[Row]) -> dict[str, float | None]:
    prompts = [
        answer.seconds for row in rows for answer in (*row.clicks, row.box) if answer is not None
    ]
    encodings = [row.encoding for row in rows if row.encoding is not None]
    return {
        "prompt": float(np.median(prompts)) if prompts else None,
        "encoding": float(np.median(encodings)) if encodings else None,
    }


# -- tables ----------------------------------------------------------------------------------------


def report(measured: Mapping[str, Sequence[Row]], promises: Sequence[str] = ()) -> str:
    """Markdown tables of several segmenters' rows by name; `promises` names those whose predicted
    IoU means something. The first one is what the others are compared with."""
    datasets = sorted({row.dataset for rows in measured.values() for row in rows}, reverse=True)
    parts = []
    for dataset in datasets:
        chosen = {
            name: [row for row in rows if row.dataset == dataset] for name, rows in measured.items()
        }
        found = {name: figures(rows, name in promises) for name, rows in chosen.items() if rows}
        first = next(iter(found.values()))
        parts.append(f"## {dataset}: {first['objects']} objects, {first['images']} images")
        parts.append(_iou_table(found, "drawn"))
        if any(f["iou"]["any"] != f["iou"]["drawn"] for f in found.values()):
            parts.append("The same with any annotator's segment around the first click:")
            parts.append(_iou_table(found, "any"))
        parts.append(_difference_table(chosen))
        parts.append(_size_table(found))
        parts.append(_promise_table(found))
        parts.append(_seconds_table(found))
    return "\n\n".join(part for part in parts if part) + "\n"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _iou_table(found: Mapping[str, Any], truth: Truth) -> str:
    head = ["mean IoU (95 %)", "1 click", "3 clicks", "5 clicks", "box", "best of masks: 1/3/5/box"]
    lines = []
    for name, figure in found.items():
        own = figure["iou"][truth]
        best = "/".join(_number(own["best"][prompt]) for prompt in PROMPTS)
        line = [name, *(_interval(own["sel"][prompt]) for prompt in PROMPTS), best]
        lines.append([*line, _needed(figure["noc"])] if truth == "drawn" else line)
    if truth == "drawn":
        head.append(f"clicks to {GOAL:.2f} (never)")
    return table(head, lines)


def _needed(noc: Mapping[str, Any] | None) -> str:
    return "-" if noc is None else f"{noc['mean']:.2f} ({noc['never']} of {noc['n']})"


def _difference_table(chosen: Mapping[str, Sequence[Row]]) -> str:
    (base, theirs), *others = chosen.items()
    lines = []
    for name, rows in others:
        gaps = difference(theirs, rows)
        lines.append([name, *(_interval(gaps[prompt], "+.3f") for prompt in PROMPTS)])
    head = [f"{base} less ...", "1 click", "3 clicks", "5 clicks", "box"]
    return table(head, lines) if lines else ""


def _size_table(found: Mapping[str, Any]) -> str:
    sizes = next(iter(found.values()))["sizes"]
    head = ["by share of the image (1/3/5/box)"]
    for size in sizes:
        until = f" to {100 * size['below']:.0f}" if size["below"] <= 1 else " or more"
        head.append(f"{100 * size['from']:.0f}{until} % (n={size['objects']})")
    lines = [
        [name, *("/".join(_number(size["iou"][p]) for p in PROMPTS) for size in figure["sizes"])]
        for name, figure in found.items()
    ]
    return table(head, lines)


def _promise_table(found: Mapping[str, Any]) -> str:
    lines = []
    for name, figure in found.items():
        if figure["promise"] is None:
            continue
        line = [name]
        for which in ("all", "chosen"):
            own = figure["promise"][which]
            line += [_plain(own[key]) for key in ("spearman", "pearson", "calibration_error")]
        lines.append([*line, _plain(figure["promise"]["best_was_chosen"])])
    measures = ("Spearman", "Pearson", "calibration error")
    head = [
        "predicted IoU",
        *(f"{measure}, {which}" for which in ("all masks", "chosen") for measure in measures),
        "best of several was chosen",
    ]
    return table(head, lines) if lines else ""


def _seconds_table(found: Mapping[str, Any]) -> str:
    lines = [
        [name, *(_plain(figure["cpu_seconds"][key], ".4f") for key in ("prompt", "encoding"))]
        for name, figure in found.items()
    ]
    return table(["CPU seconds (median)", "a prompt", "looking at a photo"], lines)


def _interval(value: Mapping[str, Any] | None, form: str = ".3f") -> str:
    if value is None:
        return "-"
    return f"{value['mean']:{form}} ({value['low']:{form}} to {value['high']:{form}})"


def _number(value: Mapping[str, Any] | None) -> str:
    return "-" if value is None else f"{value['mean']:.2f}"


def _plain(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else f"{value:{form}}"
