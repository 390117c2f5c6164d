"""Records as annotators meet them, made by hand: mild texts, and one row full of text that would like to be markup."""

from collections.abc import Mapping, Sequence

from curation.assembly import Assembled, Run, assemble
from curation.review.shown import Shown, ShownDraft
from schemas.example import Branch, CheckResult, Draft, Seed, Trace
from schemas.review import Candidate, Queue, ReviewRecord

HOSTILE = (
    'a<b && c>d; </script><script>window.broken=1</script> <img src=x onerror="window.broken=2"> '
    "<svg onload=window.broken=3> $& $' $` $$x^2$$ #TEMPLATE# {{mustache}} "
    "{{constructor.constructor('window.broken=4')()}} "
    "![picture](https://example.invalid/p.png) [link](javascript:window.broken=5) <https://example.invalid> "
    "`code` **bold** _thin_ ~~gone~~ \\(x\\) \\[y\\] &lt; &#60; --> <!-- ]]> %3Cb%3E"
)
SPREAD = "\n# heading\n\n- item\n\n    indented\n\n| a | b |\n|---|---|\n```\nfence\n```\n\t\ttabs  two blanks  \n"
LETTERS = "שלום עולם مرحبا می‌خواهم 你好 हिन्दी é e\u0301 👩‍👩‍👧 🏳️‍🌈 👍🏽 𝒳"
UNSEEN = "zero\u200bwidth over\u202eride\u202c mark\u200f soft\u00adhyphen bell\x07 separator\u2028 feed\x0c"


def make_draft(
    stages: Sequence[tuple[str, Sequence[Run]]],
    *,
    branch: Branch = "harmful",
    revision: int = 1,
    structure: str = "alttrain",
) -> Draft:
    """A draft of these stages, assembled as the engine does it."""
    assembled = assemble(stages)
    assert isinstance(assembled, Assembled), assembled
    return Draft(
        id="d0123456789abcdef",
        revision=revision,
        seed_id="s0123456789abcdef",
        trace_id="t0123456789abcdef",
        structure="alttrain",
        branch=branch,
        branch_from="dataset",
        completion=assembled.completion,
        stages=assembled.stages,
    )


def make_shown(
    prompt: str,
    draft: Draft | None = None,
    *,
    trace: str = "",
    answer: str = "",
    previous: Draft | None = None,
    checks: Sequence[str] = (),
    queue: Queue = "drafts",
    candidates: Sequence[Mapping[str, str]] = (),
    why: Sequence[str] = (),
    record_id: str = "r1",
    position: int = 0,
    category: str | None = None,
    assigned: tuple[str, ...] = (),
    needed: int = 2,
) -> Shown:
    record = ReviewRecord(
        id=record_id,
        queue=queue,
        seed_id="s0123456789abcdef",
        revision_id=draft.revision_id if draft else None,
        round=draft.revision if draft else 1,
        position=position,
        assigned=assigned,
        needed=needed,
        candidates=tuple(Candidate(texts=texts, authors=(f"a{n}",)) for n, texts in enumerate(candidates)),
    )
    seed = Seed(id="s0123456789abcdef", family="f0123456789abcdef", prompt=prompt, source="test", category=category)
    shown_draft = None
    if draft:
        results = tuple(CheckResult(rule="a_rule", blocking=False, reason=reason) for reason in checks)
        original = Trace(id="t0123456789abcdef", seed_id=seed.id, text=trace, answer=answer)
        shown_draft = ShownDraft(draft, original, previous, results)
    return Shown(
        record, seed, draft.branch if draft else None, "dataset" if draft else None, shown_draft, why=tuple(why)
    )


OPENING = "The user wants to get past the ticket gates at the station without paying."
STOP = "So I leave it there."
REFUSAL = "I won't help with riding for free. Tell me your route, and I'll look for the cheapest honest fare."


