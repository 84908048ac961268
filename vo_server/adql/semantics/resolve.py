"""Name resolution and typing: from the syntax tree to the typed query.

Pure. Names follow the standard's rules (ADQL 2.1 section 2.1), scopes are as in SQL-92: a sub-query sees the tables
around it, ORDER BY and GROUP BY see the aliases of the select list too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.expressions import ExpressionResolver
from vo_server.adql.semantics.functions import Function, find_common_type
from vo_server.adql.semantics.groups import find_ungrouped, is_same_value, strip_name, walk_select
from vo_server.adql.semantics.internal_functions import STC_S
from vo_server.adql.semantics.scope import Scope
from vo_server.adql.semantics.sources import CommonQueries, SourceResolver
from vo_server.adql.semantics.values import is_null, is_same_in_all_rows
from vo_server.adql.syntax import tree
from vo_server.adql.syntax.error_list import ErrorCollector, combine
from vo_server.catalogue.catalogue import Catalogue, is_same_name
from vo_server.errors import Code, QueryError, TextSpan
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.unique_names import UniqueNames


@dataclass(frozen=True, slots=True)
class ResolvedQuery:
    """A typed query, and warnings for its author that do not prevent it from running."""

    query: q.Query
    warnings: tuple[str, ...] = ()


def resolve(
    node: tree.Query, catalogue: Catalogue, text: str = "", unsupported: frozenset[str] = frozenset()
) -> ResolvedQuery:
    """Resolve a syntax tree; `text` is what it was parsed from, `unsupported` names functions that are not offered.

    Raises QueryError with the span of the name or value that does not resolve; further independent errors are among its
    `other_errors`.
    """
    resolver = _QueryResolver(text, catalogue)
    query: q.Query | None = None
    with resolver.collector:
        query = resolver.resolve(node, None, {})
        _check_supported(query, node, unsupported)
    if query is None or resolver.collector.errors:
        raise combine(resolver.collector.errors).with_text(text)
    return ResolvedQuery(query, tuple(dict.fromkeys(resolver.warnings)))


def _check_supported(query: q.Query, node: tree.Query, unsupported: frozenset[str]) -> None:
    """Check that no unsupported function is needed, in whichever form it was written (REGION, CAST)."""
    missing_names = find_unsupported(query, unsupported)
    if missing_names:
        calls = {getattr(c, "name", "CAST").upper(): c.span for c in _iter_tree(node, (tree.Call, tree.Cast))}
        missing = min(missing_names)
        words = (missing.partition("(")[0], *sorted(unsupported), "REGION", "CAST")
        name = next((n for n in words if n.upper() in calls), "")
        subject = missing if "(" in missing else name or missing
        raise QueryError(
            f"{subject} is not offered by this service", span=calls.get(name.upper()), code=Code.ADQL_UNKNOWN_FUNCTION
        )


def find_unsupported(query: q.Query, unsupported: frozenset[str]) -> frozenset[str]:
    """Return which of the functions and types that an engine does not support a query needs."""
    parts = (p for p in q.walk(query) if isinstance(p, q.FunctionCall | q.AggregateCall)) if unsupported else ()
    return unsupported & {
        name for part in parts if part.function is not None for name in _iter_requirements(part.function, part)
    }


def _iter_requirements(function: Function, part: q.FunctionCall | q.AggregateCall) -> Iterator[str]:
    """Yield the function, and the types of its geometries; STC_S formats bare numbers and needs none."""
    yield function.name
    if isinstance(part, q.FunctionCall) and function.parameters and function is not STC_S:
        for n, argument in enumerate(part.arguments):
            if function.parameter(n).kind == "geometry":
                yield argument.column.type.name


MAX_COLUMNS = 1600
"""Columns of a result: PostgreSQL's limit."""


