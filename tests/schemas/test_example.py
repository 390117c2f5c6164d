from hypothesis import given
from hypothesis import strategies as st

from schemas.example import draft_id, identify, seed_id, trace_id


@given(st.lists(st.one_of(st.none(), st.text())), st.lists(st.one_of(st.none(), st.text())))
def test_ids_differ_whenever_their_parts_differ(one: list[str | None], other: list[str | None]) -> None:
    assert (identify("s", *one) == identify("s", *other)) == (one == other)


def test_an_id_is_the_same_in_every_process_and_version() -> None:
    seed = seed_id("source", "prompt")
    trace = trace_id(seed, "text", "answer", None)
    assert (seed, trace, draft_id(trace, "alttrain")) == (
        "s04f61b01115a3413",
        "tecb9d99156bd172e",
        "d2d694dcef5629e1f",
    )
