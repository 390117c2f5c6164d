"""The pictures of a dataset card, each as the bytes of a PNG with the words for who does not see it.

    composition(tally)     rows by category and label
    lengths(tally)         characters a completion, by label
    funnel(steps)          from prompts to rows
    agreement(measured)    how far annotators agree, with intervals

A picture is a light card of its own with round corners, so that it reads on a light page and on a dark one. The two
colours of the labels (after Okabe and Ito, 2008) are told apart by all kinds of colour vision, and in grey. matplotlib
is imported when the first picture is drawn, through its objects alone: pyplot, a backend or anyone's settings are left
as they are.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from math import log10
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from exports.tally import Split, Step, Tally, name_category
from schemas.markdown import visible
from schemas.report import Agreement, Coefficient
from schemas.structure import BRANCHES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"harmful": "#d55e00", "benign": "#005a92"}
INK, FAINT, CARD, EDGE = "#1f2733", "#5b6675", "#ffffff", "#d5dbe3"

WIDTH_INCHES, DOTS_PER_INCH = 7.2, 150
"""1,080 pixels: on a phone a third of them are left, and text of 12 points can still be read."""

MOST_BARS = 14

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": EDGE,
    "axes.labelcolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": INK,
    "ytick.major.size": 0,
    "legend.frameon": False,
}


class Picture(NamedTuple):
    """`name`: its file is images/NAME.png."""

    name: str
    alt: str
    png: bytes


def composition(tally: Tally) -> Picture:
    """Rows by category, a bar for each, parted by label."""
    bars = [row._replace(name=_name(row)) for row in tally.categories]
    if len(bars) > MOST_BARS:
        rest = bars[MOST_BARS - 1 :]
        others = Split(f"{len(rest)} others", sum(row.harmful for row in rest), sum(row.benign for row in rest))
        bars = [*bars[: MOST_BARS - 1], others]
    most = max((row.total for row in bars), default=1)
    with _figure(1.5 + 0.38 * len(bars), f"{tally.rows:,} rows by category and label") as (figure, save):
        axes = figure.add_axes((0.31, 0.62 / figure.get_figheight(), 0.58, 1 - 1.42 / figure.get_figheight()))
        left = [0] * len(bars)
        for label in BRANCHES:
            sizes = [row.harmful if label == "harmful" else row.benign for row in bars]
            axes.barh(
                range(len(bars)), sizes, left=left, height=0.68, color=COLOURS[label], edgecolor=CARD, label=label
            )
            left = [before + size for before, size in zip(left, sizes, strict=True)]
        for place, row in enumerate(bars):
            axes.text(row.total + most * 0.015, place, f"{row.total:,}", va="center", color=FAINT, fontsize=11)
        axes.set_yticks(range(len(bars)), [row.name for row in bars])
        axes.invert_yaxis()
        axes.set_xlim(0, most * 1.1)
        _count_axis(axes, "rows")
        _legend(figure)
        told = ", ".join(f"{row.name} {row.total:,}" for row in bars)
        counts = f"{tally.labels.harmful:,} harmful and {tally.labels.benign:,} benign rows"
        return Picture("composition", f"Bars: {counts} by category: {told}", save())


def lengths(tally: Tally) -> Picture:
    """How many characters completions have, by label, on one logarithmic axis."""
    from matplotlib.ticker import MaxNLocator

    shown = [(label, tally.completions[label]) for label in BRANCHES if tally.completions[label]]
    sizes = [size for _, label_sizes in shown for size in label_sizes]
    low, high = log10(max(1, min(sizes)) * 0.85), log10(max(sizes) * 1.18)
    bins = [10 ** (low + (high - low) * step / 32) for step in range(33)]
    title = f"Length of completions by label (n = {tally.rows:,})"
    with _figure(1.2 + 1.45 * len(shown), title) as (figure, save):
        tall = figure.get_figheight()
        height = (tall - 1.55) / len(shown)
        for place, (label, label_sizes) in enumerate(shown):
            bottom = 0.78 + (len(shown) - 1 - place) * (height + 0.2)
            axes = figure.add_axes((0.1, bottom / tall, 0.86, (height - 0.08) / tall))
            axes.hist(label_sizes, bins=bins, color=COLOURS[label])
            axes.set_ylim(0, axes.dataLim.ymax * 1.4)  # room for the words above the highest bar
            axes.axvline(median(label_sizes), color=INK, linewidth=1.4, linestyle=(0, (4, 2)))
            axes.set_xscale("log")
            axes.set_xlim(bins[0], bins[-1])
            _plain_logs(axes, labelled=place == len(shown) - 1)
            axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
            told = f"{label}, n = {len(label_sizes):,}, median {median(label_sizes):,.0f}"
            right = median(label_sizes) < 10 ** ((low + high) / 2)
            axes.text(
                0.985 if right else 0.015,
                0.95,
                told,
                transform=axes.transAxes,
                ha="right" if right else "left",
                va="top",
                color=COLOURS[label],
                fontweight="bold",
                fontsize=11.5,
            )
        axes.set_xlabel("characters in thinking and answer (logarithmic); dashed: median")
        figure.text(0.024, 0.5, "rows", rotation=90, va="center", color=FAINT)
        alt = "; ".join(
            f"{label}: {len(label_sizes):,} rows, {label_sizes[0]:,} to {label_sizes[-1]:,} characters, "
            f"median {median(label_sizes):,.0f}"
            for label, label_sizes in shown
        )
        return Picture("lengths", f"Histograms of completion lengths. {alt}", save())


def funnel(steps: Sequence[Step]) -> Picture:
    """What is left after each step, with its share of the step before."""
    most = max((step.rows for step in steps), default=0) or 1
    with _figure(1.0 + 0.46 * len(steps), f"From {steps[0].rows:,} prompts to {steps[-1].rows:,} rows") as (
        figure,
        save,
    ):
        tall = figure.get_figheight()
        axes = figure.add_axes((0.36, 0.22 / tall, 0.62, 1 - 0.86 / tall))
        colours = [*["#557694"] * (len(steps) - 1), COLOURS["benign"]]
        axes.barh(range(len(steps)), [step.rows for step in steps], height=0.68, color=colours)
        for place, step in enumerate(steps):
            before = steps[place - 1].rows if place else 0
            share = f"{percent(step.rows, before)} % of the step before" if before else ""
            axes.text(step.rows + most * 0.015, place, f"{step.rows:,}", va="center", fontweight="bold", fontsize=11)
            if share and step.rows < most * 0.48:
                offset = most * (0.03 + 0.026 * len(f"{step.rows:,}"))
                axes.text(step.rows + offset, place, share, va="center", color=FAINT, fontsize=10)
            elif share:
                axes.text(most * 0.015, place, share, va="center", color=CARD, fontsize=10)
        axes.set_yticks(range(len(steps)), [step.name for step in steps])
        axes.invert_yaxis()
        axes.set_xlim(0, most * 1.13)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        told = ", ".join(f"{step.rows:,} {step.name}" for step in steps)
        return Picture("funnel", f"Bars, one below the other: {told}", save())


def agreement(measured: Sequence[Agreement]) -> Picture | None:
    """Alpha and AC1 of every question with 95 % intervals; None where no record has two answers."""
    defined = [one for one in measured if one.alpha.value is not None or one.ac1.value is not None]
    shown = [one for one in defined if one.group == "all"][:MOST_BARS]
    if not shown:
        return None
    machines = any(one.kind == "machine" for one in shown)
    marks: list[tuple[str, str, str, float, Callable[[Agreement], Coefficient]]] = [
        ("Krippendorff's alpha", "o", "#00805e", -0.15, lambda one: one.alpha),
        ("Gwet's AC1", "D", "#8c5bb0", 0.15, lambda one: one.ac1),
    ]
    title = "Agreement on each question, with 95 % intervals"
    with _figure(1.75 + 0.52 * len(shown), title) as (figure, save):
        tall = figure.get_figheight()
        axes = figure.add_axes((0.4, 0.66 / tall, 0.56, 1 - 1.46 / tall))
        least = 0.0
        for name, mark, colour, shift, coefficient in marks:
            for place, one in enumerate(shown):
                found = coefficient(one)
                if found.value is None:
                    continue
                low = found.value if found.low is None else found.low
                high = found.value if found.high is None else found.high
                least = min(least, low)
                axes.plot([low, high], [place + shift] * 2, color=colour, linewidth=2.2, solid_capstyle="round")
                fill = colour if one.kind == "person" else CARD
                axes.plot(found.value, place + shift, mark, color=colour, markerfacecolor=fill, markersize=8)
            axes.plot([], [], mark, color=colour, label=name, linestyle="-", linewidth=2.2)
        names = [
            f"{one.question.replace('_', ' ')}{' (machines)' if one.kind == 'machine' else ''}, {one.records:,} records"
            for one in shown
        ]
        axes.set_yticks(range(len(shown)), [_drawable(name) for name in names])
        axes.set_ylim(len(shown) - 0.45, -0.55)
        axes.set_xlim(max(-1.0, least - 0.05), 1.03)
        axes.axvline(0, color=FAINT, linewidth=1)
        axes.grid(axis="x", color=EDGE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel("0: chance, 1: perfect" + ("; hollow: machine accounts" if machines else ""))
        _legend(figure)
        told = "; ".join(
            f"{name}: alpha {say(one.alpha)}, AC1 {say(one.ac1)}" for name, one in zip(names, shown, strict=True)
        )
        return Picture("agreement", f"Agreement with 95 % intervals. {told}", save())


@contextmanager
def _figure(height: float, title: str) -> "Iterator[tuple[Figure, Callable[[], bytes]]]":
    """A card of this height in inches with its title on it, and what turns it into a PNG."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=(WIDTH_INCHES, height), dpi=DOTS_PER_INCH)
        FigureCanvasAgg(figure)
        figure.patch.set_alpha(0)
        inset, corner = 0.02, 0.14
        card = FancyBboxPatch(
            (inset + corner, inset + corner),
            WIDTH_INCHES - 2 * (inset + corner),
            height - 2 * (inset + corner),
            boxstyle=f"round,pad={corner}",
            transform=figure.dpi_scale_trans,
            facecolor=CARD,
            edgecolor=EDGE,
            linewidth=1,
            zorder=-2,
        )
        figure.add_artist(card)
        figure.text(0.03, 1 - 0.24 / height, _drawable(title, 80), va="top", fontsize=13.5, fontweight="bold")

        def save() -> bytes:
            held = io.BytesIO()
            # No name of the program that drew it: equal numbers are to give equal bytes.
            figure.savefig(held, format="png", metadata={"Software": None})
            return held.getvalue()

        yield figure, save


