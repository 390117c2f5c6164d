"""Tasks of inspect_ai, one a suite: `inspect eval alttrain/xstest --model alttrain/runs/first -T file=xstest.jsonl`.

    -T file=PATH       rows from a local file or folder instead of the Hub
    -T limit=50        so many prompts, drawn over the whole suite (inspect's own --limit takes the first)
    -T system=TEXT     a system prompt; none by default
    -T structure=PATH  a JSON file of structures.Measured: adherence to it is scored as well
    -T samples=4       completions a prompt; set a temperature with them (--temperature 0.7)
    -T judge=rubric    thoughts and answers judged by the model role `judge` (--model-role judge=…): judges.JUDGES;
                       with a structure, whether it was kept too

Greedy unless --temperature is set. `inspect eval alttrain/humaneval` runs code in Docker and nowhere else.
"""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai._util.registry import RegistryInfo, registry_add, registry_info
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    get_model,
)
from inspect_ai.scorer import Scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver

from schemas.errors import UsageError
from schemas.evaluation import Asked
from schemas.think import OPEN
from train.evaluation import scorers
from train.evaluation.judging import scorers_of
from train.evaluation.provider import MAX_TOKENS, LocalAPI
from train.evaluation.suites import HELD_OUT, NO_FILE, find, load, load_held_out, suites

NAMESPACE = "alttrain"

_SCORERS: dict[str, Callable[[], Scorer]] = {
    "refusal": scorers.refusal,
    "three_ways": scorers.three_ways,
    "number": scorers.number,
    "maths": scorers.maths,
    "choice": scorers.choice,
    "answers": scorers.answers,
    "rouge": scorers.rouge_f1,
    "code": scorers.code,
}


def task_of(
    suite: str,
    asked: Sequence[Asked],
    *,
    system: str = "",
    structure: str = "",
    samples: int = 1,
    temperature: float = 0.0,
    seed: int = 0,
    max_tokens: int = MAX_TOKENS,
    judges: Sequence[Scorer] = (),
    done: Callable[[], None] | None = None,
) -> Task:
    """A task that asks these prompts of the suite.

    `structure`: a structures.Measured as JSON, '' for none. `samples`: completions a prompt, each with a seed of its
    own. `judges`: further scorers, such as those that ask the model role `judge`; see scorers.py for what they give.
    `done`: called after each answer. Raises UsageError where code would be run and there is no Docker.
    """
    measures = ("refusal",) if suite == HELD_OUT else find(suite).measures
    request = "" if suite == HELD_OUT else find(suite).request
    in_docker = "code" in measures
    if in_docker and shutil.which("docker") is None:
        raise UsageError(
            f"suite {suite}: runs code that a model wrote, in Docker only, and there is none here; leave the suite out"
        )
    own = [_SCORERS[name]() for name in measures]
    kept = [scorers.structure_kept(structure), scorers.kept_in_any_words(structure)] if structure else []
    return Task(
        name=suite,
        dataset=MemoryDataset([_sample(one, request, system) for one in asked], name=suite),
        solver=[ask(seed, sampled=samples > 1 or temperature > 0), _telling(done)],
        scorer=[scorers.outcome(), *own, *kept, *judges],
        config=GenerateConfig(temperature=temperature, max_tokens=max_tokens),
        epochs=samples,
        sandbox="docker" if in_docker else None,
    )


def _sample(asked: Asked, request: str, system: str) -> Sample:
    text = f"{asked.prompt}\n\n{request}" if request else asked.prompt
    messages: list[ChatMessage] = [ChatMessageSystem(content=system)] if system else []
    messages.append(ChatMessageUser(content=text))
    return Sample(
        id=asked.id,
        input=messages,
        target=asked.reference or "",
        metadata=asked.model_dump(mode="json", exclude={"prompt", "reference"}),
    )


@solver
def ask(seed: int = 0, sampled: bool = False) -> Solver:
    """Asks once; where the sample has a prefill, its thinking is made to begin with that.

    Above temperature 0 every sample of every prompt draws from a seed of its own, whatever the order of asking.
    """

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        prefill = state.metadata.get("prefill")
        local = get_model().api.__class__ is LocalAPI
        options = GenerateConfig()
        if prefill:
            state.messages.append(ChatMessageAssistant(content=prefill if local else f"{OPEN}\n{prefill}"))
            if not local:
                options.extra_body = {"continue_final_message": True, "add_generation_prompt": False}
        if local or sampled:  # at temperature 0 a seed says nothing, and some servers refuse one
            options.seed = _seed(seed, state)
        return await generate(state, **options.model_dump(exclude_none=True))

    return solve


def _seed(seed: int, state: TaskState) -> int:
    digest = hashlib.sha256(f"{seed} {state.sample_id} {state.epoch}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4]) >> 1  # servers take 31 bits


def _telling(done: Callable[[], None] | None) -> Solver:
    """Always there: inspect goes on with a log only where the solvers are the same."""

    @solver(name="telling")
    def telling() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            if done:
                done()
            return state

        return solve

    return telling()


def _task(name: str) -> Callable[..., Task]:
    def made(
        file: str | None = None,
        limit: int | None = None,
        system: str = "",
        structure: str | None = None,
        samples: int = 1,
        seed: int = 0,
        judge: str | None = None,
    ) -> Task:
        if file and name == HELD_OUT:
            raise UsageError(NO_FILE)
        asked = load_held_out(limit=limit) if name == HELD_OUT else load(name, Path(file) if file else None, limit)
        measured = Path(structure).read_text("utf-8") if structure else ""
        judges = scorers_of(judge, measured) if judge else []
        return task_of(name, asked, system=system, structure=measured, samples=samples, seed=seed, judges=judges)

    made.__doc__ = f"The suite {name}." if name == HELD_OUT else suites()[name].about
    full = f"{NAMESPACE}/{name}"
    registered = task(name=full)(made)
    # In a wheel inspect puts the module's own top package before the name, which is not what the entry point is called.
    registry_add(registered, RegistryInfo(type="task", name=full, metadata=registry_info(registered).metadata))
    return registered


TASKS = {name: _task(name) for name in (*suites(), HELD_OUT)}
"""Every suite's task, as `inspect eval` finds it by name."""
