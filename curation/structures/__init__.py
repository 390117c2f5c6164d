"""Structures and pools of wordings: those that come with the package, and the user's own.

    PROJECT/structures/mine.yaml    a structure `mine`, beside the packaged ones
    PROJECT/wordings/stop.yaml      replaces the packaged pool `stop`, whole; a new name adds a pool

Everything is read once per process.
"""

import difflib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import MappingProxyType

from schemas.errors import StructureError
from schemas.structure import Pool, Pools, Structure, parse_pool, parse_structure

PACKAGED = Path(__file__).parent
PACKAGED_WORDINGS = PACKAGED.parent / "wordings"
SUFFIXES = (".yaml", ".yml")


def structure_names(project: Path | None = None) -> list[str]:
    """Names that `load_structure` knows: the packaged ones and those of the project's folder, sorted."""
    return sorted({path.stem for path in (*_files(PACKAGED), *_own_files(project, "structures"))})


@cache
def load_structure(name_or_path: str, project: Path | None = None) -> Structure:
    """A structure by its name, or by the path of a YAML file (from the current folder, else from the project's).

    Raises StructureError: no such structure or file (with the nearest name and all of them), a file that cannot be
    used (with its line), or an own structure that takes a packaged one's name: a row that says `alttrain` must mean
    the same everywhere.
    """
    path = _find(name_or_path, project)
    structure = parse_structure(_parsed(path), str(path))
    is_own = path.parent.resolve() != PACKAGED.resolve()
    if is_own and structure.name in {packaged.stem for packaged in _files(PACKAGED)}:
        raise StructureError(f"{path}: the name {structure.name!r} is taken by a packaged structure; choose another")
    if is_own and structure.name != path.stem:
        raise StructureError(f"{path}: says 'name: {structure.name}'; give the file and the structure one name")
    if structure.base is not None:
        base = _find(structure.base, project)
        if parse_structure(_parsed(base), str(base)).derived:
            raise StructureError(f"{path}: base: {structure.base!r} is derived itself; name one that is not")
    return structure


@cache
def load_pools(project: Path | None = None) -> Pools:
    """The packaged pools, overlaid by the project's, by name. Raises StructureError for a file that cannot be used."""
    return MappingProxyType(_read_pools(_files(PACKAGED_WORDINGS)) | _read_pools(_own_files(project, "wordings")))


def _read_pools(paths: Iterable[Path]) -> dict[str, Pool]:
    pools: dict[str, Pool] = {}
    for path in paths:
        pool = parse_pool(_parsed(path), str(path))
        if pool.pool in pools:
            raise StructureError(f"{path}: another file of this folder holds the pool {pool.pool!r} too; keep one")
        pools[pool.pool] = pool
    return pools


def _find(name_or_path: str, project: Path | None) -> Path:
    if name_or_path.endswith(SUFFIXES) or "/" in name_or_path or "\\" in name_or_path:
        for path in (Path(name_or_path), *([project / name_or_path] if project else [])):
            if path.is_file():
                return path
        raise StructureError(f"{name_or_path}: no such file; name a YAML file, or one of {_all(project)}")
    for path in (*_files(PACKAGED), *_own_files(project, "structures")):
        if path.stem == name_or_path:
            return path
    near = difflib.get_close_matches(name_or_path, structure_names(project), 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise StructureError(f"no structure {name_or_path!r}; {hint}There are: {_all(project)}")


def _all(project: Path | None) -> str:
    return ", ".join(structure_names(project))


def _own_files(project: Path | None, folder: str) -> list[Path]:
    return _files(project / folder) if project else []


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES and path.is_file())


def _parsed(path: Path) -> object:
    """What the YAML file holds. Raises StructureError in one line, with the file and where it knows it the line."""
    import yaml  # 10 ms, and most commands need no structure

    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise StructureError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise StructureError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        # The same safe loader, in C where libyaml is there: 10 times as fast.
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise StructureError(f"{path}{line}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that no calendar has
        raise StructureError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
