"""Read FITS, Parquet, Arrow, CSV and TSV into columns and their Arrow arrays."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from astropy.io import fits as astropy_fits
from pyarrow import csv as arrow_csv

from vo_server.errors import Code, TooLargeError
from vo_server.formats.field import (
    COMPLEX_HINT,
    MAX_FIELDS,
    SCALAR_TYPES,
    SHAPE_TYPES,
    Field,
    malformed_upload,
    too_many_columns,
    unsupported_type,
)
from vo_server.formats.read.arrow import message_sizes
from vo_server.formats.read.values import parse_times
from vo_server.formats.read.votable import read_votable
from vo_server.model import types
from vo_server.model.column import Column

Columns = tuple[tuple[Column, ...], list[pa.ChunkedArray]]

ARROW_TYPES: tuple[tuple[Callable[[pa.DataType], bool], types.Type], ...] = (
    (pa.types.is_boolean, types.BOOLEAN),
    (pa.types.is_uint8, types.BYTE),
    (lambda t: pa.types.is_int8(t) or pa.types.is_int16(t), types.SMALLINT),
    (lambda t: pa.types.is_int32(t) or pa.types.is_uint16(t), types.INTEGER),
    (pa.types.is_integer, types.BIGINT),
    (lambda t: pa.types.is_float16(t) or pa.types.is_float32(t), types.REAL),
    (lambda t: pa.types.is_floating(t) or pa.types.is_decimal(t), types.DOUBLE),
    (pa.types.is_date, types.DATE),
    (pa.types.is_timestamp, types.TIMESTAMP),
    (lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t), types.BLOB),
    (lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t), types.VARCHAR),
    (pa.types.is_null, types.VARCHAR),
)
"""The type of a column that holds the values of an Arrow type; the first that fits is taken."""


MAX_UNPACKED_RATIO = 8
"""How much larger than the limit an upload may be in memory: numbers as text are larger than their values."""


def read_parquet(data: memoryview, limit: int) -> Columns:
    """Read a Parquet file of at most `limit` bytes, with the metadata of the VOTable in it (VOParquet 1.0), if any.

    Dictionaries of texts are kept until their size is known: one long text may stand for a million.

    Raises TooLargeError for a file that unpacks to more than its limit.
    """
    source = pa.BufferReader(data)
    schema = pq.read_schema(source)
    texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
    check_schema(schema)
    file = pq.ParquetFile(source, read_dictionary=texts)
    footer = file.metadata
    _check_size(footer.num_rows * max(1, footer.num_columns), limit)
    groups = [footer.row_group(n) for n in range(footer.num_row_groups)]
    _check_size(
        sum(g.column(n).num_values for g in groups for n in range(g.num_columns)) * 8, limit * MAX_UNPACKED_RATIO
    )
    _check_size(sum(g.total_byte_size for g in groups), limit * MAX_UNPACKED_RATIO)
    return describe_columns(file.read(), (footer.metadata or {}).get(b"IVOA.VOTable-Parquet.content"), limit)


def read_arrow(data: memoryview, limit: int) -> Columns:
    """Read an Arrow stream, or an Arrow file, which is a stream between a prefix and an index.

    Raises TooLargeError for a stream that unpacks to more than its limit.
    """
    stream = data[8:] if bytes(data[:6]) == b"ARROW1" else data
    _check_size(sum(message_sizes(stream)), limit * MAX_UNPACKED_RATIO)
    reader = pa.ipc.open_stream(pa.BufferReader(stream))
    check_schema(reader.schema)
    return describe_columns(
        reader.read_all(), (reader.schema.metadata or {}).get(b"IVOA.VOTable-Parquet.content"), limit
    )


def check_schema(schema: pa.Schema) -> None:
    """Check the columns of a file before its rows are read.

    Raises UsageError for too many columns and for a type that is not supported.
    """
    if len(schema) > MAX_FIELDS:
        raise too_many_columns(len(schema))
    for field in schema:
        _column_of(field.name, field.type, {})


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise TooLargeError(
            f"the upload unpacks to {size:,} bytes, more than the limit of {limit:,}", code=Code.UPLOAD_TOO_LARGE
        )


def describe_columns(rows: pa.Table, votable: bytes | None, limit: int) -> Columns:
    """Return the columns of an Arrow table and their arrays, with the metadata of a VOTable without rows."""
    rows.validate(full=True)
    declared = read_votable(memoryview(votable))[0] if votable else None
    known = {c.name: c for c in declared[0]} if declared else {}
    plain = [_decode_dictionary(a, limit) for a in rows.columns]
    converted = [_describe_column(f, a, known.get(f.name)) for f, a in zip(rows.schema, plain, strict=True)]
    return tuple(c for c, _ in converted), [a for _, a in converted]


def _decode_dictionary(array: pa.ChunkedArray, limit: int) -> pa.ChunkedArray:
    """Return the values of a dictionary array.

    Raises TooLargeError where they take more than the limit.
    """
    if not pa.types.is_dictionary(array.type):
        return array
    for chunk in array.chunks:
        if not pa.types.is_primitive(chunk.type.value_type):
            longest = pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0
            _check_size(longest * len(chunk), limit * MAX_UNPACKED_RATIO)
    return array.cast(array.type.value_type)


def _describe_column(
    field: pa.Field, array: pa.ChunkedArray, declared: Column | None
) -> tuple[Column, pa.ChunkedArray]:
    column = _column_of(field.name, field.type, field.metadata or {})
    if declared is not None:
        column = column.replace(
            unit=declared.unit, ucd=declared.ucd, utype=declared.utype, description=declared.description
        )
        if declared.type.arrow == column.type.arrow and declared.type.family != "time":
            column = column.replace(
                type=declared.type,
                length=declared.length,
                arraysize_override=declared.arraysize_override,
                xtype_override=declared.xtype_override,
            )
    return column, array if array.type == column.type.arrow else array.cast(column.type.arrow)


def _column_of(name: str, kind: pa.DataType, stored: Mapping[bytes, bytes]) -> Column:
    metadata: dict[str, Any] = {
        key: stored[key.encode()].decode() for key in ("unit", "ucd", "utype", "description") if key.encode() in stored
    }
    if pa.types.is_dictionary(kind):
        return Column(name, _column_type(name, kind.value_type), **metadata)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        of = _column_type(name, kind.value_type).arrow
        inside = next((t for t in types.ARRAYS if t.arrow.value_type == of), None)
        if inside is None:
            raise unsupported_type(f"column {name} has the type {kind}, which is not supported")
        shape = str(kind.list_size) if pa.types.is_fixed_size_list(kind) else None
        return Column(name, inside, arraysize_override=shape, **metadata)
    return Column(name, _column_type(name, kind), **metadata)


def _column_type(name: str, kind: pa.DataType) -> types.Type:
    column_type = next((candidate for matches, candidate in ARROW_TYPES if matches(kind)), None)
    if column_type is None:
        raise unsupported_type(f"column {name} has the type {kind}, which is not supported")
    return column_type


# -------------------------------------------------------------------- csv


def read_csv(data: memoryview) -> Columns:
    """Read CSV or TSV with a header line; the type of a column is one that all its values fit.

    An empty text in quotes is an empty text, but in a table of one column a missing value: a line may not be empty.
    """
    first = bytes(data[:65536]).partition(b"\n")[0]
    delimiter = "\t" if first.count(b"\t") > first.count(b",") else ","
    alone = delimiter.encode() not in first
    rows = arrow_csv.read_csv(
        pa.BufferReader(data),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=alone,
                                                 null_values=["", "null", "NULL"]),
    )  # fmt: skip
    converted = [_narrow_type(name, array) for name, array in zip(rows.column_names, rows.columns, strict=True)]
    return tuple(c for c, _ in converted), [a for _, a in converted]


def _narrow_type(name: str, array: pa.ChunkedArray) -> tuple[Column, pa.ChunkedArray]:
    if pa.types.is_integer(array.type):
        seen = pc.min_max(array).as_py()
        small = seen["min"] is not None and max(-seen["min"], seen["max"]) < 2**31
        kind = types.INTEGER if small else types.BIGINT
        return Column(name, kind), array.cast(kind.arrow)
    if pa.types.is_time(array.type):
        array = array.cast(pa.string())
    kind = types.TIMESTAMP if pa.types.is_timestamp(array.type) else _column_type(name, array.type)
    return Column(name, kind), array.cast(kind.arrow)


# ------------------------------------------------------------------- fits

_TFORM = re.compile(r"\s*(\d*)([LXBIJKAEDPQCM])(?:([LXBIJKAEDCM])\(?)?")
_TYPES_BY_TFORM = {t.fits: t for t in SCALAR_TYPES.values()}


def read_fits(data: memoryview) -> Columns:
    """Read the first binary table of a FITS file.

    Raises UsageError for a file without a binary table and for columns that are not supported.
    """
    with astropy_fits.open(io.BytesIO(data), logical_as_bytes=True, lazy_load_hdus=True) as file:
        table = next((hdu for hdu in file if isinstance(hdu, astropy_fits.BinTableHDU)), None)
        if table is None:
            raise malformed_upload("the FITS file has no binary table")
        for n in range(len(table.columns)):
            check_heap(table, n)
        converted = [read_fits_column(table, n, table.data) for n in range(len(table.columns))]
    return tuple(c for c, _ in converted), [pa.chunked_array([a], a.type) for _, a in converted]


def read_fits_column(table: Any, n: int, rows: Any, with_times: bool = True) -> tuple[Column, pa.Array]:
    """Return the n-th column of a binary table, from 0, and its values in the given rows.

    `with_times` converts texts to times where all of them are times.

    Raises UsageError (UPLOAD.UNSUPPORTED_TYPE) for a column that is not supported.
    """
    header, name = table.header, table.columns[n].name
    metadata = {key: header.get(f"{word}{n + 1}") for key, word in _KEYWORDS.items()}
    form = _TFORM.match(header[f"TFORM{n + 1}"])
    if form is None or form[2] == "X" or form[3] == "X":
        raise unsupported_type(f"column {name} has the TFORM {header[f'TFORM{n + 1}']!r}, which is not supported")
    if form[2] in "CM" or form[3] in ("C", "M"):
        raise unsupported_type(f"column {name} holds complex numbers, which are not supported", COMPLEX_HINT)
    count = int(form[1] or 1)
    values = rows.field(n)
    if form[2] == "A" or form[3] == "A":
        return _convert_texts(name, values, count, metadata, with_times)
    if form[2] in "PQ":
        return _convert_lists(name, values, form[3] or "", metadata)
    kind = _TYPES_BY_TFORM[form[2]]
    if kind is types.BOOLEAN:  # astropy makes truths of the letters of a part of the rows, and a missing one is false
        values = rows.view(np.ndarray)[rows.dtype.names[n]].reshape(values.shape)
    if values.ndim == 1:
        return _convert_scalars(name, values, kind, metadata, header.get(f"TNULL{n + 1}"))
    shape = "x".join(str(side) for side in values.shape[:0:-1])
    return _convert_lists(
        name,
        list(values.reshape(len(values), prod(values.shape[1:]))),
        form[2],
        metadata | {"arraysize_override": shape},
    )


def check_heap(table: Any, n: int) -> None:
    """Check that the n-th column, from 0, has no more values than the heap of the file holds.

    The descriptors of many rows may point to the same bytes, so that a small file unpacks to a huge table.

    Raises UsageError (UPLOAD.MALFORMED) where there are more.
    """
    if not re.match(r"\s*\d*[PQ]", table.header[f"TFORM{n + 1}"]):
        return
    rows = table.data.view(np.ndarray)
    counts = rows[rows.dtype.names[n]].reshape(-1, 2)[:, 0].astype(np.int64)
    if (counts < 0).any() or counts.sum() > table.header.get("PCOUNT", 0):
        raise malformed_upload(f"column {table.columns[n].name} has more values than the heap of the FITS file")


_KEYWORDS = {"unit": "TUNIT", "ucd": "TUCD", "utype": "TUTYP", "xtype_override": "TXTYP", "description": "TCOMM"}


def _convert_texts(
    name: str, values: Any, count: int, metadata: dict[str, Any], with_times: bool
) -> tuple[Column, pa.Array]:
    texts = pa.array([str(v if isinstance(v, str) else "".join(v)).rstrip() or None for v in values], pa.string())
    field = Field(name, "char", "*", metadata.get("xtype_override"))
    if field.is_time and with_times:
        return parse_times(Column(name, types.VARCHAR, **metadata), texts)
    return field.column.replace(**metadata, length=count if count > 1 else None), texts


def _convert_scalars(
    name: str, values: Any, kind: types.Type, metadata: dict[str, Any], null: int | None
) -> tuple[Column, pa.Array]:
    if kind is types.BOOLEAN:
        letters = np.asarray(values).view(np.uint8)
        return Column(name, kind, **metadata), pa.array(letters == ord("T"), mask=letters == 0)
    plain = np.asarray(values).astype(np.asarray(values).dtype.newbyteorder("="))
    scaled = _column_type(name, pa.from_numpy_dtype(plain.dtype))
    mask = plain == null if null is not None and plain.dtype.kind in "iu" else None
    mask = np.isnan(plain) if plain.dtype.kind == "f" else mask
    return Column(name, scaled, **metadata), pa.array(plain, scaled.arrow, mask=mask)


def _convert_lists(name: str, values: Any, letter: str, metadata: dict[str, Any]) -> tuple[Column, pa.Array]:
    of = _TYPES_BY_TFORM[letter]
    if of is types.BYTE:
        return Column(name, types.BLOB, **metadata), pa.array([bytes(v) for v in values], pa.binary())
    kind = next(t for t in types.ARRAYS if t.arrow.value_type == of.arrow)
    if (shape := SHAPE_TYPES.get((kind.votable, metadata.get("xtype_override")))) is not None:
        metadata, kind = metadata | {"xtype_override": None, "arraysize_override": None}, shape
    if of is types.BOOLEAN:
        return Column(name, kind, **metadata), pa.array(
            [[c in (b"T", 84, True) for c in v] for v in values], kind.arrow
        )
    return Column(name, kind, **metadata), pa.array([np.asarray(v).tolist() for v in values], kind.arrow)
