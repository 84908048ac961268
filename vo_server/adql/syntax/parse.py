"""Parse a query: text to the syntax tree of ADQL 2.1 with a few extensions, which `strict` rejects.

The words of the text run through lark's LALR(1) parser, and the builder makes the tree as rules are reduced. Nothing
here is recursive, so that no query exhausts the stack.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lark import UnexpectedToken

from vo_server.adql.syntax import hints, tree
from vo_server.adql.syntax.build_queries import TreeBuilder
from vo_server.adql.syntax.characters import explain_characters
from vo_server.adql.syntax.error_list import combine
from vo_server.adql.syntax.grammar import load_grammar, use_builder
from vo_server.adql.syntax.lexer import INVALID, Word, lex
from vo_server.adql.syntax.syntax_error import SyntaxErrorContext
from vo_server.errors import Code, QueryError, TextSpan

MAX_CHARACTERS = 1_000_000
"""Characters of a query."""


def parse(text: str, strict: bool = False) -> tree.Query:
    """Return the tree of a query.

    Raises QueryError, with the span of the error, where the text is no query or, if `strict`, has extensions.
    """
    if len(text) > MAX_CHARACTERS:
        message = f"the query has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read"
        span = TextSpan(MAX_CHARACTERS, MAX_CHARACTERS)
        raise QueryError(message, text=text, span=span, code=Code.ADQL_TOO_COMPLEX)
    builder = TreeBuilder()
    try:
        query = _parse_words(text, lex(text, load_grammar().word_pattern), builder)
        if strict and builder.extensions:
            raise combine(builder.extensions)
    except QueryError as error:
        raise error.with_text(text) from None
    return query


def _parse_words(text: str, words: list[Word], builder: TreeBuilder) -> tree.Query:
    """Feed the words to the parser and return the tree; the last word is the end of the text or invalid."""
    parser = load_grammar().parser.parse_interactive("")
    result: Any = None
    with use_builder(builder):
        for index, word in enumerate(words):
            try:
                result = parser.feed_token(word)
            except UnexpectedToken:
                if word.type == INVALID:
                    raise explain_characters(text, word.start) from None
                terminals = parser.accepts()  # type: ignore[no-untyped-call]
                raise _explain(text, words, index, terminals) from None
    return result.node  # type: ignore[no-any-return]


def _explain(text: str, words: list[Word], index: int, terminals: Iterable[str]) -> QueryError:
    """Return the error for the word at `index`, where the parser accepts only other terminals."""
    for word in words:
        word.type = word.type.removeprefix("_")
    expected = frozenset(terminal.removeprefix("_") for terminal in terminals)
    return hints.explain(SyntaxErrorContext(text, tuple(words), index, expected))
