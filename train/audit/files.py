"""The files of a finished audit.

audits/NAME/
  report.json       schemas.audit.AuditReport
  report.html       one file with its charts (page.py)
  audit.png, turn.png
  traces.jsonl      every trace as it was read: where its segments are, no text (schemas.audit.Audited)
  harmful.jsonl     on demand: the texts of prompts that are not labelled benign; stays on this machine
  .gitignore        keeps that file out of a repository

What was thought and answered to a prompt that is not labelled benign is in no other file of these.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from schemas.audit import Audited, AuditedText, AuditReport, SegmentKind
from schemas.errors import UsageError
from train.audit.audit import Given
from train.audit.page import Example, render
from train.audit.picture import pictures
from train.record import put, write, write_lines

REPORT, PAGE, TRACES, HARMFUL = "report.json", "report.html", "traces.jsonl", "harmful.jsonl"
EXAMPLES = 3


def origin_of(folder: Path) -> str | None:
    """Where the traces of the audit that a folder holds lie, as a hash; None: it holds none that says so."""
    try:
        return AuditReport.model_validate_json((folder / REPORT).read_bytes()).origin or None
    except (OSError, ValidationError):
        return None


def write_audit(
    folder: Path,
    report: AuditReport,
    given: Sequence[Given],
    audited: Sequence[Audited],
    *,
    include_harmful_text: bool = False,
) -> None:
    """Writes all of it into `folder`, each file whole or not at all. `given` and `audited` are the same traces, in one
    order. Raises UsageError where a file cannot be written."""
    both = list(zip(given, audited, strict=True))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        put(folder / ".gitignore", f"{HARMFUL}\n".encode())
        write_lines(folder / TRACES, audited)
        (folder / HARMFUL).unlink(missing_ok=True)
        if include_harmful_text:
            write_lines(folder / HARMFUL, [_text(one, read) for one, read in both if read.label != "benign"])
        for name, png in pictures(report).items():
            put(folder / name, png)
        put(folder / PAGE, render(report, _examples(both)).encode("utf-8", "replace"))
        write(folder / REPORT, report)
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from None


def _text(given: Given, audited: Audited) -> AuditedText:
    return AuditedText(
        id=given.id, label=given.label, prompt=given.prompt, segments=_parts(given, audited), answer=given.answer
    )


def _parts(given: Given, audited: Audited) -> tuple[tuple[SegmentKind, str], ...]:
    return tuple((part.kind, given.thought[part.start : part.end]) for part in audited.segments)


def _examples(both: Sequence[tuple[Given, Audited]]) -> list[Example]:
    """Of benign prompts, the first trace of each of a few shapes."""
    shapes: dict[tuple[str, ...], Example] = {}
    for given, audited in both:
        shape = tuple(dict.fromkeys(part.kind for part in audited.segments))
        if audited.label == "benign" and shape not in shapes and len(shapes) < EXAMPLES:
            shapes[shape] = Example(given.prompt, _parts(given, audited), given.answer)
    return list(shapes.values())
