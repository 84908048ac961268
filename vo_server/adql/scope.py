"""Which names can be seen from where, and what they mean (ADQL 2.1 sections 2.1.5, 2.1.6 and 2.2.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vo_server.adql import tree
from vo_server.adql.misfits import quoted_column
from vo_server.adql.query import Field, Value
from vo_server.catalogue.catalogue import same
from vo_server.catalogue.similar import similar
from vo_server.errors import Place, QueryFault


@dataclass(frozen=True, slots=True)
class Entry:
    """A source in FROM: the names it goes by, innermost last, and its columns."""

    names: tuple[str, ...]
    columns: tuple[Value, ...]

    def means(self, qualifier: Sequence[tree.Name]) -> bool:
        """Is this the source that a qualifier (schema and table, or an alias) speaks of?"""
        wanted = list(qualifier)[-len(self.names) :]
        pairs = zip(reversed(wanted), reversed(self.names), strict=False)
        return len(qualifier) <= len(self.names) + 1 and all(same(w.text, w.delimited, n) for w, n in pairs)


@dataclass(frozen=True, slots=True)
class Block:
    """What a FROM clause, or a part of it, lets one see.

    `columns` are those that an unqualified name finds and that `*` lists, in order: a column that NATURAL or USING
    has merged is there once.
    """

    entries: tuple[Entry, ...]
    columns: tuple[Value, ...]

    @property
    def sources(self) -> frozenset[str]:
        """The names of the sources in the query."""
        return frozenset(c.source for e in self.entries for c in e.columns if isinstance(c, Field))

    def beside(self, other: Block) -> Block:
        """Both parts of a join, nothing merged."""
        return Block((*self.entries, *other.entries), (*self.columns, *other.columns))


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that a SELECT sees: its own sources and, from within a sub-query, those around it."""

    block: Block
    outer: Scope | None = None

    def column(self, node: tree.ColumnName) -> Value:
        """The column that a reference means.

        Raises QueryFault when there is none, or more than one.
        """
        *qualifier, name = node.names
        candidates = self._candidates(qualifier, node.place)
        hits = [c for c in candidates if same(name.text, name.delimited, c.column.name)]
        if len(hits) == 1:
            return hits[0]
        if hits:
            raise QueryFault(_ambiguous(name.text, hits), place=node.place, hint="put the table's name before it")
        if self.outer is not None and not (qualifier and candidates):
            return self._beyond(node, self.outer)
        raise self._unknown(node, candidates)

    def _beyond(self, node: tree.ColumnName, outer: Scope) -> Value:
        try:
            return outer.column(node)
        except QueryFault as fault:
            raise (fault if fault.code == "AMBIGUOUS" else self._unknown(node, self.block.columns)) from None

    def star(self, node: tree.Star) -> tuple[Value, ...]:
        """The columns that `*` or `t.*` lists."""
        return tuple(self._candidates(node.qualifier, node.place)) if node.qualifier else self.block.columns

    def _candidates(self, qualifier: Sequence[tree.Name], place: Place) -> Sequence[Value]:
        if not qualifier:
            return self.block.columns
        entries = [e for e in self.block.entries if e.means(qualifier)]
        if len(entries) > 1:
            raise QueryFault(
                f"{dotted(qualifier)} could be more than one table", place=place, hint="give each an alias"
            )
        if entries:
            return entries[0].columns
        if self.outer is None:
            known = [e.names[-1] for e in self.block.entries]
            hint = f"the tables of this FROM are {', '.join(known)}"
            raise QueryFault(f"no table {dotted(qualifier)} in this FROM", place=place, hint=hint)
        return ()

    def _unknown(self, node: tree.ColumnName, candidates: Iterable[Value]) -> QueryFault:
        name = node.names[-1]
        known = list(dict.fromkeys(c.column.name for c in candidates or self.block.columns))
        return QueryFault(f"no column {dotted(node.names)}", place=node.place, hint=_nearest(name, known))


def _nearest(name: tree.Name, known: list[str]) -> str | None:
    if name.delimited and name.text.lower() in (k.lower() for k in known):
        exact = next(k for k in known if k.lower() == name.text.lower())
        return f'a name in double quotes is exact: write "{exact}"'
    return similar(name.text, known) or (quoted_column(name) if name.delimited else None)


def _ambiguous(name: str, hits: Sequence[Value]) -> str:
    sources = sorted({h.source for h in hits if isinstance(h, Field)})
    return f"{name} could be a column of {' or of '.join(sources)}"


def dotted(names: Iterable[tree.Name]) -> str:
    """A qualified name as it was written."""
    return ".".join(f'"{n.text}"' if n.delimited else n.text for n in names)


Namer = Callable[[str], str]


class Labels:
    """Gives out names that differ even when case is ignored, as near as can be to the ones that were asked for."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {label.lower() for label in taken}

    def unique(self, wanted: str) -> str:
        """The name itself, or with a number after it when it is taken."""
        label, n = wanted, 1
        while label.lower() in self._taken:
            n += 1
            label = f"{wanted}_{n}"
        self._taken.add(label.lower())
        return label