def _legend(figure: "Figure") -> None:
    figure.legend(
        loc="upper left",
        bbox_to_anchor=(0.022, 1 - 0.47 / figure.get_figheight()),
        bbox_transform=figure.transFigure,
        ncols=2,
        fontsize=11,
        handlelength=1.1,
        handletextpad=0.5,
        columnspacing=1.4,
        borderpad=0,
    )


def _count_axis(axes: "Axes", label: str) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel(label)
    axes.grid(axis="x", color=EDGE, linewidth=0.8)
    axes.set_axisbelow(True)


def _plain_logs(axes: "Axes", *, labelled: bool) -> None:
    """Ticks at 100, 200, 500, 1,000 and so on, in figures."""
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}") if labelled else NullFormatter())


def _name(row: Split) -> str:
    return _drawable(name_category(row.name))


def _drawable(text: str, most: int = 44) -> str:
    """One line in the letters that the font has: others would be boxes, with a warning for each."""
    line = " ".join(visible(text).split())
    line = line if len(line) <= most else line[: most - 1] + "…"
    letters = _letters()
    return "".join(char if ord(char) in letters else "□" for char in line)


@cache
def _letters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def percent(part: int, whole: int) -> str:
    """In whole numbers; but some is never told as none, nor less than all as all."""
    told = round(100 * part / whole)
    if told == 0 and part:
        return "under 1"
    if told == 100 and part < whole:
        return "over 99"
    return f"{told:,}"


def say(coefficient: Coefficient) -> str:
    """e.g. '0.71 (0.62 to 0.78)'."""
    if coefficient.value is None:
        return "not defined"
    if coefficient.low is None or coefficient.high is None:
        return f"{coefficient.value:.2f}"
    return f"{coefficient.value:.2f} ({coefficient.low:.2f} to {coefficient.high:.2f})"
