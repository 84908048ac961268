"""From what the user wrote to what it means: tables found, columns named, rows described.

Pure. Names by the standard's rules (ADQL 2.1 section 2.1), scopes as in SQL-92: a sub-query sees the tables around
it, ORDER BY and GROUP BY see the aliases of the select list too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.expressions import Expressions
from vo_server.adql.semantics.functions import STC_S, Function, common_type
from vo_server.adql.semantics.groups import alike, bare, here, ungrouped
from vo_server.adql.semantics.scope import Labels, Scope
from vo_server.adql.semantics.sources import Common, Sources
from vo_server.adql.semantics.values import is_fixed, is_null
from vo_server.adql.syntax import tree
from vo_server.adql.syntax.error_list import Faults, together
from vo_server.catalogue.catalogue import Catalogue, same
from vo_server.errors import QueryError, TextSpan
from vo_server.model import types
from vo_server.model.column import Column


@dataclass(frozen=True, slots=True)
class Meaning:
    """A typed query, and what its author should be told although it runs."""

    query: q.Query
    warnings: tuple[str, ...] = ()


def resolve(node: tree.Query, catalogue: Catalogue, text: str = "", lacks: frozenset[str] = frozenset()) -> Meaning:
    """The meaning of a tree; `text` is what it was parsed from, `lacks` names functions that are not offered.

    Raises QueryError with the place of what cannot be found or does not fit; what else is wrong, as far as one does not
    come of the other, is among its further ones.
    """
    resolver = _Resolver(text, catalogue)
    query: q.Query | None = None
    with resolver.faults:
        query = resolver.query(node, None, {})
        _check_offered(query, node, lacks)
    if query is None or resolver.faults.met:
        raise together(resolver.faults.met).with_text(text)
    return Meaning(query, tuple(dict.fromkeys(resolver.warnings)))


def _check_offered(query: q.Query, node: tree.Query, lacks: frozenset[str]) -> None:
    """Whatever it was written as (REGION, CAST), what comes of it must be offered."""
    made = lacking(query, lacks)
    if made:
        calls = {getattr(c, "name", "CAST").upper(): c.place for c in _nodes(node, (tree.Call, tree.Cast))}
        missing = min(made)
        words = (missing.partition("(")[0], *sorted(lacks), "REGION", "CAST")
        name = next((n for n in words if n.upper() in calls), "")
        said = missing if "(" in missing else name or missing
        raise QueryError(f"{said} is not offered by this service", span=calls.get(name.upper()))


def lacking(query: q.Query, lacks: frozenset[str]) -> frozenset[str]:
    """Which of the functions and types that an engine lacks a query needs."""
    parts = (p for p in q.parts(query) if isinstance(p, q.Apply | q.Aggregate)) if lacks else ()
    return lacks & {name for part in parts if part.function is not None for name in _needed(part.function, part)}


def _needed(function: Function, part: q.Apply | q.Aggregate) -> Iterator[str]:
    """The function, and the types of the geometries that it works with; their words are made of the bare numbers."""
    yield function.name
    if isinstance(part, q.Apply) and function.parameters and function is not STC_S:
        for n, argument in enumerate(part.arguments):
            if function.parameter(n).kind == "geometry":
                yield argument.column.type.name


MAX_COLUMNS = 1600
"""Columns of a result: no more than PostgreSQL has."""


@dataclass(slots=True)
class _Resolver:
    text: str
    catalogue: Catalogue
    warnings: list[str] = field(default_factory=list)
    names: Labels = field(default_factory=Labels)
    faults: Faults = field(default_factory=Faults)

    def query(self, node: tree.Query, outer: Scope | None, common: Common) -> q.Query:
        for each in node.common:
            made: q.Query | None = None
            with self.faults:
                if each.name.text.lower() in common:
                    raise QueryError(f"WITH has a second query named {each.name.text}", span=each.name.place)
                made = self.query(each.query, outer, common)
            common = {**common, each.name.text.lower(): (each.name, made)}
        if isinstance(node.body, tree.Select):
            return self._select(node.body, node, outer, common)
        return self._combined(node.body, node, outer, common)

    # ------------------------------------------------------------ SELECT

    def _select(self, node: tree.Select, whole: tree.Query, outer: Scope | None, common: Common) -> q.Select:
        before = self.faults.count

        def expressions(scope: Scope, aggregates: str | None) -> Expressions:
            return Expressions(
                self.text, scope, lambda n, s: self.query(n, s, common), self.warnings, aggregates, faults=self.faults
            )

        sources = Sources(
            catalogue=self.catalogue,
            common=common,
            outer=outer,
            names=self.names,
            faults=self.faults,
            query=lambda n: self.query(n, outer, common),
            condition=lambda n, s: expressions(s, "in ON").condition(n),
        )
        source, block = sources.source(node.source)
        scope = Scope(block, outer, self.catalogue)
        free = expressions(scope, None)
        where = having = None
        group_by: tuple[q.Value, ...] = ()
        order_by: tuple[q.Order, ...] = ()
        if node.where is not None:
            with self.faults:
                among = replace(scope, aliases=frozenset(_alias_names(node)))
                where = expressions(among, "in WHERE").condition(node.where)
        outputs = self._outputs(node, scope, free)
        self.faults.since(before)
        with self.faults:
            group_by = tuple(self._group(g, scope, outputs, expressions(scope, "in GROUP BY")) for g in node.group_by)
        if node.having is not None:
            with self.faults:
                having = free.condition(node.having)
        with self.faults:
            order_by = tuple(self._order(o, outputs, free) for o in whole.order_by)
        self.faults.since(before)
        top = _smaller(node.top, whole.limit)
        select = q.Select(outputs, source, where, group_by, having, node.distinct, order_by, top, whole.offset)
        self._check_groups(select, node, whole)
        self._check_distinct(select, whole)
        return select

    def _outputs(self, node: tree.Select, scope: Scope, free: Expressions) -> tuple[q.Output, ...]:
        labels, names = Labels(), Labels()
        outputs: list[q.Output] = []
        for item in node.items:
            if len(outputs) > MAX_COLUMNS or len(node.items) > MAX_COLUMNS:
                raise QueryError(f"a result has at most {MAX_COLUMNS:,} columns", span=item.place)
            with self.faults:
                values = self._listed(item, scope, free, names)
                outputs += [q.Output(labels.unique(value.column.name), value) for value in values]
        return tuple(outputs)

    def _listed(
        self, item: tree.Item | tree.Star, scope: Scope, free: Expressions, names: Labels
    ) -> tuple[q.Value, ...]:
        """The values that an item of the select list stands for."""
        if isinstance(item, tree.Star):
            return scope.star(item)
        value = free.value(item.value)
        if item.alias is not None:
            names.unique(item.alias.text)
            return (_named(value, item.alias.text, self._origin(value, item)),)
        if isinstance(item.value, tree.ColumnName):
            names.unique(value.column.name)
            return (value,)
        return (_named(value, names.unique(_generated(item.value)), self._origin(value, item)),)

    def _origin(self, value: q.Value, item: tree.Item) -> str | None:
        """What a result column came from: its own description, or the text it was computed by."""
        if isinstance(value, q.Field):
            return value.column.description
        return " ".join(self.text[item.value.place.start : item.value.place.end].split()) or None

    def _group(
        self, node: tree.Value, scope: Scope, outputs: tuple[q.Output, ...], expressions: Expressions
    ) -> q.Value:
        """A column of the tables comes first, then an alias of the select list."""
        aliases = _aliases(node, outputs)
        value = aliases[0].value if len(aliases) == 1 else None
        if value is not None and isinstance(node, tree.ColumnName):
            with suppress(QueryError):
                value = scope.column(node)
        value = value or expressions.value(node)
        if any(isinstance(p, q.Aggregate) for p in here(value)):
            raise QueryError("GROUP BY of an aggregate", span=node.place, hint="a sub-query in FROM can make it")
        if is_fixed(value):
            raise QueryError(
                "GROUP BY of what is the same in every row", span=node.place, hint="it takes names, not positions"
            )
        return value

    def _order(self, node: tree.Order, outputs: tuple[q.Output, ...], free: Expressions) -> q.Order:
        """A position or an alias of the select list comes first, then any value."""
        if isinstance(node.value, tree.Number) and node.value.text.isdigit():
            place = int(node.value.text)
            if not 1 <= place <= len(outputs):
                raise QueryError(f"ORDER BY {place} of {len(outputs)} columns", span=node.value.place)
            return q.Order(outputs[place - 1].label, node.descending)
        aliases = _aliases(node.value, outputs)
        if len({bare(o.value) for o in aliases}) > 1:
            raise QueryError("ORDER BY of a name that two columns have", span=node.place, hint="order by position")
        if aliases:
            return q.Order(aliases[0].label, node.descending)
        value = free.value(node.value)
        if is_fixed(value):
            raise QueryError(
                "ORDER BY of what is the same in every row",
                span=node.place,
                hint=f"a position is a whole number, 1..{len(outputs)}",
            )
        listed = next((o.label for o in outputs if alike(o.value, value)), None)
        return q.Order(listed or value, node.descending)

    def _check_groups(self, select: q.Select, node: tree.Select, whole: tree.Query) -> None:
        """Beside an aggregate stand only what the groups are made by (SQL-92 7.9)."""
        ordered = [o.by for o in select.order_by if not isinstance(o.by, str)]
        values = [o.value for o in select.outputs] + ordered
        aggregated = any(isinstance(p, q.Aggregate) for v in [*values, select.having] for p in here(v))
        if not (select.group_by or aggregated or select.having):
            return
        grouped = [bare(g) for g in select.group_by]
        own = frozenset(p.name for p in here(select.source) if isinstance(p, q.Scan | q.Derived))
        for value in [*values, *([] if select.having is None else [select.having])]:
            loose = next(ungrouped(value, grouped, own), None)
            if loose is not None:
                hint = f"add it to GROUP BY, or use MIN({loose.name})"
                raise QueryError(
                    f"{loose.name} is neither grouped nor in an aggregate",
                    span=_where(node, whole, loose),
                    hint=hint,
                )

    def _check_distinct(self, select: q.Select, whole: tree.Query) -> None:
        for order, node in zip(select.order_by, whole.order_by, strict=True):
            if select.distinct and not isinstance(order.by, str):
                raise QueryError("ORDER BY of something that SELECT DISTINCT does not list", span=node.place)

    # -------------------------------------------------------------- sets

    def _combined(self, node: tree.SetOperation, whole: tree.Query, outer: Scope | None, common: Common) -> q.Combined:
        sides: list[q.Query] = []
        before = self.faults.count
        for side in (node.left, node.right):
            with self.faults:
                sides.append(self.query(side, outer, common))
        self.faults.since(before)
        left, right = sides
        if len(left.columns) != len(right.columns):
            raise QueryError(
                f"{node.operator} of {len(left.columns)} and of {len(right.columns)} columns", span=node.place
            )
        pairs = zip(left.columns, right.columns, _nulls(left), _nulls(right), strict=True)
        columns = tuple(_united(a, b, node, *nulls) for a, b, *nulls in pairs)
        combined = q.Combined(node.operator, node.all, left, right, columns, (), whole.limit, whole.offset)
        return replace(combined, order_by=tuple(self._order_of_set(o, combined) for o in whole.order_by))

    def _order_of_set(self, node: tree.Order, combined: q.Combined) -> q.Order:
        match node.value:
            case tree.Number(text=text) if text.isdigit() and 1 <= int(text) <= len(combined.labels):
                return q.Order(combined.labels[int(text) - 1], node.descending)
            case tree.ColumnName(names=(*_, name)):
                for label, column in zip(combined.labels, combined.columns, strict=True):
                    if same(name.text, name.delimited, column.name):
                        return q.Order(label, node.descending)
            case _:
                pass
        raise QueryError("a union is ordered by one of its columns", span=node.place, hint="by name or by position")


def _united(a: Column, b: Column, node: tree.SetOperation, a_null: bool, b_null: bool) -> Column:
    """The column of a set operation; one that is NULL throughout takes the other's type."""
    if a_null or b_null:
        return a if b_null else a.replace(type=b.type, length=b.length, unit=b.unit, ucd=b.ucd, label=b.label)
    type = common_type([a, b])
    if type is None:
        raise QueryError(
            f"{node.operator} of {a.name} ({a.type}) and {b.name} ({b.type})", span=node.place, hint="CAST one of them"
        )
    length = max(a.length, b.length) if type.family == "text" and a.length and b.length else None
    return a.replace(type=_varying(type, a, b), length=length)


