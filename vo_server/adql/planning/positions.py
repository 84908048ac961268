"""Where the sources of a query say their positions, and where the index is that was made from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import STC_S
from vo_server.model import types
from vo_server.model.column import Column, Position


def leaves(source: q.Source) -> Iterator[tuple[str, q.Source]]:
    """The sources that are no joins, by their names in the query."""
    if isinstance(source, q.Join):
        yield from leaves(source.left)
        yield from leaves(source.right)
    else:
        yield source.name, source


def kept(source: q.Source) -> frozenset[str]:
    """The names of those whose every row is there, alone if need be, and of which none is made up."""
    if not isinstance(source, q.Join):
        return frozenset({source.name})
    left, right = kept(source.left), kept(source.right)
    return {"LEFT": left, "RIGHT": right, "FULL": frozenset[str]()}.get(source.kind, left | right)


def scans(source: q.Source) -> frozenset[str]:
    """The names of the published tables among them."""
    return frozenset(name for name, leaf in leaves(source) if isinstance(leaf, q.Scan))


def positions(source: q.Source) -> Iterator[tuple[str, Position]]:
    """The columns of each source that are the position of a published table, in it or in a sub-query."""
    for name, leaf in leaves(source):
        if isinstance(leaf, q.Scan) and leaf.table.position is not None:
            yield name, leaf.table.position
        elif isinstance(leaf, q.Derived):
            place = next(shown(leaf.query), None)
            if place is not None:
                labels = leaf.query.labels
                yield name, Position(labels[place.ra], labels[place.dec], reaches=_common(leaf.query, place))


def _common(query: q.Query, place: Shown) -> tuple[tuple[str, float], ...]:
    """How far the regions of a query reach about a position, in all branches of a UNION that have the position: the
    others are not bounded by it."""
    if isinstance(query, q.Select):
        return place.reaches
    beside = [_by_number(b, s) for b in _branches(query) for s in of_outputs(b) if s.outputs == place.outputs]
    shared = set(beside[0]).intersection(*beside)
    return tuple((query.labels[n], max(reaches[n] for reaches in beside)) for n in sorted(shared))


def _branches(query: q.Query) -> Iterator[q.Select]:
    """The SELECTs of a UNION that `shown` looks into."""
    if query.top is not None or query.offset:
        return
    if isinstance(query, q.Combined):
        yield from _branches(query.left)
        yield from _branches(query.right)
    else:
        yield query


def _by_number(query: q.Select, place: Shown) -> dict[int, float]:
    numbers = {label: n for n, label in enumerate(query.labels)}
    return {numbers[label]: reach for label, reach in place.reaches}


class Shown(NamedTuple):
    """Outputs of a SELECT that are the position of a source: their numbers, and those known to reach about it."""

    name: str
    ra: int
    dec: int
    reaches: tuple[tuple[str, float], ...]

    @property
    def outputs(self) -> tuple[int, int]:
        return self.ra, self.dec


def shown(query: q.Query) -> Iterator[Shown]:
    """Which two outputs of a query are the position of a published table, of one branch of a UNION at least.

    Not where rows are counted or cut off: what is left out then would change the rest. Nor of groups, unless they are
    made by the position.
    """
    if query.top is not None or query.offset:
        return
    if isinstance(query, q.Combined):
        yield from shown(query.left)
        yield from shown(query.right)
    else:
        yield from of_outputs(query)


def of_outputs(query: q.Select) -> Iterator[Shown]:
    """The sources whose positions are among the outputs of a SELECT, and which outputs they are."""
    fields = [(n, o.value) for n, o in enumerate(query.outputs) if isinstance(o.value, q.Field)]
    numbers = {(field.source, field.name): n for n, field in reversed(fields)}
    for name, place in positions(query.source):
        ra, dec = numbers.get((name, place.ra)), numbers.get((name, place.dec))
        if ra is not None and dec is not None and grouped(query, name, place):
            yield Shown(name, ra, dec, _reaches(query, name, place))


def _reaches(query: q.Select, name: str, place: Position) -> tuple[tuple[str, float], ...]:
    """The outputs that are regions of known reach about a position, in words or in numbers."""
    known = dict(place.reaches)
    shapes = [(o.label, _unworded(o.value)) for o in query.outputs] if known else []
    fields = [(label, shape) for label, shape in shapes if isinstance(shape, q.Field)]
    return tuple((label, known[f.name]) for label, f in fields if f.source == name and f.name in known)


def _unworded(value: q.Value) -> q.Value:
    return value.arguments[0] if isinstance(value, q.Apply) and value.function is STC_S else value


def grouped(query: q.Select, name: str, place: Position) -> bool:
    """Have all rows of a group the same position of a source? So, too, where there are no groups."""
    made_by = {(g.source, g.name) for g in query.group_by if isinstance(g, q.Field)}
    return not query.group_by or {(name, place.ra), (name, place.dec)} <= made_by


def index(lon: q.Value, lat: q.Value, leaf: q.Source) -> q.Field | None:
    """The index of a source, if these are the columns that it is made from."""
    return own_index(lon, lat, _indexed(leaf))


def own_index(lon: q.Value, lat: q.Value, place: Position | None) -> q.Field | None:
    """The index beside a position, if these are its columns."""
    if place is None or not (isinstance(lon, q.Field) and isinstance(lat, q.Field)) or lon.source != lat.source:
        return None
    mine = (lon.name, lat.name) == (place.ra, place.dec)
    return q.Field(lon.source, place.healpix, Column(place.healpix, types.BIGINT)) if mine else None


def hidden(leaf: q.Source) -> Iterator[q.Field]:
    """The columns of a source that no user sees: its index, and the cells that it was spread over."""
    place = _indexed(leaf)
    if place is not None and not isinstance(leaf, q.Join):
        yield q.Field(leaf.name, place.healpix, Column(place.healpix, types.BIGINT))
    while isinstance(leaf, q.Spread):
        yield q.Field(leaf.name, leaf.label, leaf.cells.column)
        leaf = dict(leaves(leaf.source))[leaf.name]


def _indexed(leaf: q.Source) -> Position | None:
    match leaf:
        case q.Scan():
            return leaf.table.position
        case q.Spread():
            return next((_indexed(inner) for name, inner in leaves(leaf.source) if name == leaf.name), None)
        case q.Derived(_, q.Select() as query):
            return _in_outputs(query)
        case _:
            return None


def _in_outputs(query: q.Select) -> Position | None:
    """A position among the outputs of a SELECT together with its index."""
    within = dict(leaves(query.source))
    for name, ra, dec, _ in of_outputs(query):
        place = _indexed(within[name])
        if place is None:
            continue
        wanted = name, place.healpix
        for output in query.outputs:
            if isinstance(output.value, q.Field) and (output.value.source, output.value.name) == wanted:
                return Position(query.labels[ra], query.labels[dec], output.label)
    return None
