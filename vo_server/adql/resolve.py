"""From what the user wrote to what it means: tables found, columns named, rows described.

Pure. Names by the standard's rules (ADQL 2.1 section 2.1), scopes as in SQL-92: a sub-query sees the tables around
it, ORDER BY and GROUP BY see the aliases of the select list too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from vo_server.adql import query as q
from vo_server.adql import tree
from vo_server.adql.expressions import Expressions
from vo_server.adql.functions import COALESCE, common_type
from vo_server.adql.scope import Block, Entry, Labels, Scope, dotted
from vo_server.adql.values import called, comparable_types, is_fixed, is_null
from vo_server.catalogue.catalogue import Catalogue, same
from vo_server.errors import Place, QueryFault
from vo_server.model import types
from vo_server.model.column import Column, Table


@dataclass(frozen=True, slots=True)
class Meaning:
    """A typed query, and what its author should be told although it runs."""

    query: q.Query
    warnings: tuple[str, ...] = ()


def resolve(node: tree.Query, catalogue: Catalogue, text: str = "", lacks: frozenset[str] = frozenset()) -> Meaning:
    """The meaning of a tree; `text` is what it was parsed from, `lacks` names functions that are not offered.

    Raises QueryFault with the place of what cannot be found or does not fit.
    """
    resolver = _Resolver(text, catalogue)
    try:
        query = resolver.query(node, None, {})
        _check_offered(query, node, lacks)
    except QueryFault as fault:
        fault.text = fault.text or text
        raise
    return Meaning(query, tuple(dict.fromkeys(resolver.warnings)))


def _check_offered(query: q.Query, node: tree.Query, lacks: frozenset[str]) -> None:
    """Whatever it was written as (REGION, CAST), what comes of it must be offered."""
    parts = (p for p in q.parts(query) if isinstance(p, q.Apply | q.Aggregate)) if lacks else ()
    made = {part.function.name for part in parts if part.function is not None}
    if made & lacks:
        calls = {getattr(c, "name", "CAST").upper(): c.place for c in _nodes(node, (tree.Call, tree.Cast))}
        name = next((n for n in (*sorted(lacks), "REGION", "CAST") if n.upper() in calls), "")
        raise QueryFault(f"{name or min(made & lacks)} is not offered by this service", place=calls.get(name.upper()))


Common = Mapping[str, tuple[tree.Name, q.Query]]


@dataclass(slots=True)
class _Resolver:
    text: str
    catalogue: Catalogue
    warnings: list[str] = field(default_factory=list)
    names: Labels = field(default_factory=Labels)

    def query(self, node: tree.Query, outer: Scope | None, common: Common) -> q.Query:
        for each in node.common:
            common = {**common, each.name.text.lower(): (each.name, self.query(each.query, outer, common))}
        top = _smaller(node.limit, None)
        if isinstance(node.body, tree.Select):
            return self._select(node.body, node, outer, common, top)
        return self._combined(node.body, node, outer, common, top)

    # ------------------------------------------------------------ SELECT

    def _select(
        self, node: tree.Select, whole: tree.Query, outer: Scope | None, common: Common, top: int | None
    ) -> q.Select:
        source, block = self._source(node.source, outer, common)
        scope = Scope(block, outer)

        def expressions(aggregates: str | None) -> Expressions:
            return Expressions(self.text, scope, lambda n, s: self.query(n, s, common), self.warnings, aggregates)

        where = None if node.where is None else expressions("in WHERE").condition(node.where)
        free = expressions(None)
        outputs = self._outputs(node, scope, free)
        group_by = tuple(self._group(g, scope, outputs, expressions("in GROUP BY")) for g in node.group_by)
        having = None if node.having is None else free.condition(node.having)
        order_by = tuple(self._order(o, outputs, free) for o in whole.order_by)
        select = q.Select(
            outputs, source, where, group_by, having, node.distinct, order_by, _smaller(node.top, top), whole.offset
        )
        self._check_groups(select, node, whole)
        self._check_distinct(select, whole)
        return select

    def _outputs(self, node: tree.Select, scope: Scope, free: Expressions) -> tuple[q.Output, ...]:
        labels = Labels()
        return tuple(q.Output(labels.unique(value.column.name), value) for value in self._listed(node, scope, free))

    def _listed(self, node: tree.Select, scope: Scope, free: Expressions) -> Iterator[q.Value]:
        names = Labels()
        for item in node.items:
            if isinstance(item, tree.Star):
                yield from scope.star(item)
                continue
            value = free.value(item.value)
            if item.alias is not None:
                names.unique(item.alias.text)
                yield _named(value, item.alias.text, self._origin(value, item))
            elif isinstance(item.value, tree.ColumnName):
                names.unique(value.column.name)
                yield value
            else:
                yield _named(value, names.unique(_generated(item.value)), self._origin(value, item))

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
            with suppress(QueryFault):
                value = scope.column(node)
        value = value or expressions.value(node)
        if any(isinstance(p, q.Aggregate) for p in _here(value)):
            raise QueryFault("GROUP BY of an aggregate", place=node.place, hint="a sub-query in FROM can make it")
        if is_fixed(value):
            raise QueryFault(
                "GROUP BY of what is the same in every row", place=node.place, hint="it takes names, not positions"
            )
        return value

    def _order(self, node: tree.Order, outputs: tuple[q.Output, ...], free: Expressions) -> q.Order:
        """A position or an alias of the select list comes first, then any value."""
        if isinstance(node.value, tree.Number) and node.value.text.isdigit():
            place = int(node.value.text)
            if not 1 <= place <= len(outputs):
                raise QueryFault(f"ORDER BY {place} of {len(outputs)} columns", place=node.value.place)
            return q.Order(outputs[place - 1].label, node.descending)
        aliases = _aliases(node.value, outputs)
        if len({_bare(o.value) for o in aliases}) > 1:
            raise QueryFault("ORDER BY of a name that two columns have", place=node.place, hint="order by position")
        if aliases:
            return q.Order(aliases[0].label, node.descending)
        value = free.value(node.value)
        if is_fixed(value):
            raise QueryFault(
                "ORDER BY of what is the same in every row",
                place=node.place,
                hint=f"a position is a whole number, 1..{len(outputs)}",
            )
        listed = next((o.label for o in outputs if _alike(o.value, value)), None)
        return q.Order(listed or value, node.descending)

    def _check_groups(self, select: q.Select, node: tree.Select, whole: tree.Query) -> None:
        """Beside an aggregate stand only what the groups are made by (SQL-92 7.9)."""
        ordered = [o.by for o in select.order_by if not isinstance(o.by, str)]
        values = [o.value for o in select.outputs] + ordered
        aggregated = any(isinstance(p, q.Aggregate) for v in [*values, select.having] for p in _here(v))
        if not (select.group_by or aggregated or select.having):
            return
        grouped = [_bare(g) for g in select.group_by]
        own = frozenset(p.name for p in _here(select.source) if isinstance(p, q.Scan | q.Derived))
        for value in [*values, *([] if select.having is None else [select.having])]:
            loose = next(_ungrouped(value, grouped, own), None)
            if loose is not None:
                hint = f"add it to GROUP BY, or use MIN({loose.name})"
                raise QueryFault(
                    f"{loose.name} is neither grouped nor in an aggregate",
                    place=_where(node, whole, loose),
                    hint=hint,
                )

    def _check_distinct(self, select: q.Select, whole: tree.Query) -> None:
        for order, node in zip(select.order_by, whole.order_by, strict=True):
            if select.distinct and not isinstance(order.by, str):
                raise QueryFault("ORDER BY of something that SELECT DISTINCT does not list", place=node.place)

    # -------------------------------------------------------------- sets

    def _combined(
        self, node: tree.SetOperation, whole: tree.Query, outer: Scope | None, common: Common, top: int | None
    ) -> q.Combined:
        left, right = self.query(node.left, outer, common), self.query(node.right, outer, common)
        if len(left.columns) != len(right.columns):
            raise QueryFault(
                f"{node.operator} of {len(left.columns)} and of {len(right.columns)} columns", place=node.place
            )
        pairs = zip(left.columns, right.columns, _nulls(left), _nulls(right), strict=True)
        columns = tuple(_united(a, b, node, *nulls) for a, b, *nulls in pairs)
        combined = q.Combined(node.operator, node.all, left, right, columns, (), top, whole.offset)
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
        raise QueryFault("a union is ordered by one of its columns", place=node.place, hint="by name or by position")

    # -------------------------------------------------------------- FROM

    def _source(self, node: tree.Source, outer: Scope | None, common: Common) -> tuple[q.Source, Block]:
        match node:
            case tree.TableName():
                return self._table(node, common)
            case tree.Derived():
                inner = self.query(node.query, outer, common)
                return self._derived(inner, node.alias)
            case tree.Join():
                return self._join(node, outer, common)
            case _:
                assert_never(node)

    def _derived(self, inner: q.Query, alias: tree.Name) -> tuple[q.Source, Block]:
        name = self.names.unique(alias.text)
        columns = tuple(q.Field(name, label, column) for label, column in zip(inner.labels, inner.columns, strict=True))
        return q.Derived(name, inner), Block((Entry((alias.text,), columns),), columns)

    def _table(self, node: tree.TableName, common: Common) -> tuple[q.Source, Block]:
        if len(node.names) == 1:
            name = node.names[0]
            known = common.get(name.text.lower())
            if known is not None and same(name.text, name.delimited, known[0].text):
                return self._derived(known[1], node.alias or name)
        table = self._published(node)
        name_here = self.names.unique(node.alias.text if node.alias else table.name)
        columns = tuple(q.Field(name_here, c.name, c) for c in table.columns)
        names = (node.alias.text,) if node.alias else (table.schema, table.name)
        return q.Scan(name_here, table), Block((Entry(names, columns),), columns)

    def _published(self, node: tree.TableName) -> Table:
        hits = self.catalogue.find([(n.text, n.delimited) for n in node.names])
        if len(hits) == 1:
            return hits[0]
        if hits:
            hint = f"write {' or '.join(t.qualified for t in hits)}"
            raise QueryFault(f"{dotted(node.names)} could be more than one table", place=_names(node), hint=hint)
        close = self.catalogue.similar(".".join(n.text for n in node.names))
        hint = f"did you mean {' or '.join(close)}?" if close else "TAP_SCHEMA.tables lists the tables there are"
        raise QueryFault(f"no table {dotted(node.names)}", place=_names(node), hint=hint)

    def _join(self, node: tree.Join, outer: Scope | None, common: Common) -> tuple[q.Source, Block]:
        left, left_block = self._source(node.left, outer, common)
        right, right_block = self._source(node.right, outer, common)
        self._check_entries(left_block, right_block, node)
        block = left_block.beside(right_block)
        on: q.Condition | None = None
        if node.natural or node.using:
            on, block = self._merged(node, left_block, right_block)
        elif node.on is not None:
            scope = Scope(block, outer)
            expressions = Expressions(self.text, scope, lambda n, s: self.query(n, s, common), self.warnings, "in ON")
            on = expressions.condition(node.on)
        return q.Join(node.kind, left, right, on), block

    def _check_entries(self, left: Block, right: Block, node: tree.Join) -> None:
        mine = {tuple(n.lower() for n in e.names) for e in left.entries}
        for entry in right.entries:
            if tuple(n.lower() for n in entry.names) in mine:
                raise QueryFault(
                    f"{entry.names[-1]} stands twice in FROM", place=node.right.place, hint="give each an alias"
                )

    def _merged(self, node: tree.Join, left: Block, right: Block) -> tuple[q.Condition | None, Block]:
        """NATURAL and USING: the columns of one name become one (SQL-92 7.5)."""
        pairs = [self._pair(node, left, right, n) for n in node.using] if node.using else _shared(left, right)
        for n, (a, b) in enumerate(pairs):
            if not comparable_types(a.column.type, b.column.type):
                said = f"{called(a)} is joined with {called(b)}"
                raise QueryFault(said, place=node.using[n].place if node.using else node.right.place)
        merged = tuple(_one(node.kind, a, b) for a, b in pairs)
        gone = {id(c) for pair in pairs for c in pair}
        rest = tuple(c for c in (*left.columns, *right.columns) if id(c) not in gone)
        on = q.And(tuple(q.Compare("=", a, b) for a, b in pairs)) if pairs else None
        return on, Block((*left.entries, *right.entries), (*merged, *rest))

    def _pair(self, node: tree.Join, left: Block, right: Block, name: tree.Name) -> tuple[q.Value, q.Value]:
        found = []
        for block in (left, right):
            hits = [c for c in block.columns if same(name.text, name.delimited, c.column.name)]
            if len(hits) != 1:
                raise QueryFault(f"USING needs one column {name.text} on either side", place=name.place)
            found.append(hits[0])
        return found[0], found[1]


def _shared(left: Block, right: Block) -> list[tuple[q.Value, q.Value]]:
    theirs = {c.column.name.lower(): c for c in right.columns}
    return [(c, theirs[c.column.name.lower()]) for c in left.columns if c.column.name.lower() in theirs]


def _one(kind: str, left: q.Value, right: q.Value) -> q.Value:
    if kind == "RIGHT":
        return right
    if kind != "FULL":
        return left
    wide = common_type([left.column, right.column]) or left.column.type
    return q.Apply(COALESCE, (left, right), left.column.but(type=wide))


def _united(a: Column, b: Column, node: tree.SetOperation, a_null: bool, b_null: bool) -> Column:
    """The column of a set operation; one that is NULL throughout takes the other's type."""
    if a_null or b_null:
        return a if b_null else a.but(type=b.type, length=b.length, unit=b.unit, ucd=b.ucd)
    type = common_type([a, b])
    if type is None:
        raise QueryFault(
            f"{node.operator} of {a.name} ({a.type}) and {b.name} ({b.type})", place=node.place, hint="CAST one of them"
        )
    length = max(a.length, b.length) if type.family == "text" and a.length and b.length else None
    return a.but(type=_varying(type, a, b), length=length)


