"""What is known of a query that does not parse."""

from __future__ import annotations

from dataclasses import dataclass

from vo_server.adql.syntax.lexer import Word
from vo_server.errors import QueryError, TextSpan


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

    @property
    def before(self) -> Word | None:
        return self.words[self.at - 1] if self.at else None

    @property
    def after(self) -> Word | None:
        return self.words[self.at + 1] if self.at + 1 < len(self.words) else None

    @property
    def opened(self) -> list[Word]:
        """The parentheses that are open before the word."""
        stack: list[Word] = []
        for word in self.words[: self.at]:
            if word.type == "LPAR":
                stack.append(word)
            elif word.type == "RPAR" and stack:
                stack.pop()
        return stack

    def last(self, *types: str) -> Word | None:
        """The last word of these types before the wrong one."""
        return next((word for word in reversed(self.words[: self.at]) if word.type in types), None)

    def fault(self, message: str, word: Word | None = None, hint: str | None = None) -> QueryError:
        word = word or self.word
        return QueryError(message, text=self.text, span=TextSpan(word.start, word.end), hint=hint)
