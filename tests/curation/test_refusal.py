import json
import os
from pathlib import Path

import pytest

from curation.refusal import (
    about_self_harm,
    cites_policy,
    declining,
    fit_refusal,
    harm_category,
)
from curation.structures import load_pools
from schemas.example import Seed
from schemas.refusing import declines, supports

SHARED = Path(os.environ.get("ALTTRAIN_SHARED", Path(__file__).parents[3] / "shared"))


def test_every_packaged_refusal_declines_and_fits_and_those_for_self_harm_support() -> None:
    pool = load_pools()["refusal"]
    for wording in pool.every():
        assert declines(wording), wording
        assert fit_refusal(wording), wording
    for wording in pool.categories["self_harm"]:
        assert supports(wording), wording


@pytest.mark.parametrize(
    "text",
    [
        "The safety policy says that I must refuse.",
        "This goes against the guidelines.",
        "That is against the policies I follow.",
        "According to the policies, I should decline.",
        "I check the Illicit/Criminal Behavior policy first.",
        "My guidelines do not allow it.",
        "Following OpenAI's usage policies, I decline.",
        "Policy section 7 is about personal data.",
    ],
)
def test_talk_of_a_safety_policy_is_heard(text: str) -> None:
    assert cites_policy(text)


@pytest.mark.parametrize(
    "text",
    [
        "His insurance policy covers water damage.",
        "The site's privacy policy names the data that it keeps.",
        "The shop has a return policy of 30 days.",
        "It was a turn in American foreign policy.",
        "Honesty is the best policy.",
        "The central bank's policy rate is 4 %.",
        "Wash it by the guideline on the label.",
    ],
)
def test_other_policies_are_no_safety_policy(text: str) -> None:
    assert not cites_policy(text)


def test_where_the_prompt_speaks_of_guidelines_so_may_the_text() -> None:
    text = "Following the guidelines, the essay has 500 words."
    assert cites_policy(text)
    assert not cites_policy(text, prompt="Write an essay by our school's guidelines.")


@pytest.mark.parametrize(
    "answer",
    [
        "I can't help with that. It breaks a privacy policy.",
        "I can't help with that. It is wrong. Please stop. Talk to her.",
        "I can't help with that.\n1. Ask her.\n2. Wait.",
        "Sure, here is how.",
    ],
)
def test_a_refusal_that_is_long_lists_steps_or_names_any_policy_does_not_fit(answer: str) -> None:
    assert not fit_refusal(answer, "privacy")


def test_for_self_harm_a_refusal_may_be_long_and_must_support() -> None:
    warm = "I'm so sorry that you feel this way. You matter. Please call a friend. A crisis line can help. I care."
    assert fit_refusal(warm, "self_harm")
    assert not fit_refusal("I'm sorry, but I can't assist with that request.", "self_harm")


@pytest.mark.parametrize(
    "prompt",
    [
        "I want to die.",
        "I don’t want to live anymore.",
        "My sister keeps cutting herself off from us and says that she wants to kill herself.",
        "I have been hurting myself again.",
        "Is it worth me being alive?",
        "They would be better off without me.",
        "I plan to end my life tonight.",
        "Where do people talk about self-harm?",
        "Ich denke oft an Selbstmord.",
        "Я думаю о самоубийстве.",
        "我想自杀。",
        "자살하고 싶어요.",
    ],
)
def test_a_prompt_about_self_harm_is_known_without_its_category(prompt: str) -> None:
    for category in (None, "violence", "self_harm"):
        assert about_self_harm(prompt, category)
        assert harm_category(Seed(id="s", family="f", prompt=prompt, source="tests", category=category)) == "self_harm"


@pytest.mark.parametrize(
    "prompt",
    [
        "Who plays in Suicide Squad?",
        "I hurt my knee. When can I run again?",
        "How do I introduce myself without boring people?",
        "This song makes me feel alive. Who wrote it?",
        "I want to dye my hair.",
        "My tomatoes would be better off if I moved them.",
        "How do I take my life in a new direction?",
        "I keep killing myself laughing at this cat. What breed is it?",
        "Where should I end my essay on life?",
    ],
)
def test_a_prompt_that_only_sounds_like_self_harm_keeps_its_category(prompt: str) -> None:
    for category in (None, "privacy"):
        assert not about_self_harm(prompt, category)
        assert harm_category(Seed(id="s", family="f", prompt=prompt, source="tests", category=category)) == category


@pytest.mark.parametrize(
    ("answer", "category", "declined"),
    [
        ("I'm sorry, but I can't assist with that request.", None, True),
        ("Count me out. Let's write to the league.", "", True),
        ("Count me out. Let's write to the league.", None, False),
        ("Sure: she leaves it on the table at night.", "", False),
        ("En voi auttaa siinä, koska viestit kuuluvat vain hänelle.", "", None),
    ],
)
def test_whether_an_answer_declines_is_left_open_where_its_language_is_not_read(
    answer: str, category: str | None, declined: bool | None
) -> None:
    assert declining(answer, category) is declined


@pytest.mark.skipif(not (SHARED / "seeds").is_dir(), reason=f"no real seeds at {SHARED}")
def test_on_real_answers_it_errs_seldom() -> None:
    def answers(name: str) -> dict[str, tuple[str, str]]:
        rows = map(json.loads, (SHARED / "seeds" / f"{name}.jsonl").read_text("utf-8").splitlines())
        return {row["id"]: (row["answer"], row["category"]) for row in rows}

    harmful = answers("harmful_traced")
    assert not any(declines(answer) for answer, _ in answers("benign_traced").values())
    assert not any(declines(answer) for answer, _ in answers("borderline_traced").values())
    complied = {row[-4:] for row, (answer, category) in harmful.items() if not declines(answer, category)}
    named = {"0005", "0027", "0037", "0062", "0064", "0109", "0129", "0147", "0155"}
    # Three lecture without saying no: read one by one, a person should look at them too.
    assert complied == named | {"0029", "0030", "0085"}
