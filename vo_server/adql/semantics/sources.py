"""The FROM clause: resolves tables and sub-queries, and merges the columns of joins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import COALESCE, find_common_type
from vo_server.adql.semantics.scope import (
    ColumnList,
    Namespace,
    Scope,
    SourceEntry,
    format_name,
    list_columns,
)
from vo_server.adql.semantics.values import can_compare, describe
from vo_server.adql.syntax import tree
from vo_server.adql.syntax.error_list import ErrorCollector, SuppressedError
from vo_server.catalogue.catalogue import Catalogue, is_same_name
from vo_server.catalogue.suggestions import suggest_similar
from vo_server.errors import Code, QueryError, TextSpan
from vo_server.model.column import Table
from vo_server.model.unique_names import UniqueNames

MAX_MERGED_TABLES = 16
"""Tables whose column FULL JOIN merges into one: each condition repeats the columns of all."""

CommonQueries = Mapping[str, tuple[tree.Identifier, q.Query | None]]
"""The queries of WITH by their names in lower case; None for one whose errors have been reported."""


@dataclass(slots=True)
class SourceResolver:
    """The resolver of the FROM of one SELECT.

    `resolve_query` resolves a sub-query, `resolve_condition` the condition after ON. The `collector` takes the errors;
    a source that does not resolve gets an entry in which any column may be.
    """

    catalogue: Catalogue
    common: CommonQueries
    outer: Scope | None
    names: UniqueNames
    collector: ErrorCollector
    resolve_query: Callable[[tree.Query], q.Query]
    resolve_condition: Callable[[tree.Condition, Scope], q.Condition]

    def resolve(self, node: tree.Source) -> tuple[q.Source, Namespace]:
        """Return a source, and the names that it makes visible."""
        match node:
            case tree.TableName():
                with self.collector:
                    return self._resolve_table(node)
                return self._make_unknown(node.alias or node.names[-1])
            case tree.DerivedTable():
                with self.collector:
                    return self._resolve_subquery(self.resolve_query(node.query), node.alias)
                return self._make_unknown(node.alias)
            case tree.Join():
                return self._resolve_join(node)
            case _:
                assert_never(node)

    def _make_unknown(self, name: tree.Identifier) -> tuple[q.Source, Namespace]:
        table = Table("", name.text, ())
        return q.TableScan(name.text, table), Namespace(
            (SourceEntry((name.text,), ColumnList.from_columns(()), is_known=False),), ()
        )

    def _resolve_subquery(self, inner: q.Query, alias: tree.Identifier) -> tuple[q.Source, Namespace]:
        name = self.names.assign(alias.text)
        columns = ColumnList.from_columns(
            q.ColumnRef(name, label, c) for label, c in zip(inner.labels, inner.columns, strict=True)
        )
        return q.Subquery(name, inner), Namespace((SourceEntry((alias.text,), columns),), (columns,))

    def _resolve_table(self, node: tree.TableName) -> tuple[q.Source, Namespace]:
        if len(node.names) == 1:
            (name,) = node.names
            common_name, inner = self.common.get(name.text.lower(), (None, None))
            if common_name is not None and is_same_name(name.text, name.delimited, common_name.text):
                if inner is None:
                    raise SuppressedError(f"the query {name.text}", span=node.span)
                return self._resolve_subquery(inner, node.alias or name)
        table = self._find_published(node)
        name_here = self.names.assign(node.alias.text if node.alias else table.name)
        columns = list_columns(name_here, table)
        qualified_name = table.schema, table.name
        entry = (
            SourceEntry((node.alias.text,), columns, qualified_name)
            if node.alias
            else SourceEntry(qualified_name, columns)
        )
        return q.TableScan(name_here, table), Namespace((entry,), (columns,))

    def _find_published(self, node: tree.TableName) -> Table:
        hits = self.catalogue.find_tables([(n.text, n.delimited) for n in node.names])
        if len(hits) == 1:
            return hits[0]
        if hits:
            hint = f"write {' or '.join(t.qualified_name for t in hits)}"
            raise QueryError(
                f"{format_name(node.names)} could be more than one table",
                span=_name_span(node),
                hint=hint,
                code=Code.ADQL_AMBIGUOUS_NAME,
            )
        *_, last = node.names
        apart = [(part, True) for part in last.text.split(".")]
        if last.delimited and len(apart) > 1 and self.catalogue.find_tables(apart):
            quoted = ".".join(f'"{part}"' for part, _ in apart)
            hint = f"the double quotes stand round each name: {quoted}"
            raise QueryError(
                f"no table {format_name(node.names)}", span=_name_span(node), hint=hint, code=Code.ADQL_UNKNOWN_TABLE
            )
        close = self.catalogue.find_similar(".".join(n.text for n in node.names))
        hint = f"did you mean {' or '.join(close)}?" if close else "TAP_SCHEMA.tables lists the tables there are"
        raise QueryError(
            f"no table {format_name(node.names)}", span=_name_span(node), hint=hint, code=Code.ADQL_UNKNOWN_TABLE
        )

    def _resolve_join(self, node: tree.Join) -> tuple[q.Source, Namespace]:
        left, left_block = self.resolve(node.left)
        right, right_block = self.resolve(node.right)
        block, is_valid = left_block.concatenate(right_block), False
        on: q.Condition | None = None
        with self.collector:
            self._check_duplicate_names(left_block, right_block, node)
            if node.natural or node.using:
                on, block = self._merge_columns(node, left_block, right_block)
            is_valid = True
        if not is_valid:
            return q.JoinedSource(node.kind, left, right, on), block.mark_unknown()
        if node.on is not None:
            with self.collector:
                on = self.resolve_condition(node.on, Scope(block, self.outer, self.catalogue))
        return q.JoinedSource(node.kind, left, right, on), block

    def _check_duplicate_names(self, left: Namespace, right: Namespace, node: tree.Join) -> None:
        left_names = {tuple(n.lower() for n in e.names) for e in left.entries}
        for entry in right.entries:
            if tuple(n.lower() for n in entry.names) in left_names:
                raise QueryError(
                    f"FROM has two sources named {entry.names[-1]}",
                    span=node.right.span,
                    hint="give each an alias",
                    code=Code.ADQL_DUPLICATE_NAME,
                )

    def _merge_columns(
        self, node: tree.Join, left: Namespace, right: Namespace
    ) -> tuple[q.Condition | None, Namespace]:
        """Merge the columns of one name for NATURAL and USING (SQL-92 7.5)."""
        if not (left.is_known and right.is_known):
            raise SuppressedError("the columns of a table that is not known", span=node.span)
        pairs = (
            [self._find_using_pair(left, right, n) for n in node.using]
            if node.using
            else _find_natural_pairs(left, right, node.right.span)
        )
        for n, (a, b) in enumerate(pairs):
            if not can_compare(a.column.type, b.column.type):
                message = f"cannot join {describe(a)} with {describe(b)}"
                raise QueryError(
                    message, span=node.using[n].span if node.using else node.right.span, code=Code.ADQL_BAD_JOIN
                )
        merged = ColumnList.from_columns(_merge_pair(node, a, b) for a, b in pairs)
        merged_ids = {id(c) for pair in pairs for c in pair}
        rest = ColumnList.from_columns(c for c in (*left.columns, *right.columns) if id(c) not in merged_ids)
        on = q.Conjunction(tuple(q.Comparison("=", a, b) for a, b in pairs)) if pairs else None
        return on, Namespace((*left.entries, *right.entries), (merged, rest))

    def _find_using_pair(self, left: Namespace, right: Namespace, name: tree.Identifier) -> tuple[q.Value, q.Value]:
        columns = []
        for block, side in ((left, "left"), (right, "right")):
            hits = block.find(name)
            if len(hits) != 1:
                problem = "has more than one" if hits else "has none"
                names = list(dict.fromkeys(c.column.name for c in block.columns))
                raise QueryError(
                    f"USING needs one column {name.text} on either side, but the {side} one {problem}",
                    span=name.span,
                    hint=None if hits else suggest_similar(name.text, names),
                    code=Code.ADQL_BAD_JOIN,
                )
            columns.append(hits[0])
        return columns[0], columns[1]


def _find_natural_pairs(left: Namespace, right: Namespace, span: TextSpan) -> list[tuple[q.Value, q.Value]]:
    """Return the columns of NATURAL: each name that both sides have. Neither side may have it twice."""
    left_columns, right_columns = (ColumnList.from_columns(block.columns).by_name for block in (left, right))
    common = [name for name in left_columns if name in right_columns]
    for name in common:
        if len(left_columns[name]) > 1 or len(right_columns[name]) > 1:
            message = f"NATURAL JOIN finds more than one column {name} on one side"
            raise QueryError(message, span=span, hint="write ON with the qualified columns", code=Code.ADQL_BAD_JOIN)
    return [(left_columns[name][0], right_columns[name][0]) for name in common]


def _merge_pair(node: tree.Join, left: q.Value, right: q.Value) -> q.Value:
    """Return the one column that a pair becomes."""
    if node.kind == "RIGHT":
        return right
    if node.kind != "FULL":
        return left
    type = find_common_type([left.column, right.column]) or left.column.type
    before = left.arguments if isinstance(left, q.FunctionCall) and left.function is COALESCE else (left,)
    if len(before) == MAX_MERGED_TABLES:
        message = f"FULL JOIN merges {left.column.name} from more than {MAX_MERGED_TABLES} tables"
        raise QueryError(message, span=node.right.span, hint="write ON", code=Code.ADQL_TOO_COMPLEX)
    return q.FunctionCall(COALESCE, (*before, right), left.column.replace(type=type))


def _name_span(node: tree.TableName) -> TextSpan:
    return TextSpan(node.names[0].span.start, node.names[-1].span.end)
