"""A small release folder made by hand, for tests of what happens to one: two configs or more, a card, a picture.

make_release(tmp_path / "v1", texts=["…"], configs=["default", "provenance"])
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SPLITS = ("train", "test")


def rows_of(texts: Sequence[str], config: str, split: str) -> list[dict[str, Any]]:
    return [
        {
            "id": hashlib.sha256(f"{text}{split}".encode()).hexdigest()[:12],
            "prompt": [{"role": "user", "content": f"{config}, {split}: {text}"}],
            "spans": [{"name": "answer", "start": 0, "end": number}],
        }
        for number, text in enumerate(texts)
    ]


def make_release(
    folder: Path,
    texts: Sequence[str] = ("How do kites fly?", "¿Cómo vuelan?", "二行\nあり"),
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
            pq.write_table(pa.Table.from_pylist(rows_of(texts, config, split)), sink)
            listed[f"data/{config}/{split}-00000-of-00001.parquet"] = sink.getvalue().to_pybytes()
    for picture in pictures:
        listed[f"images/{picture}"] = b"\x89PNG\r\n\x1a\n" + picture.encode() * 100
    listed["README.md"] = _card(configs).encode()
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
    (folder / "manifest.json").write_text(json.dumps({**told, **manifest}), "utf-8")
    return folder


def _card(configs: Sequence[str]) -> str:
    lines = ["---", "license: apache-2.0", "configs:"]
    for config in configs:
        lines += [f"- config_name: {config}", "  data_files:"]
        for split in SPLITS:
            lines += [f"  - split: {split}", f"    path: data/{config}/{split}-*"]
    return "\n".join([*lines, "---", "", "# A small set", ""])
