"""Errors for grammatical queries with an operand of the wrong kind, such as a condition where a value belongs."""

from __future__ import annotations

from vo_server.adql.syntax import tree, words
from vo_server.adql.syntax.other_dialects import ADQL_EQUIVALENTS
from vo_server.errors import Code, QueryError, TextSpan

KIND_NAMES = {
    **dict.fromkeys((words.NUMERIC, words.SIGNED, words.INTEGER, words.NUMBER), "a number"),
    words.TEXT: "a string",
    words.STRING: "a string",
    words.POINT: "a geometry",
    words.GEOMETRY: "a geometry",
}
"""The names of kinds of arguments (words.py) in messages; other kinds are `this`."""

FORMAL_NAMES = {"n": "a number", "t": "a string"}
"""The names of formal kinds in messages; other kinds are `another value`."""


def describe_reserved_word(word: str) -> str:
    """Return the message for a reserved word that is used as a name."""
    return f"`{word}` is a reserved word of ADQL; write it in double quotes to use it as a name"


def suggest_single_quotes(name: tree.Identifier) -> str:
    """Return the hint for a quoted name that is no column, where it is compared with a value."""
    return f"\"...\" names a column; a string stands in single quotes: '{name.text}'"


def explain_wrong_kind(kind: str, formal: str, where: str, span: TextSpan) -> QueryError:
    """Return the error for an operand of one kind where the grammar requires another (`formal`, see words.py).

    `where` says where it stands, as in "before ||".
    """
    if kind == words.CONDITION:
        message = "a condition is not a value: it stands only after WHERE, ON and HAVING"
        return QueryError(message, span=span, code=Code.ADQL_TYPE_MISMATCH)
    kind_name, formal_name = KIND_NAMES.get(kind, "this"), FORMAL_NAMES.get(formal, "another value")
    message = f"{kind_name} cannot stand {where}, where {formal_name} belongs"
    hint = None
    if formal == "t" and kind in (words.NUMERIC, words.SIGNED):
        hint = "CAST(value AS VARCHAR) makes it a string"
    elif formal == "n" and kind == words.TEXT:
        hint = "put what || joins in parentheses, if it is a number" if where.endswith("||") else None
    return QueryError(message, span=span, hint=hint, code=Code.ADQL_TYPE_MISMATCH)


def explain_missing_condition(node: tree.Value, span: TextSpan) -> QueryError:
    """Return the error for a value where a condition is needed."""
    code = Code.ADQL_TYPE_MISMATCH
    match node:
        case tree.Call(name=("CONTAINS" | "INTERSECTS") as name):
            return QueryError(f"{name}(...) yields 0 or 1: compare it, as in 1 = {name}(...)", span=span, code=code)
        case tree.Call(name=name) if name.upper() in ADQL_EQUIVALENTS:
            hint = ADQL_EQUIVALENTS[name.upper()]
            return QueryError(f"no function {name}", span=span, hint=hint, code=Code.ADQL_UNKNOWN_FUNCTION)
        case tree.Call(name=name):
            message = f"{name}(...) is a value, not a condition: compare it, as in 1 = {name}(...)"
            return QueryError(message, span=span, code=code)
        case tree.ColumnName(names=names):
            name = names[-1].text
            hint = f"compare it, as in {name} = 1 or {name} IS NOT NULL"
            return QueryError(f"`{name}` is a column, not a condition", span=span, hint=hint, code=code)
        case _:
            message = "a condition is needed here, and this is a value"
            return QueryError(message, span=span, hint="compare it with another", code=code)


def explain_null_comparison(operator: str, span: TextSpan) -> QueryError:
    """Return the error for a comparison with NULL: the grammar allows it, but it is true of no row."""
    hint = f"write IS {'' if operator == '=' else 'NOT '}NULL"
    message = f"a comparison by {operator} with NULL is never true"
    return QueryError(message, span=span, hint=hint, code=Code.ADQL_TYPE_MISMATCH)


def explain_arguments(name: str, usage: str, span: TextSpan) -> QueryError:
    """Return the error for a function with the wrong number or kinds of arguments."""
    return QueryError(f"{name} takes {usage}", span=span, code=Code.ADQL_WRONG_ARGUMENTS)


CLOSEST_TYPES = {
    **dict.fromkeys(("FLOAT", "DOUBLE", "FLOAT8", "NUMERIC", "DECIMAL", "NUMBER"), "DOUBLE PRECISION"),
    "FLOAT4": "REAL",
    **dict.fromkeys(("INT", "INT4"), "INTEGER"),
    **dict.fromkeys(("LONG", "INT8"), "BIGINT"),
    **dict.fromkeys(("SHORT", "INT2"), "SMALLINT"),
    **dict.fromkeys(("TEXT", "STRING", "VARCHAR2", "CLOB"), "VARCHAR"),
    "CHARACTER": "CHAR",
    **dict.fromkeys(("DATE", "DATETIME"), "TIMESTAMP"),
}
"""Types of other database systems, and the type of ADQL that is closest to each."""


def explain_unknown_type(name: str, span: TextSpan) -> QueryError:
    """Return the error for a CAST to a type that ADQL does not have."""
    closest = CLOSEST_TYPES.get(name)
    hint = f"write {closest}" if closest else f"the types are {', '.join(sorted(words.CAST_TYPES))}"
    return QueryError(f"CAST has no type {name} in ADQL", span=span, hint=hint, code=Code.ADQL_SYNTAX)
