"""Sentences made at random by the published grammar of ADQL 2.1: each must parse, strictly too.

The grammar is read from its appendix; words (names, numbers, strings) are drawn from lists, and a few productions are
mended where the appendix has a misprint or SQL-92 says what it leaves out: each JOIN has one condition, NATURAL none,
and a join alone is no query. NULL stands only after IS: it is refused as what something is compared with.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vo_server.adql.syntax.parse import parse
from vo_server.errors import QueryError

HERE = Path(__file__).resolve().parents[2].parent / "shared" / "standards" / "adql" / "grammar" / "adql-2.1-REC.bnf"

pytestmark = pytest.mark.skipif(not HERE.is_file(), reason=f"the grammar is not at {HERE}")

MENDED = {
    "identifier": "a | b1 | \"Quo te\" | \"a\"\"b\" | tab_le",
    "regular_identifier": "f | my_udf",
    "user_defined_function_name": "f | my_udf",
    "unsigned_numeric_literal": "1 | 0 | 12. | .5 | 1.5E-3 | 2e10",
    "unsigned_decimal": "1 | 12",
    "unsigned_integer": "1 | 12",
    "signed_integer": "1 | -2 | +3",
    "character_string_literal": "'x' | '' | 'it''s'",
    "unqualified_schema_name": "s | \"S 1\"",
    "qualified_join": "<table_reference> [ <join_type> ] JOIN <table_reference> <join_specification>"
    " | <table_reference> NATURAL [ <join_type> ] JOIN <table_reference>",
    "query_expression": "<select_expression>",
    "comment": "nothing",
    "length": "5",
    "with_query": "<query_name> AS <left_paren> <query_expression> <right_paren>",
    "coord_sys": "'ICRS' | ''",
    "unsigned_hexadecimal": "1",
    "separator": "nothing",
    "space": "nothing",
    "newline": "nothing",
}  # fmt: skip
SIGNS = {
    "left_paren": "(",
    "right_paren": ")",
    "comma": ",",
    "period": ".",
    "asterisk": "*",
    "solidus": "/",
    "plus_sign": "+",
    "minus_sign": "-",
    "quote": "'",
    "double_quote": '"',
    "equals_operator": "=",
    "concatenation_operator": "||",
    "not_equals_operator": "<>",
    "not_equals_operator1": "<>",
    "not_equals_operator2": "!=",
    "less_than_operator": "<",
    "greater_than_operator": ">",
    "less_than_or_equals_operator": "<=",
    "greater_than_or_equals_operator": ">=",
    "nothing": "",
}

LONG = 80
"""Words of a sentence after which the shortest way is taken to its end."""

Choice = list["Sequence"]
Sequence = list["tuple[str, str | Choice]"]


@cache
def rules() -> dict[str, Choice]:
    text = HERE.read_text(encoding="utf-8")
    text = text.replace("<unqualified_schema name>", "<unqualified_schema_name>")
    text = text.replace("<left paren>", "<left_paren>").replace("<right paren>", "<right_paren>")
    text = text.replace("<value_expression }...", "<value_expression> }...")
    text = text.replace("{, <with_query>}", "{ <comma> <with_query> }")
    found = {}
    for name, body in re.findall(r"<(\w+)>\s*::=(.*?)(?=\n\s*<\w+>\s*::=|\Z)", text, re.DOTALL):
        found[name] = _choice(_words(body))
    return found | {name: _choice(_words(body)) for name, body in MENDED.items()}


def _words(body: str) -> list[str]:
    return re.findall(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|<\w+>|\.\.\.|[][{}|]|[^\s<\[\]{}|]+", body)


def _choice(words: list[str], closing: str = "") -> Choice:
    """Alternatives up to the closing bracket; the words are used up."""
    sequences: Choice = [[]]
    while words:
        word = words.pop(0)
        if word == closing:
            break
        if word == "|":
            sequences.append([])
        elif word == "...":
            kind, what = sequences[-1].pop()
            sequences[-1].append(("many", [[(kind, what)]]))
        elif word in "[{":
            inner = _choice(words, "]" if word == "[" else "}")
            sequences[-1].append(("maybe" if word == "[" else "group", inner))
        elif re.fullmatch(r"<\w+>", word):
            sequences[-1].append(("rule", word[1:-1]))
        else:
            sequences[-1].append(("word", word))
    return sequences


@cache
def least() -> dict[str, int]:
    """How many rules deep the shortest sentence of each rule is."""
    known = dict.fromkeys((*rules(), *SIGNS), 10_000) | dict.fromkeys(SIGNS, 0)

    def of(choice: Choice) -> int:
        return min(max((part(*p) for p in sequence), default=0) for sequence in choice)

    def part(kind: str, what: str | Choice) -> int:
        if kind in ("word", "maybe"):
            return 0
        return known.get(what, 10_000) if isinstance(what, str) else of(what)

    while True:
        better = {name: 1 + of(choice) for name, choice in rules().items() if name not in SIGNS}
        if all(known[name] == depth for name, depth in better.items()):
            return known
        known |= better


def sentence(random: Random, start: str, budget: int) -> str:
    said: list[str] = []

    def of(choice: Choice, budget: int) -> None:
        budget = 0 if len(said) > LONG else budget
        depths = [max((deep(*p) for p in sequence), default=0) for sequence in choice]
        open_ = [s for s, depth in zip(choice, depths, strict=True) if depth <= max(budget, min(depths))]
        for kind, what in random.choice(open_):
            say(kind, what, budget)

    def deep(kind: str, what: str | Choice) -> int:
        if kind in ("word", "maybe"):
            return 0
        if isinstance(what, str):
            return least().get(what, 10_000)
        return min(max((deep(*p) for p in sequence), default=0) for sequence in what)

    def say(kind: str, what: str | Choice, budget: int) -> None:
        if kind == "word":
            of_test = said[-1:] == ["IS"] or said[-2:] == ["IS", "NOT"]
            said.append("a" if what == "NULL" and not of_test else str(what))
        elif isinstance(what, str):
            if what in SIGNS:
                said.append(SIGNS[what])
            else:
                of(rules()[what], budget - 1)
        elif kind == "group" or (kind == "maybe" and budget > 0 and len(said) < LONG and random.random() < 0.4):
            of(what, budget)
        elif kind == "many":
            for _ in range(random.choice((1, 1, 2)) if budget > 0 and len(said) < LONG else 1):
                of(what, budget)

    of([[("rule", start)]], budget)
    return " ".join(word for word in said if word)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32), st.integers(10, 45))
def test_what_the_grammar_says_parses(seed: int, budget: int) -> None:
    text = sentence(Random(seed), "query_expression", budget)
    try:
        parse(text, strict=True)
    except QueryError as fault:
        if "nested more than" not in fault.message:
            raise
