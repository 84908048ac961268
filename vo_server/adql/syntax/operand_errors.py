"""What is made of the right words in the right places, and yet of the wrong kind: what to say of it."""

from __future__ import annotations

from vo_server.adql.syntax import tree, words
from vo_server.adql.syntax.other_dialects import ADQL_EQUIVALENTS
from vo_server.errors import QueryError, TextSpan

KIND_NAMES = {
    **dict.fromkeys((words.NUMERIC, words.SIGNED, words.INTEGER, words.NUMBER), "a number"),
    words.TEXT: "a string",
    words.STRING: "a string",
    words.POINT: "a geometry",
    words.GEOMETRY: "a geometry",
}
FORMAL_NAMES = {"n": "a number", "t": "a string"}


def describe_reserved_word(word: str) -> str:
    """A reserved word where a name should be."""
    return f"`{word}` is a reserved word of ADQL; write it in double quotes to use it as a name"


def suggest_single_quotes(name: tree.Name) -> str:
    """For the resolver: a name in double quotes that is no column, where a value is compared."""
    return f"\"...\" names a column; a string stands in single quotes: '{name.text}'"


def explain_wrong_kind(kind: str, formal: str, where: str, span: TextSpan) -> QueryError:
    """A piece of one kind where the grammar has another."""
    if kind == words.CONDITION:
        return QueryError("a condition is not a value: it stands only after WHERE, ON and HAVING", span=span)
    said = f"{KIND_NAMES.get(kind, 'this')} cannot stand {where}, where {FORMAL_NAMES.get(formal, 'another value')} belongs"
    hint = None
    if formal == "t" and kind in (words.NUMERIC, words.SIGNED):
        hint = "CAST(value AS VARCHAR) makes it a string"
    elif formal == "n" and kind == words.TEXT:
        hint = "put what || joins in parentheses, if it is a number" if where.endswith("||") else None
    return QueryError(said, span=span, hint=hint)


def explain_missing_condition(node: tree.Value, span: TextSpan) -> QueryError:
    """A value where a condition is needed."""
    match node:
        case tree.Call(name=("CONTAINS" | "INTERSECTS") as name):
            return QueryError(f"{name}(...) yields 0 or 1: compare it, as in 1 = {name}(...)", span=span)
        case tree.Call(name=name) if name.upper() in ADQL_EQUIVALENTS:
            return QueryError(f"no function {name}", span=span, hint=ADQL_EQUIVALENTS[name.upper()])
        case tree.Call(name=name):
            return QueryError(f"{name}(...) is a value, no condition: compare it, as in 1 = {name}(...)", span=span)
        case tree.ColumnName(names=names):
            name = names[-1].text
            hint = f"compare it, as in {name} = 1 or {name} IS NOT NULL"
            return QueryError(f"`{name}` is a column, no condition", span=span, hint=hint)
        case _:
            return QueryError(
                "a condition is needed here, and this is a value", span=span, hint="compare it with another"
            )


def explain_null_comparison(operator: str, span: TextSpan) -> QueryError:
    """Legal by the grammar, but true of no row: no one can mean it."""
    negated = "" if operator == "=" else "NOT "
    return QueryError(f"nothing is {operator} NULL, not even NULL", span=span, hint=f"write IS {negated}NULL")


def explain_arguments(name: str, usage: str, span: TextSpan) -> QueryError:
    return QueryError(f"{name} takes {usage}", span=span)


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


def explain_unknown_type(name: str, span: TextSpan) -> QueryError:
    closest = CLOSEST_TYPES.get(name)
    hint = f"write {closest}" if closest else f"the types are {', '.join(sorted(words.CAST_TYPES))}"
    return QueryError(f"CAST has no type {name} in ADQL", span=span, hint=hint)
