"""From a query to SQLAlchemy Core. The user's values become bound parameters, equal ones the same parameter, so that
an expression that stands twice (in a select list and after GROUP BY) is the same expression for the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, assert_never

import sqlalchemy as sa
from sqlalchemy.sql.expression import CompoundSelect, FromClause

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics import spherical
from vo_server.adql.semantics.functions import Function
from vo_server.adql.semantics.spherical import Element, Geometry, fixed
from vo_server.adql.shape import shaped
from vo_server.model import types
from vo_server.model.column import Column, Table

Statement = sa.Select[Any] | CompoundSelect[Any]
Locate = Callable[[Table], tuple[str | None, str]]

_OPERATORS: dict[str, Callable[[Element, Element], Element]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}

_SETS: dict[tuple[str, bool], Callable[..., CompoundSelect[Any]]] = {
    ("UNION", False): sa.union,
    ("UNION", True): sa.union_all,
    ("INTERSECT", False): sa.intersect,
    ("INTERSECT", True): sa.intersect_all,
    ("EXCEPT", False): sa.except_,
    ("EXCEPT", True): sa.except_all,
}


def translate(query: q.Query, locate: Locate) -> tuple[Statement, tuple[Any, ...]]:
    """The query as a statement, and the values of its parameters p0, p1, ...

    `locate` tells the schema and the name under which an engine keeps a table. The statement's columns are in the
    order of the query's, and of the types that the query says. Queries that differ in their constants alone give the
    same statement, the very object.
    """
    shape, values = shaped(query)
    return _translated(shape, locate), values


@lru_cache(maxsize=256)
def _translated(shape: q.Query, locate: Locate) -> Statement:
    return _Translation(locate).query(shape)


class _Translation:
    def __init__(self, locate: Locate) -> None:
        self._locate = locate
        self._slots: dict[int, Element] = {}
        self._sources: dict[str, FromClause] = {}

    # ----------------------------------------------------------- queries

    def query(self, node: q.Query) -> Statement:
        made: Statement = self._select(node) if isinstance(node, q.Select) else self._combined(node)
        return made

    def _select(self, node: q.Select) -> Any:
        outer = list(self._sources.values())
        source = self._source(node.source)
        outputs = [self._output(o) for o in node.outputs]
        statement = sa.select(*outputs).select_from(source).correlate(*outer)
        if node.where is not None:
            statement = statement.where(self.condition(node.where))
        if node.group_by:
            statement = statement.group_by(*(self.value(g) for g in node.group_by))
        if node.having is not None:
            statement = statement.having(self.condition(node.having))
        if node.distinct:
            statement = statement.distinct()
        return self._cut(self._ordered(statement, node, dict(zip(node.labels, outputs, strict=True))), node)

    def _output(self, output: q.Output) -> Element:
        value = output.value
        element = self.value(value)
        if isinstance(value, q.Field) and value.name == output.label:
            return element
        plain = value.column.type.family not in ("geometry", "array")
        if plain and not isinstance(value, q.Field | q.Cast) and not isinstance(element, spherical.EXACT):
            element = sa.cast(element, value.column.type.sql)
        return element.label(output.label)

    def _combined(self, node: q.Combined) -> Any:
        sides = [self._operand(side, node.columns) for side in (node.left, node.right)]
        statement = _SETS[node.operator, node.all](*sides)
        return self._cut(self._ordered(statement, node, {n: sa.column(n) for n in node.labels}), node)

    def _operand(self, side: q.Query, columns: tuple[Column, ...]) -> sa.Select[Any]:
        """A side of a set operation as a plain SELECT whose columns have the types of the whole."""
        inner = self.query(side).subquery()
        pairs = zip(side.labels, side.columns, columns, strict=True)
        return sa.select(
            *(
                inner.c[label] if mine.type is whole.type else sa.cast(inner.c[label], whole.type.sql).label(label)
                for label, mine, whole in pairs
            )
        )

    def _ordered(self, statement: Any, node: q.Query, labels: dict[str, Element]) -> Any:
        for order in node.order_by:
            by = labels[order.by] if isinstance(order.by, str) else self.value(order.by)
            statement = statement.order_by(by.desc() if order.descending else by.asc())
        return statement

    def _cut(self, statement: Any, node: q.Query) -> Any:
        statement = statement if node.top is None else statement.limit(node.top)
        return statement if not node.offset else statement.offset(node.offset)

    # ----------------------------------------------------------- sources

    def _source(self, node: q.Source) -> FromClause:
        match node:
            case q.Scan(name, table):
                return self._keep(name, self._table(name, table))
            case q.Derived(name, inner):
                return self._keep(name, self._nested(inner).subquery(name))
            case q.Spread():
                return self._spread(node)
            case q.Join():
                return self._join(node)
            case _:
                assert_never(node)

    def _spread(self, node: q.Spread) -> FromClause:
        source = self._source(node.source)
        everything: Element = sa.literal_column("*")
        cells = self.value(node.cells).label(node.label)
        return self._keep(node.name, sa.select(everything, cells).select_from(source).subquery(node.name))

    def _keep(self, name: str, source: FromClause) -> FromClause:
        self._sources[name] = source
        return source

    def _table(self, name: str, table: Table) -> FromClause:
        schema, here = self._locate(table)
        return sa.table(here, schema=schema).alias(name)

    def _join(self, node: q.Join) -> FromClause:
        left, right = self._source(node.left), self._source(node.right)
        on = sa.true() if node.on is None else self.condition(node.on)
        match node.kind:
            case "RIGHT":
                return right.join(left, on, isouter=True)
            case "FULL":
                return left.join(right, on, full=True)
            case _:
                return left.join(right, on, isouter=node.kind == "LEFT")

    # ------------------------------------------------------------ values

    def value(self, node: q.Value) -> Element:
        """A value; a geometry as the list of its coordinates."""
        made = self._made(node)
        return made.element if isinstance(made, Geometry) else made

    def _made(self, node: q.Value) -> Element | Geometry:
        match node:
            case q.Field(source, name, column):
                return sa.column(name, column.type.sql, _selectable=self._sources[source])
            case q.Constant(_, column):
                return sa.cast(sa.null(), column.type.sql)
            case q.Slot(number, column):
                return self._slot(number, column)
            case q.Apply():
                return self._apply(node)
            case q.Aggregate():
                return self._aggregate(node)
            case q.Cast():
                return self._cast(node)
            case q.Case(branches, otherwise):
                pairs = [(self.condition(when), self.value(then)) for when, then in branches]
                return sa.case(*pairs, else_=None if otherwise is None else self.value(otherwise))
            case q.Scalar(inner):
                return self._nested(inner).scalar_subquery()
            case _:
                assert_never(node)

    def _slot(self, number: int, column: Column) -> Element:
        if number not in self._slots:
            bound = sa.bindparam(f"p{number}", type_=column.type.sql)
            self._slots[number] = sa.cast(bound, column.type.sql) if column.type is types.REAL else bound
        return self._slots[number]

    def _cast(self, node: q.Cast) -> Element:
        """A time as a text is in the form of DALI (1.1 section 3.3.3); a text is cut to its length."""
        column = node.column
        value, source = self.value(node.value), node.value.column.type
        if source.family == "text" and column.type.family == "time":
            return sa.cast(spherical.Moment(value), column.type.sql)
        if source.family == "text" and column.type.numeric:
            return sa.cast(spherical.Parsed(value), column.type.sql)
        if column.type.family != "text":
            return sa.cast(value, column.type.sql)
        made: Element = spherical.Digits(value) if source.family == "real" else sa.cast(value, column.type.sql)
        if source is types.TIMESTAMP:
            made = sa.func.replace(made, fixed(" "), fixed("T"))
        return made if column.length is None else sa.func.substr(made, fixed(1), fixed(column.length))

    def _apply(self, node: q.Apply) -> Element | Geometry:
        made = self._sql(node)
        if node.function.predicate and not isinstance(made, Geometry):
            return sa.cast(made, sa.Integer())
        return made

    def _sql(self, node: q.Apply) -> Element | Geometry:
        arguments = [self._argument(node.function, n, a) for n, a in enumerate(node.arguments)]
        made: Element | Geometry = node.function.sql(*arguments)
        return made

    def _argument(self, function: Function, n: int, value: q.Value) -> Element | Geometry:
        if function.parameter(n).kind not in ("point", "geometry"):
            return self.value(value)
        made, kind = self._made(value), value.column.type.name.lower()
        if isinstance(made, Geometry):
            return made
        return Geometry(kind, whole=spherical.Outline(fixed(kind), made) if value.column.type is types.REGION else made)

    def _aggregate(self, node: q.Aggregate) -> Element:
        if node.argument is None:
            return sa.func.count()
        inner = self.value(node.argument)
        if node.function is not None:
            given: Element = node.function.sql(inner, *(self.value(r) for r in node.rest))
            return given
        made: Element = getattr(sa.func, node.name.lower())(sa.distinct(inner) if node.distinct else inner)
        return made

    def _nested(self, inner: q.Query) -> Statement:
        """A sub-query; its own sources are not seen outside, and may have the names of some that are there."""
        around = dict(self._sources)
        made = self.query(inner)
        self._sources = around
        return made

    # -------------------------------------------------------- conditions

    def condition(self, node: q.Condition) -> Element:
        match node:
            case q.Compare(operator, left, right):
                return _OPERATORS[operator](self.value(left), self.value(right))
            case q.Between(value, low, high, negated):
                between = self.value(value).between(self.value(low), self.value(high))
                return sa.not_(between) if negated else between
            case q.In(value, options, negated):
                return self._in(value, options, negated)
            case q.Among(value, q.Slot(number, column), negated):
                listed = sa.cast(sa.bindparam(f"p{number}"), sa.ARRAY(column.type.sql))
                among = sa.select(sa.func.unnest(listed).label("option"))  # of one name, to be one expression
                return self.value(value).not_in(among) if negated else self.value(value).in_(among)
            case q.Among():
                raise TypeError("the options of a long list are one constant")
            case q.Like(value, pattern, negated, fold):
                text, wanted = self.value(value), self.value(pattern)
                like = text.ilike(wanted) if fold else text.like(wanted)
                return sa.not_(like) if negated else like
            case q.IsNull(value, negated):
                element = self.value(value)
                return element.is_not(None) if negated else element.is_(None)
            case q.Exists(inner):
                return sa.exists(self._nested(inner))
            case q.Holds(predicate):
                return _element(self._sql(predicate))
            case q.Within(index, ranges):
                place = self.value(index)
                return sa.or_(sa.false(), *(place.between(self.value(lo), self.value(hi)) for lo, hi in ranges))
            case q.Not(operand):
                return sa.not_(self.condition(operand))
            case q.And(operands):
                return sa.and_(sa.true(), *self._all(operands))
            case q.Or(operands):
                return sa.or_(sa.false(), *self._all(operands))
            case _:
                assert_never(node)

    def _all(self, conditions: Iterable[q.Condition]) -> list[Element]:
        return [self.condition(c) for c in conditions]

    def _in(self, value: q.Value, options: tuple[q.Value, ...] | q.Query, negated: bool) -> Element:
        element = self.value(value)
        among: Any = [self.value(o) for o in options] if isinstance(options, tuple) else self._nested(options)
        return element.not_in(among) if negated else element.in_(among)


def _element(made: Element | Geometry) -> Element:
    return made.element if isinstance(made, Geometry) else made
