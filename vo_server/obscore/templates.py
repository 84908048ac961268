"""Texts that are made from the columns of a row, as an inventory's title from its night, scan and band."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from string import Formatter
from urllib.parse import quote

import sqlalchemy as sa

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import OPERATORS, TEXT, Function, Parameter
from vo_server.adql.semantics.spherical import Element, fixed
from vo_server.model import types
from vo_server.model.column import Column

_TEXT = Column("", types.VARCHAR)


def text(said: str) -> q.Constant:
    """A text."""
    return q.Constant(said, _TEXT)


def joined(pieces: Iterable[q.Value]) -> q.Value:
    """Texts in one."""
    first, *others = pieces
    for other in others:
        first = q.Apply(OPERATORS["||"], (first, other), _TEXT)
    return first


def worded(template: str, field: Callable[[str], q.Field]) -> q.Value:
    """A text with columns in braces, as Python's str.format writes it with what images.SPECS lets stand there."""
    found: list[q.Value] = []
    for words, name, spec, _ in Formatter().parse(template):
        found += [text(words)] if words else []
        found += [_formatted(field(name), spec or "")] if name is not None else []
    return joined(found)


def columns_of(template: str) -> list[str]:
    """The columns in its braces."""
    return [name for _, name, _, _ in Formatter().parse(template) if name is not None]


def _formatted(field: q.Field, spec: str) -> q.Value:
    if not spec:
        return q.Cast(field, _TEXT)
    function = _dated(spec) if field.column.type.family == "time" else _padded(int(spec))
    return q.Apply(function, (field,), _TEXT)


_ANY = Parameter("value", "any")
_PARTS = {"%Y": (1, 4), "%y": (3, 2), "%m": (6, 2), "%d": (9, 2)}
"""Where they stand in 2000-01-30: the first character, from 1, and how many there are."""


@cache
def _dated(spec: str) -> Function:
    def sql(date: Element) -> Element:
        said = sa.cast(date, sa.String())
        pieces = [_piece(said, word) for word in re.findall("%[Yymd]|[^%]+", spec)]
        return sa.func.concat(*pieces)

    return Function(f"DATED {spec}", (_ANY,), lambda _: _TEXT, sql, "A date, written so.")


def _piece(date: Element, word: str) -> Element:
    if word not in _PARTS:
        return fixed(word)
    return sa.func.substr(date, *(sa.literal_column(str(n), sa.Integer()) for n in _PARTS[word]))


@cache
def _padded(width: int) -> Function:
    def sql(number: Element) -> Element:
        digits, least = sa.cast(number, sa.String()), sa.literal_column(str(width), sa.Integer())
        return sa.func.lpad(digits, sa.cast(sa.func.greatest(sa.func.length(digits), least), sa.Integer()), fixed("0"))

    return Function(f"PADDED {width}", (_ANY,), lambda _: _TEXT, sql, "A whole number with zeros before it.")


def encoded(said: str) -> str:
    """A text as a value in the query of a URL."""
    return quote(said, safe="")


def quoted(value: q.Value) -> q.Value:
    """The same of a text in a row, which has the signs of ASCII alone."""
    return q.Apply(_QUOTED, (value,), _TEXT)


def _quoted(value: Element) -> Element:
    for sign in '% +&#?/=;"<>':
        value = sa.func.replace(value, fixed(sign), fixed(quote(sign, safe="")))
    return value


_QUOTED = Function("QUOTED", (TEXT,), lambda _: _TEXT, _quoted, "A name as a value in the query of a URL.")
