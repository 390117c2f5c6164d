"""Two models on the same prompts: each figure with its interval, and what the difference is evidence of.

    compare(figures_before, figures_after)
    (Compared(suite="xstest", group="hard_benign", measure="refused", before=Rate(…), after=Rate(…),
              difference=Interval(…), p_value=0.0391, test="McNemar mid-p; Newcombe's interval", word="better", …), …)

n counts prompts, never samples: a `Figure` holds one value a prompt, the mean of its samples. Nothing here corrects for
many lines: of twenty that nothing happened to, one is called better or worse by chance.
"""

from collections.abc import Mapping, Sequence
from math import comb, sqrt

from schemas.evaluation import Better, Compared, Figure, Interval, Word
from schemas.report import Rate, wilson

RESAMPLES = 10_000
SEED = 0

LEAST_CHANGED = 6
"""Prompts that must differ before a bootstrap may be called evidence: of five that all went one way, a sign test still
says p = 2 / 2^5 = 0.06, and a bootstrap of so few is too narrow."""

SURE = 0.05

MCNEMAR, BOOTSTRAP = "McNemar mid-p; Newcombe's interval", "paired bootstrap over prompts"


def compare(before: Sequence[Figure] | None, after: Sequence[Figure]) -> tuple[Compared, ...]:
    """Every figure of `after`, in its order, beside the one of `before` of the same suite, group, measure and judge.

    `before`: None, or figures of the baseline. A figure that another judge made is no baseline: it is left out. Yes or
    no gets a Wilson interval and McNemar's test; everything else a bootstrap over prompts.
    """
    known = {_key(figure): figure for figure in before or ()}
    return tuple(_compare(known.get(_key(figure)), figure) for figure in after)


def _key(figure: Figure) -> tuple[str, str, str, str]:
    return figure.suite, figure.group, figure.measure, figure.made_by


def _compare(before: Figure | None, after: Figure) -> Compared:
    then, now = _judged(before.values if before else {}), _judged(after.values)
    binary = after.unit == "share" and {*then.values(), *now.values()} <= {0.0, 1.0}
    pairs = [(then[id], value) for id, value in now.items() if id in then]
    difference, p_value = _difference(pairs, binary, after.unit == "tokens")
    return Compared(
        suite=after.suite,
        group=after.group,
        measure=after.measure,
        better=after.better,
        unit=after.unit,
        made_by=after.made_by,
        before=_summary(then, binary, after.unit == "tokens"),
        after=_summary(now, binary, after.unit == "tokens"),
        unjudged_before=len(before.values) - len(then) if before else 0,
        unjudged_after=len(after.values) - len(now),
        pairs=len(pairs),
        difference=difference,
        p_value=p_value,
        test=(MCNEMAR if binary else BOOTSTRAP) if pairs else None,
        word=_word(after.better, difference, p_value, sum(old != new for old, new in pairs)) if before else None,
    )


def _judged(values: Mapping[str, float | None]) -> dict[str, float]:
    return {id: value for id, value in values.items() if value is not None}


def _summary(values: Mapping[str, float], binary: bool, unbounded: bool) -> Rate | Interval | None:
    if not values:
        return None
    if binary:
        return Rate.of(int(sum(values.values())), len(values))
    return mean_interval(list(values.values()), least=None if unbounded else 0.0)


def _difference(
    pairs: Sequence[tuple[float, float]], binary: bool, unbounded: bool
) -> tuple[Interval | None, float | None]:
    if not pairs:
        return None, None
    if binary:
        both, lost, won, neither = (pairs.count(kind) for kind in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)))
        return paired_interval(both, won, lost, neither), mcnemar(won, lost)
    return mean_interval([new - old for old, new in pairs], least=None if unbounded else -1.0), None


def _word(better: Better | None, difference: Interval | None, p_value: float | None, changed: int) -> Word | None:
    """By the interval; where there is a p-value too, it must agree."""
    if better is None:
        return None
    if difference is None or difference.low is None or difference.high is None:
        return "no evidence"
    enough = changed >= LEAST_CHANGED if p_value is None else p_value < SURE
    if not enough or difference.low <= 0 <= difference.high:
        return "no evidence"
    return "better" if (difference.low > 0) == (better == "higher") else "worse"


def mcnemar(won: int, lost: int) -> float:
    """McNemar's test by its mid-p: how likely, were it chance, that of the prompts that changed so few went one way.

    Twice the binomial tail at one half, less the chance of the very outcome. The exact test without that last part errs
    far to the safe side; this one keeps to 5 % and finds more (Fagerland, Lydersen and Laake 2013, BMC Medical Research
    Methodology 13:91).
    """
    changed = won + lost
    if changed == 0:
        return 1.0
    tail = sum(comb(changed, hits) for hits in range(min(won, lost) + 1))
    return (2 * tail - comb(changed, min(won, lost))) / float(2**changed)


def paired_interval(both: int, won: int, lost: int, neither: int) -> Interval:
    """The difference of two shares of the same prompts, (won - lost) / n, with its 95 % interval.

    Newcombe's method 10 (Statistics in Medicine 1998, 17:2635), from the Wilson intervals of both shares and how far
    they go together. Unlike a bootstrap it has a width where no prompt changed.
    """
    n = both + won + lost + neither
    old, new = Rate.of(both + lost, n), Rate.of(both + won, n)
    product = (both + won) * (lost + neither) * (both + lost) * (won + neither)
    together = float(both * neither - won * lost)
    if together > 0:  # with the correction for continuity that the method has where they go together
        together = max(together - n / 2, 0.0)
    phi = together / sqrt(product) if product else 0.0

    def reach(first: float, second: float) -> float:
        return sqrt(max(0.0, first**2 - 2 * phi * first * second + second**2))

    value = (won - lost) / n
    return Interval(
        value=value,
        low=max(-1.0, value - reach(new.value - new.low, old.high - old.value)),
        high=min(1.0, value + reach(new.high - new.value, old.value - old.low)),
        n=n,
    )


def mean_interval(values: Sequence[float], least: float | None = None) -> Interval:
    """A mean over prompts with its 95 % percentile bootstrap interval, from `RESAMPLES` draws of a fixed seed.

    `least`: where values lie between this and 1, such as scores and their differences; None: anywhere. Where all values
    are one and the same no draw has any spread: bounded ones then get Wilson's interval, which takes them for yes or
    no; others none.
    """
    import numpy

    unlike, counts = numpy.unique(numpy.asarray(values, dtype=float), return_counts=True)
    n = len(values)
    mean = float(unlike @ counts / n)
    if len(unlike) > 1:
        # Draws of prompts with replacement, told as how often each value is among them.
        random = numpy.random.default_rng(SEED)
        drawn = random.multinomial(n, counts / n, size=RESAMPLES) @ unlike / n
        low, high = (float(bound) for bound in numpy.quantile(drawn, (0.025, 0.975)))
        return Interval(value=mean, low=low, high=high, n=n)
    if least is None:
        return Interval(value=mean, low=None, high=None, n=n)
    low, high = wilson((mean - least) / (1 - least), n)
    return Interval(value=mean, low=least + low * (1 - least), high=least + high * (1 - least), n=n)
