"""A TOML table whose keys are asked for one by one, and whatever is left over is a fault with a suggestion."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from vo_server.errors import CatalogueError

Record = TypeVar("Record")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _pairs(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())


def _twos(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda v: isinstance(v, list) and all(isinstance(i, list) and len(i) == 2 and all(map(fits, i)) for i in v)


def _day(value: object) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


RAW = "raw"
"""The shape of a text in which blanks count and which may be empty."""

_SHAPES: dict[Any, tuple[str, Callable[[object], bool], Callable[[Any], Any]]] = {
    str: ("a text", lambda v: isinstance(v, str) and bool(v.strip()), str.strip),
    RAW: ("a text", lambda v: isinstance(v, str), str),
    bool: ("true or false", lambda v: isinstance(v, bool), bool),
    float: ("a number", _number, float),
    tuple[str, ...]: ("a list of texts", _texts, tuple),
    dict[str, float]: (
        "a table of numbers",
        lambda v: isinstance(v, dict) and all(map(_number, v.values())),
        lambda v: {name: float(number) for name, number in v.items()},
    ),
    dict[str, str]: ("a table of texts", _pairs, dict),
    tuple[float, float, float]: (
        "a list of three numbers",
        lambda v: isinstance(v, list) and len(v) == 3 and all(map(_number, v)),
        lambda v: tuple(map(float, v)),
    ),
    tuple[tuple[float, float], ...]: (
        "a list of pairs of numbers",
        _twos(_number),
        lambda v: tuple((float(low), float(high)) for low, high in v),
    ),
    tuple[tuple[date, date], ...]: (
        "a list of pairs of days, such as [[1997-06-07, 2001-02-15]]",
        _twos(_day),
        lambda v: tuple(map(tuple, v)),
    ),
    dict: ("a table", lambda v: isinstance(v, dict), dict),
    list: ("an array of tables", lambda v: isinstance(v, list) and all(isinstance(i, dict) for i in v), list),
}
"""What a key may hold: how it is called, how it is known, and what becomes of it."""


class Section:
    """One table of a file, with its place for the faults."""

    def __init__(self, file: str, place: str, values: dict[str, Any]) -> None:
        self.file = file
        self.place = place
        self.values = values
        self.asked: set[str] = set()

    def fault(self, said: str, name: str = "", known: Iterable[str] = ()) -> CatalogueError:
        """A fault of this table; with a hint where `name` is much like one that is known."""
        near = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
        where = f"{self.file}, [{self.place}]" if self.place else self.file
        return CatalogueError(f"{where}: {said}", hint=f"did you mean {near[0]!r}?" if near else None)

    def take(self, key: str, shape: Any = str, default: Any = MISSING) -> Any:
        """The value of a key; its default where it is absent, a fault where it has none or another shape."""
        self.asked.add(key)
        if key not in self.values:
            if default is MISSING:
                near = next(iter(get_close_matches(key, self.values, n=1)), None)
                hint = f" (there is {near!r})" if near else ""
                raise self.fault(f"{key!r} is missing{hint}")
            return default
        expected, fits, made = _SHAPES[shape]
        value = self.values[key]
        if not fits(value):
            raise self.fault(f"{key!r} must be {expected}, and is {value!r}")
        return made(value)

    def section(self, key: str, default: Any = MISSING) -> Section:
        """The table under a key."""
        return Section(self.file, self.below(key), self.take(key, dict, default))

    def sections(self, key: str) -> list[tuple[str, Section]]:
        """The named tables under a key, in the order of the file."""
        held = self.section(key, {})
        return [(name, held.section(name)) for name in held.values]

    def rows(self, key: str) -> list[Section]:
        """The tables of an array of tables."""
        return [
            Section(self.file, f"{self.below(key)} no. {n}", row) for n, row in enumerate(self.take(key, list, []), 1)
        ]

    def below(self, key: str) -> str:
        """The place of a key of this table."""
        return f"{self.place}.{key}" if self.place else key

    def done(self) -> None:
        """All keys are asked for: complain of the first that is not known."""
        for key in self.values:
            if key not in self.asked:
                known = ", ".join(sorted(self.asked))
                raise self.fault(f"unknown key {key!r}; known are {known}", key, self.asked)

    def record(self, kind: type[Record], **given: Any) -> Record:
        """A dataclass from the keys of its fields' names, apart from those that are given."""
        hints = get_type_hints(kind)
        for field in fields(kind):  # type: ignore[arg-type]
            if field.name not in given:
                shape = _plain(hints[field.name])
                given[field.name] = self.take(field.name, shape, field.default)
        self.done()
        return kind(**given)


def _plain(hint: Any) -> Any:
    """The type without its None."""
    inner = [a for a in getattr(hint, "__args__", ()) if a is not type(None)]
    return inner[0] if hint not in _SHAPES and len(inner) == 1 else hint


def open_section(path: Path) -> Section:
    """The whole of a TOML file."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise CatalogueError(f"{path.name}: cannot be read as TOML: {e}") from e
    return Section(path.name, "", values)
