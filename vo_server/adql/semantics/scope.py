"""Which names can be seen from where, and what they mean (ADQL 2.1 sections 2.1.5, 2.1.6 and 2.2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from vo_server.adql.semantics.query import Field, Value
from vo_server.adql.syntax import tree
from vo_server.adql.syntax.error_list import AlreadyTold, Ambiguous
from vo_server.adql.syntax.operand_errors import quoted_column
from vo_server.catalogue.catalogue import Catalogue, same
from vo_server.catalogue.similar import similar
from vo_server.errors import QueryError, TextSpan
from vo_server.model.column import Table


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Columns in their order, and found by their names."""

    listed: tuple[Value, ...]
    named: Mapping[str, tuple[Value, ...]]

    @classmethod
    def of(cls, listed: Iterable[Value]) -> Columns:
        listed = tuple(listed)
        named: dict[str, tuple[Value, ...]] = {}
        for column in listed:
            name = column.column.name.lower()
            named[name] = (*named[name], column) if name in named else (column,)
        return cls(listed, named)

    def find(self, name: tree.Name) -> list[Value]:
        """Those that a name means."""
        found = self.named.get(name.text.lower(), ())
        return [c for c in found if not name.delimited or c.column.name == name.text]


@lru_cache(maxsize=256)
def fields(source: str, table: Table) -> Columns:
    """The columns of a published table that goes by this name in a query."""
    called = {} if table.base else table.source
    return Columns.of(Field(source, called.get(c.name, c.name), c) for c in table.columns)


@dataclass(frozen=True, slots=True)
class Entry:
    """A source in FROM: the names it goes by, innermost last, and its columns.

    `table` has the names of the published table that has got another name here. Of a source that is not known,
    which has been told, any column may be.
    """

    names: tuple[str, ...]
    columns: Columns
    table: tuple[str, ...] = ()
    known: bool = True

    def means(self, qualifier: Sequence[tree.Name]) -> bool:
        """Is this the source that a qualifier (schema and table, or an alias) speaks of?"""
        return _means(qualifier, self.names)

    def hides(self, qualifier: Sequence[tree.Name]) -> bool:
        """Does a qualifier speak of the published table, which goes by an alias here?"""
        return bool(self.table) and _means(qualifier, self.table)


def _means(qualifier: Sequence[tree.Name], names: tuple[str, ...]) -> bool:
    if len(qualifier) > len(names) + 1:
        return False
    pairs = zip(reversed(qualifier), reversed(names), strict=False)
    return all(same(w.text, w.delimited, n) for w, n in pairs)


