"""The syntax tree of ADQL 2.1: the query as the user wrote it, each node with its span in the text.

Nothing here is resolved or typed. Node names follow the grammar's (ADQL 2.1 appendix A).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vo_server.errors import TextSpan


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier. `text` is without quotes; a regular identifier keeps the case in which it is written."""

    text: str
    delimited: bool
    span: TextSpan


# ---------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class ColumnName:
    """A column reference: one to four names, the column's own last."""

    names: tuple[Identifier, ...]
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
    """NULL as a value."""

    span: TextSpan


@dataclass(frozen=True, slots=True)
class Boolean:
    """TRUE or FALSE as a value."""

    value: bool
    span: TextSpan


@dataclass(frozen=True, slots=True)
class UnaryOperation:
    """A sign (`+`, `-`) or the bitwise `~` before a value."""

    operator: str
    operand: Value
    span: TextSpan


@dataclass(frozen=True, slots=True)
class BinaryOperation:
    """An operation by `+ - * /`, `||`, or the bitwise `& | ^`."""

    operator: str
    left: Value
    right: Value
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Call:
    """Any function by name: maths, geometry, aggregates, COALESCE, IN_UNIT and user-defined ones.

    `name` is in upper case for the functions of ADQL, and as written for others.
    `star` is set for COUNT(*), `distinct` for COUNT(DISTINCT x) and other aggregates with DISTINCT.
    """

    name: str
    arguments: tuple[Value, ...]
    span: TextSpan
    distinct: bool = False
    star: bool = False


@dataclass(frozen=True, slots=True)
class Cast:
    """CAST(value AS type): `type` is in upper case, with single blanks (`DOUBLE PRECISION`)."""

    value: Value
    type: str
    length: int | None
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Case:
    """CASE, an extension. With an operand, each WHEN has a value that is compared with it."""

    operand: Value | None
    branches: tuple[tuple[Condition | Value, Value], ...]
    default: Value | None
    span: TextSpan


@dataclass(frozen=True, slots=True)
class ScalarQuery:
    """A sub-query as a value, an extension."""

    query: Query
    span: TextSpan


LiteralValue = Number | String | Null | Boolean
Value = ColumnName | LiteralValue | UnaryOperation | BinaryOperation | Call | Cast | Case | ScalarQuery


# ------------------------------------------------------------ conditions


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison by `= <> < > <= >=`; the operator of `!=` is `<>`."""

    operator: str
    left: Value
    right: Value
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Between:
    """`value [NOT] BETWEEN low AND high`."""

    value: Value
    low: Value
    high: Value
    negated: bool
    span: TextSpan


@dataclass(frozen=True, slots=True)
class In:
    """`value [NOT] IN (...)` with a list of values or a sub-query."""

    value: Value
    options: tuple[Value, ...] | Query
    negated: bool
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Like:
    """`value [NOT] LIKE pattern`, or ILIKE where `is_case_insensitive` is set."""

    value: Value
    pattern: Value
    negated: bool
    is_case_insensitive: bool
    span: TextSpan


@dataclass(frozen=True, slots=True)
class IsNull:
    """`value IS [NOT] NULL`."""

    value: Value
    negated: bool
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Exists:
    """EXISTS with a sub-query."""

    query: Query
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Not:
    """The negation of a condition."""

    operand: Condition
    span: TextSpan


@dataclass(frozen=True, slots=True)
class And:
    """Two or more conditions joined by AND."""

    operands: tuple[Condition, ...]
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Or:
    """Two or more conditions joined by OR."""

    operands: tuple[Condition, ...]
    span: TextSpan


Condition = Compare | Between | In | Like | IsNull | Exists | Not | And | Or


# ---------------------------------------------------------------- tables


@dataclass(frozen=True, slots=True)
class TableName:
    """A table by name (one to three names) with its optional alias."""

    names: tuple[Identifier, ...]
    alias: Identifier | None
    span: TextSpan


@dataclass(frozen=True, slots=True)
class DerivedTable:
    """A sub-query in FROM; its alias is required."""

    query: Query
    alias: Identifier
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Join:
    """A join; `kind` is the word before JOIN, and CROSS for a comma."""

    kind: Literal["INNER", "LEFT", "RIGHT", "FULL", "CROSS"]
    natural: bool
    left: Source
    right: Source
    on: Condition | None
    using: tuple[Identifier, ...]
    span: TextSpan


Source = TableName | DerivedTable | Join


# --------------------------------------------------------------- queries


@dataclass(frozen=True, slots=True)
class Star:
    """`*` or `t.*` in a select list; `qualifier` is empty for the first."""

    qualifier: tuple[Identifier, ...]
    span: TextSpan


@dataclass(frozen=True, slots=True)
class SelectItem:
    """A value of the select list with its optional alias."""

    value: Value
    alias: Identifier | None
    span: TextSpan


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """A term of ORDER BY; an integer Number alone is a position in the select list."""

    value: Value
    descending: bool
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT up to HAVING. `source` is all of FROM; a list with commas becomes CROSS joins."""

    distinct: bool
    top: int | None
    items: tuple[Star | SelectItem, ...]
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
    """A query of WITH and its name."""

    name: Identifier
    query: Query
    span: TextSpan


@dataclass(frozen=True, slots=True)
class Query:
    """A query expression: WITH, a body, and the ORDER BY, OFFSET and LIMIT of all its rows."""

    body: Select | SetOperation
    order_by: tuple[OrderTerm, ...]
    offset: int | None
    span: TextSpan
    common_tables: tuple[CommonTable, ...] = ()
    limit: int | None = None  # LIMIT n is an extension, the same as TOP n
