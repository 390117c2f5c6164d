"""A small release folder made by hand, for tests of where it goes and not of what is in it: a card, a picture, configs.

make_release(tmp_path / "v1", texts=["…"], configs=["default", "provenance"])
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from exports.layout import CARD, MANIFEST, SPLITS, data_path, front_matter_configs


def make_release(
    folder: Path,
    texts: Sequence[str] = ("How do kites fly?", "Why?", "When?"),
    *,
    configs: Sequence[str] = ("default", "provenance", "r1"),
    made_at: str = "2026-01-02T03:04:05Z",
    pictures: Sequence[str] = ("composition.png",),
    **manifest: Any,
) -> Path:
    """`manifest`: its fields that are to be other than of a reviewed release without original traces."""
    listed: dict[str, bytes] = {}
    for config in configs:
        for split in SPLITS:
            sink = pa.BufferOutputStream()
            pq.write_table(pa.table({"id": [f"{config}/{split}/{text}" for text in texts], "text": texts}), sink)
            listed[data_path(config, split)] = sink.getvalue().to_pybytes()
    for picture in pictures:
        listed[f"images/{picture}"] = b"\x89PNG\r\n\x1a\n" + picture.encode() * 100
    listed[CARD] = _card(configs).encode()
    for path, content in listed.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    hashes = [
        {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
        for path, content in sorted(listed.items())
    ]
    told = {
        "name": folder.name,
        "made_at": made_at,
        "versions": {"alttrain": "0.1.0"},
        "structure": "alttrain",
        "rows": {split: len(texts) for split in SPLITS},
        "by_label": {"benign": 2 * len(texts)},
        "unreviewed": 0,
        "harmful_traces": False,
        "rows_sha256": hashlib.sha256(repr(texts).encode()).hexdigest(),
        "seed": 1,
        "settings": {},
        "files": hashes,
    }
    (folder / MANIFEST).write_text(json.dumps({**told, **manifest}), "utf-8")
    return folder


def _card(configs: Sequence[str]) -> str:
    front = {"license": "apache-2.0", "configs": front_matter_configs(dict.fromkeys(configs, SPLITS))}
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n# A small set\n"
