"""Approved rows of which only what a selection looks at is made up."""

from schemas.example import Branch, Category, Draft, Seed, Trace, draft_id, identify, seed_id, trace_id
from schemas.release import Approval, Approved, DecidedBy

OBJECTS = "bread soup fence kite lamp piano river tent violin wagon".split()
ACTS = "bake paint mend draw carry sell lend polish measure hide".split()


def candidate(
    number: int,
    label: Branch = "harmful",
    *,
    category: str | None = "violence",
    style: str | None = None,
    source: str = "a",
    family: str | None = None,
    prompt: str | None = None,
    decided_by: DecidedBy = "person",
    agreeing: int = 2,
    tokens: int = 100,
) -> Approved:
    """`number` tells traces apart, and prompts and families where none are given."""
    prompt = prompt or f"How do I {ACTS[number % 10]} a {OBJECTS[number // 10 % 10]}, number {number}?"
    seed = Seed.model_validate(
        {
            "id": seed_id(source, prompt),
            "family": family or identify("f", str(number)),
            "prompt": prompt,
            "source": source,
            "category": category,
            "style": style,
        }
    )
    trace = Trace(id=trace_id(seed.id, str(number), "", None), seed_id=seed.id, text=str(number), answer="")
    draft = Draft(
        id=draft_id(trace.id, "alttrain"),
        seed_id=seed.id,
        trace_id=trace.id,
        structure="alttrain",
        branch=label,
        branch_from="person",
        completion="abc " * tokens,
        stages=(),
    )
    approval = Approval(decided_by=decided_by, answers=2, agreeing=agreeing)
    return Approved(
        seed=seed, trace=trace, draft=draft, label_from="person", pieces=(), checks=(), approval=approval, usd=None
    )


def candidates(harmful: int = 0, hard: int = 0, easy: int = 0, source: str = "a") -> list[Approved]:
    """So many of each, harmful ones over all categories in turn; no two in one family."""
    categories = list(Category)
    return [
        *(candidate(place, category=categories[place % 8].value, source=source) for place in range(harmful)),
        *(candidate(10_000 + place, "benign", category="violence", source=source) for place in range(hard)),
        *(candidate(20_000 + place, "benign", category=None, source=source) for place in range(easy)),
    ]
