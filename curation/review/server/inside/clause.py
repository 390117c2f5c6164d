"""A piece of SQL with the values that stand for its question marks: texts of others never become SQL."""

from collections.abc import Iterable
from typing import Any, NamedTuple


class Clause(NamedTuple):
    """Joined with &, | and ~, with no more brackets than it takes: SQLite has little room for nested ones."""

    sql: str
    values: tuple[Any, ...] = ()
    loose: bool = False
    """Whether its parts are joined by OR, which binds less than AND."""
    depth: int = 0
    """Brackets within each other."""

    def __and__(self, other: "Clause") -> "Clause":
        left, right = self._tight(), other._tight()
        depth = max(left.depth, right.depth)
        return Clause(f"{left.sql} AND {right.sql}", left.values + right.values, depth=depth)

    def __or__(self, other: "Clause") -> "Clause":
        depth = max(self.depth, other.depth)
        return Clause(f"{self.sql} OR {other.sql}", self.values + other.values, loose=True, depth=depth)

    def __invert__(self) -> "Clause":
        return Clause(f"NOT ({self.sql})", self.values, depth=self.depth + 1)

    def _tight(self) -> "Clause":
        return Clause(f"({self.sql})", self.values, depth=self.depth + 1) if self.loose else self


ALWAYS = Clause("1")
NEVER = Clause("0")


def one_of(expression: str, values: Iterable[Any]) -> Clause:
    """That an expression has one of these values."""
    listed = tuple(values)
    return Clause(f"{expression} IN ({', '.join('?' * len(listed))})", listed)