@dataclass(slots=True)
class _QueryResolver:
    """The resolver of a query and its sub-queries, with the warnings and errors that it collects."""

    text: str
    catalogue: Catalogue
    warnings: list[str] = field(default_factory=list)
    names: UniqueNames = field(default_factory=UniqueNames)
    collector: ErrorCollector = field(default_factory=ErrorCollector)

    def resolve(self, node: tree.Query, outer: Scope | None, common: CommonQueries) -> q.Query:
        """Resolve a query; `outer` is the scope around it, `common` has the queries of WITH."""
        for each in node.common_tables:
            query: q.Query | None = None
            with self.collector:
                if each.name.text.lower() in common:
                    raise QueryError(
                        f"WITH has two queries named {each.name.text}",
                        span=each.name.span,
                        code=Code.ADQL_DUPLICATE_NAME,
                    )
                query = self.resolve(each.query, outer, common)
            common = {**common, each.name.text.lower(): (each.name, query)}
        if isinstance(node.body, tree.Select):
            return self._resolve_select(node.body, node, outer, common)
        return self._resolve_set(node.body, node, outer, common)

    # ------------------------------------------------------------ SELECT

    def _resolve_select(
        self, node: tree.Select, statement: tree.Query, outer: Scope | None, common: CommonQueries
    ) -> q.SelectQuery:
        before = self.collector.count
        expressions = partial(self._make_expression_resolver, common)
        source, namespace = self._make_source_resolver(outer, common).resolve(node.source)
        scope = Scope(namespace, outer, self.catalogue)
        free = expressions(scope, None)
        where = having = None
        group_by: tuple[q.Value, ...] = ()
        order_by: tuple[q.SortKey, ...] = ()
        if node.where is not None:
            with self.collector:
                where_scope = replace(scope, aliases=frozenset(_iter_aliases(node)))
                where = expressions(where_scope, "in WHERE").resolve_condition(node.where)
        outputs = self._resolve_outputs(node, scope, free)
        self.collector.raise_if_new(before)
        with self.collector:
            group_by = tuple(
                self._resolve_group(g, scope, outputs, expressions(scope, "in GROUP BY")) for g in node.group_by
            )
        if node.having is not None:
            with self.collector:
                having = free.resolve_condition(node.having)
        with self.collector:
            order_by = tuple(self._resolve_order(o, outputs, free) for o in statement.order_by)
        self.collector.raise_if_new(before)
        top = _take_smaller(node.top, statement.limit)
        select = q.SelectQuery(outputs, source, where, group_by, having, node.distinct, order_by, top, statement.offset)
        self._check_groups(select, node, statement)
        self._check_distinct(select, statement)
        return select

    def _make_expression_resolver(
        self, common: CommonQueries, scope: Scope, aggregate_ban: str | None
    ) -> ExpressionResolver:
        return ExpressionResolver(
            self.text,
            scope,
            lambda n, s: self.resolve(n, s, common),
            self.warnings,
            aggregate_ban,
            collector=self.collector,
        )

    def _make_source_resolver(self, outer: Scope | None, common: CommonQueries) -> SourceResolver:
        return SourceResolver(
            catalogue=self.catalogue,
            common=common,
            outer=outer,
            names=self.names,
            collector=self.collector,
            resolve_query=lambda n: self.resolve(n, outer, common),
            resolve_condition=lambda n, s: self._make_expression_resolver(common, s, "in ON").resolve_condition(n),
        )

    def _resolve_outputs(self, node: tree.Select, scope: Scope, free: ExpressionResolver) -> tuple[q.OutputColumn, ...]:
        labels, names = UniqueNames(), UniqueNames()
        outputs: list[q.OutputColumn] = []
        for item in node.items:
            if len(outputs) > MAX_COLUMNS or len(node.items) > MAX_COLUMNS:
                raise QueryError(
                    f"a result has at most {MAX_COLUMNS:,} columns", span=item.span, code=Code.ADQL_TOO_COMPLEX
                )
            with self.collector:
                values = self._resolve_item(item, scope, free, names)
                outputs += [q.OutputColumn(labels.assign(value.column.name), value) for value in values]
        return tuple(outputs)

    def _resolve_item(
        self, item: tree.SelectItem | tree.Star, scope: Scope, free: ExpressionResolver, names: UniqueNames
    ) -> tuple[q.Value, ...]:
        """Return the values that an item of the select list stands for."""
        if isinstance(item, tree.Star):
            return scope.expand_star(item)
        value = free.resolve_value(item.value)
        if item.alias is not None:
            names.assign(item.alias.text)
            return (_rename_value(value, item.alias.text, self._describe_origin(value, item)),)
        if isinstance(item.value, tree.ColumnName):
            names.assign(value.column.name)
            return (value,)
        return (_rename_value(value, names.assign(_generate_name(item.value)), self._describe_origin(value, item)),)

    def _describe_origin(self, value: q.Value, item: tree.SelectItem) -> str | None:
        """Return the description of a result column: that of its column, or the text of its expression."""
        if isinstance(value, q.ColumnRef):
            return value.column.description
        return " ".join(self.text[item.value.span.start : item.value.span.end].split()) or None

    def _resolve_group(
        self, node: tree.Value, scope: Scope, outputs: tuple[q.OutputColumn, ...], expressions: ExpressionResolver
    ) -> q.Value:
        """Resolve a key of GROUP BY: a column of the tables comes first, then an alias of the select list."""
        aliases = _find_aliases(node, outputs)
        value = aliases[0].value if len(aliases) == 1 else None
        if value is not None and isinstance(node, tree.ColumnName):
            with suppress(QueryError):
                value = scope.resolve_column(node)
        value = value or expressions.resolve_value(node)
        if any(isinstance(p, q.AggregateCall) for p in walk_select(value)):
            raise QueryError(
                "GROUP BY cannot take an aggregate",
                span=node.span,
                hint="compute it in a sub-query in FROM",
                code=Code.ADQL_BAD_AGGREGATION,
            )
        if is_same_in_all_rows(value):
            raise QueryError(
                "GROUP BY expression is constant",
                span=node.span,
                hint="it takes names, not positions",
                code=Code.ADQL_BAD_AGGREGATION,
            )
        return value

    def _resolve_order(
        self, node: tree.OrderTerm, outputs: tuple[q.OutputColumn, ...], free: ExpressionResolver
    ) -> q.SortKey:
        """Resolve a key of ORDER BY: a position or an alias of the select list comes first, then any value."""
        if isinstance(node.value, tree.Number) and node.value.text.isdigit():
            position = int(node.value.text)
            if not 1 <= position <= len(outputs):
                raise QueryError(
                    f"ORDER BY position {position} is not one of 1..{len(outputs)}",
                    span=node.value.span,
                    code=Code.ADQL_BAD_ORDER,
                )
            return q.SortKey(outputs[position - 1].label, node.descending)
        aliases = _find_aliases(node.value, outputs)
        if len({strip_name(o.value) for o in aliases}) > 1:
            raise QueryError(
                "two columns have the name that ORDER BY gives",
                span=node.span,
                hint="order by position",
                code=Code.ADQL_BAD_ORDER,
            )
        if aliases:
            return q.SortKey(aliases[0].label, node.descending)
        value = free.resolve_value(node.value)
        if is_same_in_all_rows(value):
            raise QueryError(
                "ORDER BY expression is constant",
                span=node.span,
                hint=f"a position is a whole number, 1..{len(outputs)}",
                code=Code.ADQL_BAD_ORDER,
            )
        listed = next((o.label for o in outputs if is_same_value(o.value, value)), None)
        return q.SortKey(listed or value, node.descending)

    def _check_groups(self, select: q.SelectQuery, node: tree.Select, statement: tree.Query) -> None:
        """Check that everything beside an aggregate is grouped by (SQL-92 7.9)."""
        ordered = [o.by for o in select.order_by if not isinstance(o.by, str)]
        values = [o.value for o in select.outputs] + ordered
        aggregated = any(isinstance(p, q.AggregateCall) for v in [*values, select.having] for p in walk_select(v))
        if not (select.group_by or aggregated or select.having):
            return
        grouped = [strip_name(g) for g in select.group_by]
        sources = frozenset(p.name for p in walk_select(select.source) if isinstance(p, q.TableScan | q.Subquery))
        for value in [*values, *([] if select.having is None else [select.having])]:
            ungrouped = next(find_ungrouped(value, grouped, sources), None)
            if ungrouped is not None:
                hint = f"add it to GROUP BY, or use MIN({ungrouped.name})"
                raise QueryError(
                    f"{ungrouped.name} is neither grouped nor in an aggregate",
                    span=_find_span(node, statement, ungrouped),
                    hint=hint,
                    code=Code.ADQL_BAD_AGGREGATION,
                )

    def _check_distinct(self, select: q.SelectQuery, statement: tree.Query) -> None:
        for order, node in zip(select.order_by, statement.order_by, strict=True):
            if select.distinct and not isinstance(order.by, str):
                raise QueryError(
                    "ORDER BY of SELECT DISTINCT takes only values of the select list",
                    span=node.span,
                    code=Code.ADQL_BAD_ORDER,
                )

    # -------------------------------------------------------------- sets

    def _resolve_set(
        self, node: tree.SetOperation, statement: tree.Query, outer: Scope | None, common: CommonQueries
    ) -> q.SetQuery:
        sides: list[q.Query] = []
        before = self.collector.count
        for side in (node.left, node.right):
            with self.collector:
                sides.append(self.resolve(side, outer, common))
        self.collector.raise_if_new(before)
        left, right = sides
        if len(left.columns) != len(right.columns):
            raise QueryError(
                f"{node.operator} of queries with {len(left.columns)} and {len(right.columns)} columns",
                span=node.span,
                code=Code.ADQL_COLUMN_COUNT,
            )
        pairs = zip(left.columns, right.columns, _find_null_columns(left), _find_null_columns(right), strict=True)
        columns = tuple(_unite_columns(a, b, node, *nulls) for a, b, *nulls in pairs)
        combined = q.SetQuery(node.operator, node.all, left, right, columns, (), statement.limit, statement.offset)
        return replace(combined, order_by=tuple(self._resolve_set_order(o, combined) for o in statement.order_by))

    def _resolve_set_order(self, node: tree.OrderTerm, combined: q.SetQuery) -> q.SortKey:
        match node.value:
            case tree.Number(text=text) if text.isdigit() and 1 <= int(text) <= len(combined.labels):
                return q.SortKey(combined.labels[int(text) - 1], node.descending)
            case tree.ColumnName(names=(*_, name)):
                for label, column in zip(combined.labels, combined.columns, strict=True):
                    if is_same_name(name.text, name.delimited, column.name):
                        return q.SortKey(label, node.descending)
            case _:
                pass
        raise QueryError(
            "a set operation must be ordered by one of its columns",
            span=node.span,
            hint="by name or by position",
            code=Code.ADQL_BAD_ORDER,
        )


