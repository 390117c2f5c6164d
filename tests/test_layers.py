"""The direction of imports: schemas at the ground; curation, exports and train above it, never each other."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("schemas", "curation", "exports", "train")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def _allowed(path: Path) -> set[str]:
    relative = path.relative_to(ROOT)
    if relative.parts[:2] == ("curation", "cli"):
        return set(FOLDERS)
    return {"schemas", relative.parts[0]}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_imports_only_itself_and_schemas(path: Path) -> None:
    ours = {name.split(".")[0] for name in _imports(path)} & set(FOLDERS)
    assert ours <= _allowed(path)


@pytest.mark.parametrize("path", sorted((ROOT / "schemas").rglob("*.py")), ids=lambda path: path.name)
def test_schemas_stand_on_pydantic_and_the_standard_library_alone(path: Path) -> None:
    outside = {name.split(".")[0] for name in _imports(path)} - {"schemas", "pydantic"}
    assert outside <= sys.stdlib_module_names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_think_knows_how_the_thinking_tags_are_spelled(path: Path) -> None:
    if path.relative_to(ROOT) == Path("schemas/think.py"):
        return
    strings = (
        node.value
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value
    )
    assert not [text for text in strings if text in ("<think>", "</think>")]
