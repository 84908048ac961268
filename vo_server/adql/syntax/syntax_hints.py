"""Messages and hints for common mistakes, as a table of patterns over the last words."""

from __future__ import annotations

from typing import NamedTuple


class SyntaxHint(NamedTuple):
    """A row of SYNTAX_HINTS: a pattern over the symbols of the last words up to the wrong one, message and hint.

    In a message `{0}` is the wrong word and `{1}` the one before it. The span of the error begins `words_before` words
    before the wrong one. The terminals in `expected` must be allowed by the grammar, those with ! must not be.
    """

    pattern: str
    message: str
    hint: str | None = None
    words_before: int = 0
    expected: str = ""


_CLAUSE_PATTERN = "(?:FROM|WHERE|GROUP|HAVING|ORDER|OFFSET|LIMIT|UNION|EXCEPT|INTERSECT|JOIN|ON|USING)"
_NAME_PATTERN = r"(?:name:\S+|delimited)"
_TOP_EXAMPLE = "as in SELECT TOP 10 * FROM t"
_QUOTES_HINT = "'...' is a string; a name stands in \"...\" or bare"

SYNTAX_HINTS: tuple[SyntaxHint, ...] = (
    SyntaxHint(r"= =", "ADQL compares with a single =", words_before=1),
    SyntaxHint(r"& &", "ADQL has no && operator", "write AND, or 1 = INTERSECTS(a, b) for shapes", 1),
    SyntaxHint(r"\| \|", "the two bars of || stand together", None, 1),
    SyntaxHint(r"([<>]) \1", "ADQL does not shift bits", None, 1),
    SyntaxHint(r"[<>] [=>]", "no blank may stand inside an operator", "write <=, >= or <>", 1),
    SyntaxHint(r"= [<>]", "the equals sign stands last", "write <= or >=", 1),
    SyntaxHint(r"\* \*", "ADQL has no **", "write POWER(a, b)", 1),
    SyntaxHint(r"/ /", "a value is missing between / and /", "a comment begins with -- and ends with the line", 1),
    SyntaxHint(r"/ \*", "a value is missing between / and *", "a comment begins with -- and ends with the line", 1),
    SyntaxHint(r"; \S+", "one query at a time: text follows the semicolon"),
    SyntaxHint(r"TOP \(", "TOP takes its number without parentheses", _TOP_EXAMPLE),
    SyntaxHint(r"TOP \S+", "TOP takes an unsigned whole number", _TOP_EXAMPLE),
    SyntaxHint(r"TOP integer ,", "no comma stands after TOP and its number", _TOP_EXAMPLE),
    SyntaxHint(r"(?:DISTINCT|ALL) ,", "no comma stands after {1}", "as in SELECT DISTINCT a, b FROM t"),
    SyntaxHint(r"DISTINCT ON", "ADQL has no DISTINCT ON", "GROUP BY a, with MIN or MAX of the others", 1),
    SyntaxHint(r"TOP integer (?:DISTINCT|ALL)", "{0} stands before TOP", "as in SELECT DISTINCT TOP 10 a FROM t"),
    SyntaxHint(r"(?!AS |\. )\S+ TOP", "TOP stands before the select list", _TOP_EXAMPLE),
    SyntaxHint(r"SELECT name:TOP\d+ \S+", "a blank stands between TOP and its number", _TOP_EXAMPLE, 1),
    SyntaxHint(r"SELECT name:TOP\d+ \* \S+", "a blank stands between TOP and its number", _TOP_EXAMPLE, 2),
    SyntaxHint(r"OFFSET \S+", "OFFSET takes an unsigned whole number", "as in OFFSET 100"),
    SyntaxHint(
        r"LIMIT integer ,", "LIMIT takes one number", "write LIMIT 10 OFFSET 20, in ADQL itself TOP 10 ... OFFSET 20"
    ),
    SyntaxHint(r"name:LIMIT \S+", "LIMIT takes a whole number", "in ADQL itself it is TOP", 1),
    SyntaxHint(r"name:LIMIT", "LIMIT takes a whole number", "in ADQL itself it is TOP"),
    SyntaxHint(r"name:NULLS", "ADQL has no NULLS FIRST or LAST"),
    SyntaxHint(r"reserved:FETCH", "ADQL has no FETCH", f"write TOP, {_TOP_EXAMPLE}"),
    SyntaxHint(r"OFFSET integer reserved:ROWS?", "OFFSET takes a number and nothing more", "as in OFFSET 100"),
    SyntaxHint(r"GROUP \S+", "GROUP is followed by BY", None, 1),
    SyntaxHint(r"ORDER \S+", "ORDER is followed by BY", None, 1),
    SyntaxHint(r"name:GROUPBY", "GROUP BY is two words"),
    SyntaxHint(r"name:ORDERBY", "ORDER BY is two words"),
    SyntaxHint(r"name:GROUPBY \S+", "GROUP BY is two words", None, 1),
    SyntaxHint(r"name:ORDERBY \S+", "ORDER BY is two words", None, 1),
    SyntaxHint(r"NOT NULL", "NOT NULL follows IS", "write IS NOT NULL", 1, "BETWEEN"),
    SyntaxHint(r"IS NOT \S+|IS \S+", "IS is followed by NULL or NOT NULL"),
    SyntaxHint(r"IN \S+", "IN is followed by a list or a sub-query in parentheses", "as in x IN (1, 2)"),
    SyntaxHint(r"IN \( \)", "the list of IN is empty", None, 1),
    SyntaxHint(r"EXISTS \S+", "EXISTS is followed by a sub-query in parentheses", "as in EXISTS (SELECT 1 FROM t)"),
    SyntaxHint(r"NOT NOT", "NOT stands once before a condition; use parentheses for a second"),
    SyntaxHint(r"reserved:ESCAPE", "LIKE has no ESCAPE in ADQL"),
    SyntaxHint(r"SELECT FROM", "nothing is selected: name columns, or write *"),
    SyntaxHint(r"(?:DISTINCT|ALL|TOP integer) FROM", "nothing is selected: name columns, or write *"),
    SyntaxHint(r", ,", "one comma is enough"),
    SyntaxHint(
        rf", (?:{_CLAUSE_PATTERN}|\)|end)",
        "something is missing after the comma, or the comma is one too many",
        None,
        1,
    ),
    SyntaxHint(
        r"(SELECT|FROM|WHERE|BY|HAVING|JOIN|ON|AS|AND|OR|WITH|UNION|EXCEPT|INTERSECT) \1", "{0} is written twice"
    ),
    SyntaxHint(r"(?:JOIN|LEFT|INNER|OUTER|RIGHT|FULL|NATURAL) end", "a table is missing after {1}", None, 1),
    SyntaxHint(r"ON", "ON stands after JOIN and its table", expected="JOIN"),
    SyntaxHint(rf"AS {_NAME_PATTERN} \.", "an alias is one name, without dots"),
    SyntaxHint(r"\* AS", "* takes no alias"),
    SyntaxHint(r"OUTER", "OUTER stands between LEFT, RIGHT or FULL and JOIN"),
    SyntaxHint(r"name:\S+ JOIN ON", "a table is missing between JOIN and ON", None, 1),
    SyntaxHint(
        rf"(?:AS|\)|{_NAME_PATTERN}) string", "a name is not written in single quotes", _QUOTES_HINT, expected="NAME"
    ),
    SyntaxHint(r"(?:FROM|JOIN) string", "a table is not written in single quotes", _QUOTES_HINT),
    SyntaxHint(r"name:OVER \(", "ADQL has no window functions (OVER)", None, 1),
    SyntaxHint(rf"\. {_NAME_PATTERN} \(", "a function has no schema before its name", None, 1),
    SyntaxHint(rf"(?:FROM|JOIN) {_NAME_PATTERN} \(", "a function gives no table in ADQL", None, 1),
    SyntaxHint(
        rf"WITH {_NAME_PATTERN} \(",
        "the queries of WITH take no list of columns",
        "as in WITH t AS (SELECT a AS b FROM s)",
    ),
    SyntaxHint(r"AS SELECT", "the queries of WITH stand in parentheses", "as in WITH t AS (SELECT a FROM s)"),
    SyntaxHint(r"(?:[<>]?=|!=|<>?|>) (?:ALL|reserved:ANY|reserved:SOME)", "ADQL has no {0} before a sub-query"),
    SyntaxHint(rf"\( {_NAME_PATTERN} \)", "a single table stands without parentheses", None, 2, "JOIN"),
    SyntaxHint(r",", "ADQL compares no lists of values: compare them one by one", expected="RPAR !COMMA"),
    SyntaxHint(r"WITH reserved:RECURSIVE|WITH name:RECURSIVE \S+", "WITH is not recursive in ADQL"),
    SyntaxHint(r"WITH", "WITH stands once, at the very beginning of the query"),
    SyntaxHint(r"delimited \(", "the name of a function is not quoted", None, 1),
    SyntaxHint(r"(?:SELECT|,) \. ?\S*", "a name is missing before the dot"),
    SyntaxHint(r"\. (?:\.|,|\)|=|FROM|WHERE|end)", "a name is missing after the dot", None, 1),
    SyntaxHint(
        r"\. (?:string|integer|number)", "after a dot stands a name", 'names with other characters stand in "..."'
    ),
    SyntaxHint(r"USING (?:name:\S+|delimited)", "USING takes its columns in parentheses", "as in USING (source_id)"),
    SyntaxHint(
        r"\( (?:integer|string|number)", "USING takes names of columns", None, expected="NAME DELIMITED !STRING"
    ),
    SyntaxHint(
        r"~|(?:name|reserved):(?:REGEXP|RLIKE|SIMILAR|GLOB|MATCH)",
        "ADQL knows no regular expressions",
        "LIKE has % for any text and _ for any character",
        expected="COMPARE",
    ),
    SyntaxHint(
        r"(?:integer|number) (?:name|function):(?:DEG|DEGREES?|ARCMIN|ARCSEC|MAG|MAS|RAD|HOURS?)",
        "numbers have no unit",
        "angles are in degrees; IN_UNIT(a, 'arcsec') gives a column in another unit",
    ),
    SyntaxHint(
        r"(?:integer|number) ,",
        "a comma is no decimal point, and joins no conditions",
        "write 10.5, and AND between conditions",
        expected="!COMMA !RPAR",
    ),
    SyntaxHint(r",", "CAST takes a value AS a type", "as in CAST(a AS REAL)", expected="AS !NAME"),
    SyntaxHint(
        r"(?:FROM|JOIN) \S+ /",
        "a table whose name has other characters stands in double quotes",
        'as in FROM "II/246/out"',
    ),
    SyntaxHint(r"reserved:FOR", "ADQL only reads: it has no FOR"),
    SyntaxHint(r"reserved:INTO", "ADQL only reads: it has no INTO"),
    SyntaxHint(r"reserved:CURRENT_\w+|reserved:INTERVAL", "ADQL has no {0}", "compare with a time as a string"),
)
"""The hints in the order in which they are tried."""
