"""What the user wrote: the syntax tree of ADQL 2.1, each node with its place in the text.

Nothing here is resolved or typed. Node names follow the grammar's (ADQL 2.1 appendix A).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vo_server.errors import TextSpan


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier. `text` is without quotes; a regular identifier keeps the case it was written in."""

    text: str
    delimited: bool
    span: TextSpan


# ---------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class ColumnName:
    """A column reference: one to four names, the column's own last."""

    names: tuple[Name, ...]
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Number:
    """An unsigned numeric literal, as written (`12`, `.5`, `1E3`, `0xFF`)."""

    text: str
    span: TextSpan


@dataclass(frozen=True, slots=True)
class String:
    """A character literal, without its quotes."""

    value: str
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Null:
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Truth:
    """TRUE or FALSE as a value."""

    value: bool
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Unary:
    """A sign (`+`, `-`) or the bitwise `~` before a value."""

    operator: str
    operand: Value
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Binary:
    """`+ - * /`, `||`, and the bitwise `& | ^`."""

    operator: str
    left: Value
    right: Value
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Call:
    """Any function by name: maths, geometry, aggregates, COALESCE, IN_UNIT and user-defined ones.

    `name` is upper case for the functions of the language, as written for others.
    `star` is COUNT(*); `distinct` is COUNT(DISTINCT x) and its kin.
    """

    name: str
    arguments: tuple[Value, ...]
    span: TextSpan
    distinct: bool = False
    star: bool = False


@dataclass(frozen=True, slots=True)
class Cast:
    """CAST(value AS type): `type` in upper case and single blanks (`DOUBLE PRECISION`)."""

    value: Value
    type: str
    length: int | None
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Case:
    """CASE, an extension. With an operand, each WHEN holds a value to compare it with."""

    operand: Value | None
    branches: tuple[tuple[Condition | Value, Value], ...]
    otherwise: Value | None
    span: TextSpan


@dataclass(frozen=True, slots=True)
class ScalarQuery:
    """A sub-query as a value, an extension."""

    query: Query
    span: TextSpan


Value = ColumnName | Number | String | Null | Truth | Unary | Binary | Call | Cast | Case | ScalarQuery


# ------------------------------------------------------------ conditions


@dataclass(frozen=True, slots=True)
class Compare:
    """`= <> < > <= >=`; `!=` is written `<>` here."""

    operator: str
    left: Value
    right: Value
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Between:
    value: Value
    low: Value
    high: Value
    negated: bool
    span: TextSpan


@dataclass(frozen=True, slots=True)
class In:
    value: Value
    options: tuple[Value, ...] | Query
    negated: bool
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Like:
    """LIKE, or ILIKE where `fold` is set."""

    value: Value
    pattern: Value
    negated: bool
    fold: bool
    span: TextSpan


@dataclass(frozen=True, slots=True)
class IsNull:
    value: Value
    negated: bool
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Exists:
    query: Query
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Not:
    operand: Condition
    span: TextSpan


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Condition, ...]
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple[Condition, ...]
    span: TextSpan


Condition = Compare | Between | In | Like | IsNull | Exists | Not | And | Or


# ---------------------------------------------------------------- tables


@dataclass(frozen=True, slots=True)
class TableName:
    """A table by name (one to three names) with its optional alias."""

    names: tuple[Name, ...]
    alias: Name | None
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Derived:
    """A sub-query in FROM; its alias is required."""

    query: Query
    alias: Name
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Join:
    """A join; `kind` is what stands before JOIN, a comma counts as CROSS."""

    kind: Literal["INNER", "LEFT", "RIGHT", "FULL", "CROSS"]
    natural: bool
    left: Source
    right: Source
    on: Condition | None
    using: tuple[Name, ...]
    span: TextSpan


Source = TableName | Derived | Join


# --------------------------------------------------------------- queries


@dataclass(frozen=True, slots=True)
class Star:
    """`*` or `t.*` in a select list; `qualifier` is empty for the first."""

    qualifier: tuple[Name, ...]
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Item:
    """A value of the select list with its optional alias."""

    value: Value
    alias: Name | None
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Order:
    """A term of ORDER BY; a bare whole Number is a position in the select list."""

    value: Value
    descending: bool
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT ... HAVING. `source` joins all of FROM; a list with commas becomes CROSS joins."""

    distinct: bool
    top: int | None
    items: tuple[Star | Item, ...]
    source: Source
    where: Condition | None
    group_by: tuple[Value, ...]
    having: Condition | None
    span: TextSpan


@dataclass(frozen=True, slots=True)
class SetOperation:
    """UNION, INTERSECT or EXCEPT of two queries (ADQL 2.1 section 4.6)."""

    operator: Literal["UNION", "INTERSECT", "EXCEPT"]
    all: bool
    left: Query
    right: Query
    span: TextSpan


@dataclass(frozen=True, slots=True)
class CommonTable:
    """One query of WITH."""

    name: Name
    query: Query
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query expression: WITH, a body, and what is said of all its rows."""

    body: Select | SetOperation
    order_by: tuple[Order, ...]
    offset: int | None
    span: TextSpan
    common: tuple[CommonTable, ...] = ()
    limit: int | None = None  # LIMIT n, an extension: the same as TOP n
