from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exports.embed import TermVectors
from exports.quotas import apportion
from exports.select import (
    FAMILY_CAP,
    KINDS,
    NEAR,
    OTHER_TRACE,
    PRESETS,
    QUOTA_FULL,
    REASONS,
    SOURCE_CAP,
    TOO_LONG,
    Selection,
)
from exports.select import preset as preset_of
from exports.select import select as select_with
from schemas.errors import ReleaseError, UsageError
from schemas.example import Branch
from schemas.release import Eligible
from schemas.settings import Release
from tests.exports.candidate_rows import candidate, candidates

OF_EVERY_KIND: list[tuple[int, Branch, str | None]] = [
    (0, "harmful", "sexual"),
    (1000, "benign", "sexual"),
    (2000, "benign", None),
]


def select(rows: Sequence[Eligible], rules: Release) -> Selection:
    return select_with(rows, rules, TermVectors())


def chosen_of(rows: Sequence[Eligible], selection: Selection) -> list[Eligible]:
    by_id = {row.id: row for row in rows}
    return [by_id[row] for row in selection.chosen]


def why(selection: Selection) -> dict[str, str]:
    return {row.id: row.reason for row in selection.left_out}


def _kind(row: Eligible) -> str:
    return "harmful" if row.label == "harmful" else "hard" if row.category == "violence" else "easy"


