"""grammar.lark as tables for the machine in parse.py. The only door to lark.

lark reads the grammar and works out the LALR(1) tables. What runs them is ours, for it is several times as quick: it
has plain words, passes over the rules that only hand on what they were given (there are eleven of them, one for each
level of precedence, over each number), and calls the builder without wrappers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from lark import Lark
from lark.common import ParserConf
from lark.grammar import Rule
from lark.parsers.lalr_analysis import LALR_Analyzer, Shift

from vo_server.adql.syntax.lexer import INVALID


class Reduction(NamedTuple):
    """What a rule does with the last `size` values on the stack.

    `make` gets those that `picks` counts from the end, 0 being none; the one at `spread` is a list of several. Without
    `make` a single value stays as it is, and a rule that `repeats` adds its last value to the list that is its first.
    """

    size: int
    origin: str
    make: Callable[..., Any] | None
    picks: tuple[int, ...]
    spread: int | None
    repeats: bool


Table = dict[str, int | Reduction]
"""What to do in a state: go to another one, at a terminal or after a reduction, or reduce."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """`words` finds the words of a text; `tables` has one table for each state."""

    words: re.Pattern[str]
    tables: tuple[Table, ...]
    start: int
    end: int


@cache
def grammar(builder: type) -> Grammar:
    """The grammar, with the builder's method for each rule: named by the rule's alias or, without one, by itself."""
    text = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    read = Lark(text, parser=None, lexer="basic", maybe_placeholders=True)
    analysis = LALR_Analyzer(ParserConf(read.rules, {}, ["start"]))
    analysis.compute_lalr()  # type: ignore[no-untyped-call]
    table: Any = analysis.parse_table
    reductions = {rule: _reduction(rule, builder) for rule in read.rules}

    def entry(action: Any, target: Any) -> int | Reduction:
        return int(target) if action is Shift else reductions[target]

    states = {
        state: {name.lstrip("_") if name.isupper() else name: entry(*does) for name, does in row.items()}
        for state, row in table.states.items()
    }
    return Grammar(
        _pattern(read),
        tuple(states[n] for n in range(len(states))),
        table.start_states["start"],
        table.end_states["start"],
    )


def _pattern(read: Lark) -> re.Pattern[str]:
    """All terminals as one expression, in lark's order of preference; what is none of them is STRANGE."""
    ordered = sorted(read.terminals, key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name))
    ignored = "|".join(t.pattern.to_regexp() for t in ordered if t.name in read.ignore_tokens)
    kept = "|".join(f"(?P<{t.name}>{t.pattern.to_regexp()})" for t in ordered if t.name not in read.ignore_tokens)
    return re.compile(f"(?P<IGNORED>(?:{ignored})+)|{kept}|(?P<{INVALID}>.)", re.DOTALL)


def _reduction(rule: Rule, builder: type) -> Reduction:
    size, origin = len(rule.expansion), str(rule.origin.name)
    picks, spread = _picks(rule)
    if origin.startswith("__"):
        return Reduction(size, origin, None, picks, None, True)
    handed_on = rule.alias is None and rule.options.expand1 and len(picks) == 1
    make = None if handed_on else getattr(builder, rule.alias or origin)
    return Reduction(size, origin, make, picks, spread, False)


def _picks(rule: Rule) -> tuple[tuple[int, ...], int | None]:
    """What a method is given: all symbols but the silent ones (`_FROM`, `","`), and none for an option not taken.

    Second, where in this the list of a repetition stands.
    """
    size = len(rule.expansion)
    symbols: Iterator[tuple[int, Any]] = iter(enumerate(rule.expansion))
    picks: list[int] = []
    spread = None
    for absent in rule.options.empty_indices or [False] * size:
        if absent:
            picks.append(0)
            continue
        n, symbol = next(symbols)
        if symbol.is_term and symbol.filter_out:
            continue
        if symbol.name.startswith("__"):
            spread = len(picks)
        picks.append(n - size)
    return tuple(picks), spread
