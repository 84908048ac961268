"""The context of a syntax error: the query's words and the terminals that the grammar allows."""

from __future__ import annotations

from dataclasses import dataclass

from vo_server.adql.syntax.lexer import Word
from vo_server.errors import Code, QueryError


@dataclass(frozen=True)
class SyntaxErrorContext:
    """A query that does not parse: its words, the last of them the end of the text, and the index of the wrong one.

    `expected` are the terminals that the grammar allows there, without leading underscores.
    """

    text: str
    words: tuple[Word, ...]
    index: int
    expected: frozenset[str]

    @property
    def word(self) -> Word:
        """Return the word that the grammar does not allow."""
        return self.words[self.index]

    @property
    def previous(self) -> Word | None:
        """Return the word before the wrong one."""
        return self.words[self.index - 1] if self.index else None

    @property
    def following(self) -> Word | None:
        """Return the word after the wrong one."""
        return self.words[self.index + 1] if self.index + 1 < len(self.words) else None

    @property
    def open_parentheses(self) -> list[Word]:
        """Return the parentheses that are open before the wrong word, the innermost last."""
        stack: list[Word] = []
        for word in self.words[: self.index]:
            if word.type == "LPAR":
                stack.append(word)
            elif word.type == "RPAR" and stack:
                stack.pop()
        return stack

    def find_last(self, *types: str) -> Word | None:
        """Return the last word of these types before the wrong one."""
        return next((word for word in reversed(self.words[: self.index]) if word.type in types), None)

    def create_error(
        self, message: str, word: Word | None = None, hint: str | None = None, code: Code = Code.ADQL_SYNTAX
    ) -> QueryError:
        """Return an error with the span of a word, by default of the wrong one."""
        span = (self.word if word is None else word).span
        return QueryError(message, text=self.text, span=span, hint=hint, code=code)
