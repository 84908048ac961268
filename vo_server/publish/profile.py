"""What the values of a file say of its columns: their types where the file does not, the ends of their ranges, which
are missing, and which columns tell all rows apart.

A file is read once from end to end, piece by piece, and the columns that may name a row a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from tempfile import gettempdir

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import LoadError
from vo_server.load.described import readable, typed
from vo_server.load.detect_format import reader
from vo_server.load.inputs import meter, opened
from vo_server.load.readers.found import Found
from vo_server.load.statistics import Tally
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.statistics import Statistic
from vo_server.model.types import Type
from vo_server.publish.ucds import guessed, understood

MISSING = ("-", "--", "---", "N/A", "n/a", "NA", "None", "none", "...", "....", "*", "?", "masked")
"""Texts among numbers that stand for a missing one."""

_CODE = r"^[-+]?0[0-9]"
_LONG = r"^[-+]?[0-9]{19,}$"
_NUMBER = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"
_WIDEST = (types.DOUBLE, types.TIMESTAMP, types.BOOLEAN)
"""Types that no wider one of their kind comes after."""


@dataclass(slots=True)
class Loose:
    """A column of texts on the search for its type: the first of `kinds` that all values are of, else text.

    `null` is the one text among them that stands for a missing value, `odd` one that has made numbers texts.
    """

    kinds: list[Type]
    null: str | None = None
    odd: str | None = None
    seen: bool = False

    def take(self, texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
        """These values as the narrowest type that fits all so far; None where that is text."""
        if self.null is not None:
            texts = _without(texts, self.null)
        if texts.null_count == len(texts):
            return texts.cast(self.kinds[0].arrow) if self.kinds else None
        while self.kinds:
            made = self._tried(texts)
            if made is not None:
                self.seen = True
                return made
            if not self.kinds:
                break
            if self._is_null_among_numbers(texts):
                texts = _without(texts, str(self.null))
            else:
                self._give_up(texts)
        return None

    def _tried(self, texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
        kind = self.kinds[0]
        try:
            made = pc.utf8_trim_whitespace(texts).cast(kind.arrow)
        except pa.ArrowException:
            return None
        if kind is types.BIGINT and _any(texts, _CODE):
            self.odd, self.kinds = _first(texts, _CODE), []
            return None
        return made

    def _is_null_among_numbers(self, texts: pa.ChunkedArray) -> bool:
        if self.kinds[0] is not types.DOUBLE or self.null is not None:
            return False
        others = pc.unique(texts.filter(pc.invert(pc.match_substring_regex(texts, _NUMBER)))).to_pylist()
        told = [text for text in others if text is not None]
        if len(told) != 1 or told[0] not in MISSING:
            return False
        self.null = told[0]
        return True

    def _give_up(self, texts: pa.ChunkedArray) -> None:
        """The narrowest type is none of theirs: a wider one of its group may be, of another one only if none was."""
        kind = self.kinds.pop(0)
        if kind is types.BIGINT and _any(texts, _LONG):
            self.kinds = []
        if kind in _WIDEST:
            if kind is types.DOUBLE and (self.seen or _any(texts, _NUMBER)):
                self.odd = _first(texts, _NUMBER, inverse=True)
            if self.seen:
                self.kinds = []

    @property
    def kind(self) -> Type:
        """The type that all values were of."""
        return self.kinds[0] if self.kinds and self.seen else types.VARCHAR


def _without(texts: pa.ChunkedArray, null: str) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(texts, null), pa.scalar(None, texts.type), texts)


def _any(texts: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(texts, pattern)).as_py())


def _first(texts: pa.ChunkedArray, pattern: str, inverse: bool = False) -> str | None:
    fits = pc.match_substring_regex(texts, pattern)
    found = texts.filter(pc.invert(fits) if inverse else fits)
    return str(found[0].as_py()) if len(found) else None


@dataclass(slots=True)
class _Looking:
    """A column under the eye."""

    column: Column
    tally: Tally
    texts: Tally
    loose: Loose | None
    shortest: int | None = None
    longest: int | None = None
    plain: bool = True
    broken: bool = False

    def add(self, values: pa.ChunkedArray) -> None:
        """Further values, as the file has them."""
        try:
            as_told = typed(self.column, values)
        except pa.ArrowException:  # the load will say which one it is
            self.broken = True
            return
        if self.loose is None or (made := self.loose.take(as_told)) is None:
            self.texts.add(as_told)
        else:
            self.tally.add(made)
            self.texts.add(as_told)
        if self.column.type.family == "text":
            self._measure(as_told)

    @property
    def kind(self) -> Type:
        """The type that all values are of."""
        return self.column.type if self.loose is None else self.loose.kind

    @property
    def statistic(self) -> Statistic:
        """What is known of the values, as they are of that type."""
        if not self.kind.numeric and self.kind.family != "time":
            return self.texts.statistic
        found = self.tally.statistic if self.loose is not None else self.texts.statistic
        return found if self.kind.family == "integer" else replace(found, values=None)

    def _measure(self, texts: pa.ChunkedArray) -> None:
        ends = pc.min_max(pc.utf8_length(texts)).as_py()
        if ends["max"] is not None:
            self.shortest = min(self.shortest or ends["min"], ends["min"])
            self.longest = max(self.longest or 0, ends["max"])
            self.plain = self.plain and pc.all(pc.string_is_ascii(texts)).as_py() is not False


@dataclass(frozen=True, slots=True)
class Profile:
    """A column of a file and its values.

    `column` has what the file says and the type that all values have; of texts `longest` and `shortest` are lengths in
    characters, and `plain` says whether all are ASCII. `null` is a text that stands for a missing number; `odd` one for
    whose sake a column, else of numbers, is text. `unique` says that it tells all rows apart.
    """

    column: Column
    statistic: Statistic
    shortest: int | None = None
    longest: int | None = None
    plain: bool = True
    null: str | None = None
    odd: str | None = None
    unique: bool = False
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Described:
    """A table file: its columns with their values, how many rows, and what it says of the whole."""

    file: str
    rows: int
    columns: tuple[Profile, ...]
    name: str | None = None
    description: str | None = None
    said: dict[str, str] = field(default_factory=dict)
    first: dict[str, object] = field(default_factory=dict)


def described(path: str) -> Described:
    """The table of a file.

    Raises LoadError for one that cannot be read, and one without rows.
    """
    with opened(path, meter([path])) as input, readable(input), reader(input)(input) as found:
        looking, rows, first = _looked_at(found)
        told = (input.name, found.name, found.description, dict(found.said))
    if not rows:
        raise LoadError(f"{told[0]} has no rows")
    unique = _unique(path, _likely([c for c in looking if _may_identify(c, rows)]), rows)
    columns = tuple(_profile(c, c.column.name in unique) for c in looking)
    return Described(told[0], rows, columns, *told[1:], first=first)


def _looked_at(found: Found) -> tuple[list[_Looking], int, dict[str, object]]:
    looking = [_looking(c, found) for c in found.columns]
    rows = 0
    first: dict[str, object] = {}
    for table in found.read([c.name for c in found.columns]):
        for each in looking:
            each.add(table[each.column.name])
        if not first and table.num_rows:
            first = dict(zip(table.column_names, (c[0].as_py() for c in table.columns), strict=True))
        rows += table.num_rows
    return looking, rows, first


def _looking(column: Column, found: Found) -> _Looking:
    """A CHAR of digits would be filled up with zeros, so it is looked at as a VARCHAR."""
    column = column.replace(type=types.VARCHAR) if column.type is types.CHAR else column
    kinds = found.loose.get(column.name)
    wanted = Tally(column.replace(type=kinds[0])) if kinds else Tally(column)
    return _Looking(column, wanted, Tally(column), Loose(list(kinds)) if kinds else None)


def _profile(seen: _Looking, unique: bool) -> Profile:
    column, loose, statistic = seen.column, seen.loose, seen.statistic
    if loose is not None:
        column = column.replace(type=_narrowed(loose.kind, statistic), label=None if loose.seen else column.label)
    return Profile(
        column, statistic, seen.shortest, seen.longest, seen.plain,
        null=loose.null if loose and column.type.numeric else None,
        odd=loose.odd if loose and not column.type.numeric else None,
        unique=unique, guessed=loose is not None,
    )  # fmt: skip


def _narrowed(kind: Type, seen: Statistic) -> Type:
    """An INTEGER where all whole numbers have room in one."""
    ends = (seen.low, seen.high)
    small = all(isinstance(end, int) and abs(end) < 2**31 for end in ends)
    return types.INTEGER if kind is types.BIGINT and small else kind


# ------------------------------------------------------------- what tells rows apart


_MOST = 4
"""Columns that are looked at for whether they tell rows apart."""


def _likely(columns: Sequence[_Looking]) -> list[str]:
    """The columns that are the likeliest to name a row: those that say so, those called so, then the first."""

    def rank(seen: _Looking) -> int:
        said = understood(seen.column.ucd)[0] or guessed(seen.column.name, seen.column.unit, seen.kind)[0] or ""
        return 0 if said == "meta.id;meta.main" else 1 if said.startswith("meta.id") else 2

    return [c.column.name for c in sorted(columns, key=rank)][:_MOST]


def _may_identify(seen: _Looking, rows: int) -> bool:
    """May its values all differ? Not if they are few."""
    few = seen.texts.values is not None and len(seen.texts.values) < rows
    return not seen.texts.nulls and not seen.broken and not few and seen.kind.family in ("integer", "text")


def _unique(path: str, names: Sequence[str], rows: int) -> set[str]:
    """Which of these columns have another value in each row."""
    if not names:
        return set()
    with opened(path, meter([path])) as input, readable(input), reader(input)(input) as found:
        counts = _counted(found, names)
    return {name for name, count in zip(names, counts, strict=True) if count == rows}


def _counted(found: Found, names: Sequence[str]) -> Sequence[int]:
    """How many different values each has; DuckDB counts, and what outgrows its memory goes to the disk."""

    def batches() -> Iterator[pa.RecordBatch]:
        for table in found.read(names):
            plain = [pc.utf8_rtrim_whitespace(c) if pa.types.is_string(c.type) else c for c in table.columns]
            yield from pa.table(plain, names=places).to_batches()

    places = [f"c{n}" for n in range(len(names))]
    first = next(stream := batches(), None)
    if first is None:
        return [0] * len(names)
    rows = pa.RecordBatchReader.from_batches(first.schema, _chained(first, stream))
    with duckdb.connect(config={"memory_limit": "512MB", "temp_directory": gettempdir()}) as connection:
        connection.register("rows", rows)
        columns = ", ".join(f"count(DISTINCT {p})" for p in places)
        (row,) = connection.execute(f"SELECT {columns} FROM rows").fetchall()  # noqa: S608 - names of our own
    return [int(count) for count in row]


def _chained(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    for batch in rest:
        yield batch.cast(first.schema)
