"""A piece of SQL with the values that stand for its question marks: texts of others never become SQL."""

from collections.abc import Iterable
from typing import Any, NamedTuple


class Clause(NamedTuple):
    sql: str
    values: tuple[Any, ...] = ()

    def __and__(self, other: "Clause") -> "Clause":
        return Clause(f"({self.sql} AND {other.sql})", self.values + other.values)

    def __or__(self, other: "Clause") -> "Clause":
        return Clause(f"({self.sql} OR {other.sql})", self.values + other.values)

    def __invert__(self) -> "Clause":
        return Clause(f"NOT {self.sql}", self.values)


ALWAYS = Clause("1")
NEVER = Clause("0")


def one_of(expression: str, values: Iterable[Any]) -> Clause:
    """That an expression has one of these values."""
    listed = tuple(values)
    return Clause(f"{expression} IN ({', '.join('?' * len(listed))})", listed)