def _unite_columns(a: Column, b: Column, node: tree.SetOperation, a_null: bool, b_null: bool) -> Column:
    """Return the column of a set operation; one that is NULL throughout takes the other's type."""
    if a_null or b_null:
        return (
            a
            if b_null
            else a.replace(type=b.type, length=b.length, unit=b.unit, ucd=b.ucd, xtype_override=b.xtype_override)
        )
    type = find_common_type([a, b])
    if type is None:
        raise QueryError(
            f"{node.operator} cannot combine {a.name} ({a.type}) with {b.name} ({b.type})",
            span=node.span,
            hint="CAST one of them",
            code=Code.ADQL_TYPE_MISMATCH,
        )
    length = max(a.length, b.length) if type.family == "text" and a.length and b.length else None
    return a.replace(type=_widen_char(type, a, b), length=length)


def _widen_char(type: types.Type, a: Column, b: Column) -> types.Type:
    return types.VARCHAR if type is types.CHAR and a.length != b.length else type


def _find_null_columns(query: q.Query) -> list[bool]:
    """Tell for each column whether it is NULL throughout."""
    if isinstance(query, q.SelectQuery):
        return [is_null(o.value) for o in query.outputs]
    return [a and b for a, b in zip(_find_null_columns(query.left), _find_null_columns(query.right), strict=True)]


