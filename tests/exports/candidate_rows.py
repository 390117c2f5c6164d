"""Eligible rows, made up."""

from schemas.example import Branch, Category, draft_id, identify, seed_id, trace_id
from schemas.release import DecidedBy, Eligible

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
) -> Eligible:
    """`number` tells traces apart, and prompts and families where none are given."""
    prompt = prompt or f"How do I {ACTS[number % 10]} a {OBJECTS[number // 10 % 10]}, number {number}?"
    seed = seed_id(source, prompt)
    return Eligible.model_validate(
        {
            "id": f"{draft_id(trace_id(seed, str(number), '', None), 'alttrain')}.1",
            "label": label,
            "category": category,
            "style": style,
            "source": source,
            "family": family or identify("f", str(number)),
            "prompt": prompt,
            "completion": "abc " * tokens,
            "decided_by": decided_by,
            "answers": 2,
            "agreeing": agreeing,
        }
    )


def candidates(harmful: int = 0, hard: int = 0, easy: int = 0, source: str = "a") -> list[Eligible]:
    """So many of each, harmful ones over all categories in turn; no two in one family."""
    categories = list(Category)
    return [
        *(candidate(place, category=categories[place % 8].value, source=source) for place in range(harmful)),
        *(candidate(10_000 + place, "benign", category="violence", source=source) for place in range(hard)),
        *(candidate(20_000 + place, "benign", category=None, source=source) for place in range(easy)),
    ]
