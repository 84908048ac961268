"""Text to words. A word that is reserved, or names a function of the language, has a terminal of its own (words.py)."""

from __future__ import annotations

import re
from typing import Self, cast

from lark import Token

from vo_server.adql.syntax import words
from vo_server.errors import QueryError, TextSpan

MAX_DEPTH = 50
"""Levels of the tree, parentheses counted: what walks the tree later, the database too, may do so by recursion."""

END, INVALID = "$END", "STRANGE"
"""The terminals after the last word: the end of the text, or text in which no word of the language begins."""


class Word(Token):
    """A word of the query: its terminal `type`, its text, and its start and end in the query as character offsets.

    `start` and `end` repeat lark's `start_pos` and `end_pos`, which may be None.
    """

    __slots__ = ("end", "start", "text")

    text: str
    start: int
    end: int

    def __new__(cls, type: str, text: str, start: int, end: int) -> Self:
        """Return the word; a Token is an immutable string, so that this cannot be done in __init__."""
        word = cast("Self", super().__new__(cls, type, text, start_pos=start, end_pos=end))
        word.text, word.start, word.end = text, start, end
        return word

    @property
    def span(self) -> TextSpan:
        """Return the span of the word in the query."""
        return TextSpan(self.start, self.end)

    @property
    def symbol(self) -> str:
        """How the tables of hints write a word: its text in upper case, with its class for names and their like."""
        match self.type:
            case "NAME" | "FUNCTION" | "AGGREGATE" | "RESERVED" | "TYPE":
                return f"{self.type.lower()}:{self.text.upper()}"
            case "STRING" | "DELIMITED" | "NUMBER" | "INTEGER" | "HEXADECIMAL" | "STRANGE":
                return self.type.lower()
            case "$END":
                return "end"
            case _:
                return self.text.upper()


def lex(text: str, pattern: re.Pattern[str]) -> list[Word]:
    """The words of a text, the last of them END or STRANGE; the groups of the pattern are named for the terminals.

    Raises QueryError where parentheses nest too deep.
    """
    found: list[Word] = []
    depth = 0
    for match in pattern.finditer(text):
        kind = match.lastgroup or ""
        if kind == "IGNORED":
            continue
        said, (start, end) = match[0], match.span()
        if kind == "NAME":
            kind = words.TERMINALS.get(said.upper(), "NAME")
        elif kind == "LPAR":
            depth += 1
            if depth > MAX_DEPTH:
                raise explain_depth(TextSpan(start, end))
        elif kind == "RPAR":
            depth -= 1
        found.append(Word(kind, said, start, end))
        if kind == INVALID:
            return found
    end = len(text.rstrip())
    found.append(Word(END, "", end, end))
    return found


def explain_depth(span: TextSpan) -> QueryError:
    said = f"the query is nested more than {MAX_DEPTH} levels deep here"
    return QueryError(said, span=span, hint="each parenthesis, sub-query, join and operator of a chain is a level")
