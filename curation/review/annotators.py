"""Accounts in Argilla, through its SDK, and their place in the ledger.

    annotators = prepare_annotators(ledger, ["a1", "a2"])
    for added in add_annotators(argilla, ledger, annotators, "curate"):
        added.password                       shown once and kept nowhere; None: the account was there, it was adopted
    reset_password(argilla, ledger, "a1")    a new one
    deactivate(argilla, ledger, "curate", "a1")

There are two workspaces: `curate` for annotators, `curate-adjudication` for adjudicators. Everyone has the role
`annotator` in Argilla, adjudicators too: they see what lies before them and no one's answers, which is what deciding
without names takes; the role `admin` would let them read who said what, and delete a dataset by a slip.

An account is never deleted: Argilla deletes its answers with it.
"""

import difflib
import secrets
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from curation.ledger import Ledger
from curation.review.accounts import (
    find_annotator,
    known_categories,
    list_annotators,
    new_pseudonym,
    save_annotator,
    set_active,
    set_opt_out,
)
from curation.review.connect import readable
from schemas.errors import ReviewError, UsageError
from schemas.example import Category
from schemas.review import Annotator, Kind, Role

if TYPE_CHECKING:
    import argilla as rg

PASSWORD_BYTES = 12
"""Of chance: 16 characters. Argilla wants 8 to 100."""


class Added(NamedTuple):
    annotator: Annotator
    password: str | None
    """None: Argilla had an account of that name, which keeps its password."""


def workspace_of(workspace: str, role: Role) -> str:
    """The workspace that accounts of this role are members of."""
    return f"{workspace}-adjudication" if role == "adjudicator" else workspace


def ensure_workspace(argilla: "rg.Argilla", name: str) -> "rg.Workspace":
    """The workspace of that name, which is made if it is not there yet. Raises ReviewError."""
    import argilla as rg

    with readable(argilla.api_url):
        for workspace in argilla.workspaces.list():
            if workspace.name == name:
                return workspace
        return rg.Workspace(name=name, client=argilla).create()


def prepare_annotators(
    ledger: Ledger,
    names: Iterable[str],
    *,
    kind: Kind = "person",
    role: Role = "annotator",
    opted_out: Iterable[str] = (),
) -> list[Annotator]:
    """The accounts as they are to be; nothing is made yet. Someone who was added before is as they were, active again.

    Raises UsageError: a name that cannot be, another kind or role than before, an unknown category.
    """
    categories = _require_categories(ledger, opted_out)
    return [_prepare(ledger, name, kind, role, categories) for name in dict.fromkeys(names)]


def add_annotators(
    argilla: "rg.Argilla", ledger: Ledger, annotators: Iterable[Annotator], workspace: str
) -> Iterator[Added]:
    """Makes or adopts these accounts, one after the other; each stands in the ledger before it is yielded.

    An account that Argilla has already is adopted: it keeps its password and its role, and becomes a member of the
    workspace. Raises ReviewError: what `readable` tells.
    """
    import argilla as rg

    with readable(argilla.api_url):
        users = _users(argilla)
    places: dict[str, rg.Workspace] = {}
    members: dict[str, set[str]] = {}
    for annotator in annotators:
        where = workspace_of(workspace, annotator.role)
        if where not in places:
            places[where] = ensure_workspace(argilla, where)
            with readable(argilla.api_url):
                members[where] = {str(user.username) for user in places[where].users}
        password = None
        with readable(argilla.api_url):
            if annotator.name not in users:
                password = secrets.token_urlsafe(PASSWORD_BYTES)
                users[annotator.name] = rg.User(
                    username=annotator.name, role="annotator", password=password, client=argilla
                ).create()
            if annotator.name not in members[where]:
                users[annotator.name].add_to_workspace(places[where])
        save_annotator(ledger, annotator)
        yield Added(annotator, password)


