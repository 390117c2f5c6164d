import pytest

from curation.reference import matches_reference, samples_agree


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        (r"so the value is \boxed{\frac{1}{2}}.", "0.5"),
        (r"\boxed{\dfrac12}", r"\frac{1}{2}"),
        (r"First \boxed{3}, no: \boxed{98}", "98"),
        ("That makes **1,200** people.", "1200"),
        ("She needs 2,520,000 bricks.", "2,520,000"),
        ("The answer is $26.40", "26.4"),
        ("The answer is **45%**.", "45"),
        ("The answer is 45 miles.", "45"),
        ("5 apples at 2 dollars\n#### 10", "10"),
        ("We add them up.\nTotal = 3 + 4 = 7", "7"),
        ("The final answer is: -3", "−3"),
        (r"The final answer is $\boxed{x^2 + 1}$", "x^2+1".replace("+", " + ")),
        (r"It is $\boxed{\text{Tuesday}}$.", "tuesday"),
        (r"\boxed{10\,000}", "10,000"),
    ],
)
def test_an_answer_that_comes_to_the_reference_matches_however_it_is_spelled(answer: str, reference: str) -> None:
    assert matches_reference(answer, reference) is True


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        (r"At first it seems to be 98, but it is \boxed{97}", "98"),
        ("There were 8 of them. The answer is 7.", "8"),
        ("**12**", "120"),
        ("#### 10", "10.5"),
    ],
)
def test_an_answer_that_concludes_something_else_does_not_match(answer: str, reference: str) -> None:
    assert matches_reference(answer, reference) is False


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("He is both a man and a myth.", "8"),
        ("You pay 3 dollars for 4 apples.", "3"),
        ("The answer is silence.", "A long explanation of why the classic answer does not apply here."),
        ("", "8"),
        ("8", ""),
    ],
)
def test_what_no_rule_can_compare_is_left_open(answer: str, reference: str) -> None:
    assert matches_reference(answer, reference) is None


@pytest.mark.parametrize("answer", ["\\boxed{" * 4000, "\\frac{" * 4000, "1," * 12000, "-" * 23000, "answer is " * 999])
def test_hostile_answers_give_no_match_and_no_error(answer: str) -> None:
    assert matches_reference(answer, "8") is not True


@pytest.mark.parametrize(
    ("others", "agreed"),
    [
        ([], None),
        (["The answer is 12."], None),
        (["The answer is 12.", "So it is \\boxed{12}."], True),
        (["The answer is 12.", "The answer is 13.", "The answer is 13."], False),
        (["The answer is 12.", "The answer is 13."], None),
        (["I could not say.", "Nobody knows."], None),
    ],
)
def test_samples_vouch_for_an_answer_where_two_others_come_to_the_same(others: list[str], agreed: bool | None) -> None:
    assert samples_agree("Twelve eggs are left. The answer is **12**.", others) is agreed


@pytest.mark.parametrize(
    "label", ["**Answer**: {}", "**Final answer**\n\n{}", "**Solution:** {}", "**Total:** {}", "**x**: {}"]
)
def test_a_bold_label_is_no_conclusion_and_what_follows_it_is(label: str) -> None:
    boat = label.format("the farmer takes the boat over with the goat, and then comes back for the wolf")
    train = label.format("the farmer sells the boat, and with what he gets for it all of them take a train")
    assert samples_agree(boat, [train, train]) is None
    assert samples_agree(boat, [boat, boat]) is None
    assert samples_agree(label.format("12 eggs"), [label.format("12 eggs"), "The answer is 12 eggs."]) is True
    assert samples_agree(label.format("12"), [label.format("13"), label.format("14")]) is False
    assert matches_reference(label.format("12"), "12") is True


@pytest.mark.parametrize("heading", ["**Answer**", "**Explanation**", "**Step 2**", "Steps:"])
def test_samples_never_agree_on_a_heading(heading: str) -> None:
    assert samples_agree(heading, [heading, heading]) is None


def test_samples_may_agree_on_a_few_words() -> None:
    assert samples_agree("It is **the day after tomorrow**.", ["So: **the day after tomorrow**"] * 2) is True
