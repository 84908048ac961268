"""Rows of an inventory from a table instead of files, as an archive may have a table of its images.

Its columns are keywords of headers, in any case and with the values that headers have (a band j, a night 001022), or
the published columns. Missing columns are filled as by a walk: from the keywords that are there, from the name of the
file, and from the WCS.
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
from vo_server.catalogue.images import SKY_VALUES, Fill, ImageCollection
from vo_server.load.chunks import RejectedRow, ValidatedChunk
from vo_server.load.inventory.fill import RowValues, convert_value, format_text, join_values, match_name
from vo_server.load.inventory.header import ImageHeader, InventoryError
from vo_server.load.inventory.sky import OUTSIDE_PROJECTION, ZENITHAL, locate_image, locate_images
from vo_server.model import types
from vo_server.model.column import Column

_WCS_KEYWORDS = ("NAXIS1", "NAXIS2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CDELT1", "CDELT2", "CROTA2")


def as_header_table(collection: Collection) -> Collection:
    """Return an image collection as a table of its headers describes it; other collections stay as they are.

    Columns that headers write in another form are texts, and keywords of headers are column names, too.
    """
    images, table = collection.images, collection.table
    if images is None:
        return collection
    worded = {f.column for f in images.fills if _needs_parsing(f)}
    texts = [replace(c, type=types.VARCHAR, length=None) if c.name in worded else c for c in table.columns]
    keywords = _map_keywords(images)
    more = [k for k, column in keywords.items() if column not in {c.name for c in table.columns}]
    columns = (*texts, *(Column(keywords[k], types.VARCHAR) for k in more))
    also = {keyword.lower(): column for keyword, column in keywords.items()} | collection.files.also
    return replace(collection, table=replace(table, columns=columns), files=replace(collection.files, also=also))


def _needs_parsing(fill: Fill) -> bool:
    return fill.source == "header" and (fill.kind in ("date", "time") or bool(fill.values))


def _map_keywords(images: ImageCollection) -> dict[str, str]:
    """Map keywords of headers to columns of a table: the published ones where they have the same values."""
    headers = [f for f in images.fills if f.source == "header"]
    published = {f.spec: f.column for f in reversed(headers) if _is_verbatim(f)}
    return {k: published.get(k, k.lower()) for f in headers for k in f.spec.split()}


def _is_verbatim(fill: Fill) -> bool:
    return " " not in fill.spec and fill.clock is None and (fill.scale, fill.offset) == (1, 0)


@dataclass(frozen=True, slots=True)
class RowCompleter:
    """Completes the rows of a table to rows of the inventory."""

    collection: Collection
    images: ImageCollection

    def __call__(self, found: ValidatedChunk, file: str) -> ValidatedChunk:
        """Return the rows with all columns; those that cannot be completed are rejected."""
        table = found.table
        columns = self.collection.table.columns
        present = {name for name in table.column_names if table[name].null_count < table.num_rows}
        values_by_column: dict[str, list[Any]] = {}
        errors: dict[int, str] = {}
        for fill in (f for f in self.images.fills if f.column in present and _needs_parsing(f)):
            values_by_column[fill.column] = _parse_column(fill, table[fill.column], errors)
        self._fill_columns(table, present, values_by_column, errors)
        arrays = [
            pa.array(values_by_column[c.name], c.type.arrow)
            if c.name in values_by_column
            else _cast_or_null(table[c.name], c.type.arrow)
            for c in columns
        ]
        completed = pa.table(arrays, names=[c.name for c in columns])
        if not errors:
            return ValidatedChunk(completed, found.rejected)
        paths = table[self._path].to_pylist()
        bad = [
            RejectedRow(file, "image", paths[n], f": {reason}", str(paths[n])) for n, reason in sorted(errors.items())
        ]
        valid = pa.array([n for n in range(len(completed)) if n not in errors], pa.int64())
        return ValidatedChunk(completed.take(valid), (*found.rejected, *bad))

    @property
    def _path(self) -> str:
        return self.images.find_column("file", "path") or self.collection.table.columns[0].name

    def _fill_columns(
        self, table: pa.Table, present: Set[str], values_by_column: dict[str, list[Any]], errors: dict[int, str]
    ) -> None:
        """Add the columns that the table lacks to `values_by_column`, and the rows for which this fails to `errors`."""
        keywords = _map_keywords(self.images)
        has_footprint = (self.images.find_column("sky", "footprint") or "") in present
        fills = [
            f for f in self.images.fills if f.column not in present and _can_fill(f, present, keywords, has_footprint)
        ]
        if not fills:
            return
        if not has_footprint:
            sky, errors_by_row = _locate_rows(self.images, table)
            values_by_column |= {f.column: sky[f.spec] for f in fills if f.source == "sky"}
            errors |= {n: f"it has no footprint, and {reason}" for n, reason in errors_by_row.items()}
        fills = [f for f in fills if f.source != "sky"]
        filled: dict[str, list[Any]] = {f.column: [] for f in fills}
        for n, texts in enumerate(table.select(_select_source_columns(fills, keywords, table, self._path)).to_pylist()):
            row = texts | {name: values[n] for name, values in values_by_column.items()}
            try:
                values = {} if n in errors else _build_row(self.images, fills, texts, row, keywords)
            except InventoryError as error:
                errors[n], values = str(error), {}
            for name, column in filled.items():
                column.append(values.get(name))
        values_by_column |= filled


def _select_source_columns(fills: Sequence[Fill], keywords: Mapping[str, str], table: pa.Table, path: str) -> list[str]:
    """Return the columns of the table from which others are filled."""
    headers = {keywords[k] for f in fills if f.source == "header" for k in f.spec.split()}
    words = {name for f in fills if f.source == "text" for _, name, *_ in Formatter().parse(f.spec) if name}
    return [name for name in table.column_names if name in headers | words | {path}]


def _cast_or_null(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    return values if values.type == kind else pa.nulls(len(values), kind)


def _parse_column(fill: Fill, column: pa.ChunkedArray, errors: dict[int, str]) -> list[Any]:
    """Return the values of a column of texts; each distinct text is parsed once."""
    encoded = column.combine_chunks().dictionary_encode()
    parsed: list[Any] = []
    for word in encoded.dictionary.to_pylist():
        try:
            parsed.append(convert_value(fill, word.zfill(6) if fill.kind == "date" else word))
        except InventoryError as error:
            parsed.append(error)
    values = [None if index is None else parsed[index] for index in encoded.indices.to_pylist()]
    errors.update((n, str(value)) for n, value in enumerate(values) if isinstance(value, InventoryError))
    return [None if isinstance(value, InventoryError) else value for value in values]


def _can_fill(fill: Fill, present: Set[str], keywords: Mapping[str, str], has_footprint: bool) -> bool:
    """Return whether a column can be filled from those that are there."""
    match fill.source:
        case "header":
            return all(keywords[k] in present for k in fill.spec.split())
        case "file":
            return False
        case "sky":
            return not has_footprint
        case _:
            return True


def _build_row(
    images: ImageCollection, fills: Sequence[Fill], texts: RowValues, row: RowValues, keywords: Mapping[str, str]
) -> RowValues:
    """Return the values of missing columns for a row, as in the table (`texts`) and as published (`row`).

    Raises InventoryError.
    """
    path = row.get(images.find_column("file", "path") or "")
    names = match_name(images.names, str(path).rpartition("/")[2]) if any(f.source == "name" for f in fills) else {}
    values: RowValues = {}
    for fill in fills:
        match fill.source:
            case "header":
                values[fill.column] = convert_value(fill, join_values([texts[keywords[k]] for k in fill.spec.split()]))
            case "name":
                values[fill.column] = convert_value(fill, names.get(fill.spec))
            case "text":
                values[fill.column] = format_text(fill.spec, row | values)
            case _:
                values[fill.column] = convert_value(fill, fill.spec)
    return values


def _locate_rows(images: ImageCollection, table: pa.Table) -> tuple[dict[str, list[Any]], dict[int, str]]:
    """Return the columns of SKY by the WCS in the table, and the reason for each row without a position."""
    columns = {f.spec: f.column for f in images.fills if f.source == "header" and f.spec in _WCS_KEYWORDS}
    if images.projection not in ZENITHAL:
        return _locate_one_by_one(images, table.select(list(columns.values())).to_pylist(), columns)
    none = pa.nulls(len(table), pa.float64())
    texts = {k: table[columns[k]].cast(pa.float64()) if k in columns else none for k in _WCS_KEYWORDS}
    wcs = {k: values.to_numpy(zero_copy_only=False) for k, values in texts.items()}
    wcs["CROTA2"] = np.nan_to_num(wcs["CROTA2"])
    sky, valid = locate_images(images.projection, wcs)
    errors_by_row = {
        int(n): _describe_missing({k: wcs[k][n] for k in _WCS_KEYWORDS}) or OUTSIDE_PROJECTION
        for n in np.flatnonzero(~valid)
    }
    return sky, errors_by_row


def _locate_one_by_one(
    images: ImageCollection, rows: Sequence[RowValues], columns: Mapping[str, str]
) -> tuple[dict[str, list[Any]], dict[int, str]]:
    columns_of_sky: dict[str, list[Any]] = {name: [] for name in SKY_VALUES}
    errors_by_row: dict[int, str] = {}
    for n, row in enumerate(rows):
        try:
            sky = locate_image(_build_header(images, {k: row[c] for k, c in columns.items()}))
        except InventoryError as errors:
            errors_by_row[n], sky = str(errors), {}
        for name, values in columns_of_sky.items():
            values.append(sky.get(name))
    return columns_of_sky, errors_by_row


def _describe_missing(keywords: Mapping[str, float | None]) -> str | None:
    missing = [k for k in _WCS_KEYWORDS[:-1] if (value := keywords.get(k)) is None or value != value]
    return f"there is no {', '.join(missing)}" if missing else None


def _build_header(images: ImageCollection, keywords: Mapping[str, float | None]) -> ImageHeader:
    """Return a header of these keywords.

    Raises InventoryError where keywords are missing.
    """
    missing = "its catalogue file names no projection" if images.projection is None else _describe_missing(keywords)
    if missing:
        raise InventoryError(missing)
    cards = fits.Header({"NAXIS": 2, **{k: v for k, v in keywords.items() if v is not None}, "EQUINOX": 2000.0})
    cards["CTYPE1"], cards["CTYPE2"] = f"RA---{images.projection}", f"DEC--{images.projection}"
    text = cards.tostring(padding=False).encode("ascii")
    return ImageHeader(text, text)
