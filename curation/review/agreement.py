"""How far annotators agree: Krippendorff's alpha, Gwet's AC1 and raw agreement, question by question.

    measure(judged)    -> an Agreement a question and group of records

Alpha (nominal) is Krippendorff's (2011, "Computing Krippendorff's Alpha-Reliability"). AC1 is Gwet's (2008, "Computing
inter-rater reliability and its variance in the presence of high agreement", Br. J. Math. Stat. Psychol. 61:29-48), for
any number of answers a record as in his Handbook of Inter-Rater Reliability (2014). How to read them at 9:1:
docs/deciding.md.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from curation.review.decide import VOTES, vote_of
from schemas.example import Branch, Label
from schemas.report import NONE, Agreement, Coefficient
from schemas.review import AnswerRight, Kind, Problem, Purpose, Queue, Response
from schemas.structure import BRANCHES

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


class _Sheet:
    """The answers of one kind of account: per question which record each was given to, and which answer it is."""

    def __init__(self) -> None:
        self.records: dict[str, int] = {}
        self.branches: list[Branch | None] = []
        self.categories: list[str] = []
        self.given: dict[str, list[tuple[int, int]]] = {question: [] for question in SCALES}

    def add(self, one: Judged) -> None:
        response = one.response
        record = self.records.setdefault(response.record_id, len(self.records))
        if record == len(self.branches):
            self.branches.append(one.branch)
            self.categories.append(one.category or NONE)
        if one.queue == "labels":
            if response.label is not None:
                self.given["label"].append((record, SCALES["label"].index(response.label)))
            return
        self.given["decision"].append((record, VOTES.index(vote_of(response))))
        if one.branch == "benign" and response.answer_right is not None:
            self.given["answer_right"].append((record, SCALES["answer_right"].index(response.answer_right)))
        for problem in response.problems:
            self.given[problem].append((record, 0))

    def counts(self, question: str) -> "Integers":
        """A row a record: how many gave each answer of the scale. Who names no problem says 'no' to each."""
        import numpy as np

        shape = (len(self.records), len(SCALES[question]))
        given = np.array(self.given[question], dtype=int).reshape(-1, 2)
        counts = np.bincount(given @ [shape[1], 1], minlength=shape[0] * shape[1]).reshape(shape)
        if SCALES[question] is NAMED:
            counts[:, 1] = self.counts("decision").sum(axis=1) - counts[:, 0]
        return counts


def measure(judged: Iterable[Judged], *, draws: int = DRAWS, seed: int = 0) -> tuple[Agreement, ...]:
    """Agreement of persons, and apart from it of machine accounts, on every question that two of them answered.

    Only answers that count towards decisions: no gold, no repeats, no skips, nothing of the adjudicator's (who sees
    what others wrote), and nothing where a decision was suggested: that alone makes people agree. The same answers and
    `seed` give the same intervals.
    """
    sheets: dict[Kind, _Sheet] = {"person": _Sheet(), "machine": _Sheet()}
    for one in judged:
        if one.purpose == "review" and one.queue != "adjudication" and one.blind and one.response.status == "submitted":
            sheets[one.response.kind].add(one)
    return tuple(
        agreement
        for kind, sheet in sheets.items()
        for question in SCALES
        for agreement in _measure_question(kind, question, sheet, draws, seed)
    )


def _measure_question(kind: Kind, question: str, sheet: _Sheet, draws: int, seed: int) -> Iterator[Agreement]:
    import numpy as np

    counts = sheet.counts(question)
    branches, categories = np.array(sheet.branches, dtype=object), np.array(sheet.categories, dtype=object)
    parts: list[tuple[Literal["all", "answer", "branch", "category"], str, Integers]] = [("all", "", counts)]
    if counts.shape[1] > 2:
        total = counts.sum(axis=1)
        parts += [
            ("answer", answer, np.stack([counts[:, number], total - counts[:, number]], axis=1))
            for number, answer in enumerate(SCALES[question])
            if counts[:, number].any()
        ]
    parts += [("branch", branch, counts[branches == branch]) for branch in BRANCHES]
    parts += [("category", name, counts[categories == name]) for name in sorted(set(sheet.categories))]
    for group, name, part in parts:
        paired = part.sum(axis=1) >= 2
        if not paired.any():
            continue
        raw, alpha, ac1 = coefficients(part, draws, seed)
        yield Agreement(
            question=question,
            group=group,
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
