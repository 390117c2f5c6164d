"""Opening the ledger's SQLite file: its version, its migrations, and its troubles told in one line."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path

from schemas.errors import LedgerError

MIGRATIONS = ("001_first.sql", "002_review.sql")
APPLICATION_ID = 0x616C7474  # "altt": tells our files from any other SQLite file
BUSY_SECONDS = 30.0


def connect(path: Path, *, create: bool) -> sqlite3.Connection:
    """An open connection in autocommit mode, its file brought to this version's tables.

    Raises LedgerError: no such file (unless `create`), not a ledger, from a newer version, locked, no right to write.
    """
    if not create and not path.exists():
        raise LedgerError(f"{path}: no ledger here; `curate init NAME` makes a project, or go into its folder")
    with readable(path):
        if path.exists():
            _look(path)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # A commit survives the process being killed; only a power cut may lose the last ones.
            connection.execute("PRAGMA synchronous = NORMAL")
            # Only after the migrations: a table that is rebuilt is dropped while others still refer to it.
            _migrate(connection, path)
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
    return connection


def _look(path: Path) -> None:
    """Raises LedgerError for a file that is not ours to open, and leaves it as it is."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as connection:
        _require_ours(connection, path)


def _require_ours(connection: sqlite3.Connection, path: Path) -> int:
    """The file's version, 0 where it is empty. Raises LedgerError for another program's or a newer version's."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise LedgerError(f"{path}: an SQLite file, but not a ledger of curate; name another file")
    if version > len(MIGRATIONS):
        raise LedgerError(
            f"{path}: made by a newer version (format {version}, this one knows {len(MIGRATIONS)}): "
            "upgrade with pip install -U alttrain"
        )
    return int(version)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN EXCLUSIVE")  # two programs that open a new file at once must not both make its tables
    try:
        version = _require_ours(connection, path)
        for number, name in enumerate(MIGRATIONS[version:], version + 1):
            for statement in _statements(files("curation").joinpath("migrations", name).read_text("utf-8")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """`executescript` would commit the open transaction first, so statements go one by one."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns what SQLite says of a broken world into one line; its other errors are bugs and stay."""
    try:
        yield
    except sqlite3.Error as error:
        said = str(error).lower()
        for sign, line in (
            ("locked", f"locked by another program for {BUSY_SECONDS:.0f} s; close it and run the same command again"),
            ("full", "the disk is full; nothing half-written is left: free some space and run the same command again"),
            ("not a database", "not an SQLite file; name another one or restore it from a backup"),
            ("malformed", "the file is damaged; restore it from a backup"),
            ("readonly", "no right to write here; mend the file's or folder's permissions"),
            ("unable to open", "cannot be opened; does its folder exist and may you write there?"),
            ("disk i/o", "the disk reports an error; check it and the space left on it"),
        ):
            if sign in said:
                raise LedgerError(f"{path}: {line}") from error
        raise
