"""Reader of TOML files: keys are taken one by one, and an unknown key is an error with a suggestion."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from vo_server.errors import CatalogueError
from vo_server.model.column import Table

Record = TypeVar("Record")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _is_text_table(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())


def _is_list_of_pairs(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda v: isinstance(v, list) and all(isinstance(i, list) and len(i) == 2 and all(map(fits, i)) for i in v)


def _is_day(value: object) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


RAW = "raw"
"""The value type of a text in which blanks are significant and which may be empty."""

_VALUE_TYPES: dict[Any, tuple[str, Callable[[object], bool], Callable[[Any], Any]]] = {
    str: ("a text", lambda v: isinstance(v, str) and bool(v.strip()), str.strip),
    RAW: ("a text", lambda v: isinstance(v, str), str),
    bool: ("true or false", lambda v: isinstance(v, bool), bool),
    float: ("a number", _is_number, float),
    tuple[str, ...]: ("a list of texts", _is_text_list, tuple),
    dict[str, float]: (
        "a table of numbers",
        lambda v: isinstance(v, dict) and all(map(_is_number, v.values())),
        lambda v: {name: float(number) for name, number in v.items()},
    ),
    dict[str, str]: ("a table of texts", _is_text_table, dict),
    tuple[float, float, float]: (
        "a list of three numbers",
        lambda v: isinstance(v, list) and len(v) == 3 and all(map(_is_number, v)),
        lambda v: tuple(map(float, v)),
    ),
    tuple[tuple[float, float], ...]: (
        "a list of pairs of numbers",
        _is_list_of_pairs(_is_number),
        lambda v: tuple((float(low), float(high)) for low, high in v),
    ),
    tuple[tuple[date, date], ...]: (
        "a list of pairs of days, such as [[1997-06-07, 2001-02-15]]",
        _is_list_of_pairs(_is_day),
        lambda v: tuple(map(tuple, v)),
    ),
    dict: ("a table", lambda v: isinstance(v, dict), dict),
    list: ("an array of tables", lambda v: isinstance(v, list) and all(isinstance(i, dict) for i in v), list),
}
"""The value types of keys: description for messages, predicate and conversion."""


class Section:
    """One table of a file, with its path for messages."""

    def __init__(self, file: str, path: str, values: dict[str, Any]) -> None:
        self.file = file
        self.path = path
        self.values = values
        self.used_keys: set[str] = set()

    def error(self, message: str, name: str = "", known: Iterable[str] = ()) -> CatalogueError:
        """Return an error of this table, with a hint if `name` is similar to a known name."""
        near = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
        where = f"{self.file}, [{self.path}]" if self.path else self.file
        return CatalogueError(f"{where}: {message}", hint=f"did you mean {near[0]!r}?" if near else None)

    def take(self, key: str, value_type: Any = str, default: Any = MISSING) -> Any:
        """Return the value of a key, or its default if the key is missing.

        Raises CatalogueError if there is no default or the value has another type.
        """
        self.used_keys.add(key)
        if key not in self.values:
            if default is MISSING:
                near = next(iter(get_close_matches(key, self.values, n=1)), None)
                hint = f" (there is {near!r})" if near else ""
                raise self.error(f"{key!r} is missing{hint}")
            return default
        expected, is_valid, convert = _VALUE_TYPES[value_type]
        value = self.values[key]
        if not is_valid(value):
            raise self.error(f"{key!r} must be {expected}, not {value!r}")
        return convert(value)

    def take_table(self, key: str, default: Any = MISSING) -> Section:
        """Return the table under a key."""
        return Section(self.file, self.get_key_path(key), self.take(key, dict, default))

    def take_named_tables(self, key: str) -> list[tuple[str, Section]]:
        """Return the named tables under a key, in the order of the file."""
        outer = self.take_table(key, {})
        return [(name, outer.take_table(name)) for name in outer.values]

    def take_rows(self, key: str) -> list[Section]:
        """Return the tables of an array of tables."""
        return [
            Section(self.file, f"{self.get_key_path(key)} no. {n}", row)
            for n, row in enumerate(self.take(key, list, []), 1)
        ]

    def get_key_path(self, key: str) -> str:
        """Return the path of a key of this table."""
        return f"{self.path}.{key}" if self.path else key

    def reject_unknown_keys(self) -> None:
        """Raise CatalogueError for the first key that has not been taken."""
        for key in self.values:
            if key not in self.used_keys:
                known = ", ".join(sorted(self.used_keys))
                raise self.error(f"unknown key {key!r}; known keys are {known}", key, self.used_keys)

    def take_record(self, kind: type[Record], **values: Any) -> Record:
        """Return a dataclass whose fields are `values` and the keys of the same names."""
        hints = get_type_hints(kind)
        for field in fields(kind):  # type: ignore[arg-type]
            if field.name not in values:
                value_type = _without_none(hints[field.name])
                values[field.name] = self.take(field.name, value_type, field.default)
        self.reject_unknown_keys()
        return kind(**values)


def _without_none(hint: Any) -> Any:
    """Return an optional type without None."""
    inner = [a for a in getattr(hint, "__args__", ()) if a is not type(None)]
    return inner[0] if hint not in _VALUE_TYPES and len(inner) == 1 else hint


def open_section(path: Path) -> Section:
    """Return the top table of a TOML file."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise CatalogueError(f"{path.name}: cannot be read as TOML: {e}") from e
    return Section(path.name, "", values)


def require_columns(section: Section, table: Table, key: str, names: Iterable[str]) -> None:
    """Raise CatalogueError if one of these names under a key is not that of a column of the table."""
    columns = {c.name for c in table.columns}
    for name in names:
        if name not in columns:
            raise section.error(f"{key!r}: {table.qualified_name} has no column {name!r}", name, columns)
