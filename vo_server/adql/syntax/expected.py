"""Descriptions of the terminals that the grammar allows, in the terms of ADQL."""

from __future__ import annotations

from vo_server.adql.syntax.lexer import END

CLAUSES = ("FROM", "WHERE", "GROUP", "HAVING", "ORDER", "OFFSET")
"""The terminals with which clauses begin, in the order of the clauses."""
CLAUSE_NAMES = {"GROUP": "GROUP BY", "ORDER": "ORDER BY"}
"""The names of clauses that are not their terminals."""
SET_OPERATORS = frozenset({"UNION", "EXCEPT", "INTERSECT"})
VALUE_STARTS = frozenset(
    "NAME DELIMITED INTEGER NUMBER HEXADECIMAL STRING FUNCTION AGGREGATE CAST CASE NULL TRUE FALSE".split()
)
"""Terminals with which a value begins, without signs and parentheses."""
JOIN_WORDS = frozenset({"JOIN", "INNER", "LEFT", "RIGHT", "FULL", "NATURAL", "CROSS", "OUTER"})
CONDITION_WORDS = frozenset({"COMPARE", "BETWEEN", "LIKE", "ILIKE", "IS", "IN", "AND", "OR", "NOT"})

_VALUE_TERMINALS = VALUE_STARTS | {"LPAR", "PLUS", "MINUS", "TILDE"}

EXPECTATION_LABELS: tuple[tuple[frozenset[str], str, frozenset[str]], ...] = (
    (frozenset({"STAR", "STRING"}), "a column, a value or *", _VALUE_TERMINALS | {"STAR", "DISTINCT", "ALL", "TOP"}),
    (frozenset({"STRING", "NOT"}), "a condition", _VALUE_TERMINALS | {"NOT", "EXISTS", "SELECT"}),
    (frozenset({"STRING"}), "a value", _VALUE_TERMINALS | {"DISTINCT", "ALL", "SELECT"}),
    (frozenset({"COMPARE"}), "a comparison", CONDITION_WORDS | SET_OPERATORS | {*CLAUSES, "LIMIT", "SEMICOLON", END}),
    (frozenset({"COMMA"}), "a comma", frozenset({"COMMA", "DOT"})),
    (frozenset({"FROM"}), "FROM", frozenset({"FROM"})),
    (frozenset({"AS", "NAME"}), "an alias", frozenset({"AS", "NAME", "DELIMITED", "LPAR"})),
    (frozenset({"NAME", "LPAR"}), "a table or a sub-query", frozenset({"NAME", "DELIMITED", "SELECT"})),
    (frozenset({"NAME"}), "a name", frozenset({"NAME", "DELIMITED"})),
    (frozenset({"AND", "OR"}), "AND, OR", frozenset({"AND", "OR"})),
    (frozenset({"INTEGER"}), "a whole number", frozenset({"INTEGER"})),
    (frozenset({"JOIN", "LEFT"}), "JOIN", JOIN_WORDS),
    (frozenset({"RPAR"}), "a closing parenthesis", frozenset({"RPAR"})),
    (frozenset({"LPAR", "SELECT"}), "a query", frozenset({"SELECT", "WITH", "ALL", "DISTINCT"})),
    (frozenset({"WHERE"}), "WHERE", frozenset({"WHERE"})),
    (frozenset({"GROUP"}), "GROUP BY", frozenset({"GROUP", "HAVING"})),
    (frozenset({"ORDER"}), "ORDER BY", frozenset({"ORDER"})),
    (frozenset({"OFFSET"}), "OFFSET", frozenset({"OFFSET", "LIMIT"})),
    (SET_OPERATORS, "UNION", SET_OPERATORS),
    (frozenset({"ASC"}), "ASC, DESC", frozenset({"ASC", "DESC"})),
    (frozenset({END}), "the end of the query", frozenset({END, "SEMICOLON"})),
)  # fmt: skip
"""Labels: the terminals that must all be expected, the label, and all the terminals that the label covers."""

OPERATORS = frozenset({"LPAR", "PLUS", "MINUS", "STAR", "SLASH", "CONCAT", "PIPE", "CARET", "AMPERSAND", "DOT"})
"""Terminals that are left out of a description where a value is not expected."""
MAX_LABELS = 6
"""Labels in a description."""


def describe_expected(expected: frozenset[str]) -> str:
    """Return the terminals in words, as in "a comma, FROM or an alias".

    Operators, and ( after a name, are left out where anything else is allowed.
    """
    labels = []
    left = expected if "STRING" in expected else expected - OPERATORS
    for marks, label, covered in EXPECTATION_LABELS:
        if marks <= expected and marks & left:
            labels.append(label)
            left -= covered
    labels += sorted(left)
    if not labels:
        return "an opening parenthesis" if "LPAR" in expected else "an operator"
    *first, last = labels[:MAX_LABELS]
    return f"{', '.join(first)} or {last}" if first else last
