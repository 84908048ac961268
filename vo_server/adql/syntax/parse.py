"""Text to tree: ADQL 2.1 with a few extensions, which `strict` refuses.

The words of the text run through the LALR(1) tables of grammar.lark, and the builder makes the tree as they are
reduced. Nothing here is done by recursion.
"""

from __future__ import annotations

from typing import Any

from vo_server.adql.syntax import hints, tree
from vo_server.adql.syntax.build_queries import TreeBuilder
from vo_server.adql.syntax.characters import explain_characters
from vo_server.adql.syntax.error_list import combine
from vo_server.adql.syntax.grammar import Grammar, Reduction, grammar
from vo_server.adql.syntax.lexer import INVALID, Word, lex
from vo_server.adql.syntax.syntax_error import SyntaxErrorContext
from vo_server.errors import QueryError, TextSpan

MAX_LENGTH = 1_000_000
"""Characters of a query."""


def parse(text: str, strict: bool = False) -> tree.Query:
    """The tree of a query; a QueryError with its place if it is none, or has an extension and is read strictly."""
    if len(text) > MAX_LENGTH:
        said = f"the query has {len(text):,} characters; at most {MAX_LENGTH:,} are read"
        raise QueryError(said, text=text, span=TextSpan(MAX_LENGTH, MAX_LENGTH))
    builder = TreeBuilder()
    try:
        query = _run(text, lex(text, grammar(TreeBuilder).words), builder)
        if strict and builder.extensions:
            raise combine(builder.extensions)
    except QueryError as fault:
        raise fault.with_text(text) from None
    return query


def _run(text: str, found: list[Word], builder: TreeBuilder) -> tree.Query:
    """The machine: a stack of states and one of values, a shift for each word and a reduction for each rule."""
    machine = grammar(TreeBuilder)
    tables, end = machine.tables, machine.end
    states, values = [machine.start], list[Any]()
    for at, word in enumerate(found):
        kind = word.type
        while True:
            does = tables[states[-1]].get(kind)
            if does.__class__ is int:
                states.append(does)
                values.append(word)
                break
            if does is None:
                raise _stuck(text, found, at, machine, states)
            size, origin, make, picks, spread, repeats = does  # type: ignore[misc]
            if make is not None:
                given: list[Any] = [values[n] if n else None for n in picks]
                if spread is not None:
                    given[spread : spread + 1] = given[spread]
                made = make(builder, *given)
                del states[-size:], values[-size:]
                values.append(made)
            elif repeats:
                made = [values[picks[0]]] if len(picks) == 1 else values[picks[0]]
                if len(picks) > 1:
                    made.append(values[picks[1]])
                del states[-size:], values[-size:]
                values.append(made)
            else:
                del states[-1]
            state = tables[states[-1]][origin]
            states.append(state)  # type: ignore[arg-type]
            if state == end:
                return values[-1].node  # type: ignore[no-any-return]
    raise AssertionError("the last word ends the query")


def _stuck(text: str, found: list[Word], at: int, machine: Grammar, states: list[int]) -> QueryError:
    """What to say where the machine cannot go on."""
    if found[at].type == INVALID:
        return explain_characters(text, found[at].start)
    wanted = frozenset(
        kind for kind in machine.tables[states[-1]] if kind[0] not in _RULES and _takes(machine, states, kind)
    )
    return hints.explain(SyntaxErrorContext(text, tuple(found), at, wanted))


_RULES = "abcdefghijklmnopqrstuvwxyz_"
"""With these begin the names of rules."""


def _takes(machine: Grammar, states: list[int], kind: str) -> bool:
    """Would this terminal be shifted, after whatever reductions it sets off?"""
    stack = list(states)
    while True:
        does = machine.tables[stack[-1]].get(kind)
        if not isinstance(does, Reduction):
            return does is not None
        del stack[-does.size :]
        after = machine.tables[stack[-1]][does.origin]
        assert isinstance(after, int)
        stack.append(after)
        if after == machine.end:
            return True
