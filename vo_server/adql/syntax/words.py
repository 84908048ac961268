"""The words of ADQL 2.1 as data: keywords, the types of CAST, and the arguments of its functions.

Keywords have terminals of their own in the grammar. All other reserved words (model/words.py) have the terminal
RESERVED, which no rule but that of the types of CAST uses, so that they cannot be names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from vo_server.model.reserved_words import RESERVED

KEYWORDS = frozenset(
    """
    SELECT DISTINCT ALL OFFSET ASC DESC WITH UNION EXCEPT INTERSECT JOIN INNER LEFT RIGHT FULL CROSS NOT LIKE ILIKE NULL
    EXISTS TRUE FALSE CASE END CAST
    """.split()
)
"""Keywords that the tree builder receives: the terminal in grammar.lark is the word itself."""

SILENT_KEYWORDS = frozenset(
    """
    TOP FROM WHERE GROUP ORDER BY HAVING AS OUTER NATURAL ON USING OR AND BETWEEN IN IS WHEN THEN ELSE
    """.split()
)
"""Keywords that only the grammar needs: the terminal in grammar.lark begins with an underscore, so lark drops it."""

AGGREGATES = frozenset({"COUNT", "SUM", "AVG", "MIN", "MAX"})

TYPES = frozenset({"CHAR", "VARCHAR", "SMALLINT", "INTEGER", "BIGINT", "REAL", "DOUBLE", "PRECISION", "TIMESTAMP"})
"""Words of the types of CAST, except those that are also functions (POINT, CIRCLE ...)."""

CAST_TYPES = frozenset(
    {
        *("CHAR", "VARCHAR", "SMALLINT", "INTEGER", "BIGINT", "REAL", "DOUBLE PRECISION", "TIMESTAMP"),
        *("POINT", "CIRCLE", "POLYGON"),
        *("REGION", "MOC"),
    }
)
"""The types of CAST."""

EXTENSION_TYPES = frozenset({"REGION", "MOC"})
"""The types of CAST that are extensions."""

SIZED_TYPES = frozenset({"CHAR", "VARCHAR"})
"""The types of CAST that take a length."""


# The kind of an argument is one letter. The grammar of the standard has numeric, character and geometry expressions,
# and primaries (columns, literals, parentheses, aggregates, CAST, COALESCE, user-defined functions), which may be any
# of these.

COLUMN, ANY, STRING, INTEGER, NUMBER, SIGNED = "c", "a", "s", "d", "m", "i"
NUMERIC, TEXT, POINT, GEOMETRY, USER, NULL, CONDITION = "n", "t", "o", "g", "f", "z", "B"

FORMAL_KINDS = {
    "v": "casdmintogfz",  # any value
    "n": "casdminfz",  # numeric_value_expression
    "t": "casdmtfz",  # character_value_expression
    "g": "casdmogfz",  # geometry_value_expression
    "p": "caofz",  # coord_value; COALESCE, CAST and parentheses are let through
    "s": "s",  # character_string_literal
    "k": "sz",  # coord_sys
    "i": "di",  # signed_integer
    "u": "d",  # unsigned_decimal
}
"""For each formal kind, a letter in a pattern of arguments: the kinds that are allowed there."""


@dataclass(frozen=True)
class FunctionSyntax:
    """A function of ADQL: its arguments as a pattern over FORMAL_KINDS and in words, and the kind of its result."""

    arguments: str
    usage: str
    result: str = NUMERIC

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Return the arguments as a regular expression over the kinds of actual arguments."""
        return re.compile(re.sub("[a-z]", lambda match: f"[{FORMAL_KINDS[match[0]]}]", self.arguments))


_ONE_NUMBER = FunctionSyntax("n", "one number")
_TWO_NUMBERS = FunctionSyntax("nn", "two numbers")
_TWO_REGIONS = FunctionSyntax("gg", "two geometries")
_ONE_POINT = FunctionSyntax("p", "one point")
_ONE_TEXT = FunctionSyntax("t", "one string", TEXT)
_NUMBER_AND_DIGITS = FunctionSyntax("ni?", "a number and, optionally, a whole number of digits")

FUNCTION_SYNTAX: dict[str, FunctionSyntax] = {
    **dict.fromkeys("ABS CEILING DEGREES EXP FLOOR LOG LOG10 RADIANS SQRT".split(), _ONE_NUMBER),
    **dict.fromkeys("ACOS ASIN ATAN COS COT SIN TAN".split(), _ONE_NUMBER),
    **dict.fromkeys("MOD POWER ATAN2".split(), _TWO_NUMBERS),
    **dict.fromkeys("ROUND TRUNCATE".split(), _NUMBER_AND_DIGITS),
    **dict.fromkeys("CONTAINS INTERSECTS".split(), _TWO_REGIONS),
    **dict.fromkeys("COORD1 COORD2".split(), _ONE_POINT),
    **dict.fromkeys("LOWER UPPER".split(), _ONE_TEXT),
    "PI": FunctionSyntax("", "no arguments"),
    "RAND": FunctionSyntax("u?", "nothing or an unsigned whole number"),
    "COALESCE": FunctionSyntax("v+", "one value or more", ANY),
    "NULLIF": FunctionSyntax("vv", "two values", ANY),
    "IN_UNIT": FunctionSyntax("ns", "a number and a unit in single quotes"),
    "POINT": FunctionSyntax("k?nn", "two coordinates", POINT),
    "CENTROID": FunctionSyntax("g", "one geometry", POINT),
    "CIRCLE": FunctionSyntax("k?(nn|p)n", "two coordinates or a point, and a radius", GEOMETRY),
    "BOX": FunctionSyntax("k?(nn|p)nn", "two coordinates or a point, and two sides", GEOMETRY),
    "POLYGON": FunctionSyntax(
        "k?((nn){3,}|p{3,})", "three or more vertices, all as coordinates or all as points", GEOMETRY
    ),
    "REGION": FunctionSyntax("s", "one string literal", GEOMETRY),
    "AREA": FunctionSyntax("g", "one geometry"),
    "COORDSYS": FunctionSyntax("g", "one geometry", TEXT),
    "DISTANCE": FunctionSyntax("pp|nnnn", "two points or four coordinates"),
}


TERMINALS: dict[str, str] = {
    **dict.fromkeys(RESERVED, "RESERVED"),
    **dict.fromkeys(FUNCTION_SYNTAX, "FUNCTION"),
    **dict.fromkeys(AGGREGATES, "AGGREGATE"),
    **dict.fromkeys(TYPES, "TYPE"),
    **{word: word for word in KEYWORDS},
    **{word: f"_{word}" for word in SILENT_KEYWORDS},
}
"""The terminal of each word that is more than a NAME."""
