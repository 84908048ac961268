"""The lexer: text to words. Reserved words and functions of ADQL have terminals of their own (words.py)."""

from __future__ import annotations

import re
from typing import Self, cast

from lark import Token

from vo_server.adql.syntax import words
from vo_server.errors import Code, QueryError, TextSpan

MAX_DEPTH = 50
"""Levels of the tree, parentheses included: later stages, and the database, may walk the tree recursively."""

END, INVALID = "$END", "INVALID"
"""The terminals of the last word: the end of the text (lark's name), or text at which no word of ADQL begins."""


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
        """Return the word as the patterns of syntax_hints.py write it.

        That is its text in upper case, after its class for names and reserved words, and its class alone for literals.
        """
        match self.type:
            case "NAME" | "FUNCTION" | "AGGREGATE" | "RESERVED" | "TYPE":
                return f"{self.type.lower()}:{self.text.upper()}"
            case "STRING" | "DELIMITED" | "NUMBER" | "INTEGER" | "HEXADECIMAL" | "INVALID":
                return self.type.lower()
            case "$END":
                return "end"
            case _:
                return self.text.upper()


def lex(text: str, pattern: re.Pattern[str]) -> list[Word]:
    """Return the words of a text, the last of them END or INVALID.

    The groups of the pattern are named for the terminals. Raises QueryError where parentheses are nested too deeply.
    """
    result: list[Word] = []
    depth = 0
    for match in pattern.finditer(text):
        kind = match.lastgroup or ""
        if kind == "IGNORED":
            continue
        word, (start, end) = match[0], match.span()
        if kind == "NAME":
            kind = words.TERMINALS.get(word.upper(), "NAME")
        elif kind == "LPAR":
            depth += 1
            if depth > MAX_DEPTH:
                raise explain_depth(TextSpan(start, end))
        elif kind == "RPAR":
            depth -= 1
        result.append(Word(kind, word, start, end))
        if kind == INVALID:
            return result
    end = len(text.rstrip())
    result.append(Word(END, "", end, end))
    return result


def explain_depth(span: TextSpan) -> QueryError:
    """Return the error for a query that is nested more than MAX_DEPTH levels deep."""
    message = f"the query is nested more than {MAX_DEPTH} levels deep here"
    hint = "each parenthesis, sub-query, join and operator of a chain is a level"
    return QueryError(message, span=span, hint=hint, code=Code.ADQL_TOO_COMPLEX)
