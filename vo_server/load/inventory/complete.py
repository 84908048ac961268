"""Rows of an inventory that come from a table instead of files, as an archive has one of its images.

Its columns are the keywords of the headers, in any case and with the values that headers have (a band j, a night
001022), or the published ones. What the table does not say is made as a walk makes it: from the keywords that are
there, from the name of the file, and from the WCS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from string import Formatter
from typing import Any

import numpy as np
import pyarrow as pa
from astropy.io import fits

from vo_server.catalogue.catalogue import Collection
from vo_server.catalogue.images import SKY, Fill, Images
from vo_server.load.inventory.fill import Row, filled, formatted, groups, joined
from vo_server.load.inventory.header import Header, Refused
from vo_server.load.inventory.sky import BEYOND, ZENITHAL, place, places
from vo_server.load.pieces import Bad, Checked
from vo_server.model import types
from vo_server.model.column import Column

_WCS = ("NAXIS1", "NAXIS2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CDELT1", "CDELT2", "CROTA2")


def as_said(publication: Collection) -> Collection:
    """A collection as tables speak of it: columns that are written otherwise in headers are texts, and the keywords of
    headers are names, too. Other publications are as they are."""
    images, table = publication.images, publication.table
    if images is None:
        return publication
    worded = {f.column for f in images.fills if _is_worded(f)}
    texts = [replace(c, type=types.VARCHAR, length=None) if c.name in worded else c for c in table.columns]
    keywords = _keywords(images)
    more = [k for k, column in keywords.items() if column not in {c.name for c in table.columns}]
    columns = (*texts, *(Column(keywords[k], types.VARCHAR) for k in more))
    also = {keyword.lower(): column for keyword, column in keywords.items()} | publication.files.also
    return replace(publication, table=replace(table, columns=columns), files=replace(publication.files, also=also))


def _is_worded(fill: Fill) -> bool:
    return fill.source == "header" and (fill.kind in ("date", "time") or bool(fill.values))


def _keywords(images: Images) -> dict[str, str]:
    """The columns of a table that hold the keywords of headers: the published ones where they hold the very values."""
    headers = [f for f in images.fills if f.source == "header"]
    found = {f.said: f.column for f in reversed(headers) if _is_plain(f)}
    return {k: found.get(k, k.lower()) for f in headers for k in f.said.split()}


def _is_plain(fill: Fill) -> bool:
    return " " not in fill.said and fill.clock is None and (fill.scale, fill.offset) == (1, 0)


@dataclass(frozen=True, slots=True)
class Complete:
    """Makes the rows of a table, as they are said, those of the inventory."""

    publication: Collection
    images: Images

    def __call__(self, found: Checked, file: str) -> Checked:
        """The same rows with all that follows; those of which nothing can be made are bad."""
        table = found.table
        columns = self.publication.table.columns
        there = {name for name in table.column_names if table[name].null_count < table.num_rows}
        known: dict[str, list[Any]] = {}
        refused: dict[int, str] = {}
        for fill in (f for f in self.images.fills if f.column in there and _is_worded(f)):
            known[fill.column] = _read(fill, table[fill.column], refused)
        self._make(table, there, known, refused)
        arrays = [
            pa.array(known[c.name], c.type.arrow) if c.name in known else _as(table[c.name], c.type.arrow)
            for c in columns
        ]
        made = pa.table(arrays, names=[c.name for c in columns])
        if not refused:
            return Checked(made, found.bad)
        paths = table[self._path].to_pylist()
        bad = [Bad(file, "image", paths[n], f": {reason}", str(paths[n])) for n, reason in sorted(refused.items())]
        good = pa.array([n for n in range(len(made)) if n not in refused], pa.int64())
        return Checked(made.take(good), (*found.bad, *bad))

    @property
    def _path(self) -> str:
        return self.images.filled("file", "path") or self.publication.table.columns[0].name

    def _make(self, table: pa.Table, there: Set[str], known: dict[str, list[Any]], refused: dict[int, str]) -> None:
        """Adds the columns that the table has not to those that are known, and the rows for which this fails."""
        keywords = _keywords(self.images)
        outlined = (self.images.filled("sky", "footprint") or "") in there
        fills = [f for f in self.images.fills if f.column not in there and _can_be(f, there, keywords, outlined)]
        if not fills:
            return
        if not outlined:
            sky, nowhere = _places(self.images, table)
            known |= {f.column: sky[f.said] for f in fills if f.source == "sky"}
            refused |= {n: f"it has no footprint, and {reason}" for n, reason in nowhere.items()}
        fills = [f for f in fills if f.source != "sky"]
        made: dict[str, list[Any]] = {f.column: [] for f in fills}
        for n, said in enumerate(table.select(_needed(fills, keywords, table, self._path)).to_pylist()):
            row = said | {name: values[n] for name, values in known.items()}
            try:
                values = {} if n in refused else _row(self.images, fills, said, row, keywords)
            except Refused as fault:
                refused[n], values = str(fault), {}
            for name, column in made.items():
                column.append(values.get(name))
        known |= made


def _needed(fills: Sequence[Fill], keywords: Mapping[str, str], table: pa.Table, path: str) -> list[str]:
    """The columns that others are made of."""
    headers = {keywords[k] for f in fills if f.source == "header" for k in f.said.split()}
    words = {name for f in fills if f.source == "text" for _, name, *_ in Formatter().parse(f.said) if name}
    return [name for name in table.column_names if name in headers | words | {path}]


def _as(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    return values if values.type == kind else pa.nulls(len(values), kind)


def _read(fill: Fill, column: pa.ChunkedArray, refused: dict[int, str]) -> list[Any]:
    """The values that words mean; each word is read once."""
    coded = column.combine_chunks().dictionary_encode()
    meant: list[Any] = []
    for word in coded.dictionary.to_pylist():
        try:
            meant.append(filled(fill, word.zfill(6) if fill.kind == "date" else word))
        except Refused as fault:
            meant.append(fault)
    found = [None if index is None else meant[index] for index in coded.indices.to_pylist()]
    refused.update((n, str(value)) for n, value in enumerate(found) if isinstance(value, Refused))
    return [None if isinstance(value, Refused) else value for value in found]


def _can_be(fill: Fill, there: Set[str], keywords: Mapping[str, str], outlined: bool) -> bool:
    """Can a column be made of what is there?"""
    match fill.source:
        case "header":
            return all(keywords[k] in there for k in fill.said.split())
        case "file":
            return False
        case "sky":
            return not outlined
        case _:
            return True


def _row(images: Images, fills: Sequence[Fill], said: Row, row: Row, keywords: Mapping[str, str]) -> Row:
    """The values of columns for a row as the table says it, and as it is published.

    Raises Refused.
    """
    path = row.get(images.filled("file", "path") or "")
    names = groups(images.names, str(path).rpartition("/")[2]) if any(f.source == "name" for f in fills) else {}
    made: Row = {}
    for fill in fills:
        match fill.source:
            case "header":
                made[fill.column] = filled(fill, joined([said[keywords[k]] for k in fill.said.split()]))
            case "name":
                made[fill.column] = filled(fill, names.get(fill.said))
            case "text":
                made[fill.column] = formatted(fill.said, row | made)
            case _:
                made[fill.column] = filled(fill, fill.said)
    return made


def _places(images: Images, table: pa.Table) -> tuple[dict[str, list[Any]], dict[int, str]]:
    """What follows from the WCS that the columns tell, and the rows of which nothing does."""
    columns = {f.said: f.column for f in images.fills if f.source == "header" and f.said in _WCS}
    if images.projection not in ZENITHAL:
        return _one_by_one(images, table.select(list(columns.values())).to_pylist(), columns)
    none = pa.nulls(len(table), pa.float64())
    said = {k: table[columns[k]].cast(pa.float64()) if k in columns else none for k in _WCS}
    wcs = {k: values.to_numpy(zero_copy_only=False) for k, values in said.items()}
    wcs["CROTA2"] = np.nan_to_num(wcs["CROTA2"])
    made, good = places(images.projection, wcs)
    nowhere = {int(n): _missing({k: wcs[k][n] for k in _WCS}) or BEYOND for n in np.flatnonzero(~good)}
    return made, nowhere


def _one_by_one(
    images: Images, rows: Sequence[Row], columns: Mapping[str, str]
) -> tuple[dict[str, list[Any]], dict[int, str]]:
    made: dict[str, list[Any]] = {name: [] for name in SKY}
    nowhere: dict[int, str] = {}
    for n, row in enumerate(rows):
        try:
            sky = place(_header(images, {k: row[c] for k, c in columns.items()}))
        except Refused as refused:
            nowhere[n], sky = str(refused), {}
        for name, values in made.items():
            values.append(sky.get(name))
    return made, nowhere


def _missing(known: Mapping[str, float | None]) -> str | None:
    missing = [k for k in _WCS[:-1] if (value := known.get(k)) is None or value != value]
    return f"there is no {', '.join(missing)}" if missing else None


def _header(images: Images, known: Mapping[str, float | None]) -> Header:
    """The header that the keywords tell of."""
    missing = "its catalogue file names no projection" if images.projection is None else _missing(known)
    if missing:
        raise Refused(missing)
    cards = fits.Header({"NAXIS": 2, **{k: v for k, v in known.items() if v is not None}, "EQUINOX": 2000.0})
    cards["CTYPE1"], cards["CTYPE2"] = f"RA---{images.projection}", f"DEC--{images.projection}"
    text = cards.tostring(padding=False).encode("ascii")
    return Header(text, text)
