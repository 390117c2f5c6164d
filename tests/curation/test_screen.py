import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from curation.screen import DUPLICATE_SIMILARITY, FAMILY_SIMILARITY, duplicates, families, name_families
from curation.sources import SourceRow, read_source

BREAD = "How do I bake a rye bread without an oven?"
SHARED = Path(os.environ.get("ALTTRAIN_SHARED", Path(__file__).parents[3] / "shared"))


def _one_family(*prompts: str) -> bool:
    return families(prompts) == [0] * len(prompts)


def test_case_punctuation_and_spacing_make_a_duplicate() -> None:
    prompts = [BREAD, "how do I bake a rye bread, without an oven", "  How do I bake\na rye bread without an oven ?!"]
    assert duplicates(prompts) == families(prompts) == [0, 0, 0]


def test_wide_letters_make_a_duplicate() -> None:
    assert duplicates(["Name three rivers.", "Ｎａｍｅ ｔｈｒｅｅ ｒｉｖｅｒｓ。"]) == [0, 0]


@pytest.mark.parametrize(
    "near",
    [
        "How can I bake a rye bread without an oven?",
        "How do I bake a flat bread without an oven?",
        "Without an oven, how do I bake a rye bread?",
        "Please, how do I bake a rye bread without an oven?",
    ],
)
def test_a_changed_word_or_a_moved_clause_stays_in_the_family_and_is_no_duplicate(near: str) -> None:
    assert _one_family(BREAD, near)
    assert duplicates([BREAD, near]) == [0, 1]


@pytest.mark.parametrize(
    "other",
    [
        "Which flour goes into a sourdough that has to rise overnight?",
        "How do I paint a wooden fence without a brush?",
        "What makes an oven bake bread evenly?",
    ],
)
def test_another_request_is_another_family(other: str) -> None:
    assert families([BREAD, other]) == [0, 1]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (
            "A shop sells 3 pens for 2 euros. How much are 12 pens?",
            "A shop sells 5 pens for 4.50 euros. How much are 30 pens?",
        ),
        ("He has three looking-glasses and knows one.", "He has four looking-glasses and knows one."),
        ("Add 3 apples to 4 pears.", "Add 4 apples to 3 pears."),
    ],
)
def test_number_variants_are_one_family_and_no_duplicates(one: str, two: str) -> None:
    assert _one_family(one, two)
    assert duplicates([one, two]) == [0, 1]


def test_the_same_number_written_otherwise_is_the_same() -> None:
    assert duplicates(["Split 1,000 euros among three friends.", "Split 1000 euros among 3 friends."]) == [0, 0]


@pytest.mark.parametrize(
    ("one", "near", "other"),
    [
        ("如何在没有烤箱的情况下烤面包？", "怎么在没有烤箱的情况下烤面包？", "我的自行车链条总是掉，该怎么修？"),
        ("オーブンなしでパンを焼く方法は？", "オーブンなしでピザを焼く方法は？", "明日の天気を教えてください。"),
        ("วิธีอบขนมปังโดยไม่ใช้เตาอบ", "วิธีอบขนมปังโดยไม่ใช้ไฟฟ้า", "พรุ่งนี้ฝนจะตกไหม"),
        ("Как испечь хлеб дома без духовки?", "как испечь хлеб дома без духовки", "Почему небо голубое?"),
    ],
    ids=["Chinese", "Japanese", "Thai", "Russian"],
)  # fmt: skip
def test_other_scripts_are_compared_too(one: str, near: str, other: str) -> None:
    assert families([one, near, other]) == [0, 0, 2]


def test_short_wordless_and_empty_prompts_are_equal_only_to_themselves() -> None:
    prompts = ["Hi", "Ho", "?", "!!", "🙂", "🙃", "", " ", "?", "hi"]
    assert families(prompts) == duplicates(prompts) == [0, 1, 2, 3, 4, 5, 6, 6, 2, 0]


def test_no_prompts_have_no_families() -> None:
    assert families([]) == duplicates([]) == []


