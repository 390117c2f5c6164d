"""How far annotators agree: Krippendorff's alpha, Gwet's AC1 and raw agreement, question by question.

    measure(judged)    -> an Agreement a question and group of records

Alpha (nominal) is Krippendorff's (2011, "Computing Krippendorff's Alpha-Reliability"). AC1 is Gwet's (2008, "Computing
inter-rater reliability and its variance in the presence of high agreement", Br. J. Math. Stat. Psychol. 61:29-48), for
any number of answers a record as in his Handbook of Inter-Rater Reliability (2014). How to read them at 9:1:
docs/deciding.md.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from curation.review.decide import VOTES, vote_of
from schemas.example import Branch, Label
from schemas.report import NONE, Agreement, Coefficient
from schemas.review import AnswerRight, Kind, Problem, Purpose, Queue, Response

if TYPE_CHECKING:
    from numpy import float64, int64
    from numpy.typing import NDArray

    Floats = NDArray[float64]
    Integers = NDArray[int64]

DRAWS = 1_000
"""Bootstrap samples behind an interval."""

FEWEST_RECORDS = 10
"""With fewer an interval out of resampled records is too narrow to be believed, and none is given."""

NAMED = ("yes", "no")

SCALES: Mapping[str, tuple[str, ...]] = {
    "decision": VOTES,
    "answer_right": tuple(AnswerRight),
    "label": tuple(Label),
    **{problem: NAMED for problem in Problem},
}
"""What can be answered to each question; a problem is named or not."""


class Judged(NamedTuple):
    """A newest answer, with what is known of its record."""

    response: Response
    queue: Queue
    purpose: Purpose
    branch: Branch | None
    """None: the label of a prompt was asked."""
    category: str | None
    blind: bool = True
    """Nothing was suggested beforehand."""


class _Table:
    """The answers to one question: per record how many gave each answer, and which groups it is in."""

    def __init__(self, scale: tuple[str, ...]) -> None:
        self.scale = scale
        self.counts: dict[str, list[int]] = defaultdict(lambda: [0] * len(scale))
        self.groups: dict[tuple[Literal["branch", "category"], str], dict[str, None]] = defaultdict(dict)


def measure(judged: Iterable[Judged], *, draws: int = DRAWS, seed: int = 0) -> tuple[Agreement, ...]:
    """Agreement of persons, and apart from it of machine accounts, on every question that two of them answered.

    Only answers that count towards decisions: no gold, no repeats, no skips, nothing of the adjudicator's (who sees
    what others wrote), and nothing where a decision was suggested: that alone makes people agree. The same answers and
    `seed` give the same intervals.
    """
    tables: dict[tuple[Kind, str], _Table] = {}
    for one in judged:
        response = one.response
        if one.purpose != "review" or one.queue == "adjudication" or response.status == "skipped" or not one.blind:
            continue
        for question, answer in _answers(one):
            table = tables.setdefault((response.kind, question), _Table(SCALES[question]))
            table.counts[response.record_id][table.scale.index(answer)] += 1
            if one.branch:
                table.groups["branch", one.branch][response.record_id] = None
            table.groups["category", one.category or NONE][response.record_id] = None
    kinds: tuple[Kind, ...] = ("person", "machine")
    return tuple(
        agreement
        for kind in kinds
        for question in SCALES
        if (kind, question) in tables
        for agreement in _measure_table(kind, question, tables[kind, question], draws, seed)
    )


def _answers(one: Judged) -> Iterator[tuple[str, str]]:
    """(question, answer) pairs. Who approves and names no problem says 'no' to each."""
    response = one.response
    if one.queue == "labels":
        if response.label is not None:
            yield "label", response.label
        return
    yield "decision", vote_of(response)
    if one.branch == "benign" and response.answer_right is not None:
        yield "answer_right", response.answer_right
    for problem in Problem:
        yield problem, NAMED[problem not in response.problems]


def _measure_table(kind: Kind, question: str, table: _Table, draws: int, seed: int) -> Iterator[Agreement]:
    import numpy as np

    records = list(table.counts)
    counts = np.array([*table.counts.values()])
    slices: list[tuple[Literal["all", "answer", "branch", "category"], str, Any]] = [("all", "", counts)]
    if len(table.scale) > 2:
        total = counts.sum(axis=1)
        slices += [
            ("answer", answer, np.stack([counts[:, number], total - counts[:, number]], axis=1))
            for number, answer in enumerate(table.scale)
            if counts[:, number].any()
        ]
    for group, name in sorted(table.groups):
        member = [record in table.groups[group, name] for record in records]
        slices.append((group, name, counts[member]))
    for what, name, part in slices:
        paired = part.sum(axis=1) >= 2
        if not paired.any():
            continue
        raw, alpha, ac1 = coefficients(part, draws, seed)
        yield Agreement(
            question=question,
            group=what,
            name=name,
            kind=kind,
            records=int(paired.sum()),
            answers=int(part[paired].sum()),
            raw=raw,
            alpha=alpha,
            ac1=ac1,
        )


def coefficients(counts: "Integers", draws: int, seed: int) -> tuple[float, Coefficient, Coefficient]:
    """(raw agreement, alpha, AC1) of a table whose rows are records and whose columns are the answers of the scale,
    each cell how many gave that answer. One record at least has two answers."""
    import krippendorff
    import numpy as np

    # Records with the same answers are one pattern, and drawing records is drawing patterns: 1,000 draws of 1,000
    # records are a table of 1,000 by a few dozen numbers.
    patterns, frequency = np.unique(counts[counts.sum(axis=1) > 0], axis=0, return_counts=True)
    once = frequency[np.newaxis, :]
    raw, ac1 = _gwet(patterns, once)
    varied = (patterns[patterns.sum(axis=1) >= 2].sum(axis=0) > 0).sum() > 1
    alpha = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal") if varied else None
    low_high: list[tuple[float | None, float | None]] = [(None, None)] * 2
    if frequency[patterns.sum(axis=1) >= 2].sum() >= FEWEST_RECORDS:
        records = int(frequency.sum())
        drawn = np.random.default_rng(seed).multinomial(records, frequency / records, size=draws)
        low_high = [_interval(values) for values in (alphas(patterns, drawn), _gwet(patterns, drawn)[1])]
    return (
        float(raw[0]),
        Coefficient(value=alpha, low=low_high[0][0], high=low_high[0][1]),
        Coefficient(value=float(ac1[0]), low=low_high[1][0], high=low_high[1][1]),
    )


def alphas(patterns: "Integers", times: "Integers") -> "Floats":
    """Alpha of every draw (a row of `times`: how often each pattern was drawn); nan where it is not defined.

    The library computes one at a time, which a bootstrap over all questions and groups cannot wait for.
    """
    import numpy as np

    size = patterns.sum(axis=1)
    pairable = patterns * (size >= 2)[:, np.newaxis]
    unlike = (size**2 - (patterns**2).sum(axis=1)) / np.maximum(size - 1, 1) * (size >= 2)
    totals = times @ pairable
    answers = totals.sum(axis=1)
    by_chance = answers**2 - (totals**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = 1 - (answers - 1) * (times @ unlike) / by_chance
    return found


def _gwet(patterns: "Integers", times: "Integers") -> "tuple[Floats, Floats]":
    """(raw agreement, AC1) of every draw; nan where no record has two answers."""
    import numpy as np

    size = patterns.sum(axis=1)
    paired = size >= 2
    alike = (patterns * (patterns - 1)).sum(axis=1) / np.maximum(size * (size - 1), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        raw: Floats = (times @ (alike * paired)) / (times @ paired)
    # Records with one answer tell how often each is given, too.
    prevalence = (times @ (patterns / size[:, np.newaxis])) / times.sum(axis=1)[:, np.newaxis]
    by_chance = (prevalence * (1 - prevalence)).sum(axis=1) / (patterns.shape[1] - 1)
    return raw, (raw - by_chance) / (1 - by_chance)


def _interval(values: "Floats") -> tuple[float | None, float | None]:
    """The middle 95 % of the draws in which the coefficient is defined."""
    import numpy as np

    defined = values[np.isfinite(values)]
    if not defined.size:
        return None, None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)
