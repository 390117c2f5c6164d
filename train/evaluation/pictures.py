"""The pictures of an evaluation, for a model's card: PNGs with every label, unit and n on them.

    pictures(report)      {"xstest.png": b"…", "thinking_tokens.png": b"…"}

One a suite: each share before and after, with its 95 % interval. They are cards like those of the loss curve, to
be read on a light page and on a dark one, in two colours that all kinds of colour vision tell apart, with other marks.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from schemas.evaluation import Compared, EvalReport, Interval
from schemas.markdown import visible
from schemas.report import Rate
from train.curve import CARD, EDGE, FAINT, card
from train.evaluation.table import name_of, telling

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 14

BEFORE, AFTER = "#b07d12", "#005a92"
_ROW_INCHES, _HEAD_INCHES, _FOOT_INCHES = 0.52, 0.95, 0.75


def pictures(report: EvalReport) -> dict[str, bytes]:
    """PNGs by file name; none for what nothing was judged of."""
    drawn = {}
    for suite, prompts in report.suites.items():
        rows = [one for one in telling(report.figures) if one.suite == suite and one.unit != "tokens" and one.after]
        if rows:
            title = f"{suite}, {prompts:,} prompts: {report.model.name}"
            drawn[f"{suite}.png"] = _draw(title, rows[:MOST_ROWS], [name_of(one) for one in rows], 100.0, "%")
    tokens = [one for one in report.figures if one.measure == "thinking_tokens" and one.group == "all" and one.after]
    if tokens:
        names = [one.suite for one in tokens]
        title = f"Thinking a prompt: {report.model.name}"
        drawn["thinking_tokens.png"] = _draw(title, tokens[:MOST_ROWS], names, 1.0, "tokens, mean over prompts")
    return drawn


def _draw(title: str, rows: Sequence[Compared], names: Sequence[str], scale: float, unit: str) -> bytes:
    height = _HEAD_INCHES + _FOOT_INCHES + _ROW_INCHES * len(rows)
    with card(_plain(title, 62), height) as figure:
        axes = figure.add_axes((0.36, _FOOT_INCHES / height, 0.6, 1 - (_HEAD_INCHES + _FOOT_INCHES) / height))
        two = any(one.before for one in rows)
        for place, one in enumerate(rows):
            if one.before:
                _mark(axes, one.before, place - 0.17, scale, BEFORE, "D", CARD)
            if one.after:
                _mark(axes, one.after, place + (0.17 if two else 0), scale, AFTER, "o", AFTER)
        if two:
            axes.plot([], [], "D", color=BEFORE, markerfacecolor=CARD, label="before", linestyle="-", linewidth=2)
            axes.plot([], [], "o", color=AFTER, label="after", linestyle="-", linewidth=2)
            figure.legend(
                loc="upper left", bbox_to_anchor=(0.022, 1 - 0.5 / height), ncols=2, fontsize=11, handlelength=1.2,
                borderpad=0,
            )  # fmt: skip
        labels = [
            f"{_plain(name, 30)}\n{f'{one.better} is better, ' if one.better else ''}n = {_n(one)}"
            for name, one in zip(names, rows, strict=False)
        ]
        axes.set_yticks(range(len(rows)), labels, fontsize=10)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(rows) - 0.45, -0.55)
        if scale == 100.0:
            axes.set_xlim(-1.8, 101.8)  # wide enough for half a mark at either end
        else:
            axes.set_xlim(left=0)
        axes.grid(axis="x", color=EDGE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel(f"{unit}; lines: 95 % intervals", fontsize=11, color=FAINT)
        held = io.BytesIO()
        # No name of the program that drew it: equal numbers are to give equal bytes.
        figure.savefig(held, format="png", metadata={"Software": None})
        return held.getvalue()


def _mark(axes: "Axes", found: Rate | Interval, place: float, scale: float, colour: str, mark: str, fill: str) -> None:
    value, low, high = found.value, found.low, found.high
    if low is not None and high is not None:
        axes.plot([low * scale, high * scale], [place] * 2, color=colour, linewidth=2.2, solid_capstyle="round")
    axes.plot(value * scale, place, mark, color=colour, markerfacecolor=fill, markersize=7)


def _n(one: Compared) -> str:
    sizes = dict.fromkeys(found.n for found in (one.before, one.after) if found)
    return " and ".join(f"{size:,}" for size in sizes)


def _plain(text: str, most: int) -> str:
    """One line of ASCII, since others would be boxes where the font has no such letter."""
    line = " ".join(visible(text).split()).encode("ascii", "replace").decode("ascii")
    return line if len(line) <= most else line[: most - 3] + "..."