def _varying(type: types.Type, a: Column, b: Column) -> types.Type:
    return types.VARCHAR if type is types.CHAR and a.length != b.length else type


def _nulls(query: q.Query) -> list[bool]:
    """Which columns are NULL throughout."""
    if isinstance(query, q.Select):
        return [is_null(o.value) for o in query.outputs]
    return [a and b for a, b in zip(_nulls(query.left), _nulls(query.right), strict=True)]


def _named(value: q.Value, name: str, description: str | None) -> q.Value:
    return replace(value, column=value.column.replace(name=name, description=description))


def _generated(node: tree.Value) -> str:
    """A name for a value that has none: what it does and to which column."""
    match node:
        case tree.Call(name=name, arguments=arguments, star=star):
            first = next((a.names[-1].text for a in arguments if isinstance(a, tree.ColumnName)), "")
            return f"{name.lower()}_{'all' if star else first}".rstrip("_") if star or first else f"{name.lower()}_1"
        case tree.Cast(value=tree.ColumnName(names=(*_, name))):
            return f"cast_{name.text}"
        case _:
            return "col_1"


def _aliases(node: tree.Value, outputs: tuple[q.Output, ...]) -> list[q.Output]:
    """The outputs that a bare name means."""
    if not isinstance(node, tree.ColumnName) or len(node.names) != 1:
        return []
    (name,) = node.names
    return [o for o in outputs if same(name.text, name.delimited, o.column.name)]


def _where(node: tree.Select, whole: tree.Query, field: q.Field) -> TextSpan:
    """Where a column is named outside WHERE and GROUP BY, for a message."""
    for name in _columns((node.items, node.having, whole.order_by)):
        if name.names[-1].text.lower() == field.name.lower():
            return name.place
    return node.place


def _columns(node: object) -> Iterator[tree.ColumnName]:
    return _nodes(node, tree.ColumnName)


def _nodes(node: object, kinds: Any) -> Iterator[Any]:
    """The nodes of these kinds in a tree."""
    if isinstance(node, kinds):
        yield node
    if isinstance(node, tuple):
        for part in node:
            yield from _nodes(part, kinds)
    else:
        for name in getattr(node, "__dataclass_fields__", ()):
            yield from _nodes(getattr(node, name), kinds)


def _alias_names(node: tree.Select) -> Iterator[str]:
    return (item.alias.text.lower() for item in node.items if isinstance(item, tree.Item) and item.alias)


def _smaller(a: int | None, b: int | None) -> int | None:
    return min(x for x in (a, b) if x is not None) if a is not None or b is not None else None