def test_near_duplicates_of_near_duplicates_are_one_family() -> None:
    steps = [
        "alpha beta gamma delta epsilon zeta eta theta",
        "alpha beta gamma delta epsilon zeta eta iota",
        "alpha beta gamma delta epsilon zeta kappa iota",
        "alpha beta gamma delta epsilon lambda kappa iota",
    ]
    assert families([steps[0], steps[3]]) == [0, 1]
    assert _one_family(*steps)


def _made_up(count: int, seed: int, words: int = 60) -> list[str]:
    """Sentences of few words, so that many are near each other and chains are common."""
    rng = random.Random(seed)
    vocabulary = [f"w{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(words)]
    made: list[str] = []
    for _ in range(count):
        if made and rng.random() < 0.6:
            sentence = rng.choice(made).split()
            sentence[rng.randrange(len(sentence))] = rng.choice(vocabulary)
        else:
            sentence = rng.choices(vocabulary, k=rng.randint(3, 14))
        made.append(" ".join(sentence))
    return made


def _crowd(count: int, free: int) -> list[str]:
    """Prompts of one template, with so many words of their own that most are near few others."""
    rng = random.Random(9)
    names = ["".join(rng.choices("abcdefghij", k=7)) for _ in range(1000)]
    return [
        f"Write a story for my sister about {' '.join(rng.choices(names, k=free))} and the quiet river please"
        for _ in range(count)
    ]


def _shingles(prompt: str) -> set[tuple[str, ...]]:
    words = prompt.split()
    return {(word,) for word in words} | set(pairwise(words))


def _similarity(one: set[tuple[str, ...]], two: set[tuple[str, ...]]) -> float:
    return len(one & two) / len(one | two)


def test_families_are_those_of_comparing_every_pair_but_for_one_join_in_a_hundred() -> None:
    prompts = _made_up(800, seed=1)
    sets = [_shingles(prompt) for prompt in prompts]
    exact = list(range(len(prompts)))
    for one, two in combinations(range(len(prompts)), 2):
        if exact[one] != exact[two] and _similarity(sets[one], sets[two]) >= FAMILY_SIMILARITY:
            first, second = sorted((exact[one], exact[two]))
            exact = [first if root == second else root for root in exact]
    assert 100 < len(set(exact)) < 700, "the sample has both chains and loners"
    found = families(prompts)
    assert all(exact[family] == exact[place] for place, family in enumerate(found)), "none is together that is not near"
    assert len(prompts) - len(set(found)) >= 0.99 * (len(prompts) - len(set(exact)))


@pytest.mark.parametrize(
    ("cluster", "threshold", "words", "changed"),
    [(families, FAMILY_SIMILARITY, 28, 5), (duplicates, DUPLICATE_SIMILARITY, 59, 1)],
)
def test_99_of_100_pairs_at_the_threshold_are_found_and_none_below(
    cluster: Callable[[list[str]], list[int]], threshold: float, words: int, changed: int
) -> None:
    def share_found(changed: int) -> tuple[float, float]:
        rng = random.Random(8)
        pairs = []
        for _ in range(2000):
            one = ["".join(rng.choices("abcdefghij", k=9)) for _ in range(words)]
            places = {step * words // (changed + 1) for step in range(1, changed + 1)}
            pairs.append((" ".join(one), " ".join("other" if at in places else w for at, w in enumerate(one))))
        found = cluster([prompt for pair in pairs for prompt in pair])
        near = sum(found[at + 1] == found[at] for at in range(0, len(found), 2))
        return _similarity(*map(_shingles, pairs[0])), near / len(pairs)

    similarity, recall = share_found(changed)
    assert threshold <= similarity < threshold + 0.01
    assert recall >= 0.99
    similarity, recall = share_found(changed + 1)
    assert threshold - 0.1 < similarity < threshold
    assert recall == 0


def test_the_order_of_a_few_hundred_prompts_does_not_change_who_is_together() -> None:
    prompts = list(dict.fromkeys(_made_up(300, seed=2)))
    shuffled = random.Random(3).sample(prompts, len(prompts))

    def together(order: list[str]) -> set[frozenset[str]]:
        found = families(order)
        return {frozenset(order[i] for i, root in enumerate(found) if root == family) for family in found}

    assert together(prompts) == together(shuffled)


def test_a_family_is_named_by_its_first_prompt() -> None:
    assert all(family <= place for place, family in enumerate(families(_made_up(300, seed=4))))


def test_a_newcomer_joins_the_family_that_its_near_duplicates_have() -> None:
    named = dict(name_families([("s1", BREAD, ""), ("s2", BREAD.upper(), "bread"), ("s3", "Name three rivers.", "")]))
    assert named["s1"] == "bread"
    assert named["s3"] not in ("", "bread")
    assert "s2" not in named, "a family once given is carried"


def test_families_are_named_the_same_whatever_comes_later() -> None:
    early = [("s1", BREAD, ""), ("s2", BREAD.lower(), "")]
    named = dict(name_families(early))
    assert named["s1"] == named["s2"]
    later = [(seed, prompt, named[seed]) for seed, prompt, _ in early] + [("s0", BREAD + "!", "")]
    assert dict(name_families(later)) == {"s0": named["s1"]}


def test_prompts_far_apart_in_a_long_list_find_each_other() -> None:
    prompts = [f"{word} tells a story of its own" for word in _made_up(9000, seed=5, words=600)]
    prompts[10], prompts[8990] = BREAD, BREAD.upper()
    assert families(prompts)[8990] == duplicates(prompts)[8990] == 10


def test_thousands_of_prompts_of_one_template_are_one_family() -> None:
    names = _made_up(3000, seed=6, words=600)
    prompts = [f"How do I ask my {name.split()[0]} neighbour for help with the garden on Friday?" for name in names]
    assert set(families(prompts)) == {0}


def test_of_thousands_of_one_template_that_are_barely_near_one_in_a_hundred_may_stand_alone() -> None:
    prompts = _crowd(5000, free=4)
    assert len(set(families(prompts))) <= 0.01 * len(prompts)


def test_duplicates_are_found_among_thousands_of_number_variants() -> None:
    prompts = [f"A shop sells {number} pens. How much do {number + 7} pens cost?" for number in range(12_000)]
    assert duplicates([*prompts, prompts[11_000].lower()]) == [*range(12_000), 11_000]


def test_every_process_finds_and_misses_the_same() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests/curation')\n"
        "from test_screen import _crowd\n"
        "from curation.screen import families\n"
        "print(families(_crowd(3000, free=5)))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared seeds are not here (ALTTRAIN_SHARED)")
def test_repeated_prompts_of_the_shared_seeds_are_one_family_each() -> None:
    rows = [row for row in read_source(str(SHARED / "seeds/benign_traced.jsonl")) if isinstance(row, SourceRow)]
    prompts = [row.seed.prompt for row in rows]
    assert len(set(duplicates(prompts))) == len(set(prompts)) == 40
    together = {
        frozenset(str(rows[i].seed.category) for i, root in enumerate(found) if root == family)
        for found in [families(prompts)]
        for family in found
    }
    assert {group for group in together if len(group) > 1} == {
        frozenset({"monty_three_computers", "monty_four_computers"}),
        frozenset({"knights_knaves_easy", "knights_knaves_impossible"}),
        frozenset({"trolley_problem_easy", "trolley_easy_forced"}),
    }


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared suites are not here (ALTTRAIN_SHARED)")
def test_contrast_pairs_of_xstest_make_pairs_and_no_chains() -> None:
    prompts = [
        row.seed.prompt for row in read_source(str(SHARED / "suites/xstest.jsonl")) if isinstance(row, SourceRow)
    ]
    sizes = Counter(families(prompts)).values()
    assert max(sizes) == 2
    assert len(set(duplicates(prompts))) == len(prompts)
