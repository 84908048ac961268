"""The columns in which the sources of a query have positions, and the index columns that belong to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.internal_functions import STC_S
from vo_server.model import types
from vo_server.model.column import Column, Position
from vo_server.sky import cover


def iter_leaves(source: q.Source) -> Iterator[tuple[str, q.Source]]:
    """Yield the sources that are no joins, with their names in the query."""
    if isinstance(source, q.JoinedSource):
        yield from iter_leaves(source.left)
        yield from iter_leaves(source.right)
    else:
        yield source.name, source


def row_preserving_sources(source: q.Source) -> frozenset[str]:
    """Return the names of sources whose every row is in the result, without a partner if need be, and never as
    nulls."""
    if not isinstance(source, q.JoinedSource):
        return frozenset({source.name})
    left, right = row_preserving_sources(source.left), row_preserving_sources(source.right)
    return {"LEFT": left, "RIGHT": right, "FULL": frozenset[str]()}.get(source.kind, left | right)


def scanned_names(source: q.Source) -> frozenset[str]:
    """Return the names of the published tables among the sources."""
    return frozenset(name for name, leaf in iter_leaves(source) if isinstance(leaf, q.TableScan))


def source_positions(source: q.Source) -> Iterator[tuple[str, Position]]:
    """Yield the columns of each source that are the position of a published table, in it or in a sub-query."""
    for name, leaf in iter_leaves(source):
        if isinstance(leaf, q.TableScan) and leaf.table.position is not None:
            yield name, leaf.table.position
        elif isinstance(leaf, q.Subquery):
            exposed = next(exposed_positions(leaf.query), None)
            if exposed is not None:
                labels = leaf.query.labels
                reaches = _common_reaches(leaf.query, exposed)
                yield name, Position(labels[exposed.ra], labels[exposed.dec], reaches=reaches)


def _common_reaches(query: q.Query, position: ExposedPosition) -> tuple[tuple[str, float], ...]:
    """Return how far the regions of a query reach about a position, in all branches of a UNION that have the position.

    The other branches are not bounded by it.
    """
    if isinstance(query, q.SelectQuery):
        return position.reaches
    reaches_by_branch = [
        _number_reaches(b, s)
        for b in _iter_branches(query)
        for s in output_positions(b)
        if s.outputs == position.outputs
    ]
    shared = set(reaches_by_branch[0]).intersection(*reaches_by_branch)
    return tuple((query.labels[n], max(reaches[n] for reaches in reaches_by_branch)) for n in sorted(shared))


def _iter_branches(query: q.Query) -> Iterator[q.SelectQuery]:
    """Yield the SELECTs of a UNION that `exposed_positions` looks into."""
    if query.top is not None or query.offset:
        return
    if isinstance(query, q.SetQuery):
        yield from _iter_branches(query.left)
        yield from _iter_branches(query.right)
    else:
        yield query


def _number_reaches(query: q.SelectQuery, position: ExposedPosition) -> dict[int, float]:
    numbers = {label: n for n, label in enumerate(query.labels)}
    return {numbers[label]: reach for label, reach in position.reaches}


class ExposedPosition(NamedTuple):
    """Outputs of a SELECT that are the position of a source: their numbers, and the known reach of regions about it."""

    name: str
    ra: int
    dec: int
    reaches: tuple[tuple[str, float], ...]

    @property
    def outputs(self) -> tuple[int, int]:
        """The numbers of the two outputs."""
        return self.ra, self.dec


def exposed_positions(query: q.Query) -> Iterator[ExposedPosition]:
    """Yield which two outputs of a query are the position of a published table, of one branch of a UNION at least.

    None where rows are counted or cut off: a bound would change the remaining rows. Of groups only if they are grouped
    by the position.
    """
    for branch in _iter_branches(query):
        yield from output_positions(branch)


def output_positions(query: q.SelectQuery) -> Iterator[ExposedPosition]:
    """Yield the sources whose positions are among the outputs of a SELECT, with the numbers of these outputs."""
    fields = [(n, o.value) for n, o in enumerate(query.outputs) if isinstance(o.value, q.ColumnRef)]
    numbers = {(field.source, field.name): n for n, field in reversed(fields)}
    for name, position in source_positions(query.source):
        ra, dec = numbers.get((name, position.ra)), numbers.get((name, position.dec))
        if ra is not None and dec is not None and is_grouped_by_position(query, name, position):
            yield ExposedPosition(name, ra, dec, _find_reaches(query, name, position))


def _find_reaches(query: q.SelectQuery, name: str, position: Position) -> tuple[tuple[str, float], ...]:
    """Return the outputs that are regions of known reach about a position, as text or as numbers."""
    reaches = dict(position.reaches)
    shapes = [(o.label, _unwrap_region(o.value)) for o in query.outputs] if reaches else []
    fields = [(label, shape) for label, shape in shapes if isinstance(shape, q.ColumnRef)]
    return tuple((label, reaches[f.name]) for label, f in fields if f.source == name and f.name in reaches)


def _unwrap_region(value: q.Value) -> q.Value:
    return value.arguments[0] if isinstance(value, q.FunctionCall) and value.function is STC_S else value


def is_grouped_by_position(query: q.SelectQuery, name: str, position: Position) -> bool:
    """Tell whether all rows of a group have the same position of a source; true, too, where there are no groups."""
    keys = {(g.source, g.name) for g in query.group_by if isinstance(g, q.ColumnRef)}
    return not query.group_by or {(name, position.ra), (name, position.dec)} <= keys


def find_index(lon: q.Value, lat: q.Value, leaf: q.Source) -> q.ColumnRef | None:
    """Return the index of a source, if these are the columns that it is computed from."""
    return match_index(lon, lat, _find_indexed(leaf))


def match_index(lon: q.Value, lat: q.Value, position: Position | None) -> q.ColumnRef | None:
    """Return the index column of a position, if these are its columns."""
    if (
        position is None
        or not (isinstance(lon, q.ColumnRef) and isinstance(lat, q.ColumnRef))
        or lon.source != lat.source
    ):
        return None
    is_position = (lon.name, lat.name) == (position.ra, position.dec)
    return q.ColumnRef(lon.source, position.healpix, Column(position.healpix, types.BIGINT)) if is_position else None


def hidden_columns(leaf: q.Source) -> Iterator[q.ColumnRef]:
    """Yield the columns of a source that users do not see: its index, and the values that it was unnested over."""
    position = _find_indexed(leaf)
    if position is not None and not isinstance(leaf, q.JoinedSource):
        yield q.ColumnRef(leaf.name, position.healpix, Column(position.healpix, types.BIGINT))
    while isinstance(leaf, q.Unnest):
        yield q.ColumnRef(leaf.name, leaf.label, leaf.values.column)
        leaf = dict(iter_leaves(leaf.source))[leaf.name]


def _find_indexed(leaf: q.Source) -> Position | None:
    match leaf:
        case q.TableScan():
            return leaf.table.position
        case q.Unnest():
            return next((_find_indexed(inner) for name, inner in iter_leaves(leaf.source) if name == leaf.name), None)
        case q.Subquery(_, q.SelectQuery() as query):
            return _find_indexed_output(query)
        case _:
            return None


def _find_indexed_output(query: q.SelectQuery) -> Position | None:
    """Return a position among the outputs of a SELECT together with its index; None if there is none."""
    leaves = dict(iter_leaves(query.source))
    for name, ra, dec, _ in output_positions(query):
        position = _find_indexed(leaves[name])
        if position is None:
            continue
        index = name, position.healpix
        for output in query.outputs:
            if isinstance(output.value, q.ColumnRef) and (output.value.source, output.value.name) == index:
                return Position(query.labels[ra], query.labels[dec], output.label)
    return None


def constant_ranges(within: q.IndexRanges) -> list[tuple[int, int]]:
    """Return the ranges of an index as numbers: first and last, both included."""
    return [
        (int(low.value), int(high.value))
        for low, high in within.ranges
        if isinstance(low, q.Constant) and isinstance(high, q.Constant)
    ]


def sky_fraction(within: q.IndexRanges) -> float:
    """Return the part of the sky, 0 to 1, that the ranges of an index cover."""
    return count_cells(within) / int(cover.WHOLE_SKY[0, 1])


def count_cells(within: q.IndexRanges) -> int:
    """Return how many cells of order 29 the ranges of an index cover."""
    return sum(high - low + 1 for low, high in constant_ranges(within))
