"""The project's guidelines.md: what annotators read in Argilla, version by version."""

import hashlib
from pathlib import Path

from curation.ledger import Ledger, now
from schemas.errors import ReviewError

FILE = "guidelines.md"
MOST_CHARACTERS = 10_000
"""What Argilla takes (argilla-server 2.8, api/schemas/v1/datasets.py)."""


def read_guidelines(project: Path) -> str:
    """The text of guidelines.md. Raises ReviewError: no such file, empty, too long, not UTF-8."""
    path = project / FILE
    try:
        text = path.read_text("utf-8-sig").strip()
    except FileNotFoundError:
        raise ReviewError(f"{path}: no guidelines for annotators; `curate init {project}` writes good ones") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ReviewError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    if not text:
        raise ReviewError(f"{path}: empty; annotators need guidelines (delete it, and `curate init` writes good ones)")
    if len(text) > MOST_CHARACTERS:
        raise ReviewError(f"{path}: {len(text):,} characters; Argilla shows at most {MOST_CHARACTERS:,}: shorten it")
    return text


def version_of(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def keep_version(ledger: Ledger, text: str) -> str:
    """Notes since when these guidelines are in force, where they differ from the last ones; returns their version."""
    version = version_of(text)
    with ledger.transaction() as db:
        last = db.execute("SELECT version FROM guidelines ORDER BY id DESC LIMIT 1").fetchone()
        if last is None or last[0] != version:
            db.execute("INSERT INTO guidelines (version, text, since) VALUES (?,?,?)", (version, text, now()))
    return version


def versions_in_force(ledger: Ledger) -> list[tuple[str, str]]:
    """(since, version) of every version, oldest first."""
    return [
        (str(since), str(version))
        for since, version in ledger.query("SELECT since, version FROM guidelines ORDER BY id")
    ]


def in_force_at(versions: list[tuple[str, str]], at: str) -> str:
    """The version that was in force at a time (UTC, ISO 8601), the first one before there was any; '' without any."""
    return next((version for since, version in reversed(versions) if since <= at), versions[0][1] if versions else "")
