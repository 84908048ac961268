"""Scopes: the names that are visible in each part of a query, and what they resolve to (ADQL 2.1 sections 2.1.5, 2.1.6
and 2.2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from vo_server.adql.semantics.query import ColumnRef, Value
from vo_server.adql.syntax import tree
from vo_server.adql.syntax.error_list import AmbiguousNameError, SuppressedError
from vo_server.adql.syntax.operand_errors import suggest_single_quotes
from vo_server.catalogue.catalogue import Catalogue, is_same_name
from vo_server.catalogue.suggestions import suggest_similar
from vo_server.errors import Code, QueryError, TextSpan
from vo_server.model.column import Table


@dataclass(frozen=True, slots=True, eq=False)
class ColumnList:
    """Columns in their order, with a lookup by name."""

    ordered: tuple[Value, ...]
    by_name: Mapping[str, tuple[Value, ...]]

    @classmethod
    def from_columns(cls, listed: Iterable[Value]) -> ColumnList:
        """Index columns by their names in lower case."""
        listed = tuple(listed)
        named: dict[str, tuple[Value, ...]] = {}
        for column in listed:
            name = column.column.name.lower()
            named[name] = (*named[name], column) if name in named else (column,)
        return cls(listed, named)

    def find(self, name: tree.Identifier) -> list[Value]:
        """Return the columns that a name matches."""
        candidates = self.by_name.get(name.text.lower(), ())
        return [c for c in candidates if not name.delimited or c.column.name == name.text]


@lru_cache(maxsize=256)
def list_columns(source: str, table: Table) -> ColumnList:
    """Return the columns of a published table that has the name `source` in a query."""
    names = {} if table.base else table.source
    return ColumnList.from_columns(ColumnRef(source, names.get(c.name, c.name), c) for c in table.columns)


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """A source in FROM: the parts of its name, schema before table, and its columns.

    `original_name` is the name of the published table where an alias replaces it. A source that is not `is_known`
    failed to resolve, so that any column may belong to it.
    """

    names: tuple[str, ...]
    columns: ColumnList
    original_name: tuple[str, ...] = ()
    is_known: bool = True

    def matches(self, qualifier: Sequence[tree.Identifier]) -> bool:
        """Tell whether a qualifier (schema and table, or an alias) refers to this source."""
        return _matches(qualifier, self.names)

    def matches_original_name(self, qualifier: Sequence[tree.Identifier]) -> bool:
        """Tell whether a qualifier refers to the published table that has an alias here."""
        return bool(self.original_name) and _matches(qualifier, self.original_name)


def _matches(qualifier: Sequence[tree.Identifier], names: tuple[str, ...]) -> bool:
    if len(qualifier) > len(names) + 1:
        return False
    pairs = zip(reversed(qualifier), reversed(names), strict=False)
    return all(is_same_name(w.text, w.delimited, n) for w, n in pairs)


@dataclass(frozen=True, slots=True)
class Namespace:
    """The names that a FROM clause, or a part of it, makes visible.

    `column_lists` hold the columns that an unqualified name finds and that `*` lists, in order: a column that NATURAL
    or USING has merged is there once.
    """

    entries: tuple[SourceEntry, ...]
    column_lists: tuple[ColumnList, ...]

    @property
    def columns(self) -> tuple[Value, ...]:
        """All columns that `*` lists."""
        return tuple(c for part in self.column_lists for c in part.ordered)

    @property
    def is_known(self) -> bool:
        """Whether all of its sources have been resolved."""
        return all(e.is_known for e in self.entries)

    @property
    def source_names(self) -> frozenset[str]:
        """The names of the sources in the query."""
        return frozenset(c.source for e in self.entries for c in e.columns.ordered if isinstance(c, ColumnRef))

    def find(self, name: tree.Identifier) -> list[Value]:
        """Return the columns that an unqualified name matches."""
        return [c for part in self.column_lists for c in part.find(name)]

    def concatenate(self, other: Namespace) -> Namespace:
        """Return both sides of a join as one namespace, nothing merged."""
        return Namespace((*self.entries, *other.entries), (*self.column_lists, *other.column_lists))

    def mark_unknown(self) -> Namespace:
        """Return a copy whose sources are unknown, after an error that leaves the meaning of names open."""
        return Namespace(tuple(replace(e, is_known=False) for e in self.entries), self.column_lists)


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that a SELECT sees: its own sources and, from within a sub-query, those of the queries around it.

    The `catalogue` and the `aliases` of the select list serve the hints of errors.
    """

    namespace: Namespace
    outer: Scope | None = None
    catalogue: Catalogue | None = None
    aliases: frozenset[str] = frozenset()

    def resolve_column(self, node: tree.ColumnName) -> Value:
        """Return the column that a reference names.

        Raises QueryError when there is none, or more than one.
        """
        *qualifier, name = node.names
        entries = self._find_entries(qualifier, node.span)
        hits = [c for e in entries for c in e.columns.find(name)] if qualifier else self.namespace.find(name)
        if len(hits) == 1:
            return hits[0]
        if not all(e.is_known for e in (entries if qualifier else self.namespace.entries)):
            raise SuppressedError("a column of a table that is not known", span=node.span)
        if hits:
            raise _ambiguity_error(node, name.text, hits)
        if self.outer is not None and not entries:
            return self._resolve_in_outer(node, self.outer)
        raise self._unknown_column_error(node, entries or self.namespace.entries)

    def _resolve_in_outer(self, node: tree.ColumnName, outer: Scope) -> Value:
        try:
            return outer.resolve_column(node)
        except (AmbiguousNameError, SuppressedError):
            raise
        except QueryError:
            raise self._unknown_column_error(node, self.namespace.entries) from None

    def expand_star(self, node: tree.Star) -> tuple[Value, ...]:
        """Return the columns that `*` or `t.*` lists."""
        if not node.qualifier:
            if not self.namespace.is_known:
                raise SuppressedError("the columns of a table that is not known", span=node.span)
            return self.namespace.columns
        entries = self._find_entries(node.qualifier, node.span)
        if not entries:
            raise self._unknown_table_error(node.qualifier, node.span)
        if not entries[0].is_known:
            raise SuppressedError("the columns of a table that is not known", span=node.span)
        return entries[0].columns.ordered

    def _find_entries(self, qualifier: Sequence[tree.Identifier], span: TextSpan) -> list[SourceEntry]:
        """Return the source that a qualifier names; none where it may be one of the query around this."""
        if not qualifier:
            return []
        entries = [e for e in self.namespace.entries if e.matches(qualifier)]
        if len(entries) > 1 and all(e.is_known for e in entries):
            raise AmbiguousNameError(
                f"{format_name(qualifier)} could be more than one table", span=span, hint="give each an alias"
            )
        if not entries and self.outer is None:
            raise self._unknown_table_error(qualifier, span)
        return entries

    def _unknown_table_error(self, qualifier: Sequence[tree.Identifier], span: TextSpan) -> QueryError:
        """Return the error for a qualifier that names no source of this FROM."""
        hidden = next((e for e in self.namespace.entries if e.matches_original_name(qualifier)), None)
        if hidden is not None:
            return QueryError(
                f"the table {format_name(qualifier)} has the alias {hidden.names[-1]} here",
                span=span,
                hint=f"write {hidden.names[-1]} before the column",
                code=Code.ADQL_UNKNOWN_TABLE,
            )
        names = [e.names[-1] for e in self.namespace.entries]
        published = self.catalogue.find_tables([(n.text, n.delimited) for n in qualifier]) if self.catalogue else []
        hint = f"the tables of this FROM are {', '.join(names)}"
        if published:
            hint = f"there is such a table, but this FROM has only {', '.join(names)}"
        return QueryError(
            f"no table {format_name(qualifier)} in this FROM", span=span, hint=hint, code=Code.ADQL_UNKNOWN_TABLE
        )

    def _unknown_column_error(self, node: tree.ColumnName, entries: Sequence[SourceEntry]) -> QueryError:
        *qualifier, name = node.names
        if qualifier and not any(e.matches(qualifier) for e in self.namespace.entries):
            return self._unknown_table_error(qualifier, node.span)
        message = f"no column {format_name(node.names)}"
        if not qualifier and name.text.lower() in self.aliases:
            hint = "repeat its expression there, or compute it in a sub-query in FROM"
            return QueryError(
                f"the alias {name.text} cannot be used in WHERE",
                span=node.span,
                hint=hint,
                code=Code.ADQL_UNKNOWN_COLUMN,
            )
        names = list(dict.fromkeys(c.column.name for e in entries for c in e.columns.ordered))
        return QueryError(
            message,
            span=node.span,
            hint=_suggest_column(name, names, self._find_in_other_tables(name)),
            code=Code.ADQL_UNKNOWN_COLUMN,
        )

    def _find_in_other_tables(self, name: tree.Identifier) -> list[str]:
        """Return the published tables that have a column of this name and are not in this FROM."""
        own_tables = {(*e.original_name, *e.names)[:2] for e in self.namespace.entries}
        tables = self.catalogue.tables if self.catalogue else ()
        lower = name.text.lower()
        return [
            t.qualified_name
            for t in tables
            if (t.schema, t.name) not in own_tables and any(c.name.lower() == lower for c in t.columns)
        ]


