"""Extensions to ADQL 2.1 that the parser accepts unless it is strict, and how to write them in the standard."""

from __future__ import annotations

from vo_server.errors import Code, QueryError, TextSpan

_BIT_HINT = "of whole numbers, the bit worth 8 in x is MOD(x / 8, 2)"

STANDARD_ALTERNATIVES: dict[str, str] = {
    "a semicolon at the end": "leave it out",
    "LIMIT": "write TOP after SELECT, as in SELECT TOP 10 a FROM t",
    "CROSS JOIN": "write a comma between the tables",
    "DISTINCT after UNION, EXCEPT or INTERSECT": "leave it out: without ALL each row comes once anyway",
    "a bare * beside other columns": "write t.* with the table's name or alias",
    "a bitwise operator": _BIT_HINT,
    "a hexadecimal literal": "write the number in decimal digits",
    "TRUE or FALSE as a value": "compare with 1 or 0",
    "IS NULL of anything but a column": "name the value in a sub-query, as in FROM (SELECT a + b AS c FROM t) AS q",
    "NULLIF": "leave the rows out by WHERE a <> b",
    "CASE": "write one SELECT for each case and join them by UNION ALL",
    "CAST AS REGION": "write REGION('...') of a literal",
    "CAST AS MOC": "write the region as a POLYGON or CIRCLE",
    "a sub-query as a value": "put the sub-query into FROM and join it",
}
"""The hint for each extension: what to write instead."""


def explain_extension(what: str, span: TextSpan) -> QueryError:
    """Return the error for an extension in a query that is parsed strictly."""
    message = f"{what} is an extension to ADQL 2.1, which strict mode does not allow"
    return QueryError(message, span=span, hint=STANDARD_ALTERNATIVES[what], code=Code.ADQL_EXTENSION)
