"""What stands in FROM: tables found, sub-queries described, joins and what they merge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import COALESCE, common_type
from vo_server.adql.semantics.scope import (
    Block,
    Columns,
    Entry,
    Labels,
    Scope,
    dotted,
    fields,
)
from vo_server.adql.semantics.values import called, comparable_types
from vo_server.adql.syntax import tree
from vo_server.adql.syntax.error_list import AlreadyTold, Faults
from vo_server.catalogue.catalogue import Catalogue, same
from vo_server.catalogue.similar import similar
from vo_server.errors import QueryError, TextSpan
from vo_server.model.column import Table

MAX_MERGED = 16
"""Tables that FULL JOIN makes one column of: each condition says all of them anew."""

Common = Mapping[str, tuple[tree.Name, q.Query | None]]
"""The queries of WITH by their names in lower case; None for one whose faults have been told."""


@dataclass(slots=True)
class Sources:
    """Resolves the FROM of one SELECT.

    `query` resolves a sub-query, `condition` what stands after ON. What is wrong is noted among the `faults`, and a
    source that is not known gets an entry in which any column may be.
    """

    catalogue: Catalogue
    common: Common
    outer: Scope | None
    names: Labels
    faults: Faults
    query: Callable[[tree.Query], q.Query]
    condition: Callable[[tree.Condition, Scope], q.Condition]

    def source(self, node: tree.Source) -> tuple[q.Source, Block]:
        """A source, and what it lets one see."""
        match node:
            case tree.TableName():
                with self.faults:
                    return self._table(node)
                return self._unknown(node.alias or node.names[-1])
            case tree.Derived():
                with self.faults:
                    return self._derived(self.query(node.query), node.alias)
                return self._unknown(node.alias)
            case tree.Join():
                return self._join(node)
            case _:
                assert_never(node)

    def _unknown(self, name: tree.Name) -> tuple[q.Source, Block]:
        table = Table("", name.text, ())
        return q.Scan(name.text, table), Block((Entry((name.text,), Columns.of(()), known=False),), ())

    def _derived(self, inner: q.Query, alias: tree.Name) -> tuple[q.Source, Block]:
        name = self.names.unique(alias.text)
        columns = Columns.of(q.Field(name, label, c) for label, c in zip(inner.labels, inner.columns, strict=True))
        return q.Derived(name, inner), Block((Entry((alias.text,), columns),), (columns,))

    def _table(self, node: tree.TableName) -> tuple[q.Source, Block]:
        if len(node.names) == 1:
            (name,) = node.names
            told, inner = self.common.get(name.text.lower(), (None, None))
            if told is not None and same(name.text, name.delimited, told.text):
                if inner is None:
                    raise AlreadyTold(f"the query {name.text}", span=node.place)
                return self._derived(inner, node.alias or name)
        table = self._published(node)
        name_here = self.names.unique(node.alias.text if node.alias else table.name)
        columns = fields(name_here, table)
        own = table.schema, table.name
        entry = Entry((node.alias.text,), columns, own) if node.alias else Entry(own, columns)
        return q.Scan(name_here, table), Block((entry,), (columns,))

    def _published(self, node: tree.TableName) -> Table:
        hits = self.catalogue.find([(n.text, n.delimited) for n in node.names])
        if len(hits) == 1:
            return hits[0]
        if hits:
            hint = f"write {' or '.join(t.qualified for t in hits)}"
            raise QueryError(f"{dotted(node.names)} could be more than one table", span=_place(node), hint=hint)
        *_, last = node.names
        apart = [(part, True) for part in last.text.split(".")]
        if last.delimited and len(apart) > 1 and self.catalogue.find(apart):
            quoted = ".".join(f'"{part}"' for part, _ in apart)
            hint = f"the double quotes stand round each name: {quoted}"
            raise QueryError(f"no table {dotted(node.names)}", span=_place(node), hint=hint)
        close = self.catalogue.similar(".".join(n.text for n in node.names))
        hint = f"did you mean {' or '.join(close)}?" if close else "TAP_SCHEMA.tables lists the tables there are"
        raise QueryError(f"no table {dotted(node.names)}", span=_place(node), hint=hint)

    def _join(self, node: tree.Join) -> tuple[q.Source, Block]:
        left, left_block = self.source(node.left)
        right, right_block = self.source(node.right)
        block, sound = left_block.beside(right_block), False
        on: q.Condition | None = None
        with self.faults:
            self._check_entries(left_block, right_block, node)
            if node.natural or node.using:
                on, block = self._merged(node, left_block, right_block)
            sound = True
        if not sound:
            return q.Join(node.kind, left, right, on), block.doubtful()
        if node.on is not None:
            with self.faults:
                on = self.condition(node.on, Scope(block, self.outer, self.catalogue))
        return q.Join(node.kind, left, right, on), block

    def _check_entries(self, left: Block, right: Block, node: tree.Join) -> None:
        mine = {tuple(n.lower() for n in e.names) for e in left.entries}
        for entry in right.entries:
            if tuple(n.lower() for n in entry.names) in mine:
                raise QueryError(
                    f"{entry.names[-1]} stands twice in FROM", span=node.right.place, hint="give each an alias"
                )

    def _merged(self, node: tree.Join, left: Block, right: Block) -> tuple[q.Condition | None, Block]:
        """NATURAL and USING: the columns of one name become one (SQL-92 7.5)."""
        if not (left.known and right.known):
            raise AlreadyTold("the columns of a table that is not known", span=node.place)
        pairs = (
            [self._pair(left, right, n) for n in node.using] if node.using else _shared(left, right, node.right.place)
        )
        for n, (a, b) in enumerate(pairs):
            if not comparable_types(a.column.type, b.column.type):
                said = f"{called(a)} is joined with {called(b)}"
                raise QueryError(said, span=node.using[n].place if node.using else node.right.place)
        merged = Columns.of(_one(node, a, b) for a, b in pairs)
        gone = {id(c) for pair in pairs for c in pair}
        rest = Columns.of(c for c in (*left.columns, *right.columns) if id(c) not in gone)
        on = q.And(tuple(q.Compare("=", a, b) for a, b in pairs)) if pairs else None
        return on, Block((*left.entries, *right.entries), (merged, rest))

    def _pair(self, left: Block, right: Block, name: tree.Name) -> tuple[q.Value, q.Value]:
        found = []
        for block, side in ((left, "left"), (right, "right")):
            hits = block.find(name)
            if len(hits) != 1:
                said = "has more than one" if hits else "has none"
                known = list(dict.fromkeys(c.column.name for c in block.columns))
                raise QueryError(
                    f"USING needs one column {name.text} on either side, and the {side} one {said}",
                    span=name.place,
                    hint=None if hits else similar(name.text, known),
                )
            found.append(hits[0])
        return found[0], found[1]


def _shared(left: Block, right: Block, place: TextSpan) -> list[tuple[q.Value, q.Value]]:
    """The columns of NATURAL: each name that both sides have, and then each may have it once."""
    mine, theirs = (Columns.of(block.columns).named for block in (left, right))
    common = [name for name in mine if name in theirs]
    for name in common:
        if len(mine[name]) > 1 or len(theirs[name]) > 1:
            said = f"NATURAL JOIN by {name}, of which one side has more than one"
            raise QueryError(said, span=place, hint="write ON and say which is meant")
    return [(mine[name][0], theirs[name][0]) for name in common]


def _one(node: tree.Join, left: q.Value, right: q.Value) -> q.Value:
    """The one column that a pair becomes."""
    if node.kind == "RIGHT":
        return right
    if node.kind != "FULL":
        return left
    wide = common_type([left.column, right.column]) or left.column.type
    before = left.arguments if isinstance(left, q.Apply) and left.function is COALESCE else (left,)
    if len(before) == MAX_MERGED:
        said = f"{left.column.name} is merged from more than {MAX_MERGED} tables by FULL JOIN"
        raise QueryError(said, span=node.right.place, hint="write ON")
    return q.Apply(COALESCE, (*before, right), left.column.replace(type=wide))


def _place(node: tree.TableName) -> TextSpan:
    return TextSpan(node.names[0].place.start, node.names[-1].place.end)