ROWS = st.lists(
    st.builds(
        lambda number, label, category, style, source, family, prompt, by, agreeing, long: candidate(
            number,
            label,
            category=category,
            style=style,
            source=source,
            family=f"f{family}",
            prompt=f"prompt {prompt}",
            decided_by=by,
            agreeing=agreeing,
            tokens=3000 if long else 100,
        ),
        st.integers(0, 10_000),
        st.sampled_from(["harmful", "harmful", "benign"]),
        st.sampled_from(["violence", "privacy", "cooking", None]),
        st.sampled_from(["vanilla", "adversarial", None]),
        st.sampled_from(["a", "a", "b", "c"]),
        st.integers(0, 30),
        st.integers(0, 60),
        st.sampled_from(["person", "machine", "nobody"]),
        st.integers(0, 2),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda row: row.id,
)
RULES = st.builds(
    Release,
    size=st.integers(2, 20),
    harmful_percent=st.sampled_from([0, 33.3, 50, 75, 90, 100]),
    hard_benign_percent=st.sampled_from([0, 50, 100]),
    adversarial_percent=st.sampled_from([None, 0, 25, 50, 100]),
    max_source_percent=st.sampled_from([100, 60, 40, 20]),
    max_per_family=st.integers(1, 2),
    seed=st.integers(0, 3),
)
thorough = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@thorough
@given(rows=ROWS, rules=RULES)
def test_every_row_is_chosen_or_left_out_for_exactly_one_reason(rows: list[Eligible], rules: Release) -> None:
    selection = select(rows, rules)
    told = [*selection.chosen, *(row.id for row in selection.left_out)]
    assert sorted(told) == sorted(row.id for row in rows)
    assert {row.reason for row in selection.left_out} <= set(REASONS)
    assert sum(selection.reasons.values()) == len(selection.left_out)


@thorough
@given(rows=ROWS, rules=RULES)
def test_no_cap_is_ever_broken(rows: list[Eligible], rules: Release) -> None:
    chosen = chosen_of(rows, select(rows, rules))
    assert len(chosen) <= rules.size
    assert max(Counter(row.prompt for row in chosen).values(), default=0) <= 1
    assert max(Counter(row.family for row in chosen).values(), default=0) <= rules.max_per_family
    of_a_source = max(1, int(rules.size * rules.max_source_percent / 100))
    assert max(Counter(row.source for row in chosen).values(), default=0) <= of_a_source
    assert all(len(row.completion) // 4 <= rules.benign_max_tokens for row in chosen if row.label == "benign")


@thorough
@given(rows=ROWS, rules=RULES)
def test_quotas_hold_exactly_or_lacking_says_by_how_much(rows: list[Eligible], rules: Release) -> None:
    selection = select(rows, rules)
    chosen = chosen_of(rows, selection)
    harmful, benign = apportion(rules.size, [rules.harmful_percent, 100 - rules.harmful_percent])
    taken = Counter(row.label for row in chosen)
    assert taken["harmful"] <= harmful
    assert taken["benign"] <= benign
    if not selection.lacking:
        assert len(chosen) == rules.size
    labels = {quota.name: quota for quota in selection.quotas if quota.level == "label"}
    assert [labels["harmful"].wanted, labels["benign"].wanted] == [harmful, benign]
    for quota in selection.quotas:
        assert quota.taken <= quota.fit <= quota.had
    # The most detailed quotas: each that is short is told, and nothing else is.
    level = "kind" if rules.adversarial_percent is None else "style"
    over = {quota.name: quota.taken - (quota.wanted or 0) for quota in selection.quotas if quota.level == level}
    short = {name: -rows for name, rows in over.items() if rows < 0}
    for name in list(short):
        if name.startswith(KINDS["easy"]) and over[name] + over[name.replace(KINDS["easy"], KINDS["hard"])] >= 0:
            del short[name]  # hard rows stand in for easy ones
    assert {lack.quota: lack.rows for lack in selection.lacking} == short


@thorough
@given(rows=ROWS, rules=RULES, chance=st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_nothing(rows: list[Eligible], rules: Release, chance: object) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert select(shuffled, rules).model_dump_json() == select(rows, rules).model_dump_json()


@thorough
@given(
    pairs=st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from(["harmful", "violence", "other"])), min_size=1, max_size=16
    ),
    size=st.integers(2, 8),
)
def test_twins_stand_where_they_are_needed_so_that_nothing_is_short_that_need_not_be(
    pairs: list[tuple[int, str]], size: int
) -> None:
    rows = [
        candidate(number, "harmful" if kind == "harmful" else "benign", category=kind, family=f"f{family}")
        for number, (family, kind) in enumerate(pairs)
    ]
    rules = Release(size=size, harmful_percent=50, hard_benign_percent=50)
    quotas = {"harmful": 0, "hard": 0, "easy": 0}
    wanted = apportion(size, [50, 50])
    quotas["harmful"] = wanted[0]
    quotas["hard"], quotas["easy"] = apportion(wanted[1], [50, 50])
    states = {(0, 0, 0)}  # every way to let each family stand somewhere
    for family in {family for family, _ in pairs}:
        kinds = {_kind(row) for row in rows if row.family == f"f{family}"}
        states |= {
            tuple(min(quotas[name], state[place] + (name == kind)) for place, name in enumerate(quotas))  # type: ignore[misc]
            for state in states
            for kind in kinds
        }
    taken = Counter(_kind(row) for row in chosen_of(rows, select(rows, rules)))
    assert sum(min(taken[kind], quotas[kind]) for kind in quotas) == max(sum(state) for state in states)


@given(total=st.integers(0, 5000), shares=st.lists(st.integers(1, 1000).map(lambda tenth: tenth / 10), min_size=1))
def test_shares_are_rounded_by_largest_remainder_and_add_up(total: int, shares: list[float]) -> None:
    counts = apportion(total, shares)
    assert sum(counts) == total
    errors = [count - total * share / sum(shares) for count, share in zip(counts, shares, strict=True)]
    assert max(errors) - min(errors) <= 1 + 1e-6


def test_equal_remainders_go_to_the_first() -> None:
    assert apportion(5, [50, 50]) == [3, 2]
    assert apportion(1000, [90, 10]) == [900, 100]
    assert apportion(1000, [55.5, 44.5]) == [555, 445]


def test_the_default_is_900_harmful_50_hard_and_50_easy_rows_even_over_categories() -> None:
    rows = candidates(harmful=1200, hard=80, easy=80)
    selection = select(rows, Release())
    assert Counter(map(_kind, chosen_of(rows, selection))) == {"harmful": 900, "hard": 50, "easy": 50}
    categories = Counter(row.category for row in chosen_of(rows, selection) if row.label == "harmful")
    assert sorted(categories.values()) == [112] * 4 + [113] * 4
    assert not selection.lacking


def test_another_seed_chooses_other_rows() -> None:
    rows = candidates(harmful=200)
    chosen = [set(select(rows, Release(size=20, harmful_percent=100, seed=seed)).chosen) for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]


def test_a_rare_category_gives_all_it_has_and_the_others_share_the_rest() -> None:
    rows = [candidate(n, category="privacy") for n in range(2)]
    rows += [candidate(100 + n, category="sexual") for n in range(30)]
    rows += [candidate(200 + n, category="a name of the source") for n in range(20)]
    rows += [candidate(300 + n, category=None) for n in range(20)]
    selection = select(rows, Release(size=22, harmful_percent=100))
    assert Counter(row.category for row in chosen_of(rows, selection) if row.category == "privacy")["privacy"] == 2
    names = {quota.name: quota.taken for quota in selection.quotas if quota.level == "category"}
    assert names == {"harmful: privacy": 2, "harmful: sexual": 10, "harmful: other": 10}


def test_too_long_benign_rows_are_left_out_with_their_length_and_harmful_ones_are_not() -> None:
    long = candidate(1, "benign", tokens=2310)
    rows = [long, candidate(2, "benign", tokens=2048), candidate(3, tokens=5000)]
    selection = select(rows, Release(size=3, harmful_percent=33.3, hard_benign_percent=100))
    assert [row.text for row in selection.left_out] == ["too long (2,310 tokens of at most 2,048)"]
    assert selection.reasons == {TOO_LONG: 1}


def test_of_one_prompt_a_persons_decision_comes_before_agreement() -> None:
    machine = candidate(1, prompt="same", decided_by="machine", agreeing=2)
    torn = candidate(2, prompt="same", decided_by="person", agreeing=1)
    agreed = candidate(3, prompt="same", decided_by="person", agreeing=2)
    rules = Release(size=2, harmful_percent=100)
    selection = select([machine, torn, agreed], rules)
    assert selection.chosen == (agreed.id,)
    assert why(selection) == {machine.id: OTHER_TRACE, torn.id: OTHER_TRACE}
    assert select([machine, torn], rules).chosen == (torn.id,)


def test_a_prompt_that_differs_in_case_and_blanks_alone_is_the_same_prompt() -> None:
    rows = [candidate(1, prompt="How so?", family="f"), candidate(2, prompt=" how\nSO? ", family="f")]
    selection = select(rows, Release(size=2, harmful_percent=100, max_per_family=2))
    assert selection.reasons == {OTHER_TRACE: 1}


def test_a_longer_trace_does_not_keep_a_shorter_one_of_its_prompt_out() -> None:
    long = candidate(1, "benign", prompt="same", tokens=5000)
    short = candidate(2, "benign", prompt="same", decided_by="nobody", agreeing=0)
    selection = select([long, short], Release(size=2, harmful_percent=0))
    assert selection.chosen == (short.id,)
    assert why(selection) == {long.id: TOO_LONG}


def test_a_family_gives_as_many_rows_as_its_cap_says() -> None:
    rows = [candidate(number, family="f") for number in range(5)]
    selection = select(rows, Release(size=5, harmful_percent=100, max_per_family=2))
    assert len(selection.chosen) == 2
    assert selection.reasons == {FAMILY_CAP: 3}


def test_a_source_gives_as_much_as_its_cap_says_and_the_others_the_rest() -> None:
    rows = [*candidates(harmful=40, source="big"), *(candidate(500 + n, source=f"small {n}") for n in range(12))]
    rules = Release(size=20, harmful_percent=100, max_source_percent=50)
    selection = select(rows, rules)
    sources = Counter(row.source == "big" for row in chosen_of(rows, selection))
    assert sources == {True: 10, False: 10}
    assert selection.reasons[SOURCE_CAP] == 30


def test_a_capped_source_goes_where_no_other_source_can() -> None:
    """Easy rows come from the big source alone: harmful ones have to make room."""
    rows = [candidate(n, source="big") for n in range(10)]
    rows += [candidate(100 + n, source="small", category="privacy") for n in range(5)]
    rows += [candidate(200 + n, "benign", category=None, source="big") for n in range(5)]
    rules = Release(size=10, harmful_percent=50, hard_benign_percent=0, max_source_percent=50)
    selection = select(rows, rules)
    assert not selection.lacking
    assert {(row.label, row.source) for row in chosen_of(rows, selection)} == {
        ("harmful", "small"),
        ("benign", "big"),
    }


def test_attacks_have_their_share_of_every_kind() -> None:
    rows = [
        candidate(
            1000 * kind + n, "harmful" if kind == 0 else "benign", category=None if kind == 2 else "sexual", style=style
        )
        for kind in range(3)
        for n, style in enumerate(["adversarial"] * 30 + ["vanilla"] * 20 + [None] * 20)
    ]
    selection = select(rows, Release(size=40, harmful_percent=50, adversarial_percent=20))
    chosen = chosen_of(rows, selection)
    attacks = Counter((row.label, row.category) for row in chosen if row.style == "adversarial")
    assert attacks == {("harmful", "sexual"): 4, ("benign", "sexual"): 2, ("benign", None): 2}
    assert len(chosen) == 40


def test_what_is_short_is_told_with_its_number_the_reasons_and_the_command() -> None:
    rows = [
        *candidates(harmful=95, hard=4),
        *(candidate(900 + n, "benign", category=None, tokens=4000) for n in range(3)),
    ]
    selection = select(rows, Release(size=100))
    assert [(lack.quota, lack.wanted, lack.taken, lack.rows) for lack in selection.lacking] == [
        ("benign, only sounds harmful", 5, 4, 1),
        ("benign, other", 5, 0, 5),
    ]
    text = selection.lacking[1].text
    assert text.startswith("benign, other: 5 of 5 lacking (3 approved, 3 left out: too long).")
    assert "curate generate --only benign" in text
    assert len(selection.chosen) == 94  # the harmful rows do not fill up for benign ones


def test_a_kind_that_is_short_is_made_up_for_by_its_sibling_so_that_the_label_holds() -> None:
    rows = candidates(harmful=90, hard=2, easy=30)
    selection = select(rows, Release(size=100))
    assert Counter(map(_kind, chosen_of(rows, selection))) == {"harmful": 90, "hard": 2, "easy": 8}
    assert [(lack.quota, lack.rows) for lack in selection.lacking] == [("benign, only sounds harmful", 3)]


def test_hard_rows_in_the_place_of_easy_ones_are_no_lack() -> None:
    rows = candidates(harmful=90, hard=30, easy=2)
    selection = select(rows, Release(size=100))
    assert Counter(map(_kind, chosen_of(rows, selection))) == {"harmful": 90, "hard": 8, "easy": 2}
    assert not selection.lacking


def test_a_style_that_is_short_is_made_up_for_within_its_kind() -> None:
    rows = [candidate(n, style="adversarial" if n < 2 else "vanilla") for n in range(20)]
    selection = select(rows, Release(size=10, harmful_percent=100, adversarial_percent=50))
    assert Counter(row.style for row in chosen_of(rows, selection)) == {"adversarial": 2, "vanilla": 8}
    assert [(lack.quota, lack.rows) for lack in selection.lacking] == [("harmful, adversarial", 3)]
    assert "style" in selection.lacking[0].text


def test_rows_far_apart_are_taken_and_what_is_left_says_that_it_is_near() -> None:
    alike = [
        candidate(n, prompt=f"How do I bake a rye bread in the oven at home, try {'abcdefgh'[n]}?") for n in range(8)
    ]
    other = [
        candidate(10, prompt="Which river is the longest?"),
        candidate(11, prompt="Lend money to cousins, yes or no?"),
    ]
    selection = select([*alike, *other], Release(size=3, harmful_percent=100))
    assert {row.id for row in other} < set(selection.chosen)
    assert selection.reasons == {NEAR: 7}


def test_a_row_that_is_not_near_is_left_out_because_the_quota_is_full() -> None:
    rows = [candidate(n, prompt=prompt) for n, prompt in enumerate(["one two", "three four", "five six"])]
    assert select(rows, Release(size=2, harmful_percent=100)).reasons == {QUOTA_FULL: 1}


def test_a_source_without_a_name_is_capped_like_any_other() -> None:
    rows = [candidate(n, source="") for n in range(20)]
    assert len(select(rows, Release(size=10, harmful_percent=100, max_source_percent=30)).chosen) == 3


def test_without_approved_rows_there_is_no_release() -> None:
    with pytest.raises(ReleaseError, match="curate review"):
        select([], Release())


def test_a_tokenizer_that_cannot_be_had_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"^release\.tokenizer: '\./nowhere' .*'characters'$"):
        select([candidate(1, "benign")], Release(tokenizer="./nowhere"))


@pytest.mark.parametrize(
    ("name", "size", "harmful"),
    [("0.5k", 500, 90), ("1k", 1000, 90), ("3k", 3000, 90), ("benign-0", 1000, 100), ("benign-50", 1000, 50)],
)
def test_a_preset_sets_size_and_mix_and_leaves_the_rest(name: str, size: int, harmful: float) -> None:
    rules = preset_of(name, Release(seed=7, max_per_family=3))
    assert (rules.size, rules.harmful_percent, rules.seed, rules.max_per_family) == (size, harmful, 7, 3)
    assert name in PRESETS


def test_an_unknown_preset_tells_the_nearest_and_all_there_are() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'benign-5'\? There are: 0\.5k, 1k"):
        preset_of("begnin-5")
