"""The typed query, the intermediate representation between the syntax tree and SQL: names are resolved, every value has
a type, every result column is described.

`resolve` makes a query from the user's text; a protocol without a text (cone search) builds one by hand. Nothing here
knows an engine. All nodes are frozen; a change makes a new query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from vo_server.model.column import Column, Table

if TYPE_CHECKING:
    from vo_server.adql.semantics.functions import Function

# ---------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class ColumnRef:
    """A reference to a column of a source: `source` is the source's name in this query, `name` the column's
    name in it."""

    source: str
    name: str
    column: Column


@dataclass(frozen=True, slots=True)
class Constant:
    """A value from the query's text, or computed from it."""

    value: Any
    column: Column


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A numbered parameter that stands for a constant in the shape of a query (see placeholders.py)."""

    number: int
    column: Column


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function or an operator with its arguments."""

    function: Function
    arguments: tuple[Value, ...]
    column: Column


@dataclass(frozen=True, slots=True)
class AggregateCall:
    """COUNT, SUM, AVG, MIN or MAX over a group of rows; without an argument it is COUNT(*).

    A user-defined aggregate has its `function` and `extra_arguments` after the first.
    """

    name: str
    argument: Value | None
    distinct: bool
    column: Column
    function: Function | None = None
    extra_arguments: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class TypeCast:
    """A value converted to the type of its column."""

    value: Value
    column: Column


@dataclass(frozen=True, slots=True)
class CaseExpression:
    """The first value whose condition holds."""

    branches: tuple[tuple[Condition, Value], ...]
    otherwise: Value | None
    column: Column


@dataclass(frozen=True, slots=True)
class ScalarSubquery:
    """The single value of a sub-query."""

    query: Query
    column: Column


Value = ColumnRef | Constant | Placeholder | FunctionCall | AggregateCall | TypeCast | CaseExpression | ScalarSubquery

# ------------------------------------------------------------ conditions


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of two values by =, <>, <, <=, > or >=."""

    operator: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class RangeTest:
    """A BETWEEN: `low` and `high` are included."""

    value: Value
    low: Value
    high: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class InTest:
    """An IN with a short list of values or a sub-query."""

    value: Value
    options: tuple[Value, ...] | Query
    negated: bool = False


@dataclass(frozen=True, slots=True)
class InConstants:
    """An IN with a long list: `options` is a constant whose value is the tuple of them, all of its column's type."""

    value: Value
    options: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class LikeTest:
    """A LIKE, or an ILIKE if `ignore_case` is set."""

    value: Value
    pattern: Value
    negated: bool = False
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class NullTest:
    """An IS NULL."""

    value: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ExistsTest:
    """An EXISTS."""

    query: Query


@dataclass(frozen=True, slots=True)
class PredicateTest:
    """A condition that a predicate (CONTAINS, INTERSECTS, or a DISTANCE within a radius) is true."""

    predicate: FunctionCall