MAX_TABLES_IN_HINT = 3


def _suggest_column(name: tree.Identifier, names: list[str], elsewhere: list[str]) -> str | None:
    if name.delimited and name.text.lower() in (k.lower() for k in names):
        exact = next(k for k in names if k.lower() == name.text.lower())
        return f'a name in double quotes is exact: write "{exact}"'
    if elsewhere:
        tables = elsewhere[:MAX_TABLES_IN_HINT]
        more = f" and {len(elsewhere) - len(tables)} more" if len(elsewhere) > len(tables) else ""
        return f"{', '.join(tables)}{more} {'has' if len(elsewhere) == 1 else 'have'} a column of this name"
    return suggest_similar(name.text, names) or (suggest_single_quotes(name) if name.delimited else None)


def _ambiguity_error(node: tree.ColumnName, name: str, hits: Sequence[Value]) -> AmbiguousNameError:
    sources = sorted({h.source for h in hits if isinstance(h, ColumnRef)})
    spelled = {h.column.name for h in hits}
    if len(sources) > 1 or len(spelled) < len(hits):
        message = f"{name} could be a column of {' or of '.join(sources)}"
        return AmbiguousNameError(message, span=node.span, hint="put the table's name before it")
    quoted = " or ".join(f'"{h.column.name}"' for h in hits)
    return AmbiguousNameError(
        f"{name} could be {quoted}", span=node.span, hint="write it in double quotes, in which case counts"
    )


def format_name(names: Iterable[tree.Identifier]) -> str:
    """Return a qualified name as it was written."""
    return ".".join(f'"{n.text}"' if n.delimited else n.text for n in names)
