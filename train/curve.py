"""The loss curve of a run, as numbers and as a picture.

    write_curve(points, runs/first, 160)
        loss.csv    step,epoch,loss,learning_rate,tokens,seconds
        loss.png    every point, a running median over them, the learning rate below

The picture is a light card with round corners, to be read on a light page and on a dark one. matplotlib is imported
when it is drawn, through its objects alone: pyplot, a backend or anyone's settings are left as they are.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.errors import TrainError
from train.record import put

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CSV, PICTURE = "loss.csv", "loss.png"

LEAST_TO_SMOOTH = 8
"""Points. Fewer are a curve by themselves."""

MOST_LOSS = 1e30
"""A larger one is no more drawn than infinity: axes overflow."""

LOGARITHMIC_FROM = 100
"""Times the least loss. With a single step far above all others a linear axis would show a flat line."""

INK, FAINT, CARD, EDGE = "#1f2733", "#5b6675", "#ffffff", "#d5dbe3"
_MEAN, _RAW, _BROKEN = "#005a92", "#6ba3c7", "#d55e00"
WIDTH_INCHES, _HEIGHT_INCHES, _DOTS_PER_INCH = 7.2, 4.6, 150
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": EDGE,
    "axes.labelcolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "legend.frameon": False,
}


class Point(NamedTuple):
    """What was logged at an optimizer step. `tokens` and `seconds` count from the start of training."""

    step: int
    epoch: float
    loss: float
    """Nats a trained token, on average since the point before; may be no number where training broke."""
    learning_rate: float
    tokens: int
    """Of rows, prompts included."""
    seconds: float


def write_curve(points: Sequence[Point], folder: Path, rows: int | None = None) -> None:
    """Writes loss.csv and loss.png into a folder that is there, each whole or not at all.

    `rows`: how many are trained, for the title. A step that is told twice, as by a run that went on from an earlier
    checkpoint, counts as it was told last. Losses that are no number or infinite are in the table as they are, and
    marked in the picture. Raises TrainError where a file cannot be written.
    """
    told = sorted({point.step: point for point in points}.values())
    try:
        put(folder / CSV, _table(told).encode("ascii"))
        put(folder / PICTURE, _draw(told, rows))
    except OSError as error:
        raise TrainError(f"{folder}: the loss curve cannot be written: {error.strerror or error}") from None


def _table(points: Sequence[Point]) -> str:
    held = io.StringIO()
    writer = csv.writer(held, lineterminator="\n")
    writer.writerow(Point._fields)
    writer.writerows(points)
    return held.getvalue()


def _draw(points: Sequence[Point], rows: int | None) -> bytes:
    shown = [point for point in points if _is_drawable(point.loss)]
    broken = [point.step for point in points if not _is_drawable(point.loss)]
    with card(_title(points, rows), _HEIGHT_INCHES) as figure:
        from matplotlib.ticker import FixedLocator, StrMethodFormatter

        above = figure.add_axes((0.115, 0.365, 0.855, 0.42))
        below = figure.add_axes((0.115, 0.15, 0.855, 0.13))
        _draw_losses(above, shown, broken)
        rates = [(point.step, point.learning_rate) for point in points if isfinite(point.learning_rate)]
        below.plot(*_columns(rates), color=FAINT, linewidth=1.6, marker="o" if len(rates) == 1 else "")
        highest = max((rate for _, rate in rates), default=0.0)
        below.set_ylim(0, highest * 1.15 or 1)
        figure.text(0.115, 0.295, "learning rate", color=FAINT, fontsize=11)
        below.set_xlabel(axis_label(points))
        _frame(above, points, labelled=False)
        _frame(below, points, labelled=True)
        below.yaxis.set_major_locator(FixedLocator([0, highest]))
        below.yaxis.set_major_formatter(StrMethodFormatter("{x:.2g}"))
        if above.get_legend_handles_labels()[0]:
            figure.legend(
                loc="upper left", bbox_to_anchor=(0.105, 0.9), ncols=3, fontsize=11, handlelength=1.2, borderpad=0
            )
        held = io.BytesIO()
        # No name of the program that drew it: equal numbers are to give equal bytes.
        figure.savefig(held, format="png", metadata={"Software": None})
        return held.getvalue()


def _is_drawable(loss: float) -> bool:
    return isfinite(loss) and abs(loss) < MOST_LOSS


def _title(points: Sequence[Point], rows: int | None) -> str:
    steps = points[-1].step if points else 0
    of = f", {rows:,} row{'' if rows == 1 else 's'}" if rows is not None else ""
    return f"Training loss over {steps:,} step{'' if steps == 1 else 's'}{of}"


def axis_label(points: Sequence[Point]) -> str:
    if not points or not isfinite(points[-1].epoch):
        return "optimizer step"
    epochs = f"{points[-1].epoch:,.4g}"
    return f"optimizer step ({epochs} epoch{'' if epochs == '1' else 's'})"


def _draw_losses(axes: "Axes", shown: Sequence[Point], broken: Sequence[int]) -> None:
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    losses = [point.loss for point in shown]
    if shown:
        raw = [(point.step, point.loss) for point in shown]
        axes.plot(*_columns(raw), "o", color=_RAW, markersize=4 if len(raw) < 400 else 2, label="logged loss")
        window = _window(len(raw))
        if window > 1:
            label = f"median of {window} points"
            axes.plot(*_columns(_smooth(raw, window)), color=_MEAN, linewidth=2, label=label)
        spread = min(losses) > 0 and max(losses) > LOGARITHMIC_FROM * min(losses)
        said = "nats a token" + (" (logarithmic)" if spread else "")
        axes.text(0, 1.03, said, transform=axes.transAxes, color=FAINT, fontsize=11)
        if spread:
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_ylim(min(0.0, *losses, 0.0) * 1.08, max(0.0, *losses, 0.0) * 1.08 or 1)
            axes.yaxis.set_major_locator(_few_ticks(5))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.3g}"))
    else:
        axes.set_yticks([])
        said = "no step was logged" if not broken else "no loss is a number"
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", va="center", color=FAINT)
    if broken:
        place = axes.get_xaxis_transform()
        label = f"no number ({len(broken):,})"
        axes.plot(
            broken, [0.97] * len(broken), "x", transform=place, color=_BROKEN, markersize=7, label=label, clip_on=False
        )


def _window(points: int) -> int:
    """How many points a median is of: an odd number, a twentieth of them, 5 to 51; 1 where there are too few."""
    return 1 if points < LEAST_TO_SMOOTH else min(51, max(5, points // 20)) | 1


def _smooth(points: Sequence[tuple[int, float]], window: int) -> list[tuple[int, float]]:
    """Each point's median with those around it, which no single outlier moves; at the ends with fewer of them."""
    reach = window // 2
    return [
        (step, median(loss for _, loss in points[max(0, at - reach) : at + reach + 1]))
        for at, (step, _) in enumerate(points)
    ]


def _columns(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


def _frame(axes: "Axes", points: Sequence[Point], *, labelled: bool) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

    first, last = (points[0].step, points[-1].step) if points else (0, 1)
    room = max(0.9, (last - first) * 0.015)
    axes.set_xlim(first - room, last + room)
    axes.xaxis.set_major_locator(_few_ticks(7, whole=True) if last > first else FixedLocator([first]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}") if labelled else NullFormatter())
    axes.grid(color=EDGE, linewidth=0.8)
    axes.set_axisbelow(True)


def _few_ticks(most: int, whole: bool = False) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(most, integer=whole)


@contextmanager
def card(title: str, height: float) -> "Iterator[Figure]":
    """A card of this height in inches with its title on it, as pictures of runs and evaluations are drawn on."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=(WIDTH_INCHES, height), dpi=_DOTS_PER_INCH)
        FigureCanvasAgg(figure)
        figure.patch.set_alpha(0)
        inset, corner = 0.02, 0.14
        ground = FancyBboxPatch(
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
        figure.add_artist(ground)
        figure.text(0.03, 1 - 0.24 / height, title, va="top", fontsize=13.5, fontweight="bold")
        yield figure
