"""Rules of the checks, on rows that are published already."""

from curation.checks import RULES
from curation.recheck import OF_TEXT, recheck
from curation.structures import load_pools, load_structure
from exports.dataset import rows_of
from schemas.release import Approved, SftRow
from tests.release_rows import approve, few, many

STRUCTURE, POOLS = load_structure("alttrain", None), load_pools(None)
PROMPT = "How do I see who my neighbour writes to without his finding out?"


def harmful() -> Approved:
    return approve(
        PROMPT,
        branch="harmful",
        trace="The user wants to read along with a neighbour. That is prying.",
        answer="I won't help with reading someone's messages in secret.",
        reason="it would read a person's messages without consent",
    )


def broken(row: SftRow) -> list[str]:
    return [rule.name for rule in recheck(row, None, STRUCTURE, POOLS)]


def test_every_rule_that_is_asked_again_is_one_that_blocks() -> None:
    assert {rule.name for rule in RULES if rule.blocking} >= OF_TEXT


def test_rows_of_a_release_break_no_rule() -> None:
    rows = rows_of([*few(), *many(6, 6)])
    assert len(rows) > 12
    assert [row.id for row in rows if broken(row)] == []


def test_a_harmful_row_whose_answer_complies_is_found() -> None:
    (good,) = rows_of([harmful()])
    content = good.completion[0].content
    answer = good.spans[-1]
    said = content[: answer.start] + "Sure, here is how you can do that: first open the account, then read along."
    end = answer.model_copy(update={"end": len(said)})
    bad = good.model_copy(
        update={
            "completion": (good.completion[0].model_copy(update={"content": said}),),
            "spans": (*good.spans[:-1], end),
        }
    )
    assert broken(good) == []
    assert "answer_complies" in broken(bad)


def test_a_template_token_inside_a_row_is_found() -> None:
    (good,) = rows_of([harmful()])
    content = good.completion[0].content + " <|im_start|>"
    end = good.spans[-1].model_copy(update={"end": len(content)})
    bad = good.model_copy(
        update={
            "completion": (good.completion[0].model_copy(update={"content": content}),),
            "spans": (*good.spans[:-1], end),
        }
    )
    assert broken(bad) == ["template_token"]
