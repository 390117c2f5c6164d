"""One licence out of many: what wins, what stops an export, and what the line says then."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.licences import TERMS, combine, read_licence
from schemas.errors import ReleaseError


def combined(*licences: str | None) -> str:
    return combine([(f"set-{number}", licence) for number, licence in enumerate(licences)]).id


@pytest.mark.parametrize(
    ("licences", "wanted"),
    [
        (["CC0-1.0"], "cc0-1.0"),
        (["CC0-1.0", "pddl"], "cc0-1.0"),
        (["MIT", "CC0-1.0"], "mit"),
        (["MIT", "Apache-2.0", "CC0-1.0"], "apache-2.0"),
        (["odc-by", "MIT"], "odc-by"),
        (["odc-by", "cc-by-4.0"], "cc-by-4.0"),
        (["cc-by-3.0", "cc-by-4.0", "Apache-2.0"], "cc-by-4.0"),
        (["cc-by-sa-4.0", "cc-by-4.0", "MIT", "CC0-1.0"], "cc-by-sa-4.0"),
        (["cc-by-sa-3.0", "cc-by-sa-4.0"], "cc-by-sa-4.0"),
        (["cc-by-nc-4.0", "cc-by-4.0", "Apache-2.0"], "cc-by-nc-4.0"),
        (["cc-by-nc-sa-4.0", "cc-by-nc-4.0", "cc-by-4.0"], "cc-by-nc-sa-4.0"),
        (["odbl", "CC0-1.0"], "odbl"),
    ],
)
def test_the_licence_that_is_enough_for_all_rows_wins(licences: list[str], wanted: str) -> None:
    assert combined(*licences) == combined(*reversed(licences)) == wanted


@pytest.mark.parametrize(
    "licences",
    [
        ["cc-by-sa-4.0", "cc-by-nc-4.0"],
        ["cc-by-sa-4.0", "cc-by-nc-sa-4.0"],
        ["cc-by-sa-4.0", "odbl"],
        ["odbl", "cc-by-4.0"],
        ["odbl", "MIT"],
        ["cc-by-nd-4.0"],
        ["cc-by-nc-nd-4.0", "CC0-1.0"],
    ],
)
def test_licences_that_do_not_go_together_stop_and_name_the_sources(licences: list[str]) -> None:
    with pytest.raises(ReleaseError) as stopped:
        combined(*licences, "CC0-1.0")
    assert "'set-0'" in str(stopped.value)
    assert f"'set-{len(licences)}'" not in str(stopped.value), "a source that is no part of the trouble"
    assert "\n" not in str(stopped.value)


@pytest.mark.parametrize(
    "licence", [None, "", "  ", "unknown", "other", "proprietary", "llama2", "MIT (see: the GPT terms)"]
)
def test_a_licence_that_is_missing_or_has_no_rule_stops_and_says_how_many_rows_of_which_source(
    licence: str | None,
) -> None:
    with pytest.raises(ReleaseError) as stopped:
        combine([("fine", "MIT"), *[("doubt\nful", licence)] * 3])
    message = str(stopped.value)
    assert "3 rows of 'doubt\\nful'" in message
    assert "'fine'" not in message
    assert "\n" not in message
    assert stopped.value.exit_code == 7


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("MIT", ("mit",)),
        ("MIT License", ("mit",)),
        ("Apache License 2.0", ("apache-2.0",)),
        ("CC BY 4.0", ("cc-by-4.0",)),
        ("cc_by_sa_4.0", ("cc-by-sa-4.0",)),
        ("MIT AND CC-BY-4.0", ("mit", "cc-by-4.0")),
        ("Apache-2.0 (prompt upstream: CC-BY-4.0)", ("apache-2.0", "cc-by-4.0")),
        ("Apache-2.0 (prompt upstream: MATH, MIT)", ("apache-2.0", "mit")),
        ("Apache-2.0 (prompt upstream: MATH)", None),
        ("Apache-2.0 (prompt upstream: MIT, GPL-3.0)", None),
        ("MIT OR something", None),
        ("MIT ((nested))", None),
    ],
)
def test_a_row_may_name_several_licences_and_every_one_counts(text: str, ids: tuple[str, ...] | None) -> None:
    assert read_licence(text) == ids


def test_an_upstream_licence_binds_the_set() -> None:
    assert combined("Apache-2.0 (prompt upstream: CC-BY-SA-4.0)", "MIT") == "cc-by-sa-4.0"


def test_non_commercial_is_named() -> None:
    assert "commercial" in combine([("a", "MIT"), ("b", "cc-by-nc-4.0")]).why


def test_every_source_keeps_its_licences_and_rows_add_up() -> None:
    licence = combine([("a", "MIT"), ("a", "Apache-2.0"), ("b", "CC0-1.0"), ("b", "CC0-1.0")])
    assert [(source.source, source.licences, source.rows) for source in licence.sources] == [
        ("a", ("apache-2.0", "mit"), 2),
        ("b", ("cc0-1.0",), 2),
    ]


def test_no_pair_of_licences_ends_in_one_that_asks_for_less() -> None:
    """The demands in the order in which they grow; a pair may stop, but never comes out below either of the two."""
    order = ("nothing", "notice", "attribution", "share-alike", "non-commercial", "no-derivatives")
    for first, second in product(TERMS, repeat=2):
        try:
            result = combined(first, second)
        except ReleaseError:
            continue
        most = max(order.index(TERMS[first].demand), order.index(TERMS[second].demand))
        assert order.index(TERMS[result].demand) == most, (first, second, result)
        assert result in (first, second)


@given(st.lists(st.tuples(st.text(), st.one_of(st.none(), st.text(), st.sampled_from(sorted(TERMS)))), min_size=1))
def test_whatever_the_rows_say_there_is_a_licence_or_one_line(rows: list[tuple[str, str | None]]) -> None:
    try:
        told = combine(rows).id
    except ReleaseError as error:
        told = str(error)
    assert len(told.splitlines()) == 1