@dataclass(frozen=True, slots=True)
class IndexRanges:
    """A condition that the index lies in one of these ranges: pairs of first and last HEALPix number, both included."""

    index: ColumnRef
    ranges: tuple[tuple[Value, Value], ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """A NOT."""

    operand: Condition


@dataclass(frozen=True, slots=True)
class Conjunction:
    """Conditions joined by AND."""

    operands: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Disjunction:
    """Conditions joined by OR."""

    operands: tuple[Condition, ...]


Condition = (
    Comparison
    | RangeTest
    | InTest
    | InConstants
    | LikeTest
    | NullTest
    | ExistsTest
    | PredicateTest
    | IndexRanges
    | Negation
    | Conjunction
    | Disjunction
)

# --------------------------------------------------------------- sources


@dataclass(frozen=True, slots=True)
class TableScan:
    """A published table under a name of its own in the query."""

    name: str
    table: Table


@dataclass(frozen=True, slots=True)
class Subquery:
    """A query as a table; its columns are those of the query, under the query's labels."""

    name: str
    query: Query


@dataclass(frozen=True, slots=True)
class Unnest:
    """A source that repeats each of its rows once for each of some values, such as HEALPix cells; a row without any is
    lost.

    `values` is computed from columns of the source and gives the values; they are the further column `label`.
    """

    name: str
    source: Source
    values: Value
    label: str


@dataclass(frozen=True, slots=True)
class JoinedSource:
    """A join; without a condition it is a product."""

    kind: Literal["INNER", "LEFT", "RIGHT", "FULL", "CROSS"]
    left: Source
    right: Source
    on: Condition | None


Source = TableScan | Subquery | Unnest | JoinedSource

# --------------------------------------------------------------- queries


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """A value of the select list. `label` is unique in the query; `column.name` is the name that the user sees."""

    label: str
    value: Value

    @property
    def column(self) -> Column:
        """The column of the result."""
        return self.value.column


@dataclass(frozen=True, slots=True)
class SortKey:
    """A key of ORDER BY: a value, or the label of an output."""

    by: Value | str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class SelectQuery:
    """One SELECT. `top` limits the rows after `offset` (ADQL 2.1 section 2.2)."""

    outputs: tuple[OutputColumn, ...]
    source: Source
    where: Condition | None = None
    group_by: tuple[Value, ...] = ()
    having: Condition | None = None
    distinct: bool = False
    order_by: tuple[SortKey, ...] = ()
    top: int | None = None
    offset: int | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the result."""
        return tuple(o.column for o in self.outputs)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the columns in SQL."""
        return tuple(o.label for o in self.outputs)


@dataclass(frozen=True, slots=True)
class SetQuery:
    """A UNION, INTERSECT or EXCEPT of two queries; names and metadata are the left one's (ADQL 2.1 section 4.6).

    `columns` differ from the left one's where the types of both sides do.
    """

    operator: Literal["UNION", "INTERSECT", "EXCEPT"]
    all: bool
    left: Query
    right: Query
    columns: tuple[Column, ...]
    order_by: tuple[SortKey, ...] = ()
    top: int | None = None
    offset: int | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the columns in SQL."""
        return self.left.labels


Query = SelectQuery | SetQuery
RowCounts = Callable[[Table], int | None]
"""Returns how many rows a table has, None where that is not known or the table is not loaded."""

Node = Value | Condition | Source | Query | OutputColumn | SortKey


def walk(node: Any) -> Iterator[Any]:
    """Yield each node of a query, itself first, in the order of the record's fields."""
    yield node
    for part in iter_children(node):
        yield from walk(part)


def iter_children(node: Any) -> Iterator[Any]:
    """Yield the nodes right below a node."""
    for name in _child_fields(type(node)):  # type: ignore[arg-type]
        yield from _iter_nodes(getattr(node, name))


OPAQUE_FIELDS = frozenset({"column", "columns", "function", "table"})
"""Fields that hold metadata of a node and no child nodes."""


def _iter_nodes(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        for each in value:
            yield from _iter_nodes(each)
    elif is_dataclass(value):
        yield value


def find_sources(node: Any) -> frozenset[str]:
    """Return the names of the sources whose columns are in a part of a query."""
    return frozenset(n.source for n in walk(node) if isinstance(n, ColumnRef))


def transform(node: Any, change: Callable[[Any], Any]) -> Any:
    """Return a copy with `change` applied to each node, children before their parent; unchanged nodes are shared."""
    if isinstance(node, ColumnRef) or (isinstance(node, OutputColumn) and isinstance(node.value, ColumnRef)):
        return node
    if isinstance(node, tuple):
        parts = tuple(transform(each, change) for each in node)
        return node if all(a is b for a, b in zip(parts, node, strict=True)) else parts
    if not is_dataclass(node):
        return node
    changed = {}
    for name in _child_fields(type(node)):  # type: ignore[arg-type]
        value = getattr(node, name)
        new = transform(value, change)
        if new is not value:
            changed[name] = new
    return change(replace(node, **changed) if changed else node)  # type: ignore[type-var]


@cache
def _child_fields(kind: type[Any]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind) if f.name not in OPAQUE_FIELDS)


def scanned_tables(query: Query) -> tuple[Table, ...]:
    """Return the published tables that a query reads, each once."""
    return tuple({n.table.qualified_name: n.table for n in walk(query) if isinstance(n, TableScan)}.values())
