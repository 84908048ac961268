"""Text templates with columns of a row in braces, such as an inventory's title from its night, scan and band."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from string import Formatter
from urllib.parse import quote

import sqlalchemy as sa

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import OPERATORS, TEXT, Function, Parameter
from vo_server.adql.semantics.spherical import Element, to_literal
from vo_server.model import types
from vo_server.model.column import Column

_TEXT = Column("", types.VARCHAR)


def to_text(text: str) -> q.Constant:
    """Return a text as a constant."""
    return q.Constant(text, _TEXT)


def concatenate(pieces: Iterable[q.Value]) -> q.Value:
    """Return texts joined into one."""
    first, *others = pieces
    for other in others:
        first = q.FunctionCall(OPERATORS["||"], (first, other), _TEXT)
    return first


def render_template(template: str, field: Callable[[str], q.ColumnRef]) -> q.Value:
    """Return a text with columns in braces, as Python's str.format writes it with the specs of images.SPECS."""
    values: list[q.Value] = []
    for words, name, spec, _ in Formatter().parse(template):
        values += [to_text(words)] if words else []
        values += [_format_column(field(name), spec or "")] if name is not None else []
    return concatenate(values)


def template_columns(template: str) -> list[str]:
    """Return the columns in the braces of a template."""
    return [name for _, name, _, _ in Formatter().parse(template) if name is not None]


def _format_column(field: q.ColumnRef, spec: str) -> q.Value:
    if not spec:
        return q.TypeCast(field, _TEXT)
    function = _define_date_format(spec) if field.column.type.family == "time" else _define_padding(int(spec))
    return q.FunctionCall(function, (field,), _TEXT)


_ANY = Parameter("value", "any")
_DATE_PARTS = {"%Y": (1, 4), "%y": (3, 2), "%m": (6, 2), "%d": (9, 2)}
"""First character, from 1, and length of each part in 2000-01-30."""


@cache
def _define_date_format(spec: str) -> Function:
    def sql(date: Element) -> Element:
        text = sa.cast(date, sa.String())
        pieces = [_format_date_part(text, word) for word in re.findall("%[Yymd]|[^%]+", spec)]
        return sa.func.concat(*pieces)

    return Function(f"DATED {spec}", (_ANY,), lambda _: _TEXT, sql, "A date, written so.")


def _format_date_part(date: Element, word: str) -> Element:
    if word not in _DATE_PARTS:
        return to_literal(word)
    return sa.func.substr(date, *(sa.literal_column(str(n), sa.Integer()) for n in _DATE_PARTS[word]))


@cache
def _define_padding(width: int) -> Function:
    def sql(number: Element) -> Element:
        digits, least = sa.cast(number, sa.String()), sa.literal_column(str(width), sa.Integer())
        return sa.func.lpad(
            digits, sa.cast(sa.func.greatest(sa.func.length(digits), least), sa.Integer()), to_literal("0")
        )

    return Function(f"PADDED {width}", (_ANY,), lambda _: _TEXT, sql, "A whole number with zeros before it.")


def encode_query_value(text: str) -> str:
    """Percent-encode a text as a value in the query of a URL."""
    return quote(text, safe="")


def encode_in_sql(value: q.Value) -> q.Value:
    """Percent-encode a text of a row in SQL, of ASCII characters alone."""
    return q.FunctionCall(_ENCODE, (value,), _TEXT)


def _sql_encode(value: Element) -> Element:
    for sign in '% +&#?/=;"<>':
        value = sa.func.replace(value, to_literal(sign), to_literal(quote(sign, safe="")))
    return value


_ENCODE = Function("QUOTED", (TEXT,), lambda _: _TEXT, _sql_encode, "A name as a value in the query of a URL.")
