"""Full-text search over the fields of records: SQLite's FTS5, beside Argilla's own tables in the same file.

Triggers note which records were written or removed, in the very transaction that does it, and `bring_up_to_date` works
the notes off before anyone searches. So the index cannot drift, however a record came, whoever was killed.

A field is indexed as a person sees it: tags of HTML are dropped, entities become characters.
"""

import html
import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from typing import Any

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS curate_text_due (id INTEGER PRIMARY KEY, record_id CHAR(32) NOT NULL)",
    """CREATE TABLE IF NOT EXISTS curate_text_rows (
        id INTEGER PRIMARY KEY, record_id CHAR(32) NOT NULL, field TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS curate_text_of_record ON curate_text_rows (record_id)",
    """CREATE VIRTUAL TABLE IF NOT EXISTS curate_text
        USING fts5(text, tokenize = "unicode61 remove_diacritics 2")""",
    """CREATE TRIGGER IF NOT EXISTS curate_text_new AFTER INSERT ON records
        BEGIN INSERT INTO curate_text_due (record_id) VALUES (new.id); END""",
    """CREATE TRIGGER IF NOT EXISTS curate_text_changed AFTER UPDATE OF fields ON records
        BEGIN INSERT INTO curate_text_due (record_id) VALUES (new.id); END""",
    """CREATE TRIGGER IF NOT EXISTS curate_text_gone AFTER DELETE ON records
        BEGIN INSERT INTO curate_text_due (record_id) VALUES (old.id); END""",
    # A file from before the triggers, or restored from such a one.
    """INSERT INTO curate_text_due (record_id)
        SELECT id FROM records WHERE id NOT IN (SELECT record_id FROM curate_text_rows)""",
)

BATCH = 200
"""Records that are indexed in one transaction: other writers wait no longer than that takes."""

BLOCKS = (
    "address article aside blockquote br caption center col colgroup dd details dialog dir div dl dt embed fieldset "
    "figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hr html iframe img input legend li link main menu "
    "meta nav object ol optgroup option p pre section select source summary svg table tbody td template textarea "
    "tfoot th thead title tr ul video"
).split()
INLINES = (
    "a abbr acronym audio b bdi bdo big body button cite code data del dfn em font i ins kbd label mark math meter "
    "output picture progress q ruby rp rt s samp small span strike strong sub sup time tt u var wbr"
).split()

_UNSEEN = re.compile(r"<!--.*?-->|<(script|style)\b[^<>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_BLOCK = re.compile(rf"</?(?:{'|'.join(BLOCKS)})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_INLINE = re.compile(rf"</?(?:{'|'.join(INLINES)})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_APART = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]|[^\x00-\x7f\w]")
"""Kana and Han, scripts that put no spaces between words: to the index a character is a word of its own. And signs: the
index knows the Unicode of 2012, and takes those that came later for letters."""


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Indexes the records that were written and drops those that were removed since the last time."""
    while connection.execute("SELECT 1 FROM curate_text_due LIMIT 1").fetchone():
        connection.execute("BEGIN IMMEDIATE")
        try:
            _work_off(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _work_off(connection: sqlite3.Connection) -> None:
    due = connection.execute("SELECT id, record_id FROM curate_text_due ORDER BY id LIMIT ?", (BATCH,)).fetchall()
    for number, record_id in due:
        rows = connection.execute("SELECT id FROM curate_text_rows WHERE record_id = ?", (record_id,)).fetchall()
        connection.executemany("DELETE FROM curate_text WHERE rowid = ?", rows)
        connection.execute("DELETE FROM curate_text_rows WHERE record_id = ?", (record_id,))
        found = connection.execute(
            """SELECT records.fields, json_group_object(fields.name, json_extract(fields.settings, '$.type'))
               FROM records JOIN fields USING (dataset_id) WHERE records.id = ? GROUP BY records.id""",
            (record_id,),
        ).fetchone()
        if found:
            kinds = json.loads(found[1])
            for field, value in json.loads(found[0]).items():
                # The index of images has never held anything: their value is an address or the image itself.
                if value is not None and kinds.get(field, "image") != "image":
                    row = connection.execute(
                        "INSERT INTO curate_text_rows (record_id, field) VALUES (?, ?)", (record_id, field)
                    )
                    text = "\n".join(_texts(value, chat=kinds[field] == "chat"))
                    connection.execute(
                        "INSERT INTO curate_text (rowid, text) VALUES (?, ?)", (row.lastrowid, seen(text))
                    )
        connection.execute("DELETE FROM curate_text_due WHERE id = ?", (number,))


def _texts(value: Any, *, chat: bool) -> Iterator[str]:
    """The texts of a field's value: of a chat what was said and not who said it, of an object all that is in it."""
    if isinstance(value, dict):
        for key, part in value.items():
            if not chat or key == "content":
                yield from _texts(part, chat=chat)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part, chat=chat)
    elif value is not None:
        yield str(value)


def seen(text: str) -> str:
    """Text as the index takes it: what a person sees of it."""
    text = _UNSEEN.sub(" ", text)
    text = _INLINE.sub("", _BLOCK.sub(" ", text))
    return words(html.unescape(text))


def words(text: str) -> str:
    """What has to be apart put apart; lone surrogates, which SQLite does not take, replaced."""
    return _APART.sub(_apart, text.encode("utf-8", "replace").decode("utf-8"))


def _apart(match: re.Match[str]) -> str:
    mark = unicodedata.category(match[0]).startswith("M")  # part of the letter before it
    return match[0] if mark else f" {match[0]} "
