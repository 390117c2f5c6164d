"""Who judged, and how sure that is: the lines that a reader of figures must see.

notes_of(figures)
["refused, complied: the refusal matcher (precision 85 %, recall 69 % on 61 labelled replies)",
 "jbb: 7 of 100 prompts have no figure of harmful answer, strongreject"]
"""

from collections.abc import Sequence

from schemas.evaluation import Compared

UNJUDGED_SHARE = 0.05
"""More than this without a judgement is told: those that no judge could read may be unlike the others."""


def notes_of(figures: Sequence[Compared]) -> list[str]:
    """A line for each judge that was measured or is a model, and one for the measures of which much was not judged."""
    by: dict[str, list[str]] = {}
    for one in figures:
        if "(" in one.made_by:
            by.setdefault(one.made_by, []).append(one.measure.replace("_", " "))
    notes = [f"{', '.join(dict.fromkeys(names))}: {judge}" for judge, names in by.items()]
    for (suite, whose, unjudged, total), names in _unjudged(figures).items():
        notes.append(f"{suite}{whose}: {unjudged:,} of {total:,} prompts have no figure of {', '.join(names)}")
    return notes


def _unjudged(figures: Sequence[Compared]) -> dict[tuple[str, str, int, int], list[str]]:
    """By suite, ', before' or '', and how many of how many prompts: the measures of which too many were not judged.

    What tells how many replies could not be read has no value where there was none to read: that is no lack.
    """
    found: dict[tuple[str, str, int, int], list[str]] = {}
    for one in figures:
        for whose, unjudged, figure in (
            ("", one.unjudged_after, one.after),
            (", before", one.unjudged_before, one.before),
        ):
            total = unjudged + (figure.n if figure else 0)
            if one.group == "all" and unjudged > UNJUDGED_SHARE * total and not one.measure.endswith("_unread"):
                found.setdefault((one.suite, whose, unjudged, total), []).append(one.measure.replace("_", " "))
    return found
