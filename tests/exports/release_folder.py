"""A release written from hand-made rows, with a card of the least that `datasets` needs to load it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from exports.dataset import Contents, write_release
from exports.layout import front_matter_configs
from schemas.release import Approved, Manifest
from schemas.settings import Release

MADE_AT = "2026-11-27T07:00:00Z"
SETTINGS = Release(size=50, test_percent=20, seed=3)


def least_card(folder: Path, contents: Contents) -> None:
    front: dict[str, Any] = {"size_categories": ["n<1K"], "configs": front_matter_configs(contents.configs)}
    rows = sum(contents.manifest.rows.values())
    warning = f"> {contents.manifest.unreviewed} of {rows} rows have no person's decision\n\n"
    text = f"{warning if contents.manifest.unreviewed else ''}# A release\n"
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n{text}", "utf-8")


def write(folder: Path, approved: Sequence[Approved], **given: Any) -> Manifest:
    """`write_release` with what most tests do not care about."""
    options: dict[str, Any] = {
        "settings": SETTINGS,
        "compared_by": "TF-IDF",
        "tool_version": "0.1.0",
        "made_at": MADE_AT,
        "write_card": least_card,
    }
    return write_release(folder, folder.name, approved, **(options | given))
