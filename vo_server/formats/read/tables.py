"""FITS, Parquet, Arrow, CSV and TSV into columns."""

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

from vo_server.errors import TooLargeError, UsageError
from vo_server.formats.field import COMPLEX, MOST_FIELDS, SCALARS, SHAPES, Field
from vo_server.formats.read.arrow import sizes
from vo_server.formats.read.values import timely
from vo_server.formats.read.votable import read_votable
from vo_server.model import types
from vo_server.model.column import Column

Columns = tuple[tuple[Column, ...], list[pa.ChunkedArray]]

KINDS: tuple[tuple[Callable[[pa.DataType], bool], types.Type], ...] = (
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
"""Which type keeps the values of an Arrow type; the first that fits."""


MOST = 8
"""How many times the limit an upload may have when it is unpacked: a text of numbers is larger than they are."""


def parquet(data: memoryview, limit: int) -> Columns:
    """A Parquet file, with the metadata of its VOTable if it brings one.

    Texts are read as dictionaries, if they are: one long text may stand for a million.
    """
    source = pa.BufferReader(data)
    schema = pq.read_schema(source)
    texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
    checked(schema)
    file = pq.ParquetFile(source, read_dictionary=texts)
    told = file.metadata
    _bounded(told.num_rows * max(1, told.num_columns), limit)
    groups = [told.row_group(n) for n in range(told.num_row_groups)]
    _bounded(sum(g.column(n).num_values for g in groups for n in range(g.num_columns)) * 8, limit * MOST)
    _bounded(sum(g.total_byte_size for g in groups), limit * MOST)
    return described(file.read(), (told.metadata or {}).get(b"IVOA.VOTable-Parquet.content"), limit)


def arrow(data: memoryview, limit: int) -> Columns:
    """An Arrow stream, or a file, which is one with something before and after."""
    stream = data[8:] if bytes(data[:6]) == b"ARROW1" else data
    _bounded(sum(sizes(stream)), limit * MOST)
    reader = pa.ipc.open_stream(pa.BufferReader(stream))
    checked(reader.schema)
    return described(reader.read_all(), (reader.schema.metadata or {}).get(b"IVOA.VOTable-Parquet.content"), limit)


def checked(schema: pa.Schema) -> None:
    """Raises UsageError where a column cannot be taken, before anything is read."""
    if len(schema) > MOST_FIELDS:
        raise UsageError(f"the upload has {len(schema):,} columns, where {MOST_FIELDS:,} are the most")
    for field in schema:
        _column(field.name, field.type, {})


def _bounded(size: int, limit: int) -> None:
    if size > limit:
        raise TooLargeError(f"an upload unpacks to {size:,} bytes, where {limit:,} are the limit of this service")


def described(rows: pa.Table, votable: bytes | None, limit: int) -> Columns:
    """The columns of Arrow's rows; what a VOTable without rows says of each is added."""
    rows.validate(full=True)
    told = read_votable(memoryview(votable))[0] if votable else None
    known = {c.name: c for c in told[0]} if told else {}
    plain = [_plain(a, limit) for a in rows.columns]
    made = [_described(f, a, known.get(f.name)) for f, a in zip(rows.schema, plain, strict=True)]
    return tuple(c for c, _ in made), [a for _, a in made]


def _plain(array: pa.ChunkedArray, limit: int) -> pa.ChunkedArray:
    """The values of a dictionary, where they do not become too many."""
    if not pa.types.is_dictionary(array.type):
        return array
    for chunk in array.chunks:
        if not pa.types.is_primitive(chunk.type.value_type):
            longest = pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0
            _bounded(longest * len(chunk), limit * MOST)
    return array.cast(array.type.value_type)


def _described(field: pa.Field, array: pa.ChunkedArray, told: Column | None) -> tuple[Column, pa.ChunkedArray]:
    column = _column(field.name, field.type, field.metadata or {})
    if told is not None:
        column = column.replace(unit=told.unit, ucd=told.ucd, utype=told.utype, description=told.description)
        if told.type.arrow == column.type.arrow and told.type.family != "time":
            column = column.replace(type=told.type, length=told.length, shape=told.shape, label=told.label)
    return column, array if array.type == column.type.arrow else array.cast(column.type.arrow)


def _column(name: str, kind: pa.DataType, said: Mapping[bytes, bytes]) -> Column:
    told: dict[str, Any] = {
        key: said[key.encode()].decode() for key in ("unit", "ucd", "utype", "description") if key.encode() in said
    }
    if pa.types.is_dictionary(kind):
        return Column(name, _kind(name, kind.value_type), **told)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        of = _kind(name, kind.value_type).arrow
        inside = next((t for t in types.ARRAYS if t.arrow.value_type == of), None)
        if inside is None:
            raise UsageError(f"the column {name} holds {kind}, which is not taken here")
        shape = str(kind.list_size) if pa.types.is_fixed_size_list(kind) else None
        return Column(name, inside, shape=shape, **told)
    return Column(name, _kind(name, kind), **told)


def _kind(name: str, kind: pa.DataType) -> types.Type:
    found = next((known for fits, known in KINDS if fits(kind)), None)
    if found is None:
        raise UsageError(f"the column {name} holds {kind}, which is not taken here")
    return found


# -------------------------------------------------------------------- csv


def csv(data: memoryview) -> Columns:
    """CSV or TSV with a line of names; the types are what all values fit.

    An empty text in quotes is one, but in a single column it is a missing value: a line may not be empty.
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
    made = [_narrow(name, array) for name, array in zip(rows.column_names, rows.columns, strict=True)]
    return tuple(c for c, _ in made), [a for _, a in made]


def _narrow(name: str, array: pa.ChunkedArray) -> tuple[Column, pa.ChunkedArray]:
    if pa.types.is_integer(array.type):
        seen = pc.min_max(array).as_py()
        small = seen["min"] is not None and max(-seen["min"], seen["max"]) < 2**31
        kind = types.INTEGER if small else types.BIGINT
        return Column(name, kind), array.cast(kind.arrow)
    if pa.types.is_time(array.type):
        array = array.cast(pa.string())
    kind = types.TIMESTAMP if pa.types.is_timestamp(array.type) else _kind(name, array.type)
    return Column(name, kind), array.cast(kind.arrow)


# ------------------------------------------------------------------- fits

_FORM = re.compile(r"\s*(\d*)([LXBIJKAEDPQCM])(?:([LXBIJKAEDCM])\(?)?")
_OF = {t.fits: t for t in SCALARS.values()}


def fits(data: memoryview) -> Columns:
    """The first binary table of a FITS file."""
    with astropy_fits.open(io.BytesIO(data), logical_as_bytes=True, lazy_load_hdus=True) as file:
        table = next((hdu for hdu in file if isinstance(hdu, astropy_fits.BinTableHDU)), None)
        if table is None:
            raise UsageError("the FITS file has no binary table")
        for n in range(len(table.columns)):
            check_heap(table, n)
        made = [fits_column(table, n, table.data) for n in range(len(table.columns))]
    return tuple(c for c, _ in made), [pa.chunked_array([a], a.type) for _, a in made]


def fits_column(table: Any, n: int, rows: Any, timed: bool = True) -> tuple[Column, pa.Array]:
    """A column of a binary table, and its values in some of the rows; `timed` makes times of texts that all are some.

    Raises UsageError for a column that is not taken.
    """
    header, name = table.header, table.columns[n].name
    said = {key: header.get(f"{word}{n + 1}") for key, word in _SAID.items()}
    found = _FORM.match(header[f"TFORM{n + 1}"])
    if found is None or found[2] == "X" or found[3] == "X":
        raise UsageError(f"the column {name} has the TFORM {header[f'TFORM{n + 1}']!r}, which is not taken here")
    if found[2] in "CM" or found[3] in ("C", "M"):
        raise UsageError(f"the column {name} holds complex numbers, which are not taken here", hint=COMPLEX)
    count = int(found[1] or 1)
    values = rows.field(n)
    if found[2] == "A" or found[3] == "A":
        return _fits_texts(name, values, count, said, timed)
    if found[2] in "PQ":
        return _fits_lists(name, values, found[3] or "", said)
    kind = _OF[found[2]]
    if kind is types.BOOLEAN:  # astropy makes truths of the letters of a part of the rows, and a missing one is false
        values = rows.view(np.ndarray)[rows.dtype.names[n]].reshape(values.shape)
    if values.ndim == 1:
        return _fits_scalars(name, values, kind, said, header.get(f"TNULL{n + 1}"))
    shape = "x".join(str(side) for side in values.shape[:0:-1])
    return _fits_lists(
        name, list(values.reshape(len(values), prod(values.shape[1:]))), found[2], said | {"shape": shape}
    )


def check_heap(table: Any, n: int) -> None:
    """Do the rows speak of more values than the heap can hold? They may all point to the same ones.

    Raises UsageError where they do.
    """
    if not re.match(r"\s*\d*[PQ]", table.header[f"TFORM{n + 1}"]):
        return
    rows = table.data.view(np.ndarray)
    counts = rows[rows.dtype.names[n]].reshape(-1, 2)[:, 0].astype(np.int64)
    if (counts < 0).any() or counts.sum() > table.header.get("PCOUNT", 0):
        raise UsageError(f"the column {table.columns[n].name} has more values than the heap of the FITS file")


_SAID = {"unit": "TUNIT", "ucd": "TUCD", "utype": "TUTYP", "label": "TXTYP", "description": "TCOMM"}


def _fits_texts(name: str, values: Any, count: int, said: dict[str, Any], timed: bool) -> tuple[Column, pa.Array]:
    texts = pa.array([str(v if isinstance(v, str) else "".join(v)).rstrip() or None for v in values], pa.string())
    field = Field(name, "char", "*", said.get("label"))
    if field.is_time and timed:
        return timely(Column(name, types.VARCHAR, **said), texts)
    return field.column.replace(**said, length=count if count > 1 else None), texts


def _fits_scalars(
    name: str, values: Any, kind: types.Type, said: dict[str, Any], null: int | None
) -> tuple[Column, pa.Array]:
    if kind is types.BOOLEAN:
        letters = np.asarray(values).view(np.uint8)
        return Column(name, kind, **said), pa.array(letters == ord("T"), mask=letters == 0)
    plain = np.asarray(values).astype(np.asarray(values).dtype.newbyteorder("="))
    scaled = _kind(name, pa.from_numpy_dtype(plain.dtype))
    mask = plain == null if null is not None and plain.dtype.kind in "iu" else None
    mask = np.isnan(plain) if plain.dtype.kind == "f" else mask
    return Column(name, scaled, **said), pa.array(plain, scaled.arrow, mask=mask)


def _fits_lists(name: str, values: Any, letter: str, said: dict[str, Any]) -> tuple[Column, pa.Array]:
    of = _OF[letter]
    if of is types.BYTE:
        return Column(name, types.BLOB, **said), pa.array([bytes(v) for v in values], pa.binary())
    kind = next(t for t in types.ARRAYS if t.arrow.value_type == of.arrow)
    if (shape := SHAPES.get((kind.votable, said.get("label")))) is not None:
        said, kind = said | {"label": None, "shape": None}, shape
    if of is types.BOOLEAN:
        return Column(name, kind, **said), pa.array([[c in (b"T", 84, True) for c in v] for v in values], kind.arrow)
    return Column(name, kind, **said), pa.array([np.asarray(v).tolist() for v in values], kind.arrow)
