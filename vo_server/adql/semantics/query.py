"""What a query means: names found, every value typed, every result column described.

A query is made by `resolve` from the user's text, or by hand where a protocol has no text (cone search). Nothing
here knows an engine. Frozen; a change makes a new query.
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
class Field:
    """A column of a source: `source` is the source's name in this query, `name` the column's name in it."""

    source: str
    name: str
    column: Column


@dataclass(frozen=True, slots=True)
class Constant:
    """A value from the query's text, or worked out from it."""

    value: Any
    column: Column


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a constant in the shape of a query."""

    number: int
    column: Column


@dataclass(frozen=True, slots=True)
class Apply:
    """A function or an operator and what it is applied to."""

    function: Function
    arguments: tuple[Value, ...]
    column: Column


@dataclass(frozen=True, slots=True)
class Aggregate:
    """COUNT, SUM, AVG, MIN, MAX over a group of rows; without an argument it is COUNT(*).

    A user-defined aggregate has its `function` and the `rest` of its arguments.
    """

    name: str
    argument: Value | None
    distinct: bool
    column: Column
    function: Function | None = None
    rest: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Cast:
    """A value turned into the type of its column."""

    value: Value
    column: Column


@dataclass(frozen=True, slots=True)
class Case:
    """The first value whose condition holds."""

    branches: tuple[tuple[Condition, Value], ...]
    otherwise: Value | None
    column: Column


@dataclass(frozen=True, slots=True)
class Scalar:
    """The single value of a sub-query."""

    query: Query
    column: Column


Value = Field | Constant | Slot | Apply | Aggregate | Cast | Case | Scalar

# ------------------------------------------------------------ conditions


@dataclass(frozen=True, slots=True)
class Compare:
    operator: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Between:
    value: Value
    low: Value
    high: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class In:
    value: Value
    options: tuple[Value, ...] | Query
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Among:
    """IN a long list: `options` is a constant whose value is the tuple of them, all of its column's type."""

    value: Value
    options: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Like:
    value: Value
    pattern: Value
    negated: bool = False
    fold: bool = False


@dataclass(frozen=True, slots=True)
class IsNull:
    value: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Exists:
    query: Query


@dataclass(frozen=True, slots=True)
class Holds:
    """A geometry predicate (CONTAINS, INTERSECTS, or a DISTANCE within a radius) that is true."""

    predicate: Apply


@dataclass(frozen=True, slots=True)
class Within:
    """The index lies in one of these ranges: pairs of first and last HEALPix number, both included."""

    index: Field
    ranges: tuple[tuple[Value, Value], ...]


@dataclass(frozen=True, slots=True)
class Not:
    operand: Condition


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple[Condition, ...]


Condition = Compare | Between | In | Among | Like | IsNull | Exists | Holds | Within | Not | And | Or

# --------------------------------------------------------------- sources


@dataclass(frozen=True, slots=True)
class Scan:
    """A published table under a name of its own in the query."""

    name: str
    table: Table


@dataclass(frozen=True, slots=True)
class Derived:
    """A query as a table; its columns are those of the query, under the query's labels."""

    name: str
    query: Query


@dataclass(frozen=True, slots=True)
class Spread:
    """A source each of whose rows stands once for each of some HEALPix cells, or other values, if any.

    `cells` is made from columns of the source and gives the numbers of the cells; they are the further column `label`.
    """

    name: str
    source: Source
    cells: Value
    label: str


@dataclass(frozen=True, slots=True)
class Join:
    """A join without a condition is a product."""

    kind: Literal["INNER", "LEFT", "RIGHT", "FULL", "CROSS"]
    left: Source
    right: Source
    on: Condition | None


Source = Scan | Derived | Spread | Join

# --------------------------------------------------------------- queries


@dataclass(frozen=True, slots=True)
class Output:
    """A value of the select list. `label` is unique in the query; `column.name` is what the user sees."""

    label: str
    value: Value

    @property
    def column(self) -> Column:
        """The column of the result."""
        return self.value.column


@dataclass(frozen=True, slots=True)
class Order:
    """What to sort by: a value, or the label of an output."""

    by: Value | str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Select:
    """One SELECT. `top` cuts after `offset` (ADQL 2.1 section 2.2)."""

    outputs: tuple[Output, ...]
    source: Source
    where: Condition | None = None
    group_by: tuple[Value, ...] = ()
    having: Condition | None = None
    distinct: bool = False
    order_by: tuple[Order, ...] = ()
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
class Combined:
    """UNION, INTERSECT or EXCEPT of two queries; names and metadata are the left one's (ADQL 2.1 section 4.6).

    `columns` differ from the left one's where the types of both sides do.
    """

    operator: Literal["UNION", "INTERSECT", "EXCEPT"]
    all: bool
    left: Query
    right: Query
    columns: tuple[Column, ...]
    order_by: tuple[Order, ...] = ()
    top: int | None = None
    offset: int | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the columns in SQL."""
        return self.left.labels


Query = Select | Combined
Node = Value | Condition | Source | Query | Output | Order


def parts(node: Any) -> Iterator[Any]:
    """Each node of a query, itself first, in the order of the record's fields."""
    yield node
    for part in direct(node):
        yield from parts(part)


def direct(node: Any) -> Iterator[Any]:
    """The nodes right below a node."""
    for name in _inside(type(node)):  # type: ignore[arg-type]
        yield from _nodes(getattr(node, name))


LEAVES = frozenset({"column", "columns", "function", "table"})
"""Fields that hold what a node is about and not what it is made of."""


def _nodes(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        for each in value:
            yield from _nodes(each)
    elif is_dataclass(value):
        yield value


def mapped(node: Any, change: Callable[[Any], Any]) -> Any:
    """The same with each node changed, those inside a node before the node itself. What does not change is kept."""
    if isinstance(node, Field) or (isinstance(node, Output) and isinstance(node.value, Field)):
        return node
    if isinstance(node, tuple):
        made = tuple(mapped(each, change) for each in node)
        return node if all(a is b for a, b in zip(made, node, strict=True)) else made
    if not is_dataclass(node):
        return node
    changed = {}
    for name in _inside(type(node)):  # type: ignore[arg-type]
        value = getattr(node, name)
        new = mapped(value, change)
        if new is not value:
            changed[name] = new
    return change(replace(node, **changed) if changed else node)  # type: ignore[type-var]


@cache
def _inside(kind: type[Any]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind) if f.name not in LEAVES)


def tables(query: Query) -> tuple[Table, ...]:
    """The published tables that a query reads, each once."""
    return tuple({n.table.qualified: n.table for n in parts(query) if isinstance(n, Scan)}.values())