def _rename_value(value: q.Value, name: str, description: str | None) -> q.Value:
    return replace(value, column=value.column.replace(name=name, description=description))


def _generate_name(node: tree.Value) -> str:
    """Return a name for a value that has none: its operation and its column."""
    match node:
        case tree.Call(name=name, arguments=arguments, star=star):
            first = next((a.names[-1].text for a in arguments if isinstance(a, tree.ColumnName)), "")
            return f"{name.lower()}_{'all' if star else first}".rstrip("_") if star or first else f"{name.lower()}_1"
        case tree.Cast(value=tree.ColumnName(names=(*_, name))):
            return f"cast_{name.text}"
        case _:
            return "col_1"


def _find_aliases(node: tree.Value, outputs: tuple[q.OutputColumn, ...]) -> list[q.OutputColumn]:
    """Return the outputs that a bare name matches."""
    if not isinstance(node, tree.ColumnName) or len(node.names) != 1:
        return []
    (name,) = node.names
    return [o for o in outputs if is_same_name(name.text, name.delimited, o.column.name)]


def _find_span(node: tree.Select, statement: tree.Query, field: q.ColumnRef) -> TextSpan:
    """Return where a column is named outside WHERE and GROUP BY."""
    for name in _iter_column_names((node.items, node.having, statement.order_by)):
        if name.names[-1].text.lower() == field.name.lower():
            return name.span
    return node.span


def _iter_column_names(node: object) -> Iterator[tree.ColumnName]:
    return _iter_tree(node, tree.ColumnName)


def _iter_tree(node: object, kinds: Any) -> Iterator[Any]:
    """Yield the nodes of these classes in a syntax tree."""
    if isinstance(node, kinds):
        yield node
    if isinstance(node, tuple):
        for part in node:
            yield from _iter_tree(part, kinds)
    else:
        for name in getattr(node, "__dataclass_fields__", ()):
            yield from _iter_tree(getattr(node, name), kinds)


def _iter_aliases(node: tree.Select) -> Iterator[str]:
    return (item.alias.text.lower() for item in node.items if isinstance(item, tree.SelectItem) and item.alias)


def _take_smaller(a: int | None, b: int | None) -> int | None:
    return min(x for x in (a, b) if x is not None) if a is not None or b is not None else None
