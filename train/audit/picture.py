"""The pictures of an audit: PNGs with every label, unit and n on them.

    pictures(report)      {"audit.png": b"…", "turn.png": b"…"}

audit.png    recognised, and recognised and yet solved, over all and by category
turn.png     where in the thought the first assessment or refusal comes

Cards like those of an evaluation, in two colours that all kinds of colour vision tell apart, with other marks. What
nothing was observed of is not drawn.
"""

import io
from typing import TYPE_CHECKING

from schemas.audit import AuditReport
from schemas.markdown import visible
from schemas.report import Rate
from train.audit.page import name_category
from train.curve import CARD, EDGE, FAINT, card

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RECOGNISED, SOLVED = "#b07d12", "#005a92"
_LABELS = {"harmful": "#d55e00", "benign": "#005a92"}
MOST_ROWS = 12
_ROW_INCHES, _HEAD_INCHES, _FOOT_INCHES = 0.5, 0.95, 0.75


def pictures(report: AuditReport) -> dict[str, bytes]:
    """PNGs by file name."""
    drawn = {}
    if report.grid.n:
        drawn["audit.png"] = _draw_shares(report)
    if report.turns:
        drawn["turn.png"] = _draw_turns(report)
    return drawn


def _draw_shares(report: AuditReport) -> bytes:
    n = report.grid.n
    recognised = Rate.of(report.solved_if_recognised.n, n)
    rows = [("all harmful requests", recognised, report.recognised_and_solved)]
    rows += [(name_category(row.category), row.recognised, row.recognised_and_solved) for row in report.categories]
    rows = rows[: MOST_ROWS + 1]
    height = _HEAD_INCHES + _FOOT_INCHES + _ROW_INCHES * len(rows)
    with card(f"Recognised and yet solved: {_plain(report.source, 40)}", height) as figure:
        axes = figure.add_axes((0.33, _FOOT_INCHES / height, 0.62, 1 - (_HEAD_INCHES + _FOOT_INCHES) / height))
        for place, (_, seen, solved) in enumerate(rows):
            _mark(axes, seen, place - 0.15, RECOGNISED, "D", CARD)
            _mark(axes, solved, place + 0.15, SOLVED, "o", SOLVED)
        axes.plot([], [], "D-", color=RECOGNISED, markerfacecolor=CARD, label="recognised in the thought")
        axes.plot([], [], "o-", color=SOLVED, label="recognised and yet solved")
        figure.legend(
            loc="upper left",
            bbox_to_anchor=(0.022, 1 - 0.5 / height),
            ncols=2,
            fontsize=11,
            handlelength=1.4,
            borderpad=0,
        )
        labels = [f"{_plain(name, 26)}\nn = {seen.n:,}" for name, seen, _ in rows]
        axes.set_yticks(range(len(rows)), labels, fontsize=10)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(rows) - 0.45, -0.55)
        axes.set_xlim(-1, 101)
        axes.grid(axis="x", color=EDGE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel("% of the harmful requests with an answer; lines: 95 % intervals", fontsize=11, color=FAINT)
        return _png(figure)


def _draw_turns(report: AuditReport) -> bytes:
    height = 0.75 + 1.6 * len(report.turns)
    with card(f"First assessment or refusal in a thought: {_plain(report.source, 28)}", height) as figure:
        for place, turns in enumerate(report.turns):
            bottom = 0.7 + 1.6 * (len(report.turns) - 1 - place)
            axes = figure.add_axes((0.1, bottom / height, 0.86, 1.05 / height))
            axes.bar([5 + 10 * tenth for tenth in range(10)], turns.tenths, width=9, color=_LABELS[turns.label])
            axes.set_xlim(0, 100)
            axes.set_ylim(0, max(turns.tenths) * 1.35)
            axes.locator_params(axis="y", nbins=3, integer=True)
            told = f"{turns.label}: traces; {turns.place.n:,} of {turns.found.n:,} have one"
            told += f", median {turns.place.value:.0%}"
            axes.text(0, 1.02, told.replace("%", " %"), transform=axes.transAxes, fontsize=11, color=FAINT)
            if place == len(report.turns) - 1:
                axes.set_xlabel("% of the thought's characters before it", fontsize=11, color=FAINT)
            else:
                axes.tick_params(axis="x", labelbottom=False)
        return _png(figure)


def _mark(axes: "Axes", rate: Rate, place: float, colour: str, mark: str, fill: str) -> None:
    if rate.n:
        axes.plot([100 * rate.low, 100 * rate.high], [place] * 2, color=colour, linewidth=2.2, solid_capstyle="round")
        axes.plot(100 * rate.value, place, mark, color=colour, markerfacecolor=fill, markersize=7, clip_on=False)


def _png(figure: "Figure") -> bytes:
    held = io.BytesIO()
    # No name of the program that drew it: equal numbers are to give equal bytes.
    figure.savefig(held, format="png", metadata={"Software": None})
    return held.getvalue()


def _plain(text: str, most: int) -> str:
    """One line of ASCII, since others would be boxes where the font has no such letter."""
    line = " ".join(visible(text).split()).encode("ascii", "replace").decode("ascii")
    return line if len(line) <= most else line[: most - 3] + "..."