def _varying(type: types.Type, a: Column, b: Column) -> types.Type:
    return types.VARCHAR if type is types.CHAR and a.length != b.length else type


def _nulls(query: q.Query) -> list[bool]:
    """Which columns are NULL throughout."""
    if isinstance(query, q.Select):
        return [is_null(o.value) for o in query.outputs]
    return [a and b for a, b in zip(_nulls(query.left), _nulls(query.right), strict=True)]


def _named(value: q.Value, name: str, description: str | None) -> q.Value:
    return replace(value, column=value.column.but(name=name, description=description))


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


def _bare(value: q.Value) -> q.Value:
    """The value without what its column is called in this query."""
    return (
        replace(value, column=value.column.but(name="", description=None)) if not isinstance(value, q.Field) else value
    )


def _alike(a: q.Value, b: q.Value) -> bool:
    """Do two values say the same, whatever they are called?"""
    if isinstance(a, q.Field) and isinstance(b, q.Field):
        return (a.source, a.name) == (b.source, b.name)
    return _bare(a) == _bare(b)


def _ungrouped(node: q.Node, grouped: list[q.Value], own: frozenset[str]) -> Iterator[q.Field]:
    """The columns of a SELECT's own sources, in a part of it, that are neither grouped by nor in an aggregate."""
    if isinstance(node, _VALUES) and any(_alike(node, g) for g in grouped):
        return
    if isinstance(node, q.Field):
        if node.source in own:
            yield node
    elif not isinstance(node, q.Aggregate) or own.isdisjoint(p.source for p in q.parts(node) if isinstance(p, q.Field)):
        for part in q.direct(node):
            yield from _ungrouped(part, grouped, own)


_VALUES = (q.Field, q.Constant, q.Apply, q.Aggregate, q.Cast, q.Case, q.Scalar)


def _here(node: q.Node | None) -> Iterator[q.Node]:
    """The parts of a value or a source that belong to this SELECT and not to a sub-query."""
    if node is None:
        return
    yield node
    for part in q.direct(node):
        if not isinstance(part, q.Select | q.Combined):
            yield from _here(part)


def _where(node: tree.Select, whole: tree.Query, field: q.Field) -> Place:
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


def _names(node: tree.TableName) -> Place:
    return Place(node.names[0].place.start, node.names[-1].place.end)


def _smaller(a: int | None, b: int | None) -> int | None:
    return min(x for x in (a, b) if x is not None) if a is not None or b is not None else None