@dataclass(frozen=True, slots=True)
class Block:
    """What a FROM clause, or a part of it, lets one see.

    `parts` hold the columns that an unqualified name finds and that `*` lists, in order: a column that NATURAL or
    USING has merged is there once.
    """

    entries: tuple[Entry, ...]
    parts: tuple[Columns, ...]

    @property
    def columns(self) -> tuple[Value, ...]:
        """All that `*` lists."""
        return tuple(c for part in self.parts for c in part.listed)

    @property
    def known(self) -> bool:
        """Are all its sources?"""
        return all(e.known for e in self.entries)

    @property
    def sources(self) -> frozenset[str]:
        """The names of the sources in the query."""
        return frozenset(c.source for e in self.entries for c in e.columns.listed if isinstance(c, Field))

    def find(self, name: tree.Name) -> list[Value]:
        """The columns that an unqualified name means."""
        return [c for part in self.parts for c in part.find(name)]

    def beside(self, other: Block) -> Block:
        """Both parts of a join, nothing merged."""
        return Block((*self.entries, *other.entries), (*self.parts, *other.parts))

    def doubtful(self) -> Block:
        """The same after a fault that leaves it open what a name means."""
        return Block(tuple(replace(e, known=False) for e in self.entries), self.parts)


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that a SELECT sees: its own sources and, from within a sub-query, those around it.

    For what is said of a name that is none of them: the `catalogue`, and the `aliases` of the select list.
    """

    block: Block
    outer: Scope | None = None
    catalogue: Catalogue | None = None
    aliases: frozenset[str] = frozenset()

    def column(self, node: tree.ColumnName) -> Value:
        """The column that a reference means.

        Raises QueryError when there is none, or more than one.
        """
        *qualifier, name = node.names
        entries = self._entries(qualifier, node.place)
        hits = [c for e in entries for c in e.columns.find(name)] if qualifier else self.block.find(name)
        if len(hits) == 1:
            return hits[0]
        if not all(e.known for e in (entries if qualifier else self.block.entries)):
            raise AlreadyTold("a column of a table that is not known", span=node.place)
        if hits:
            raise _ambiguous(node, name.text, hits)
        if self.outer is not None and not entries:
            return self._beyond(node, self.outer)
        raise self._unknown(node, entries or self.block.entries)

    def _beyond(self, node: tree.ColumnName, outer: Scope) -> Value:
        try:
            return outer.column(node)
        except (Ambiguous, AlreadyTold):
            raise
        except QueryError:
            raise self._unknown(node, self.block.entries) from None

    def star(self, node: tree.Star) -> tuple[Value, ...]:
        """The columns that `*` or `t.*` lists."""
        if not node.qualifier:
            if not self.block.known:
                raise AlreadyTold("the columns of a table that is not known", span=node.place)
            return self.block.columns
        entries = self._entries(node.qualifier, node.place)
        if not entries:
            raise self._no_table(node.qualifier, node.place)
        if not entries[0].known:
            raise AlreadyTold("the columns of a table that is not known", span=node.place)
        return entries[0].columns.listed

    def _entries(self, qualifier: Sequence[tree.Name], place: TextSpan) -> list[Entry]:
        """The source that a qualifier means; none where it may be one of the query around this."""
        if not qualifier:
            return []
        entries = [e for e in self.block.entries if e.means(qualifier)]
        if len(entries) > 1 and all(e.known for e in entries):
            raise Ambiguous(f"{dotted(qualifier)} could be more than one table", span=place, hint="give each an alias")
        if not entries and self.outer is None:
            raise self._no_table(qualifier, place)
        return entries

    def _no_table(self, qualifier: Sequence[tree.Name], place: TextSpan) -> QueryError:
        """What is said of a qualifier that is no source of this FROM."""
        hidden = next((e for e in self.block.entries if e.hides(qualifier)), None)
        if hidden is not None:
            return QueryError(
                f"{dotted(qualifier)} goes by the alias {hidden.names[-1]} here",
                span=place,
                hint=f"write {hidden.names[-1]} before the column",
            )
        known = [e.names[-1] for e in self.block.entries]
        published = self.catalogue.find([(n.text, n.delimited) for n in qualifier]) if self.catalogue else []
        hint = f"the tables of this FROM are {', '.join(known)}"
        if published:
            hint = f"there is such a table, but this FROM has only {', '.join(known)}"
        return QueryError(f"no table {dotted(qualifier)} in this FROM", span=place, hint=hint)

    def _unknown(self, node: tree.ColumnName, entries: Sequence[Entry]) -> QueryError:
        *qualifier, name = node.names
        if qualifier and not any(e.means(qualifier) for e in self.block.entries):
            return self._no_table(qualifier, node.place)
        said = f"no column {dotted(node.names)}"
        if not qualifier and name.text.lower() in self.aliases:
            hint = "what it stands for must be written again there, or be made in a sub-query in FROM"
            return QueryError(f"the alias {name.text} is not known yet in WHERE", span=node.place, hint=hint)
        known = list(dict.fromkeys(c.column.name for e in entries for c in e.columns.listed))
        return QueryError(said, span=node.place, hint=_nearest(name, known, self._elsewhere(name)))

    def _elsewhere(self, name: tree.Name) -> list[str]:
        """The published tables that have a column of this name and are not in this FROM."""
        here = {(*e.table, *e.names)[:2] for e in self.block.entries}
        tables = self.catalogue.tables if self.catalogue else ()
        lower = name.text.lower()
        return [
            t.qualified
            for t in tables
            if (t.schema, t.name) not in here and any(c.name.lower() == lower for c in t.columns)
        ]


MAX_TABLES_SAID = 3


def _nearest(name: tree.Name, known: list[str], elsewhere: list[str]) -> str | None:
    if name.delimited and name.text.lower() in (k.lower() for k in known):
        exact = next(k for k in known if k.lower() == name.text.lower())
        return f'a name in double quotes is exact: write "{exact}"'
    if elsewhere:
        tables = elsewhere[:MAX_TABLES_SAID]
        more = f" and {len(elsewhere) - len(tables)} more" if len(elsewhere) > len(tables) else ""
        return f"{', '.join(tables)}{more} {'has' if len(elsewhere) == 1 else 'have'} a column of this name"
    return similar(name.text, known) or (quoted_column(name) if name.delimited else None)


def _ambiguous(node: tree.ColumnName, name: str, hits: Sequence[Value]) -> Ambiguous:
    sources = sorted({h.source for h in hits if isinstance(h, Field)})
    spelled = {h.column.name for h in hits}
    if len(sources) > 1 or len(spelled) < len(hits):
        said = f"{name} could be a column of {' or of '.join(sources)}"
        return Ambiguous(said, span=node.place, hint="put the table's name before it")
    quoted = " or ".join(f'"{h.column.name}"' for h in hits)
    return Ambiguous(f"{name} could be {quoted}", span=node.place, hint="double quotes tell which: case counts there")


def dotted(names: Iterable[tree.Name]) -> str:
    """A qualified name as it was written."""
    return ".".join(f'"{n.text}"' if n.delimited else n.text for n in names)


class Labels:
    """Gives out names that differ even when case is ignored, as near as can be to the ones that were asked for."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {label.lower(): 1 for label in taken}

    def unique(self, wanted: str) -> str:
        """The name itself, or with a number after it when it is taken."""
        lower = wanted.lower()
        label, n = wanted, self._taken.get(lower, 1)
        while label.lower() in self._taken:
            n += 1
            label = f"{wanted}_{n}"
        self._taken[lower] = n
        self._taken.setdefault(label.lower(), 1)
        return label
