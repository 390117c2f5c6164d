"""The card's pictures: PNG files of a modest size that say what they show and leave no trace in the process."""

import io
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from exports import plots
from exports.plots import Picture
from exports.tally import Step, tally
from schemas.report import Agreement, Coefficient
from tests.card_facts import agreements, packaged
from tests.release_rows import FENCES, HOSTILE, LETTERS, few, many

ROOT = Path(__file__).parent.parent.parent
WAY = [Step("prompts", 542), Step("drafts", 506), Step("in this release", 256)]


def agreement(measured: tuple[Agreement, ...]) -> Picture:
    drawn = plots.agreement(measured)
    assert drawn is not None
    return drawn


DRAW: dict[str, Callable[[], Picture]] = {
    "composition": lambda: plots.composition(tally(packaged())),
    "lengths": lambda: plots.lengths(tally(packaged())),
    "funnel": lambda: plots.funnel(WAY),
    "agreement": lambda: agreement(agreements()),
}


def opened(picture: Picture) -> Image.Image:
    image = Image.open(io.BytesIO(picture.png))
    image.load()
    return image


@pytest.mark.parametrize("name", DRAW)
def test_a_picture_is_a_small_png_with_its_name_and_words(name: str) -> None:
    picture = DRAW[name]()
    image = opened(picture)
    assert picture.name == name
    assert image.format == "PNG"
    assert image.width == 1080
    assert len(picture.png) <= 120_000
    assert len(picture.alt) > 40


@pytest.mark.parametrize("name", DRAW)
def test_a_picture_is_a_light_card_whose_corners_let_any_page_through(name: str) -> None:
    image = opened(DRAW[name]()).convert("RGBA")
    corners = [(0, 0), (image.width - 1, 0), (0, image.height - 1), (image.width - 1, image.height - 1)]
    clear = image.getchannel("A")
    assert all(clear.getpixel(corner) == 0 for corner in corners)
    assert image.getpixel((image.width // 2, 9)) == (255, 255, 255, 255)


@pytest.mark.parametrize("name", DRAW)
def test_nothing_is_cut_off_at_the_edge_of_a_card(name: str) -> None:
    image = opened(DRAW[name]()).convert("RGB")
    for x in (14, image.width - 15):
        column = {image.getpixel((x, y)) for y in range(40, image.height - 40)}
        assert column == {(255, 255, 255)}, x


@pytest.mark.parametrize("name", DRAW)
def test_equal_numbers_give_equal_bytes(name: str) -> None:
    assert DRAW[name]().png == DRAW[name]().png


def test_drawing_leaves_settings_and_backend_as_they_were() -> None:
    with matplotlib.rc_context({"font.size": 33.0, "text.usetex": True}):
        before = dict(matplotlib.rcParams)
        drawn = [draw().png for draw in DRAW.values()]
        assert dict(matplotlib.rcParams) == before
    assert drawn == [draw().png for draw in DRAW.values()], "somebody's settings show in the picture"


def test_matplotlib_is_imported_only_to_draw_and_pyplot_never() -> None:
    code = """
import sys
from exports import card, plots
from exports.tally import Step
assert not any(name.split(".")[0] == "matplotlib" for name in sys.modules)
plots.funnel([Step("prompts", 3), Step("rows", 2)])
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("text", [HOSTILE, LETTERS, FENCES, "$\\frac{1}{0$", "你好", "x" * 500, "\\", "$$"])
def test_a_hostile_category_is_drawn_as_text_without_a_warning(text: str) -> None:
    rows = [one.model_copy(update={"seed": one.seed.model_copy(update={"category": text})}) for one in few()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened(plots.composition(tally(rows)))


@pytest.mark.parametrize(("harmful", "benign"), [(1, 0), (0, 1), (1, 1), (40, 0)])
def test_few_rows_or_one_label_alone_can_be_drawn(harmful: int, benign: int) -> None:
    counts = tally(many(harmful, benign))
    opened(plots.composition(counts))
    picture = plots.lengths(counts)
    opened(picture)
    assert ("harmful:" in picture.alt) == bool(harmful)
    assert ("benign:" in picture.alt) == bool(benign)


@pytest.mark.parametrize(("harmful", "benign"), [(2, 1), (30, 2), (30, 10), (3, 40)])
def test_words_about_a_label_stand_above_all_of_its_bars(harmful: int, benign: int) -> None:
    image = opened(plots.lengths(tally(many(harmful, benign)))).convert("RGB")
    for colour in plots.COLOURS.values():
        drawn = np.all(np.asarray(image) == tuple(bytes.fromhex(colour[1:])), axis=2)
        bars = np.array([max(map(len, _runs(row))) >= 16 for row in drawn])
        first_bar, first_word = int(bars.argmax()), int(drawn.any(axis=1).argmax())
        assert first_word < first_bar
        assert not drawn[first_word:first_bar].any(axis=1).all(), "a gap is between words and bars"


def _runs(row: np.ndarray) -> list[str]:
    """Of a line of pixels: how many in a row are drawn, each time."""
    return "".join("#" if drawn else " " for drawn in row).split(" ")


def test_more_categories_than_there_is_room_for_are_one_bar() -> None:
    rows = [
        one.model_copy(update={"seed": one.seed.model_copy(update={"category": f"kind {number}"})})
        for number, one in enumerate(many(40, 0))
    ]
    assert f"{40 - plots.MOST_BARS + 1} others" in plots.composition(tally(rows)).alt


def test_a_funnel_that_is_empty_at_the_start_can_be_drawn() -> None:
    opened(plots.funnel([Step("prompts", 0), Step("in this release", 0)]))


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [(0, 9, "0"), (1, 1000, "under 1"), (1, 3, "33"), (253, 254, "over 99"), (254, 254, "100"), (30, 2, "1,500")],
)
def test_a_share_that_is_not_all_is_never_told_as_all(part: int, whole: int, told: str) -> None:
    assert plots.percent(part, whole) == told


def test_agreement_that_is_not_defined_or_below_chance_is_told() -> None:
    def measured(value: float | None, low: float | None, high: float | None) -> Agreement:
        return Agreement(
            question="decision",
            group="all",
            kind="person",
            records=3,
            answers=6,
            raw=0.3,
            alpha=Coefficient(value=value, low=low, high=high),
            ac1=Coefficient(value=0.2),
        )

    assert "alpha -0.60 (-1.40 to 0.20)" in agreement((measured(-0.6, -1.4, 0.2),)).alt
    assert "alpha not defined, AC1 0.20" in agreement((measured(None, None, None),)).alt
    assert plots.agreement(()) is None


def test_only_agreement_over_all_records_is_drawn() -> None:
    one = agreements()[0]
    parts = one.model_copy(update={"group": "branch", "name": "harmful"})
    assert plots.agreement((parts,)) is None
    assert agreement((one, parts)).png == agreement((one,)).png


def test_the_two_labels_differ_in_grey_too() -> None:
    def lightness(colour: str) -> float:
        red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    first, second = (lightness(colour) for colour in plots.COLOURS.values())
    assert abs(first - second) > 0.08
