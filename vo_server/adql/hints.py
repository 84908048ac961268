"""Common mistakes and what to say about them, in the words of the language.

parse.py calls in here with what it knows; the resolver may too (`quoted_column`). Nothing here raises: each function
returns the fault, or None where it has nothing to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from vo_server.adql import tree
from vo_server.errors import Place, QueryFault


class Word(NamedTuple):
    """A token: its terminal without a leading underscore, its text, and where it stands."""

    type: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Trouble:
    """A query that does not parse: its words, the last of them the end of the text, and which was not expected."""

    text: str
    words: tuple[Word, ...]
    at: int
    expected: frozenset[str]

    @property
    def word(self) -> Word:
        return self.words[self.at]


def explain(trouble: Trouble) -> QueryFault:
    word = trouble.word
    return QueryFault(
        f"unexpected {word.text}; expected {sorted(trouble.expected)}",
        text=trouble.text,
        place=Place(word.start, word.end),
    )


def strange_character(text: str, at: int) -> QueryFault:
    return QueryFault("strange character", text=text, place=Place(at, at + 1))


def wrong_kind(kind: str, formal: str, where: str, place: Place) -> QueryFault:
    return QueryFault("wrong kind", place=place)


def bare_value(node: tree.Value, place: Place) -> QueryFault:
    return QueryFault("value is no condition", place=place)


def compared_with_null(operator: str, place: Place) -> QueryFault:
    return QueryFault("use IS NULL", place=place)


def wrong_arguments(name: str, usage: str, place: Place) -> QueryFault:
    return QueryFault(f"{name} takes {usage}", place=place)


def unknown_type(name: str, place: Place) -> QueryFault:
    return QueryFault(f"unknown type {name}", place=place)
