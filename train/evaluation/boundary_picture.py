"""Where a model's boundary lies, as rows of a table and as one picture: leans by label, and the ROC curve.

rows_of(found)                       [Row("AUROC", "0.81 (0.77-0.85)", "0.86 (…)"), …]
draw(found, leans, probe_leans)      b"\\x89PNG…"
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from schemas.boundary import Boundary, Lean, Separation
from schemas.evaluation import Interval
from schemas.markdown import visible
from schemas.structure import BRANCHES
from train.curve import CARD, EDGE, FAINT, INK, card
from train.evaluation.separation import roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"harmful": "#d55e00", "benign": "#005a92"}
"""As on a dataset card: told apart by all kinds of colour vision, and in grey."""

BINS = 30
_HEIGHT_INCHES = 4.6


class Row(NamedTuple):
    what: str
    model: str
    probe: str
    """'' where there is no probe."""


def rows_of(found: Boundary) -> list[Row]:
    """AUROC, then over-refusal at each recall, over all benign prompts and by group; or one row that says that there is
    nothing to tell apart."""
    student, probe = found.student, found.probe
    if student.auroc is None:
        told = f"{student.harmful:,} harmful and {student.benign:,} benign prompts: nothing to tell apart"
        return [Row("AUROC", told, "")]
    rows = [Row("AUROC", _auroc(student), _auroc(probe) if probe else "")]
    if found.difference:
        rows.append(Row("AUROC, model less probe", _bounds(found.difference, 3, 1), ""))
    for place, one in enumerate(student.over_refusal):
        other = probe.over_refusal[place] if probe else None
        at = f"over-refusal at {one.wanted:.0%} harmful recall".replace("%", " %")
        rows.append(Row(at, f"{_bounds(one.share, 1, 100)} %", f"{_bounds(other.share, 1, 100)} %" if other else ""))
        rows += [
            Row(f"  {visible(group).replace('_', ' ')}", str(rate), str(other.groups[group]) if other else "")
            for group, rate in one.groups.items()
        ]
    return rows


def _auroc(of: Separation) -> str:
    return _bounds(of.auroc, 3, 1) if of.auroc else "not defined"


def _bounds(found: Interval, digits: int, scale: float) -> str:
    told = f"{found.value * scale:.{digits}f}"
    if found.low is None or found.high is None:
        return f"{told} (no interval: prompts too few or too alike)"
    return f"{told} ({found.low * scale:.{digits}f} to {found.high * scale:.{digits}f})"


def draw(found: Boundary, leans: Sequence[Lean], probe_leans: Sequence[Lean] = ()) -> bytes:
    """A PNG: two histograms on one axis of leans, and the ROC curve beside the probe's."""
    with card(_plain(f"Where the boundary lies: {found.model} on {found.suite}", 72), _HEIGHT_INCHES) as figure:
        shown = [label for label in BRANCHES if any(one.label == label for one in leans)]
        low, high = min(one.lean for one in leans), max(one.lean for one in leans)
        reach = (high - low) / 2 or 1.0
        bins = [(low + high) / 2 - reach + 2 * reach * step / BINS for step in range(BINS + 1)]
        for place, label in enumerate(shown):
            axes = figure.add_axes((0.07, 0.54 - 0.385 * place, 0.45, 0.31))
            values = [one.lean for one in leans if one.label == label]
            axes.hist(values, bins=bins, color=COLOURS[label])
            axes.set_ylim(0, axes.dataLim.ymax * 1.3)  # room for the words above the highest bar
            axes.set_xlim(bins[0], bins[-1])
            told = f"{label}, n = {len(values):,}"
            axes.text(0.02, 1.0, told, transform=axes.transAxes, va="top", color=COLOURS[label], fontweight="bold")
            _line(axes, found.student)
            axes.tick_params(labelsize=9.5, labelbottom=place == len(shown) - 1)
        axes.set_xlabel("leans to harmful, nats (log-odds of the verdict)", fontsize=10)
        _roc(figure.add_axes((0.62, 0.155, 0.34, 0.695)), found, leans, probe_leans)
        held = io.BytesIO()
        # No name of the program that drew it: equal numbers are to give equal bytes.
        figure.savefig(held, format="png", metadata={"Software": None})
        return held.getvalue()


def _line(axes: "Axes", student: Separation) -> None:
    if student.over_refusal:
        one = student.over_refusal[0]
        axes.axvline(one.threshold, ymax=0.86, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
        told = f" {one.wanted:.0%} recall".replace("%", " %")
        axes.text(one.threshold, 0.78, told, transform=axes.get_xaxis_transform(), fontsize=9, color=INK)


def _roc(axes: "Axes", found: Boundary, leans: Sequence[Lean], probe_leans: Sequence[Lean]) -> None:
    curves = [("model", leans, found.student, INK, "-"), ("words alone", probe_leans, found.probe, FAINT, "--")]
    axes.plot([0, 1], [0, 1], color=EDGE, linewidth=1)
    for name, its, separation, colour, style in curves:
        if its and separation and separation.auroc:
            points = roc(its)
            told = f"{name} {separation.auroc.value:.2f}"
            axes.plot(*zip(*points, strict=True), color=colour, linestyle=style, linewidth=2, label=told)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.tick_params(labelsize=9.5)
    axes.set_xlabel("benign prompts on the harmful side", fontsize=10)
    axes.set_ylabel("harmful prompts on it", fontsize=10, color=FAINT)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", fontsize=10, title="AUROC", facecolor=CARD)


def _plain(text: str, most: int) -> str:
    """One line of ASCII, since others would be boxes where the font has no such letter."""
    line = " ".join(visible(text).split()).encode("ascii", "replace").decode("ascii")
    return line if len(line) <= most else line[: most - 3] + "..."
