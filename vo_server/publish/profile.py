"""The profile of a table file: types, ranges, missing values and identifying columns, from its values.

A file is read once from end to end in chunks, and the candidates for the identifier a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from tempfile import gettempdir

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import Code, LoadError
from vo_server.load.described import convert_column, translate_errors
from vo_server.load.detect_format import detect_reader
from vo_server.load.input_files import create_meter, open_input
from vo_server.load.readers.source_table import SourceTable
from vo_server.load.statistics import ColumnStatistics
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.statistics import Statistic
from vo_server.model.types import Type
from vo_server.publish.ucds import guess_ucd, normalise_ucd

NULL_TEXTS = ("-", "--", "---", "N/A", "n/a", "NA", "None", "none", "...", "....", "*", "?", "masked")
"""Texts among numbers that represent a missing value."""

_LEADING_ZERO = r"^[-+]?0[0-9]"
_LONG_INTEGER = r"^[-+]?[0-9]{19,}$"
_NUMBER = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"
_WIDEST = (types.DOUBLE, types.TIMESTAMP, types.BOOLEAN)
"""The widest types of their kinds."""


@dataclass(slots=True)
class TypeInference:
    """The inference of the type of a column of texts: the first of `kinds` that fits all values, otherwise text.

    `null` is the one text that represents a missing value, `not_numeric` a text that prevents a numeric type.
    """

    kinds: list[Type]
    null: str | None = None
    not_numeric: str | None = None
    has_values: bool = False

    def infer(self, texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
        """Return these values in the narrowest type that fits all values so far; None if that is text."""
        if self.null is not None:
            texts = _null_text(texts, self.null)
        if texts.null_count == len(texts):
            return texts.cast(self.kinds[0].arrow) if self.kinds else None
        while self.kinds:
            converted = self._try_type(texts)
            if converted is not None:
                self.has_values = True
                return converted
            if not self.kinds:
                break
            if self._is_null_among_numbers(texts):
                texts = _null_text(texts, str(self.null))
            else:
                self._drop_type(texts)
        return None

    def _try_type(self, texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
        kind = self.kinds[0]
        try:
            converted = pc.utf8_trim_whitespace(texts).cast(kind.arrow)
        except pa.ArrowException:
            return None
        if kind is types.BIGINT and _any_match(texts, _LEADING_ZERO):
            self.not_numeric, self.kinds = _first_match(texts, _LEADING_ZERO), []
            return None
        return converted

    def _is_null_among_numbers(self, texts: pa.ChunkedArray) -> bool:
        if self.kinds[0] is not types.DOUBLE or self.null is not None:
            return False
        others = pc.unique(texts.filter(pc.invert(pc.match_substring_regex(texts, _NUMBER)))).to_pylist()
        nulls = [text for text in others if text is not None]
        if len(nulls) != 1 or nulls[0] not in NULL_TEXTS:
            return False
        self.null = nulls[0]
        return True

    def _drop_type(self, texts: pa.ChunkedArray) -> None:
        """Drop the narrowest type: a wider one of its group may fit, another group only if no value fitted so far."""
        kind = self.kinds.pop(0)
        if kind is types.BIGINT and _any_match(texts, _LONG_INTEGER):
            self.kinds = []
        if kind in _WIDEST:
            if kind is types.DOUBLE and (self.has_values or _any_match(texts, _NUMBER)):
                self.not_numeric = _first_match(texts, _NUMBER, inverse=True)
            if self.has_values:
                self.kinds = []

    @property
    def kind(self) -> Type:
        """Return the type that fits all values."""
        return self.kinds[0] if self.kinds and self.has_values else types.VARCHAR


def _null_text(texts: pa.ChunkedArray, null: str) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(texts, null), pa.scalar(None, texts.type), texts)


def _any_match(texts: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(texts, pattern)).as_py())


def _first_match(texts: pa.ChunkedArray, pattern: str, inverse: bool = False) -> str | None:
    fits = pc.match_substring_regex(texts, pattern)
    matches = texts.filter(pc.invert(fits) if inverse else fits)
    return str(matches[0].as_py()) if len(matches) else None


@dataclass(slots=True)
class _ColumnScan:
    """The statistics of a column while its file is read: `tally` of the inferred type, `texts` of the declared one."""

    column: Column
    tally: ColumnStatistics
    texts: ColumnStatistics
    inference: TypeInference | None
    shortest: int | None = None
    longest: int | None = None
    is_ascii: bool = True
    is_invalid: bool = False

    def add(self, values: pa.ChunkedArray) -> None:
        """Add values, as the file has them."""
        try:
            typed_values = convert_column(self.column, values)
        except pa.ArrowException:  # the load will report the value
            self.is_invalid = True
            return
        if self.inference is None or (converted := self.inference.infer(typed_values)) is None:
            self.texts.add(typed_values)
        else:
            self.tally.add(converted)
            self.texts.add(typed_values)
        if self.column.type.family == "text":
            self._measure_texts(typed_values)

    @property
    def kind(self) -> Type:
        """Return the type that fits all values."""
        return self.column.type if self.inference is None else self.inference.kind

    @property
    def statistic(self) -> Statistic:
        """Return the statistic of the values in this type."""
        if not self.kind.is_numeric and self.kind.family != "time":
            return self.texts.statistic
        statistic = self.tally.statistic if self.inference is not None else self.texts.statistic
        return statistic if self.kind.family == "integer" else replace(statistic, values=None)

    def _measure_texts(self, texts: pa.ChunkedArray) -> None:
        ends = pc.min_max(pc.utf8_length(texts)).as_py()
        if ends["max"] is not None:
            self.shortest = min(self.shortest or ends["min"], ends["min"])
            self.longest = max(self.longest or 0, ends["max"])
            self.is_ascii = self.is_ascii and pc.all(pc.string_is_ascii(texts)).as_py() is not False


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """A column of a file and its values.

    `column` has the metadata of the file and the type that fits all values. Of texts, `longest` and `shortest` are
    lengths in characters, and `is_ascii` tells whether all are ASCII. `null` is a text that represents a missing
    number, `not_numeric` a text that makes a column of numbers text. `is_unique` tells whether all rows have different
    values, `is_guessed` whether the type is inferred.
    """

    column: Column
    statistic: Statistic
    shortest: int | None = None
    longest: int | None = None
    is_ascii: bool = True
    null: str | None = None
    not_numeric: str | None = None
    is_unique: bool = False
    is_guessed: bool = False


@dataclass(frozen=True, slots=True)
class TableProfile:
    """The profile of a table file: its columns, its number of rows and its metadata."""

    file: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    name: str | None = None
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    first_row: dict[str, object] = field(default_factory=dict)


def profile_file(path: str) -> TableProfile:
    """Return the profile of a table file.

    Raises LoadError for a file that cannot be read or has no rows.
    """
    with (
        open_input(path, create_meter([path])) as input,
        translate_errors(input),
        detect_reader(input)(input) as source_table,
    ):
        scans, rows, first = _scan_table(source_table)
        metadata = (source_table.name, source_table.description, dict(source_table.metadata))
    if not rows:
        raise LoadError(f"{input.name} has no rows", code=Code.LOAD_FAILED)
    unique = _find_unique(path, _rank_candidates([c for c in scans if _may_identify(c, rows)]), rows)
    columns = tuple(_build_profile(c, c.column.name in unique) for c in scans)
    return TableProfile(input.name, rows, columns, *metadata, first_row=first)


def _scan_table(source_table: SourceTable) -> tuple[list[_ColumnScan], int, dict[str, object]]:
    scans = [_create_scan(c, source_table) for c in source_table.columns]
    rows = 0
    first: dict[str, object] = {}
    for table in source_table.read([c.name for c in source_table.columns]):
        for each in scans:
            each.add(table[each.column.name])
        if not first and table.num_rows:
            first = dict(zip(table.column_names, (c[0].as_py() for c in table.columns), strict=True))
        rows += table.num_rows
    return scans, rows, first


def _create_scan(column: Column, source_table: SourceTable) -> _ColumnScan:
    """Return a new scan; a CHAR is read as VARCHAR, since digits in it would be filled up with zeros."""
    column = column.replace(type=types.VARCHAR) if column.type is types.CHAR else column
    kinds = source_table.untyped.get(column.name)
    typed_statistics = ColumnStatistics(column.replace(type=kinds[0])) if kinds else ColumnStatistics(column)
    return _ColumnScan(
        column, typed_statistics, ColumnStatistics(column), TypeInference(list(kinds)) if kinds else None
    )


def _build_profile(scan: _ColumnScan, is_unique: bool) -> ColumnProfile:
    column, inference, statistic = scan.column, scan.inference, scan.statistic
    if inference is not None:
        column = column.replace(
            type=_narrow_integer(inference.kind, statistic),
            xtype_override=None if inference.has_values else column.xtype_override,
        )
    return ColumnProfile(
        column, statistic, scan.shortest, scan.longest, scan.is_ascii,
        null=inference.null if inference and column.type.is_numeric else None,
        not_numeric=inference.not_numeric if inference and not column.type.is_numeric else None,
        is_unique=is_unique, is_guessed=inference is not None,
    )  # fmt: skip


def _narrow_integer(kind: Type, statistic: Statistic) -> Type:
    """Return INTEGER for a BIGINT whose values all fit into it."""
    ends = (statistic.low, statistic.high)
    small = all(isinstance(end, int) and abs(end) < 2**31 for end in ends)
    return types.INTEGER if kind is types.BIGINT and small else kind


# ------------------------------------------------------------- identifiers


_MAX_IDENTIFIER_CANDIDATES = 4
"""Number of columns that are tested for distinct values."""


def _rank_candidates(columns: Sequence[_ColumnScan]) -> list[str]:
    """Return the columns that most likely identify a row: by their UCDs, by their names, then the first."""

    def rank(scan: _ColumnScan) -> int:
        ucd = normalise_ucd(scan.column.ucd)[0] or guess_ucd(scan.column.name, scan.column.unit, scan.kind)[0] or ""
        return 0 if ucd == "meta.id;meta.main" else 1 if ucd.startswith("meta.id") else 2

    return [c.column.name for c in sorted(columns, key=rank)][:_MAX_IDENTIFIER_CANDIDATES]


def _may_identify(scan: _ColumnScan, rows: int) -> bool:
    """Tell whether the values of a column may all differ; not if there are few distinct ones."""
    few = scan.texts.values is not None and len(scan.texts.values) < rows
    return not scan.texts.nulls and not scan.is_invalid and not few and scan.kind.family in ("integer", "text")


def _find_unique(path: str, names: Sequence[str], rows: int) -> set[str]:
    """Return the columns that have a different value in each row."""
    if not names:
        return set()
    with (
        open_input(path, create_meter([path])) as input,
        translate_errors(input),
        detect_reader(input)(input) as source_table,
    ):
        counts = _count_distinct(source_table, names)
    return {name for name, count in zip(names, counts, strict=True) if count == rows}


def _count_distinct(source_table: SourceTable, names: Sequence[str]) -> Sequence[int]:
    """Return the number of distinct values of each column, counted by DuckDB, which uses disk beyond its memory."""

    def batches() -> Iterator[pa.RecordBatch]:
        for table in source_table.read(names):
            trimmed = [pc.utf8_rtrim_whitespace(c) if pa.types.is_string(c.type) else c for c in table.columns]
            yield from pa.table(trimmed, names=aliases).to_batches()

    aliases = [f"c{n}" for n in range(len(names))]
    first = next(stream := batches(), None)
    if first is None:
        return [0] * len(names)
    rows = pa.RecordBatchReader.from_batches(first.schema, _chain_batches(first, stream))
    with duckdb.connect(config={"memory_limit": "512MB", "temp_directory": gettempdir()}) as connection:
        connection.register("rows", rows)
        columns = ", ".join(f"count(DISTINCT {p})" for p in aliases)
        (row,) = connection.execute(f"SELECT {columns} FROM rows").fetchall()  # noqa: S608 - generated names
    return [int(count) for count in row]


def _chain_batches(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    for batch in rest:
        yield batch.cast(first.schema)
