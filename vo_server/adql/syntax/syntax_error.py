"""What is known of a query that does not parse."""

from __future__ import annotations

from dataclasses import dataclass

from vo_server.adql.syntax.lexer import Word
from vo_server.errors import QueryError, TextSpan


@dataclass(frozen=True)
class SyntaxErrorContext:
    """A query that does not parse: its words, the last of them the end of the text, and which was not expected."""

    text: str
    words: tuple[Word, ...]
    index: int
    expected: frozenset[str]

    @property
    def word(self) -> Word:
        return self.words[self.index]

    @property
    def previous(self) -> Word | None:
        return self.words[self.index - 1] if self.index else None

    @property
    def following(self) -> Word | None:
        return self.words[self.index + 1] if self.index + 1 < len(self.words) else None

    @property
    def open_parentheses(self) -> list[Word]:
        """The parentheses that are open before the word."""
        stack: list[Word] = []
        for word in self.words[: self.index]:
            if word.type == "LPAR":
                stack.append(word)
            elif word.type == "RPAR" and stack:
                stack.pop()
        return stack

    def find_last(self, *types: str) -> Word | None:
        """The last word of these types before the wrong one."""
        return next((word for word in reversed(self.words[: self.index]) if word.type in types), None)

    def create_error(self, message: str, word: Word | None = None, hint: str | None = None) -> QueryError:
        word = word or self.word
        return QueryError(message, text=self.text, span=TextSpan(word.start, word.end), hint=hint)
