"""Phrases that the rules of curation.checks must hear, and phrases that only sound like them."""

from typing import Any

import pytest

from curation.checks import check
from curation.structures import load_pools
from tests.curation.checked_rows import BENIGN, HARMFUL, SELF_HARM, drawn, fired, renamed, row, written


@pytest.mark.parametrize("pool", sorted(load_pools()))
def test_every_packaged_wording_passes_every_blocking_rule(pool: str) -> None:
    packaged = load_pools()[pool]
    stage = {"stop": "reasoning", "stop_reworded": "reasoning", "refusal": "answer"}.get(pool, "assessment")
    structure = "cr_reworded" if pool == "stop_reworded" else "alttrain"
    sources: list[tuple[str, str | None, tuple[str, ...]]] = [(pool, None, packaged.wordings)]
    sources += [(f"{pool}.{category}", category, own) for category, own in packaged.categories.items()]
    for name, category, wordings in sources:
        for number, wording in enumerate(wordings):
            if pool == "bridge":
                trace = str(BENIGN["trace"])
                checked = row(
                    "benign", reasoning=[*drawn(f"{wording} ", f"bridge/{number}"), (trace[44:], "trace", 44, None)]
                )
            else:
                start, slot, end = wording.partition("{reason}")
                branch = packaged.verdict or "harmful"
                reason = (HARMFUL if branch == "harmful" else BENIGN)["reason"]
                runs = drawn(start, f"{name}/{number}")
                runs += [*written(reason), *drawn(end, f"{name}/{number}")] if slot else []
                base = SELF_HARM if category == "self_harm" and branch == "harmful" else {"category": category}
                checked = row(branch, **{**base, "structure": structure, "reason": reason, stage: runs})
            assert [result for result in check(checked) if result.blocking] == [], wording


@pytest.mark.parametrize(
    "drift",
    [
        "But since the user insists, I will explain it.",
        "Still, because they ask nicely, an answer is fine.",
        "However, if this is for a novel, it may be all right.",
        "But I could still provide a short outline.",
        "But maybe they are only curious.",
        "Wait, maybe it is meant as a joke.",
        "Hmm, but what if they have her consent.",
        "On second thought, there is a point to it.",
        "For educational purposes, I can go on.",
        "I will answer anyway.",
        "Let me reconsider.",
    ],
)
def test_hesitation_that_drifts_back_blocks(drift: str) -> None:
    assert "drifts_back" in fired(row("harmful", reasoning=written(f"I stop here. {drift}")))


@pytest.mark.parametrize(
    "firm",
    [
        "I stop here, but kindly.",
        "However it is worded, the answer is no.",
        "I could go on, yet I won't.",
        "Maybe there is a better way to help her talk to the flatmate.",
        "I can still be kind about it.",
    ],
)
def test_a_firm_stop_is_no_hesitation(firm: str) -> None:
    assert "drifts_back" not in fired(row("harmful", reasoning=written(firm)))


def test_doubt_before_the_assessment_is_no_drift() -> None:
    doubting = written("The user wants to read messages in secret. But maybe they are worried about her.")
    for told in (row("harmful", understanding=doubting), renamed(row("harmful", understanding=doubting))):
        assert "drifts_back" not in fired(told)


@pytest.mark.parametrize(
    "work",
    [
        "Here's how they could do it.",
        "You can simply wait for the night.",
        "First, you need her code.",
        "Let me think about ways to get in.",
        "I should outline a plan.",
        "I'll explain how to get around the lock.",
    ],
)
def test_reasoning_that_works_on_the_task_blocks(work: str) -> None:
    assert "solves" in fired(row("harmful", reasoning=written(f"Well. {work}")))


@pytest.mark.parametrize(
    "steps", ["Step 1: wait. Step 2: look.", "```\nrun\n```", "**1.** Wait.\n**2.** Look.", "  1) Wait.\n  2) Look."]
)
def test_steps_and_code_block_wherever_they_stand(steps: str) -> None:
    assert "gives_steps" in fired(row("harmful", answer=written(f"I can't help with that.\n\n{steps}")))
    assert "gives_steps" in fired(row("harmful", understanding=written(f"The user asks about messages.\n{steps}")))


@pytest.mark.parametrize(
    "token",
    [
        "<|im_start|>",
        "<|eot_id|>",
        "<｜User｜>",
        "<｜end▁of▁sentence｜>",
        "[INST]",
        "<|channel|>",
        "<start_of_turn>",
        "<<SYS>>",
    ],
)
def test_template_tokens_block_in_the_prompt_and_in_every_stage(token: str) -> None:
    assert "template_token" in fired(row("harmful", prompt=f"How can I read {token} messages?"))
    assert "template_token" in fired(row("harmful", answer=written(f"I can't help with that.{token}")))
    assert "template_token" in fired(row("benign", trace=f"Okay, the user asks. It leaves {token} at 9:00."))


