"""How far a run is: a line now and then for people, every step for the record, and a mark on every whole checkpoint."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.errors import TrainError
from schemas.training import Proof
from train.curve import Point
from train.record import COMPLETE, put

if TYPE_CHECKING:
    from transformers import TrainerCallback

Say = Callable[[str], None]

LINES = 20
"""Of progress in a whole run, besides the first."""


class Log:
    """What happened at every optimizer step. Appends to log.jsonl, so a run that goes on keeps what came before.

    `writes`: whether it does; of several processes that share a run one alone, though all of them read.
    """

    def __init__(
        self, path: Path, checkpoints: Path, proof: Proof, started: float, say: Say, *, writes: bool = True
    ) -> None:
        self._path, self._checkpoints, self._proof, self._started, self._say = path, checkpoints, proof, started, say
        self._writes = writes
        self.points: list[Point] = []
        self.resumed_at: tuple[int, ...] = ()
        self.seconds_to_first_step = 0.0
        self.seconds = 0.0
        self.tokens = 0
        """Of this stretch."""
        self._begun = 0.0
        self._tokens_before = 0

    def begin(self, step: int) -> None:
        """At the start, or where it goes on after `step`: what was logged beyond that is done again. Raises TrainError
        for a log that cannot be read."""
        self._begun = time.perf_counter()
        for told in _read(self._path):
            if isinstance(told, int):
                self.resumed_at += (told,)
            elif told.step <= step:
                self.points.append(told)
        if step >= self._proof.steps:  # stopped after its last step: nothing is trained, and the last stretch stands
            if not self.points:
                raise TrainError(f"{self._path}: holds no step, though all are done; train into another --out")
            began = [point.tokens for point in self.points if point.step == (self.resumed_at or (0,))[-1]]
            self.tokens, self.seconds = self.points[-1].tokens - sum(began), self.points[-1].seconds
        elif step:
            self.resumed_at += (step,)
        self._tokens_before = self.points[-1].tokens if self.points else 0
        lines = [{"resumed_at": at} for at in self.resumed_at] + [point._asdict() for point in self.points]
        if self._writes:
            put(self._path, "".join(json.dumps(line) + "\n" for line in lines).encode())

    def step(self, step: int, epoch: float, logs: dict[str, Any]) -> None:
        now = time.perf_counter()
        if not self.tokens:
            self.seconds_to_first_step = now - self._started
        self.tokens = int(logs["num_tokens"])
        self.seconds = now - self._begun
        point = Point(
            step=step,
            epoch=epoch,
            loss=float(logs["loss"]),
            learning_rate=float(logs["learning_rate"]),
            tokens=self._tokens_before + self.tokens,
            seconds=self.seconds,
        )
        self.points.append(point)
        if self._writes:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(point._asdict()) + "\n")
        total = self._proof.steps
        if step == 1 or step == total or step % max(1, total // LINES) == 0:
            left = (total - step) * self.seconds / max(1, step - (self.resumed_at[-1] if self.resumed_at else 0))
            self._say(
                f"step {step:>{len(str(total))}}/{total}  epoch {epoch:>{len(f'{self._proof.epochs:.2f}')}.2f}  "
                f"loss {point.loss:.3f}  {self.tokens / self.seconds:>7,.0f} tokens/s  {_minutes(left):>7} left"
            )

    def callback(self) -> "TrainerCallback":
        """What hands the trainer's events on to this log."""
        from transformers import TrainerCallback

        log = self

        class _Callback(TrainerCallback):  # type: ignore[misc]
            def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                log.begin(state.global_step)

            def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **kwargs: Any) -> None:
                if "loss" in logs:
                    log.step(state.global_step, float(state.epoch), logs)

            def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                if state.is_world_process_zero:
                    (log._checkpoints / f"checkpoint-{state.global_step}" / COMPLETE).touch()

        return _Callback()


def _read(path: Path) -> list[Point | int]:
    """The steps of a log, and after which ones it was gone on from; none where there is no log yet."""
    lines = path.read_text("utf-8", errors="replace").splitlines() if path.exists() else []
    told: list[Point | int] = []
    for number, line in enumerate(lines, 1):
        try:
            values = json.loads(line)
            told.append(int(values["resumed_at"]) if "resumed_at" in values else _point(values))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            if number == len(lines):
                break  # what was being written when the disk was full or the machine went down
            raise TrainError(
                f"{path}: line {number} is no step of a run; take that line out, or train into another --out"
            ) from error
    return told


def _point(values: dict[str, Any]) -> Point:
    return Point(**{name: kind(values[name]) for name, kind in Point.__annotations__.items()})


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