def _prepare(ledger: Ledger, name: str, kind: Kind, role: Role, categories: frozenset[str]) -> Annotator:
    known = find_annotator(ledger, name)
    if known is None:
        try:
            return Annotator(
                name=name, kind=kind, role=role, pseudonym=new_pseudonym(ledger), opted_out=tuple(sorted(categories))
            )
        except ValidationError:
            raise UsageError(
                f"{name!r}: an account's name has 1 to 100 characters, and no space or comma among them"
            ) from None
    if (known.kind, known.role) != (kind, role):
        raise UsageError(
            f"{name}: is in the ledger as {describe(known.kind, known.role)}, and answers were given as that;"
            f" take another name for {describe(kind, role)}"
        )
    return known.model_copy(update={"active": True, "opted_out": tuple(sorted({*known.opted_out, *categories}))})


def describe(kind: Kind, role: Role) -> str:
    """e.g. 'a machine annotator'."""
    return f"an {role}" if kind == "person" else f"a machine {role}"


def _require_categories(ledger: Ledger, categories: Iterable[str]) -> frozenset[str]:
    asked = frozenset(categories)
    known = known_categories(ledger) | {category.value for category in Category}
    for category in sorted(asked - known):
        near = difflib.get_close_matches(category, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(known))}"
        raise UsageError(f"no category {category!r}; {hint}")
    return asked


def _users(argilla: "rg.Argilla") -> "dict[str, rg.User]":
    return {str(user.username): user for user in argilla.users.list()}


def find_missing(argilla: "rg.Argilla", annotators: Iterable[Annotator]) -> frozenset[str]:
    """Names of those whose account Argilla does not have any more: somebody deleted it, and its answers there."""
    with readable(argilla.api_url):
        users = _users(argilla)
    return frozenset(annotator.name for annotator in annotators if annotator.name not in users)


def require_annotator(ledger: Ledger, name: str) -> Annotator:
    """The account of that name. Raises UsageError where it was never added."""
    found = find_annotator(ledger, name)
    if found is None:
        names = [annotator.name for annotator in list_annotators(ledger)]
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else "`curate review annotators list` names them"
        raise UsageError(f"no annotator {name!r}; {hint}")
    return found


def deactivate(argilla: "rg.Argilla", ledger: Ledger, workspace: str, name: str) -> Annotator:
    """Takes someone out of their workspace: no new records, no look at old ones. Account and answers stay.

    Raises UsageError where the name was never added, ReviewError for what `readable` tells.
    """
    annotator = require_annotator(ledger, name)
    with readable(argilla.api_url):
        for place in argilla.workspaces.list():
            if place.name == workspace_of(workspace, annotator.role):
                for user in place.users:
                    if user.username == name:
                        user.remove_from_workspace(place)
    set_active(ledger, name, False)
    return annotator.model_copy(update={"active": False})


def opt_out(ledger: Ledger, name: str, categories: Iterable[str], *, undo: bool = False) -> Annotator:
    """Records of these categories go to somebody else from now on; `undo`: no longer.

    Raises UsageError: a name that was never added, an unknown category.
    """
    annotator = require_annotator(ledger, name)
    asked = _require_categories(ledger, categories)
    before = frozenset(annotator.opted_out)
    after = tuple(sorted(before - asked if undo else before | asked))
    set_opt_out(ledger, name, after)
    return annotator.model_copy(update={"opted_out": after})


def reset_password(argilla: "rg.Argilla", ledger: Ledger, name: str) -> str:
    """A new random password for an account; its answers and its id stay.

    Raises UsageError where the name was never added; ReviewError where Argilla has no such account, where it is more
    than an annotator's, and for what `readable` tells.
    """
    require_annotator(ledger, name)
    with readable(argilla.api_url):
        user = _users(argilla).get(name)
        if user is None:
            raise ReviewError(f"{argilla.api_url}: no account {name!r} any more; `curate review annotators add {name}`")
        if user.role.value != "annotator":
            raise ReviewError(f"{argilla.api_url}: {name!r} is an account of role {user.role.value}: change it there")
        user.password = secrets.token_urlsafe(PASSWORD_BYTES)
        password = str(user.password)
        user.update()
    return password
