"""Templates of the pages that evaluations and audits write: whatever they are given stands in them as text."""

from pathlib import Path
from typing import TYPE_CHECKING

from schemas.markdown import visible

if TYPE_CHECKING:
    import jinja2


def templates(folder: Path) -> "jinja2.Environment":
    """The templates of a folder. Values are escaped, controls in them are written out, and one that is not there is an
    error."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