@pytest.mark.parametrize("category", [None, "violence", "self_harm"])
def test_self_harm_is_known_by_the_prompt_where_its_source_has_no_such_category(category: str | None) -> None:
    prompt: dict[str, Any] = {"prompt": "How can I hurt myself without my wife noticing?", "category": category}
    assert {"self_harm", "self_harm_cold"} <= fired(row("harmful", **prompt))
    warm = row("harmful", **{**SELF_HARM, **prompt})
    assert "self_harm" in fired(warm)
    assert not [result for result in check(warm) if result.blocking]


def test_support_may_be_longer_than_a_refusal_wherever_the_prompt_is_about_self_harm() -> None:
    long = written("I'm worried about you. I won't help hide it. You matter. Could you tell a doctor or a friend?")
    assert "refusal_long" in fired(row("harmful", answer=long))
    assert "refusal_long" not in fired(row("harmful", prompt="How can I hurt myself in secret?", answer=long))


@pytest.mark.parametrize("tag", ["<think>", "</think>"])
def test_a_thinking_tag_in_the_prompt_blocks(tag: str) -> None:
    assert "template_token" in fired(row("harmful", prompt=f"{tag} How can I read her messages?"))


@pytest.mark.parametrize(
    "reason",
    [
        "no one is hurt by it",
        "it harms nobody",
        "nobody would be affected",
        "it does not harm anyone",
        "this is perfectly safe",
        "it poses no real risk",
        "the act is harmless",
    ],
)
def test_a_harmful_row_whose_reason_says_no_harm_is_done_blocks(reason: str) -> None:
    assert "reason_contradicts" in fired(row("harmful", reason=reason))


@pytest.mark.parametrize(
    "reason", ["it is clearly harmful", "it could hurt someone", "this would be illegal", "it violates her privacy"]
)
def test_a_benign_row_whose_reason_speaks_of_harm_blocks(reason: str) -> None:
    assert "reason_contradicts" in fired(row("benign", reason=reason))


@pytest.mark.parametrize(
    "reason",
    [
        "it is not harmful to anyone",
        "it asks why smoking is harmful",
        "nothing in it would hurt people",
        "it is not illegal",
    ],
)
def test_a_benign_reason_may_speak_of_harm_that_is_not_done(reason: str) -> None:
    assert "reason_contradicts" not in fired(row("benign", reason=reason))


@pytest.mark.parametrize(
    "reason", ["", "N/A", "because", "[insert reason]", "spying spying spying on her", "I'm sorry, but I can't assist"]
)
def test_a_reason_that_is_none_blocks(reason: str) -> None:
    assert "reason_degenerate" in fired(row("harmful", reason=reason))


def test_a_reason_that_was_lost_blocks() -> None:
    assert "reason_degenerate" in fired(
        row("harmful", assessment=drawn("This is harmful.", "x/0"), draft={"reason": None})
    )


def test_the_policy_talk_of_a_trace_that_was_cut_away_is_no_matter() -> None:
    talk = "Okay, the user wants to read a flatmate's messages. The safety policy says that I must refuse."
    assert check(row("harmful", trace=talk)) == ()


def test_a_control_keeps_the_original_trace_whatever_it_says() -> None:
    talk = (
        "Okay, one way to do it is to wait. The safety policy says that I must refuse. But maybe they joke.\n1. A\n2. B"
    )
    control = row(
        "harmful",
        structure="plain_original_trace",
        trace=talk,
        understanding=[],
        assessment=[],
        reasoning=[(talk, "trace", 0, None)],
        draft={"reason": None},
    )
    assert check(control) == ()


def test_a_benign_remainder_that_cites_a_safety_policy_blocks() -> None:
    trace = "Okay, the user asks about a train. The policies say that I must check it, following the guidelines."
    assert "policy_cited" in fired(row("benign", trace=trace))


@pytest.mark.parametrize(
    "hostile",
    [
        "(" * 23000, '"' * 23000, "<|" * 11500, "“" * 23000, "\\[" * 11500, "$" * 23000, "```" * 7600, "1. " * 7600,
        "\n" * 23000, "the policy " * 2100, "but maybe " * 2300, "I can't " * 2900, "step one " * 2500, "a" * 23000,
        "no " * 7600, "\x00" * 23000, "𝕏" * 11000, "must " * 4600, "to do this " * 2000,
    ],
    ids=range(19),
)  # fmt: skip
def test_hostile_text_is_checked_like_any_other(hostile: str) -> None:
    check(row("benign", trace=f"Okay, the user asks. {hostile} end", original_answer=f"12 {hostile} 12"))
    check(row("harmful", prompt=hostile, reason=hostile, answer=written(hostile), reasoning=written(hostile)))
