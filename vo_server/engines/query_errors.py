"""Errors of a query that only its rows can show, in the same words for every database."""

from __future__ import annotations

from dataclasses import dataclass

from vo_server.adql.semantics.udfs import NULL_POSITION_MESSAGE
from vo_server.errors import Code, UsageError


@dataclass(frozen=True, slots=True)
class QueryErrorKind:
    """A kind of error that a database reports while it runs a query, as clients see it."""

    message: str
    hint: str | None = None
    code: Code = Code.QUERY_ROW_FAILED

    def to_error(self) -> UsageError:
        """Return the error to raise."""
        return UsageError(self.message, hint=self.hint, code=self.code)


OUT_OF_RANGE = QueryErrorKind("a number in this query is out of the range of its type", "CAST to a wider type")
BAD_CONVERSION = QueryErrorKind("a value in this query cannot be converted to the type it is cast to")
BAD_CHARACTER = QueryErrorKind("a text in this query holds a character that cannot be stored")
SEVERAL_ROWS = QueryErrorKind("a scalar sub-query returned more than one row")
NULL_POSITION = QueryErrorKind(NULL_POSITION_MESSAGE, "leave such rows out with a condition")
LARGE_POLYGON = QueryErrorKind("a polygon in this query is too large", "it must lie within a hemisphere")
OUT_OF_MEMORY = QueryErrorKind(
    "this query needs more memory than the service gives", "ask for fewer rows or columns", Code.QUERY_TOO_LARGE
)
OUT_OF_DISK = QueryErrorKind(
    "this query needs more disk space than the service gives", "ask for fewer rows or columns", Code.QUERY_TOO_LARGE
)
TOO_DEEP = QueryErrorKind("this query is nested too deeply", None, Code.ADQL_TOO_COMPLEX)
UNSUPPORTED = QueryErrorKind("the database does not support such a join or conversion", None, Code.REQUEST_UNSUPPORTED)
TYPE_MISMATCH = QueryErrorKind("operands in this query have types that do not fit", None, Code.ADQL_TYPE_MISMATCH)
