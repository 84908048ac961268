"""Translation of the typed query to SQLAlchemy Core. Constants become bound parameters, equal ones the same parameter,
so that an expression that stands twice (in a select list and after GROUP BY) is one expression for the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, assert_never

import sqlalchemy as sa
from sqlalchemy.sql.expression import CompoundSelect, FromClause

from vo_server.adql.placeholders import extract_constants
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics import spherical
from vo_server.adql.semantics.functions import COMPARISONS, Function
from vo_server.adql.semantics.spherical import Element, Geometry, to_literal
from vo_server.model import types
from vo_server.model.column import Column, Table

Statement = sa.Select[Any] | CompoundSelect[Any]
TableLocator = Callable[[Table], tuple[str | None, str]]

_SET_OPERATORS: dict[tuple[str, bool], Callable[..., CompoundSelect[Any]]] = {
    ("UNION", False): sa.union,
    ("UNION", True): sa.union_all,
    ("INTERSECT", False): sa.intersect,
    ("INTERSECT", True): sa.intersect_all,
    ("EXCEPT", False): sa.except_,
    ("EXCEPT", True): sa.except_all,
}


def translate(query: q.Query, locate: TableLocator) -> tuple[Statement, tuple[Any, ...]]:
    """Translate a query to a statement, and return it with the values of its parameters p0, p1, ...

    `locate` returns the schema and the name under which an engine keeps a table. The statement's columns are in the
    order of the query's, and of the types that the query declares. Queries that differ in their constants alone share
    one cached statement object.
    """
    shape, values = extract_constants(query)
    return _translate_shape(shape, locate), values


@lru_cache(maxsize=256)
def _translate_shape(shape: q.Query, locate: TableLocator) -> Statement:
    return _Translation(locate).translate_query(shape)


class _Translation:
    """The translation of one query: its bound parameters, and the sources that are visible where it is."""

    def __init__(self, locate: TableLocator) -> None:
        self._locate = locate
        self._parameters: dict[int, Element] = {}
        self._sources: dict[str, FromClause] = {}

    # ----------------------------------------------------------- queries

    def translate_query(self, node: q.Query) -> Statement:
        """Translate a query to a statement."""
        statement: Statement = (
            self._translate_select(node) if isinstance(node, q.SelectQuery) else self._translate_set(node)
        )
        return statement

    def _translate_select(self, node: q.SelectQuery) -> Any:
        outer = list(self._sources.values())
        source = self._translate_source(node.source)
        outputs = [self._translate_output(o) for o in node.outputs]
        statement = sa.select(*outputs).select_from(source).correlate(*outer)
        if node.where is not None:
            statement = statement.where(self.translate_condition(node.where))
        if node.group_by:
            statement = statement.group_by(*(self.translate_value(g) for g in node.group_by))
        if node.having is not None:
            statement = statement.having(self.translate_condition(node.having))
        if node.distinct:
            statement = statement.distinct()
        return self._apply_limit(self._apply_order(statement, node, dict(zip(node.labels, outputs, strict=True))), node)

    def _translate_output(self, output: q.OutputColumn) -> Element:
        value = output.value
        element = self.translate_value(value)
        if isinstance(value, q.ColumnRef) and value.name == output.label:
            return element
        plain = value.column.type.family not in ("geometry", "array")
        if (
            plain
            and not isinstance(value, q.ColumnRef | q.TypeCast)
            and not isinstance(element, spherical.EXACTLY_TYPED)
        ):
            element = sa.cast(element, value.column.type.sql)
        return element.label(output.label)

    def _translate_set(self, node: q.SetQuery) -> Any:
        sides = [self._translate_operand(side, node.columns) for side in (node.left, node.right)]
        statement = _SET_OPERATORS[node.operator, node.all](*sides)
        return self._apply_limit(self._apply_order(statement, node, {n: sa.column(n) for n in node.labels}), node)

    def _translate_operand(self, side: q.Query, columns: tuple[Column, ...]) -> sa.Select[Any]:
        """Translate a side of a set operation to a plain SELECT whose columns have the types of the whole."""
        inner = self.translate_query(side).subquery()
        pairs = zip(side.labels, side.columns, columns, strict=True)
        return sa.select(
            *(
                inner.c[label] if column.type is common.type else sa.cast(inner.c[label], common.type.sql).label(label)
                for label, column, common in pairs
            )
        )

    def _apply_order(self, statement: Any, node: q.Query, labels: dict[str, Element]) -> Any:
        for order in node.order_by:
            key = labels[order.by] if isinstance(order.by, str) else self.translate_value(order.by)
            statement = statement.order_by(key.desc() if order.descending else key.asc())
        return statement

    def _apply_limit(self, statement: Any, node: q.Query) -> Any:
        statement = statement if node.top is None else statement.limit(node.top)
        return statement if not node.offset else statement.offset(node.offset)

    # ----------------------------------------------------------- sources

    def _translate_source(self, node: q.Source) -> FromClause:
        match node:
            case q.TableScan(name, table):
                return self._register_source(name, self._translate_table(name, table))
            case q.Subquery(name, inner):
                return self._register_source(name, self._translate_nested(inner).subquery(name))
            case q.Unnest():
                return self._translate_unnest(node)
            case q.JoinedSource():
                return self._translate_join(node)
            case _:
                assert_never(node)

    def _translate_unnest(self, node: q.Unnest) -> FromClause:
        source = self._translate_source(node.source)
        everything: Element = sa.literal_column("*")
        cells = self.translate_value(node.values).label(node.label)
        return self._register_source(node.name, sa.select(everything, cells).select_from(source).subquery(node.name))

    def _register_source(self, name: str, source: FromClause) -> FromClause:
        self._sources[name] = source
        return source

    def _translate_table(self, name: str, table: Table) -> FromClause:
        schema, name_in_engine = self._locate(table)
        return sa.table(name_in_engine, schema=schema).alias(name)

    def _translate_join(self, node: q.JoinedSource) -> FromClause:
        left, right = self._translate_source(node.left), self._translate_source(node.right)
        on = sa.true() if node.on is None else self.translate_condition(node.on)
        match node.kind:
            case "RIGHT":
                return right.join(left, on, isouter=True)
            case "FULL":
                return left.join(right, on, full=True)
            case _:
                return left.join(right, on, isouter=node.kind == "LEFT")

    # ------------------------------------------------------------ values

    def translate_value(self, node: q.Value) -> Element:
        """Translate a value; a geometry becomes the list of its coordinates."""
        element = self._translate_element(node)
        return element.element if isinstance(element, Geometry) else element

    def _translate_element(self, node: q.Value) -> Element | Geometry:
        match node:
            case q.ColumnRef(source, name, column):
                return sa.column(name, column.type.sql, _selectable=self._sources[source])
            case q.Constant(_, column):
                return sa.cast(sa.null(), column.type.sql)
            case q.Placeholder(number, column):
                return self._bind_parameter(number, column)
            case q.FunctionCall():
                return self._translate_call(node)
            case q.AggregateCall():
                return self._translate_aggregate(node)
            case q.TypeCast():
                return self._translate_cast(node)
            case q.CaseExpression(branches, otherwise):
                pairs = [(self.translate_condition(when), self.translate_value(then)) for when, then in branches]
                return sa.case(*pairs, else_=None if otherwise is None else self.translate_value(otherwise))
            case q.ScalarSubquery(inner):
                return self._translate_nested(inner).scalar_subquery()
            case _:
                assert_never(node)

    def _bind_parameter(self, number: int, column: Column) -> Element:
        if number not in self._parameters:
            bound = sa.bindparam(f"p{number}", type_=column.type.sql)
            self._parameters[number] = sa.cast(bound, column.type.sql) if column.type is types.REAL else bound
        return self._parameters[number]

    def _translate_cast(self, node: q.TypeCast) -> Element:
        """Translate a cast. A time as a text is in the form of DALI (1.1 section 3.3.3); a text is cut to its
        length."""
        column = node.column
        value, source = self.translate_value(node.value), node.value.column.type
        if source.family == "text" and column.type.family == "time":
            return sa.cast(spherical.ParsedTime(value), column.type.sql)
        if source.family == "text" and column.type.is_numeric:
            return sa.cast(spherical.ParsedNumber(value), column.type.sql)
        if column.type.family != "text":
            return sa.cast(value, column.type.sql)
        text: Element = spherical.FloatText(value) if source.family == "real" else sa.cast(value, column.type.sql)
        if source is types.TIMESTAMP:
            text = sa.func.replace(text, to_literal(" "), to_literal("T"))
        return text if column.length is None else sa.func.substr(text, to_literal(1), to_literal(column.length))

    def _translate_call(self, node: q.FunctionCall) -> Element | Geometry:
        element = self._call_sql(node)
        if node.function.is_predicate and not isinstance(element, Geometry):
            return sa.cast(element, sa.Integer())
        return element

    def _call_sql(self, node: q.FunctionCall) -> Element | Geometry:
        arguments = [self._translate_argument(node.function, n, a) for n, a in enumerate(node.arguments)]
        element: Element | Geometry = node.function.sql(*arguments)
        return element

    def _translate_argument(self, function: Function, n: int, value: q.Value) -> Element | Geometry:
        if function.parameter(n).kind not in ("point", "geometry"):
            return self.translate_value(value)
        element, kind = self._translate_element(value), value.column.type.name.lower()
        if isinstance(element, Geometry):
            return element
        return Geometry(
            kind,
            value=spherical.ParsedGeometry(to_literal(kind), element) if value.column.type is types.REGION else element,
        )

    def _translate_aggregate(self, node: q.AggregateCall) -> Element:
        if node.argument is None:
            return sa.func.count()
        inner = self.translate_value(node.argument)
        aggregate: Element
        if node.function is not None:
            aggregate = node.function.sql(inner, *(self.translate_value(r) for r in node.extra_arguments))
        else:
            aggregate = getattr(sa.func, node.name.lower())(sa.distinct(inner) if node.distinct else inner)
        return aggregate

    def _translate_nested(self, inner: q.Query) -> Statement:
        """Translate a sub-query; its own sources are not visible outside, and may have the names of outer ones."""
        outer = dict(self._sources)
        statement = self.translate_query(inner)
        self._sources = outer
        return statement

    # -------------------------------------------------------- conditions

    def translate_condition(self, node: q.Condition) -> Element:
        """Translate a condition."""
        match node:
            case q.Comparison(operator, left, right):
                comparison: Element = COMPARISONS[operator](self.translate_value(left), self.translate_value(right))
                return comparison
            case q.RangeTest(value, low, high, negated):
                between = self.translate_value(value).between(self.translate_value(low), self.translate_value(high))
                return sa.not_(between) if negated else between
            case q.InTest(value, options, negated):
                return self._translate_in(value, options, negated)
            case q.InConstants(value, q.Placeholder(number, column), negated):
                listed = sa.cast(sa.bindparam(f"p{number}"), sa.ARRAY(column.type.sql))
                among = sa.select(sa.func.unnest(listed).label("option"))  # of one name, to be one expression
                return self.translate_value(value).not_in(among) if negated else self.translate_value(value).in_(among)
            case q.InConstants():
                raise TypeError("the options of a long list are one constant")
            case q.LikeTest(value, pattern, negated, fold):
                text, like_pattern = self.translate_value(value), self.translate_value(pattern)
                like = text.ilike(like_pattern) if fold else text.like(like_pattern)
                return sa.not_(like) if negated else like
            case q.NullTest(value, negated):
                element = self.translate_value(value)
                return element.is_not(None) if negated else element.is_(None)
            case q.ExistsTest(inner):
                return sa.exists(self._translate_nested(inner))
            case q.PredicateTest(predicate):
                return _to_element(self._call_sql(predicate))
            case q.IndexRanges(index, ranges):
                index_column = self.translate_value(index)
                return sa.or_(
                    sa.false(),
                    *(index_column.between(self.translate_value(lo), self.translate_value(hi)) for lo, hi in ranges),
                )
            case q.Negation(operand):
                return sa.not_(self.translate_condition(operand))
            case q.Conjunction(operands):
                return sa.and_(sa.true(), *self._translate_all(operands))
            case q.Disjunction(operands):
                return sa.or_(sa.false(), *self._translate_all(operands))
            case _:
                assert_never(node)

    def _translate_all(self, conditions: Iterable[q.Condition]) -> list[Element]:
        return [self.translate_condition(c) for c in conditions]

    def _translate_in(self, value: q.Value, options: tuple[q.Value, ...] | q.Query, negated: bool) -> Element:
        element = self.translate_value(value)
        among: Any = (
            [self.translate_value(o) for o in options]
            if isinstance(options, tuple)
            else self._translate_nested(options)
        )
        return element.not_in(among) if negated else element.in_(among)


def _to_element(element: Element | Geometry) -> Element:
    return element.element if isinstance(element, Geometry) else element
