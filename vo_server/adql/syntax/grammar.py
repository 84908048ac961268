"""The grammar of ADQL, grammar.lark, as a lexer pattern and an LALR(1) parser of lark.

lark's own lexer is not used: one regular expression finds all words, which is several times as quick, and reserved
words get their terminals from a dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lark import Lark

from vo_server.adql.syntax.build_queries import TreeBuilder
from vo_server.adql.syntax.lexer import INVALID

_BUILDER: ContextVar[TreeBuilder] = ContextVar("tree_builder")
"""The builder of the query that is being parsed: lark binds its callbacks once, and each query has a builder."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """The grammar as compiled: `word_pattern` finds the words of a text, `parser` takes them one by one."""

    word_pattern: re.Pattern[str]
    parser: Lark


@cache
def load_grammar() -> Grammar:
    """Return the compiled grammar."""
    text = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    parser = Lark(text, parser="lalr", lexer="basic", maybe_placeholders=True, transformer=_create_callbacks())
    return Grammar(_compile_word_pattern(parser), parser)


@contextmanager
def use_builder(builder: TreeBuilder) -> Iterator[None]:
    """Let the parser call this builder within the `with` block."""
    token = _BUILDER.set(builder)
    try:
        yield
    finally:
        _BUILDER.reset(token)


def _create_callbacks() -> SimpleNamespace:
    """Return an object that has, for each rule of the grammar, the function that lark calls when it is reduced.

    A rule is named by its alias or, without one, by itself, and the builder has a method of this name.
    """
    return SimpleNamespace(**{name: _create_callback(name) for name in dir(TreeBuilder) if not name.startswith("_")})


def _create_callback(rule: str) -> Callable[[list[Any]], Any]:
    """Return the function that calls the builder's method of this name with the children of a rule."""
    method = getattr(TreeBuilder, rule)

    def call_builder(children: list[Any]) -> Any:
        return method(_BUILDER.get(), *children)

    return call_builder


def _compile_word_pattern(parser: Lark) -> re.Pattern[str]:
    """Return all terminals as one expression, in lark's order of preference; any other character is INVALID.

    The groups of the pattern are named for the terminals, that of blanks and comments IGNORED.
    """
    ordered = sorted(parser.terminals, key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name))
    ignored = "|".join(t.pattern.to_regexp() for t in ordered if t.name in parser.ignore_tokens)
    words = "|".join(f"(?P<{t.name}>{t.pattern.to_regexp()})" for t in ordered if t.name not in parser.ignore_tokens)
    return re.compile(f"(?P<IGNORED>(?:{ignored})+)|{words}|(?P<{INVALID}>.)", re.DOTALL)
