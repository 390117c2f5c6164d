"""The loss curve: a table that says what was logged, and a picture that says so too, whatever the losses are."""

import csv
import io
import math
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from schemas.errors import TrainError
from train.curve import CSV, PICTURE, Point, axis_label, write_curve

ROOT = Path(__file__).parent.parent.parent


def falling(steps: int) -> list[Point]:
    return [
        Point(step, step / 20, 0.8 + 2.5 * math.exp(-step / 60), 1e-5 * (1 - step / steps), step * 900, step * 1.25)
        for step in range(1, steps + 1)
    ]


def at(step: int, loss: float) -> Point:
    return Point(step, step / 10, loss, 1e-4, step * 10, float(step))


def opened(folder: Path) -> Image.Image:
    image = Image.open(io.BytesIO((folder / PICTURE).read_bytes()))
    image.load()
    return image.convert("RGBA")


def ink(image: Image.Image, colour: tuple[int, int, int]) -> int:
    """How many pixels are of very nearly one colour."""
    data = image.convert("RGB").tobytes()
    pixels = zip(data[::3], data[1::3], data[2::3], strict=True)
    return sum(all(abs(a - b) < 12 for a, b in zip(pixel, colour, strict=True)) for pixel in pixels)


RAW, SMOOTH, BROKEN = (107, 163, 199), (0, 90, 146), (213, 94, 0)


def test_the_table_holds_every_step_once_with_all_that_was_logged(tmp_path: Path) -> None:
    points = falling(30)
    write_curve(points, tmp_path)
    text = (tmp_path / CSV).read_text("ascii")
    assert text.splitlines()[0] == "step,epoch,loss,learning_rate,tokens,seconds"
    rows = list(csv.reader(io.StringIO(text)))[1:]
    read = [Point(int(r[0]), float(r[1]), float(r[2]), float(r[3]), int(r[4]), float(r[5])) for r in rows]
    assert read == points


def test_a_step_told_twice_counts_as_told_last_and_steps_stand_in_order(tmp_path: Path) -> None:
    write_curve([at(1, 3.0), at(3, 9.0), at(2, 2.5), at(3, 2.0)], tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / CSV).read_text("ascii"))))
    assert [(row["step"], row["loss"]) for row in rows] == [("1", "3.0"), ("2", "2.5"), ("3", "2.0")]


def test_the_raw_points_stay_visible_beside_what_smooths_them(tmp_path: Path) -> None:
    write_curve(falling(300), tmp_path, rows=160)
    image = opened(tmp_path)
    assert ink(image, RAW) > 300
    assert ink(image, SMOOTH) > 300


def test_one_epoch_is_told_as_one() -> None:
    told = [axis_label([Point(9, epoch, 1.0, 1e-4, 90, 9.0)]) for epoch in (0.5, 0.99999, 1.0, 2.0, math.nan)]
    assert told == [f"optimizer step{of}" for of in (" (0.5 epochs)", " (1 epoch)", " (1 epoch)", " (2 epochs)", "")]


def test_few_points_are_not_smoothed(tmp_path: Path) -> None:
    write_curve([at(step, 3 - step / 4) for step in range(1, 6)], tmp_path)
    image = opened(tmp_path)
    assert ink(image, RAW) > 20
    assert ink(image, SMOOTH) == 0


@pytest.mark.parametrize(
    ("points", "broken"),
    [
        ([], False),
        ([at(7, 2.5)], False),
        ([at(1, 0.0), at(2, 0.0)], False),
        ([at(1, math.nan)], True),
        ([at(step, math.inf if step > 10 else 1.0) for step in range(1, 21)], True),
        ([at(step, -math.inf) for step in range(1, 21)], True),
        ([at(1, 1.7e308), at(2, 1.0)], True),
        ([at(1, 1e9), at(2, 0.001)], False),
        ([at(1, -2.0), at(2, 3.0)], False),
        ([Point(1, math.nan, 1.0, math.nan, 0, 0.0)], False),
    ],
    ids=str,
)
def test_any_losses_give_a_table_and_a_picture_that_marks_what_is_no_number(
    points: list[Point], broken: bool, tmp_path: Path
) -> None:
    write_curve(points, tmp_path, rows=1)
    assert len((tmp_path / CSV).read_text("ascii").splitlines()) == len(points) + 1
    image = opened(tmp_path)
    assert image.size == (1080, 690)
    assert (ink(image, BROKEN) > 0) == broken


@given(losses=st.lists(st.floats(), max_size=12), rate=st.floats(0, 1), epoch=st.floats())
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_loss_ends_the_run_that_it_is_told_of(
    losses: list[float], rate: float, epoch: float, tmp_path: Path
) -> None:
    write_curve([Point(step, epoch, loss, rate, step, 0.5) for step, loss in enumerate(losses)], tmp_path)
    assert opened(tmp_path).width == 1080


def test_the_picture_is_a_light_card_whose_corners_let_any_page_through(tmp_path: Path) -> None:
    write_curve(falling(50), tmp_path)
    image = opened(tmp_path)
    corners = [(0, 0), (image.width - 1, 0), (0, image.height - 1), (image.width - 1, image.height - 1)]
    clear = image.getchannel("A")
    assert all(clear.getpixel(corner) == 0 for corner in corners)
    assert image.getpixel((image.width // 2, 9)) == (255, 255, 255, 255)


@pytest.mark.parametrize("points", [falling(3000), [at(1, 1e9), at(2, 1e-6)]], ids=["many", "far apart"])
def test_nothing_is_cut_off_at_the_edge_of_the_card(points: list[Point], tmp_path: Path) -> None:
    write_curve(points, tmp_path, rows=1_000_000)
    image = opened(tmp_path).convert("RGB")
    for x in (8, image.width - 9):
        assert {image.getpixel((x, y)) for y in range(40, image.height - 40)} == {(255, 255, 255)}, x


def test_equal_points_give_equal_bytes_and_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    written = []
    for _ in range(2):
        write_curve(falling(40), tmp_path, rows=12)
        written.append([(tmp_path / name).read_bytes() for name in (CSV, PICTURE)])
    assert written[0] == written[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [CSV, PICTURE]


def test_a_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"gone: the loss curve cannot be written: No such file or directory"):
        write_curve(falling(3), tmp_path / "gone")


def test_drawing_leaves_settings_and_backend_as_they_were(tmp_path: Path) -> None:
    with matplotlib.rc_context({"font.size": 33.0, "text.usetex": True}):
        before = dict(matplotlib.rcParams)
        write_curve(falling(10), tmp_path)
        assert dict(matplotlib.rcParams) == before


def test_matplotlib_is_not_imported_before_a_curve_is_drawn() -> None:
    code = "import sys, train.curve; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
