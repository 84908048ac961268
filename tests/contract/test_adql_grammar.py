"""Random sentences of the published grammar of ADQL 2.1: each must parse in strict mode.

The grammar is read from the appendix of the standard. Names, numbers and strings are drawn from lists. A few
productions are corrected where the appendix has a misprint or leaves something to SQL-92: each JOIN has one condition,
NATURAL none, and a join alone is no query. NULL stands only after IS, for a comparison with NULL is rejected.
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
from vo_server.errors import Code, QueryError

GRAMMAR = Path(__file__).resolve().parents[2].parent / "shared" / "standards" / "adql" / "grammar" / "adql-2.1-REC.bnf"

pytestmark = pytest.mark.skipif(not GRAMMAR.is_file(), reason=f"the grammar is not at {GRAMMAR}")

CORRECTIONS = {
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
SYMBOLS = {
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

MAX_WORDS = 80
"""Words of a sentence after which the shortest alternatives are taken."""

Choice = list["Sequence"]
Sequence = list["tuple[str, str | Choice]"]


@cache
def read_rules() -> dict[str, Choice]:
    """Return the productions of the grammar by name, with the corrections."""
    text = GRAMMAR.read_text(encoding="utf-8")
    text = text.replace("<unqualified_schema name>", "<unqualified_schema_name>")
    text = text.replace("<left paren>", "<left_paren>").replace("<right paren>", "<right_paren>")
    text = text.replace("<value_expression }...", "<value_expression> }...")
    text = text.replace("{, <with_query>}", "{ <comma> <with_query> }")
    productions = {}
    for name, body in re.findall(r"<(\w+)>\s*::=(.*?)(?=\n\s*<\w+>\s*::=|\Z)", text, re.DOTALL):
        productions[name] = _parse_choice(_split_words(body))
    return productions | {name: _parse_choice(_split_words(body)) for name, body in CORRECTIONS.items()}


def _split_words(body: str) -> list[str]:
    """Return the words and brackets of a production."""
    return re.findall(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|<\w+>|\.\.\.|[][{}|]|[^\s<\[\]{}|]+", body)


def _parse_choice(words: list[str], closing: str = "") -> Choice:
    """Return the alternatives up to the closing bracket, and remove their words from the list."""
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
            inner = _parse_choice(words, "]" if word == "[" else "}")
            sequences[-1].append(("maybe" if word == "[" else "group", inner))
        elif re.fullmatch(r"<\w+>", word):
            sequences[-1].append(("rule", word[1:-1]))
        else:
            sequences[-1].append(("word", word))
    return sequences


@cache
def find_depths() -> dict[str, int]:
    """Return the depth of the shallowest sentence of each rule, in rules."""
    depths = dict.fromkeys((*read_rules(), *SYMBOLS), 10_000) | dict.fromkeys(SYMBOLS, 0)

    def choice_depth(choice: Choice) -> int:
        return min(max((part(*p) for p in sequence), default=0) for sequence in choice)

    def part(kind: str, what: str | Choice) -> int:
        if kind in ("word", "maybe"):
            return 0
        return depths.get(what, 10_000) if isinstance(what, str) else choice_depth(what)

    while True:
        better = {name: 1 + choice_depth(choice) for name, choice in read_rules().items() if name not in SYMBOLS}
        if all(depths[name] == depth for name, depth in better.items()):
            return depths
        depths |= better


def make_sentence(random: Random, start: str, budget: int) -> str:
    """Return a random sentence of a rule, which is at most `budget` rules deep where that is possible."""
    words: list[str] = []

    def expand(choice: Choice, budget: int) -> None:
        budget = 0 if len(words) > MAX_WORDS else budget
        depths = [max((depth_of(*p) for p in sequence), default=0) for sequence in choice]
        open_ = [s for s, depth in zip(choice, depths, strict=True) if depth <= max(budget, min(depths))]
        for kind, what in random.choice(open_):
            emit(kind, what, budget)

    def depth_of(kind: str, what: str | Choice) -> int:
        if kind in ("word", "maybe"):
            return 0
        if isinstance(what, str):
            return find_depths().get(what, 10_000)
        return min(max((depth_of(*p) for p in sequence), default=0) for sequence in what)

    def emit(kind: str, what: str | Choice, budget: int) -> None:
        if kind == "word":
            of_test = words[-1:] == ["IS"] or words[-2:] == ["IS", "NOT"]
            words.append("a" if what == "NULL" and not of_test else str(what))
        elif isinstance(what, str):
            if what in SYMBOLS:
                words.append(SYMBOLS[what])
            else:
                expand(read_rules()[what], budget - 1)
        elif kind == "group" or (kind == "maybe" and budget > 0 and len(words) < MAX_WORDS and random.random() < 0.4):
            expand(what, budget)
        elif kind == "many":
            for _ in range(random.choice((1, 1, 2)) if budget > 0 and len(words) < MAX_WORDS else 1):
                expand(what, budget)

    expand([[("rule", start)]], budget)
    return " ".join(word for word in words if word)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32), st.integers(10, 45))
def test_sentences_of_the_grammar_parse(seed: int, budget: int) -> None:
    text = make_sentence(Random(seed), "query_expression", budget)
    try:
        parse(text, strict=True)
    except QueryError as error:
        if error.code != Code.ADQL_TOO_COMPLEX:
            raise
