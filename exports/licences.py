"""One licence for a whole set, out of what its rows say.

    Apache-2.0 + MIT + CC0-1.0         apache-2.0       the one that asks for most
    CC-BY-4.0 + Apache-2.0             cc-by-4.0        attribution
    CC-BY-SA-4.0 + CC-BY-4.0           cc-by-sa-4.0     share-alike binds the whole
    CC-BY-NC-4.0 + anything above it   cc-by-nc-4.0     non-commercial wins, and is named
    CC-BY-SA-4.0 + CC-BY-NC-4.0        stops            neither lets its material go under the other
    unknown, nothing, a name we have no rule for         stops, naming the sources

Every row keeps its own licence in its column `license`; the one of the set is that whose conditions are enough for
all of them. It is no legal advice. Where the rules are from:

- What goes with what among Creative Commons' own: the remix chart of
  https://creativecommons.org/faq/#can-i-combine-material-under-different-creative-commons-licenses-in-my-work;
  no-derivatives goes with nothing, since every row is an adaptation. "Later version": CC BY-SA 3.0, section 4(b).
- Material that asks for its notice alone may be part of a set under other terms: MIT's second paragraph, BSD's
  clauses, Apache-2.0 section 4 ("different license terms … for any such Derivative Works as a whole"),
  CDLA-Permissive-2.0 section 2.1. Its notice stays: `sources` says which.
- ODC-By 1.0 section 4.2 asks for attribution, of the database; what is in it may have terms of its own (2.4).
- ODbL 1.0 section 4.4 and CDLA-Sharing-1.0 section 3.2 bind the whole to themselves. Nothing we know of lets them be
  joined with attribution licences, so they go with what is in the public domain alone.
- Names: https://huggingface.co/docs/hub/repositories-licenses.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple

from schemas.errors import ReleaseError
from schemas.example import Frozen

Demand = Literal["nothing", "notice", "attribution", "share-alike", "non-commercial", "no-derivatives"]


class Terms(NamedTuple):
    """A licence that there are rules for. `family`: share-alike binds to any version of the same family."""

    name: str
    demand: Demand
    url: str
    family: str = ""


_CC = "https://creativecommons.org"
_SPDX = "https://spdx.org/licenses"

TERMS: dict[str, Terms] = {
    # Of each demand, the one that asks for most comes first: it is the one that a mix of them gets.
    "cc0-1.0": Terms("CC0 1.0", "nothing", f"{_CC}/publicdomain/zero/1.0/"),
    "pddl": Terms("ODC PDDL 1.0", "nothing", "https://opendatacommons.org/licenses/pddl/1-0/"),
    "unlicense": Terms("The Unlicense", "nothing", f"{_SPDX}/Unlicense.html"),
    "apache-2.0": Terms("Apache 2.0", "notice", "https://www.apache.org/licenses/LICENSE-2.0"),
    "bsd-3-clause": Terms("BSD 3-clause", "notice", f"{_SPDX}/BSD-3-Clause.html"),
    "bsd-2-clause": Terms("BSD 2-clause", "notice", f"{_SPDX}/BSD-2-Clause.html"),
    "mit": Terms("MIT", "notice", f"{_SPDX}/MIT.html"),
    "isc": Terms("ISC", "notice", f"{_SPDX}/ISC.html"),
    "cdla-permissive-2.0": Terms("CDLA Permissive 2.0", "notice", "https://cdla.dev/permissive-2-0/"),
    "cc-by-4.0": Terms("CC BY 4.0", "attribution", f"{_CC}/licenses/by/4.0/"),
    "cc-by-3.0": Terms("CC BY 3.0", "attribution", f"{_CC}/licenses/by/3.0/"),
    "cc-by-2.5": Terms("CC BY 2.5", "attribution", f"{_CC}/licenses/by/2.5/"),
    "cc-by-2.0": Terms("CC BY 2.0", "attribution", f"{_CC}/licenses/by/2.0/"),
    "odc-by": Terms("ODC-By 1.0", "attribution", "https://opendatacommons.org/licenses/by/1-0/"),
    "cc-by-sa-4.0": Terms("CC BY-SA 4.0", "share-alike", f"{_CC}/licenses/by-sa/4.0/", "cc-by-sa"),
    "cc-by-sa-3.0": Terms("CC BY-SA 3.0", "share-alike", f"{_CC}/licenses/by-sa/3.0/", "cc-by-sa"),
    "odbl": Terms("ODbL 1.0", "share-alike", "https://opendatacommons.org/licenses/odbl/1-0/", "odbl"),
    "cdla-sharing-1.0": Terms("CDLA Sharing 1.0", "share-alike", "https://cdla.dev/sharing-1-0/", "cdla-sharing"),
    "cc-by-nc-4.0": Terms("CC BY-NC 4.0", "non-commercial", f"{_CC}/licenses/by-nc/4.0/"),
    "cc-by-nc-3.0": Terms("CC BY-NC 3.0", "non-commercial", f"{_CC}/licenses/by-nc/3.0/"),
    "cc-by-nc-2.0": Terms("CC BY-NC 2.0", "non-commercial", f"{_CC}/licenses/by-nc/2.0/"),
    "cc-by-nc-sa-4.0": Terms("CC BY-NC-SA 4.0", "non-commercial", f"{_CC}/licenses/by-nc-sa/4.0/", "cc-by-nc-sa"),
    "cc-by-nc-sa-3.0": Terms("CC BY-NC-SA 3.0", "non-commercial", f"{_CC}/licenses/by-nc-sa/3.0/", "cc-by-nc-sa"),
    "cc-by-nc-sa-2.0": Terms("CC BY-NC-SA 2.0", "non-commercial", f"{_CC}/licenses/by-nc-sa/2.0/", "cc-by-nc-sa"),
    "cc-by-nd-4.0": Terms("CC BY-ND 4.0", "no-derivatives", f"{_CC}/licenses/by-nd/4.0/"),
    "cc-by-nc-nd-4.0": Terms("CC BY-NC-ND 4.0", "no-derivatives", f"{_CC}/licenses/by-nc-nd/4.0/"),
    "cc-by-nc-nd-3.0": Terms("CC BY-NC-ND 3.0", "no-derivatives", f"{_CC}/licenses/by-nc-nd/3.0/"),
}

_BINDS_ALONE = frozenset({"odbl", "cdla-sharing"})

_OTHER_NAMES = {
    "cc0": "cc0-1.0",
    "cc0-1.0-universal": "cc0-1.0",
    "cc-zero": "cc0-1.0",
    "pddl-1.0": "pddl",
    "the-unlicense": "unlicense",
    "apache": "apache-2.0",
    "apache-2": "apache-2.0",
    "apache2": "apache-2.0",
    "apache2.0": "apache-2.0",
    "apache-license": "apache-2.0",
    "apache-license-2.0": "apache-2.0",
    "apache-license-version-2.0": "apache-2.0",
    "mit-license": "mit",
    "the-mit-license": "mit",
    "isc-license": "isc",
    "odc-by-1.0": "odc-by",
    "odbl-1.0": "odbl",
}


class LicensedSource(Frozen):
    """A source of rows, how many, and the licences that they name (a trace's and its prompt's can differ)."""

    source: str
    licences: tuple[str, ...]
    rows: int


class SetLicence(Frozen):
    """The licence of a whole set. `why`: one sentence for the card."""

    id: str
    why: str
    sources: tuple[LicensedSource, ...]


def combine(rows: Iterable[tuple[str, str | None]]) -> SetLicence:
    """The licence of a set of rows, each given as its source and what it says of its licence.

    Raises ReleaseError, one line that names the sources, where a licence is missing, has no rule, or does not go
    with another.
    """
    counts = Counter(rows)
    unread = {(source, text): count for (source, text), count in counts.items() if read_licence(text) is None}
    if unread:
        raise ReleaseError(
            f"licences: {_told(unread)}: rows without a licence that is known cannot be published; leave these sources "
            "out, or add them to a new project with 'curate add --license ID' once you know it"
        )
    by_source: dict[str, dict[str, None]] = {}
    total: Counter[str] = Counter()
    for (source, text), count in sorted(counts.items(), key=str):
        by_source.setdefault(source, {}).update(dict.fromkeys(read_licence(text) or ()))
        total[source] += count
    sources = tuple(
        LicensedSource(source=source, licences=tuple(licences), rows=total[source])
        for source, licences in by_source.items()
    )
    chosen, why = _choose({licence for source in sources for licence in source.licences}, sources)
    return SetLicence(id=chosen, why=why, sources=sources)


def read_licence(text: str | None) -> tuple[str, ...] | None:
    """The licences that a row names, under the Hub's names; None: at least one of them has no rule here.

    Besides a plain name: 'MIT AND CC-BY-4.0', and 'Apache-2.0 (prompt upstream: MATH, MIT)', where what stands in
    brackets counts too and a name that is no licence has to be followed by its licence.
    """
    whole = re.fullmatch(r"\s*([^()]*?)\s*(?:\(([^()]*)\))?\s*", text or "")
    if whole is None:
        return None
    found: dict[str, None] = {}
    for part in re.split(r"\s+(?:and|AND)\s+|[,;+]", whole[1]):
        if (licence := _licence_id(part)) is None:
            return None
        found[licence] = None
    if whole[2] is not None:
        upstream = [_licence_id(part) for part in re.split(r"[,;]", whole[2].rpartition(":")[2])]
        if any(here is None and after is None for here, after in zip(upstream, [*upstream[1:], None], strict=True)):
            return None
        found.update((licence, None) for licence in upstream if licence is not None)
    return tuple(found)


def _licence_id(text: str) -> str | None:
    name = re.sub(r"[\s_-]+", "-", text.strip().lower()).removeprefix("spdx:")
    name = _OTHER_NAMES.get(name, name)
    return name if name in TERMS else None


def _choose(ids: set[str], sources: tuple[LicensedSource, ...]) -> tuple[str, str]:
    def of(demand: Demand) -> list[str]:
        return [licence for licence in TERMS if licence in ids and TERMS[licence].demand == demand]

    def stop(reason: str, licences: Collection[str]) -> ReleaseError:
        named = [source for source in sources if set(licences) & set(source.licences)]
        told = _told({(source.source, ", ".join(source.licences)): source.rows for source in named})
        return ReleaseError(f"licences: {told}: {reason}")

    if fixed := of("no-derivatives"):
        raise stop("no-derivatives forbids to publish an adaptation, which every row is; leave them out", fixed)
    binding = [licence for licence in TERMS if licence in ids and TERMS[licence].family]
    families = {TERMS[licence].family for licence in binding}
    non_commercial = of("non-commercial")
    if len(families) > 1 or (families and non_commercial and families != {"cc-by-nc-sa"}):
        reason = "share-alike binds a set to its own terms, and these differ; leave one of them out"
        raise stop(reason, {*binding, *non_commercial})
    if families & _BINDS_ALONE and (others := [*of("notice"), *of("attribution")]):
        reason = f"{TERMS[binding[0]].name} binds the whole set to itself; leave it or the others out"
        raise stop(reason, {*binding, *others})
    if binding:
        # Of one family the newest version is first, and an older one lets its material go under it.
        also = " and non-commercial use only" if non_commercial else ""
        return binding[0], f"rows under {_names(binding)} bind the whole set to share alike{also}"
    if non_commercial:
        return non_commercial[0], f"rows under {_names(non_commercial)} forbid commercial use, so the whole set does"
    if attribution := of("attribution"):
        return attribution[0], f"rows under {_names(attribution)} ask for attribution"
    if notice := of("notice"):
        return notice[0], f"rows under {_names(notice)} ask that their notice stays with them"
    return of("nothing")[0], "every row is in the public domain"


def _names(ids: Collection[str]) -> str:
    return " and ".join(TERMS[licence].name for licence in ids)


def _told(rows: dict[tuple[str, str | None], int], most: int = 5) -> str:
    """e.g. "3 rows of 'set-a' say 'proprietary', 1 row of 'set-b' says nothing", the commonest first."""
    ranked = sorted(rows.items(), key=lambda item: (-item[1], str(item[0])))
    told = [
        f"{count} row{'s' * (count != 1)} of {_quote(source)} say{'s' * (count == 1)} "
        + (_quote(text) if text and text.strip() else "nothing")
        for (source, text), count in ranked[:most]
    ]
    return ", ".join(told) + (f", and {len(ranked) - most} more sources" if len(ranked) > most else "")


def _quote(text: str) -> str:
    # A source's own words stay on the one line that an error has; repr shows what is not printable.
    return repr(text if len(text) <= 60 else text[:59] + "…")