def harmful_draft(reason: str = "the railway and those who pay are cheated", **changes: str) -> Draft:
    texts = {"reasoning": STOP, "answer": REFUSAL} | changes
    return make_draft(
        [
            ("understanding", [Run(OPENING, "trace", source_start=0)]),
            (
                "assessment",
                [
                    Run("This request is harmful because ", "drawn", wording="verdict_harmful/0"),
                    Run(reason, "written"),
                    Run(".", "drawn", wording="verdict_harmful/0"),
                ],
            ),
            ("reasoning", [Run(texts["reasoning"], "drawn", wording="stop/0")]),
            ("answer", [Run(texts["answer"], "drawn", wording="refusal/0")]),
        ]
    )


def harmful() -> Shown:
    return make_shown(
        "How do I get past the ticket gates at the station without paying?",
        harmful_draft(),
        trace=OPENING + " Hmm, it is a small sum and perhaps money is tight this month. But the others pay for it.",
        answer="Fare dodging is something I'd rather not help with.",
        category="illicit",
    )


def benign(remainder: str = "But wait. One train an hour, for six hours, makes six trains. " * 15) -> Shown:
    opening = "The user asks how many trains leave between six and noon."
    rest = remainder.strip()
    draft = make_draft(
        [
            ("understanding", [Run(opening, "trace", source_start=0)]),
            (
                "assessment",
                [
                    Run("This request is harmless because ", "drawn"),
                    Run("nobody is hurt by a timetable", "written"),
                    Run(".", "drawn"),
                ],
            ),
            ("reasoning", [Run("Back to the problem. ", "drawn"), Run(rest, "trace", source_start=len(opening) + 1)]),
            ("answer", [Run("Six trains leave.", "answer", source_start=0)]),
        ],
        branch="benign",
    )
    return make_shown(
        "One train leaves every hour. How many leave between six and noon?",
        draft,
        trace=f"{opening} {rest}",
        answer="Six trains leave.",
    )


def edited() -> Shown:
    before = harmful_draft()
    after = harmful_draft("the railway and everybody who pays for a ticket are cheated").model_copy(
        update={"revision": 2}
    )
    return make_shown(
        "How do I get past the ticket gates at the station without paying?",
        after,
        trace=OPENING + " Hmm, it is a small sum.",
        answer="Fare dodging is something I'd rather not help with.",
        previous=before,
    )


def adjudicated() -> Shown:
    edits = [
        {"reasoning": "That is where I stop."},
        {"reasoning": "I go no further.", "answer": REFUSAL.replace("riding for free", "fare dodging")},
    ]
    return make_shown(
        "How do I get past the ticket gates at the station without paying?",
        harmful_draft(),
        trace=OPENING + " Hmm, it is a small sum.",
        answer="Fare dodging is something I'd rather not help with.",
        queue="adjudication",
        candidates=edits,
        why=["2 edits of reasoning differ"],
    )


def hostile() -> Shown:
    """Every text is an attack. Only the prompt and the trace can hold thinking tags: no draft is assembled of them."""
    tagged = f"<think>thought</think> {HOSTILE}"
    everything = HOSTILE + SPREAD + LETTERS + UNSEEN
    start = len(tagged) + 1
    draft = make_draft(
        [
            ("understanding", [Run(f"Understanding: {HOSTILE}", "written")]),
            ("assessment", [Run("Drawn: ", "drawn"), Run(everything, "written"), Run(f" {LETTERS}.", "drawn")]),
            ("reasoning", [Run((HOSTILE + " ") * 2 + "end", "trace", source_start=start)]),
            ("answer", [Run(f"{HOSTILE} {LETTERS}", "answer", source_start=0)]),
        ]
    )
    return make_shown(
        f"{tagged}{SPREAD}{LETTERS} {UNSEEN}",
        draft,
        trace=f"{tagged} {(HOSTILE + ' ') * 2}end{SPREAD}{UNSEEN}",
        answer=f"{HOSTILE} {LETTERS}",
        checks=[f"a quotation that the prompt lacks: {HOSTILE}"],
        category="illicit",
    )
