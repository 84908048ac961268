"""Errors that are reported to clients and operators, with their stable codes.

Each class carries its HTTP status and the error name that DALI and its children put first in an error text
(DALI 1.1 section 4.2, SIA 2.0 section 3.2, DataLink 1.1 section 3.4). Each error has a stable dotted code, which error
documents, the log and tests use. This module imports no HTTP library.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from typing_extensions import override

CONTEXT_CHARACTERS = 100
"""Characters that are shown before and after an error in a query text."""


class Code(StrEnum):
    """The stable code of an error; `meaning` is its one-line explanation in the documentation.

    A code never changes its meaning and is never reused.
    """

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Code:
        """Return the member for a code and its meaning."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    REQUEST_INVALID = "REQUEST.INVALID", "The request cannot be answered as it stands."
    REQUEST_MALFORMED = "REQUEST.MALFORMED", "The request body or its encoding cannot be read."
    REQUEST_MISSING_PARAMETER = "REQUEST.MISSING_PARAMETER", "A required parameter is missing."
    REQUEST_BAD_PARAMETER = "REQUEST.BAD_PARAMETER", "The value of a parameter is invalid or out of range."
    REQUEST_REPEATED_PARAMETER = "REQUEST.REPEATED_PARAMETER", "A parameter that may occur once occurs several times."
    REQUEST_BAD_REGION = "REQUEST.BAD_REGION", "A region, position or interval is not valid DALI syntax."
    REQUEST_UNSUPPORTED_FORMAT = "REQUEST.UNSUPPORTED_FORMAT", "The requested output format is not offered."
    REQUEST_UNSUPPORTED = "REQUEST.UNSUPPORTED", "The service does not support what the request asks for."
    REQUEST_NOT_FOUND = "REQUEST.NOT_FOUND", "There is no resource at this URL."
    REQUEST_METHOD_NOT_ALLOWED = "REQUEST.METHOD_NOT_ALLOWED", "The resource does not allow this HTTP method."
    REQUEST_TOO_LARGE = "REQUEST.TOO_LARGE", "The request or a value in it exceeds a size limit."

    ADQL_INVALID = "ADQL.INVALID", "The query is grammatical but has no valid meaning."
    ADQL_SYNTAX = "ADQL.SYNTAX", "The text is not a query in the grammar of ADQL."
    ADQL_EXTENSION = "ADQL.EXTENSION", "The query uses an extension to ADQL 2.1, and the service is strict."
    ADQL_TOO_COMPLEX = "ADQL.TOO_COMPLEX", "The query exceeds a limit of length, depth, tables, columns or terms."
    ADQL_UNKNOWN_TABLE = "ADQL.UNKNOWN_TABLE", "The query names a table that does not exist."
    ADQL_UNKNOWN_COLUMN = "ADQL.UNKNOWN_COLUMN", "The query names a column that does not exist in its FROM."
    ADQL_UNKNOWN_FUNCTION = "ADQL.UNKNOWN_FUNCTION", "The query calls a function that the service does not offer."
    ADQL_AMBIGUOUS_NAME = "ADQL.AMBIGUOUS_NAME", "A name could mean more than one table or column."
    ADQL_DUPLICATE_NAME = "ADQL.DUPLICATE_NAME", "Two tables, sub-queries or columns have the same name."
    ADQL_WRONG_ARGUMENTS = "ADQL.WRONG_ARGUMENTS", "A function is called with the wrong number or kind of arguments."
    ADQL_TYPE_MISMATCH = "ADQL.TYPE_MISMATCH", "An operand has a type that does not fit where it stands."
    ADQL_BAD_LITERAL = "ADQL.BAD_LITERAL", "A number, time, geometry, MOC or unit in the query is invalid."
    ADQL_BAD_AGGREGATION = "ADQL.BAD_AGGREGATION", "An aggregate or GROUP BY is used where it cannot be."
    ADQL_BAD_ORDER = "ADQL.BAD_ORDER", "ORDER BY names something that the result cannot be ordered by."
    ADQL_BAD_JOIN = "ADQL.BAD_JOIN", "The columns of NATURAL JOIN or USING do not fit each other."
    ADQL_COLUMN_COUNT = "ADQL.COLUMN_COUNT", "A sub-query or an operand of a set operation has the wrong columns."

    QUERY_TIMEOUT = "QUERY.TIMEOUT", "The query exceeded the time limit of the service."
    QUERY_CANCELLED = "QUERY.CANCELLED", "The client cancelled the query or disconnected."
    QUERY_TOO_LARGE = "QUERY.TOO_LARGE", "The query needs more memory or disk space than the service gives."
    QUERY_NOT_LOADED = "QUERY.NOT_LOADED", "The table is published, but its rows have not been loaded."
    QUERY_ROW_FAILED = "QUERY.ROW_FAILED", "An expression has no value for a row, such as a division by zero."
    QUERY_NOT_REPRESENTABLE = "QUERY.NOT_REPRESENTABLE", "The result has values that the output format cannot hold."

    UPLOAD_NOT_ALLOWED = "UPLOAD.NOT_ALLOWED", "The service or the host of the URL does not allow this upload."
    UPLOAD_BAD_REFERENCE = "UPLOAD.BAD_REFERENCE", "UPLOAD is malformed or refers to a part that the request lacks."
    UPLOAD_FETCH_FAILED = "UPLOAD.FETCH_FAILED", "The URL of an upload could not be fetched."
    UPLOAD_UNKNOWN_FORMAT = "UPLOAD.UNKNOWN_FORMAT", "The upload is not in a table format that the service reads."
    UPLOAD_MALFORMED = "UPLOAD.MALFORMED", "The uploaded table is damaged or contradicts itself."
    UPLOAD_UNSUPPORTED_TYPE = "UPLOAD.UNSUPPORTED_TYPE", "A column of the upload has a type that is not supported."
    UPLOAD_TOO_LARGE = "UPLOAD.TOO_LARGE", "The upload exceeds the limit of the service."

    JOB_NOT_FOUND = "JOB.NOT_FOUND", "There is no such job, parameter or result."
    JOB_WRONG_PHASE = "JOB.WRONG_PHASE", "The job is not in a phase that allows this."
    JOB_RESULT_TOO_LARGE = "JOB.RESULT_TOO_LARGE", "The result of the job exceeds the limit of the service."
    JOB_QUEUE_FULL = "JOB.QUEUE_FULL", "As many jobs wait as the service accepts."

    TABLE_NOT_FOUND = "TABLE.NOT_FOUND", "There is no such table, or no such coverage."

    IMAGE_NOT_FOUND = "IMAGE.NOT_FOUND", "There is no such image or data set, or its file is missing."
    IMAGE_UNREADABLE = "IMAGE.UNREADABLE", "The file of the image is damaged or not as the inventory says."
    IMAGE_NO_WCS = "IMAGE.NO_WCS", "The header of the image has no usable celestial coordinates."
    IMAGE_NO_OVERLAP = "IMAGE.NO_OVERLAP", "The requested region or band lies outside the image."
    IMAGE_UNSUPPORTED = "IMAGE.UNSUPPORTED", "The image has no band, plane or calibration that the request needs."
    IMAGE_TOO_LARGE = "IMAGE.TOO_LARGE", "The request covers more pixels or bytes than the limit allows."

    SERVICE_BUSY = "SERVICE.BUSY", "The service is busy, stopping or short of disk; repeat the request later."
    SERVICE_UNAVAILABLE = (
        "SERVICE.UNAVAILABLE",
        "The database, the job store or another address cannot be used now.",
    )
    SERVICE_INTERNAL = "SERVICE.INTERNAL", "The service failed; the log has the reason under the request id."

    LOAD_FAILED = "LOAD.FAILED", "A file cannot be loaded."
    LOAD_UNREADABLE = "LOAD.UNREADABLE", "An input file is missing, damaged or in an unknown format."
    LOAD_BAD_ROW = "LOAD.BAD_ROW", "A row violates the catalogue file, and bad rows are not skipped."
    LOAD_MISMATCH = "LOAD.MISMATCH", "The columns of a file do not fit the catalogue file."
    CATALOGUE_INVALID = "CATALOGUE.INVALID", "A catalogue file is invalid or conflicts with another one."
    SETTINGS_INVALID = "SETTINGS.INVALID", "A setting or a command-line option has an invalid value."


@dataclass(frozen=True, slots=True)
class TextSpan:
    """A stretch of a text as character offsets: `start` is its first character, `end` the one after its last."""

    start: int
    end: int

    def line_column(self, text: str) -> tuple[int, int]:
        """Return line and column of the start, both counted from 1."""
        before = text[: self.start]
        return before.count("\n") + 1, self.start - (before.rfind("\n") + 1) + 1

    def caret(self, text: str, around: int = CONTEXT_CHARACTERS) -> str:
        """Return the line of the text that holds the start and, below it, carets under the span.

        Of a long line only `around` characters before and after the span are shown.
        """
        begin = text.rfind("\n", 0, self.start) + 1
        end = text.find("\n", self.start)
        end = len(text) if end < 0 else end
        first, last = max(begin, self.start - around), min(end, self.start + around)
        lead = text[first : self.start]
        pad = "".join("\t" if c == "\t" else " " for c in lead)
        width = max(1, min(self.end, last) - self.start)
        return f"{text[first:last]}\n{pad}{'^' * width}"


class ServiceError(Exception):
    """An error that is reported to a client or an operator, with its code, message and hint.

    `code` defaults to the `default_code` of the class.
    """

    status: ClassVar[int] = 500
    dali_name: ClassVar[str] = "FatalFault"
    default_code: ClassVar[Code] = Code.SERVICE_INTERNAL

    def __init__(self, message: str, *, hint: str | None = None, code: Code | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code

    @override
    def __str__(self) -> str:
        """Return the message and the hint, if there is one, in one paragraph."""
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def as_dict(self) -> dict[str, Any]:
        """Return code, message and hint for JSON; what is unknown is left out."""
        return {"code": str(self.code), "message": self.message} | ({"hint": self.hint} if self.hint else {})

    def infos(self) -> dict[str, str]:
        """Return the code under the name that error documents use for it."""
        return {"ERROR_CODE": str(self.code)}


class UsageError(ServiceError):
    """An invalid request, which the client must change."""

    status = 400
    dali_name = "UsageFault"
    default_code = Code.REQUEST_INVALID


class QueryError(UsageError):
    """An invalid query, in syntax or in meaning, with the span of the error in its text.

    `other_errors` are further errors of the same query, each with a span of its own and no further errors.
    """

    default_code = Code.ADQL_INVALID

    def __init__(
        self,
        message: str,
        *,
        text: str = "",
        span: TextSpan | None = None,
        hint: str | None = None,
        other_errors: tuple[QueryError, ...] = (),
        code: Code | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.text = text
        self.span = span
        self.other_errors = other_errors

    def with_text(self, text: str) -> QueryError:
        """Set the query text that the spans refer to, where it is not set yet, and return the error itself."""
        for error in (self, *self.other_errors):
            error.text = error.text or text
        return self

    @override
    def __str__(self) -> str:
        """Return line, column, message, hint and carets under the span; each further error after an empty line."""
        return "\n\n".join((self._without_others(), *map(str, self.other_errors)))

    def _without_others(self) -> str:
        text = super().__str__()
        if self.span is None or not self.text:
            return text
        line, column = self.span.line_column(self.text)
        return f"Line {line}, column {column}: {text}\n{self.span.caret(self.text)}"

    @override
    def as_dict(self) -> dict[str, Any]:
        """Return the entries of ServiceError with `line` and `column`, both from 1, where the span is known; with
        several errors, `errors` lists all of them, this one first."""
        entries = super().as_dict()
        if self.span is not None:
            entries["line"], entries["column"] = self.span.line_column(self.text)
        others = [error.as_dict() for error in self.other_errors]
        return entries | ({"errors": [dict(entries), *others]} if others else {})

    @override
    def infos(self) -> dict[str, str]:
        """Return the code and, where the span is known, line and column, both from 1."""
        entries = super().infos()
        if self.span is not None and self.text:
            line, column = self.span.line_column(self.text)
            entries |= {"ERROR_LINE": str(line), "ERROR_COLUMN": str(column)}
        return entries


class RepeatedParameterError(UsageError):
    """A parameter that is repeated, but may occur only once (DALI 1.1 section 3.2)."""

    default_code = Code.REQUEST_REPEATED_PARAMETER


class NotFoundError(UsageError):
    """A request for a resource that does not exist."""

    status = 404
    dali_name = "NotFoundFault"
    default_code = Code.REQUEST_NOT_FOUND


class MethodNotAllowedError(UsageError):
    """An HTTP method that the resource does not allow (VOSI 1.1 section 2)."""

    status = 405
    default_code = Code.REQUEST_METHOD_NOT_ALLOWED


class PhaseError(UsageError):
    """A request that the phase of the job does not allow (UWS 1.1 section 2.2)."""

    status = 403
    default_code = Code.JOB_WRONG_PHASE


class TooLargeError(UsageError):
    """A request that exceeds the declared limit of the service."""

    status = 413
    default_code = Code.REQUEST_TOO_LARGE


class QueryTimeoutError(ServiceError):
    """A query that exceeds the time limit of the service."""

    status = 400
    dali_name = "UsageFault"
    default_code = Code.QUERY_TIMEOUT


class QueryCancelledError(ServiceError):
    """A query that the client aborted, or whose client disconnected."""

    status = 499
    default_code = Code.QUERY_CANCELLED


class BusyError(ServiceError):
    """A request that the service cannot accept now; it may succeed after `retry_after_seconds`."""

    status = 503
    dali_name = "TransientFault"
    default_code = Code.SERVICE_BUSY

    def __init__(
        self, message: str, *, hint: str | None = None, retry_after_seconds: int = 10, code: Code | None = None
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retry_after_seconds = retry_after_seconds


class EngineError(ServiceError):
    """A failure of the database, whose own message goes to the log and not to the client."""


class LoadError(ServiceError):
    """Input that cannot be loaded: the message names the file, the line and the column."""

    default_code = Code.LOAD_FAILED


class CatalogueError(ServiceError):
    """A catalogue file that contradicts itself or the standards."""

    default_code = Code.CATALOGUE_INVALID


class NoPixelsError(UsageError):
    """A requested region outside the image: the response is empty (SODA 1.0 section 5.1)."""

    status = 204
    default_code = Code.IMAGE_NO_OVERLAP


class ImageError(ServiceError):
    """An image file that cannot be read; its path goes to the log and not to the client."""

    default_code = Code.IMAGE_UNREADABLE


class ImageNotFoundError(ImageError):
    """An image file that is missing at the path in the inventory."""

    status = 404
    dali_name = "NotFoundFault"
    default_code = Code.IMAGE_NOT_FOUND


def error_from_code(code: str, message: str) -> ServiceError:
    """Return the error whose code and message were stored, as in a job.

    A code that no version of the server has known gives an internal error.
    """
    known = next((member for member in Code if member == code), _FORMER_CODES.get(code))
    if known is None:
        return ServiceError(message)
    family = known.partition(".")[0]
    return _CLASSES.get(known, _FAMILIES.get(family, UsageError))(message, code=known)


_FORMER_CODES = {
    "USAGE": Code.REQUEST_INVALID,
    "QUERY": Code.ADQL_INVALID,
    "NOTFOUND": Code.REQUEST_NOT_FOUND,
    "TOOLARGE": Code.REQUEST_TOO_LARGE,
    "TIMEOUT": Code.QUERY_TIMEOUT,
    "BUSY": Code.SERVICE_BUSY,
    "NOPIXELS": Code.IMAGE_NO_OVERLAP,
    "IMAGE": Code.IMAGE_UNREADABLE,
    "NOIMAGE": Code.IMAGE_NOT_FOUND,
}
"""The codes that jobs were stored with before codes had dots; other former codes were of internal errors."""

_FAMILIES: dict[str, type[ServiceError]] = {
    "ADQL": QueryError,
    "SERVICE": ServiceError,
    "LOAD": LoadError,
    "CATALOGUE": CatalogueError,
}
"""The classes of the codes by the part before the dot; UsageError for the rest."""

_CLASSES: dict[Code, type[ServiceError]] = {
    Code.REQUEST_REPEATED_PARAMETER: RepeatedParameterError,
    Code.REQUEST_NOT_FOUND: NotFoundError,
    Code.REQUEST_METHOD_NOT_ALLOWED: MethodNotAllowedError,
    Code.REQUEST_TOO_LARGE: TooLargeError,
    Code.QUERY_TIMEOUT: QueryTimeoutError,
    Code.QUERY_CANCELLED: QueryCancelledError,
    Code.UPLOAD_TOO_LARGE: TooLargeError,
    Code.JOB_NOT_FOUND: NotFoundError,
    Code.JOB_WRONG_PHASE: PhaseError,
    Code.JOB_QUEUE_FULL: BusyError,
    Code.TABLE_NOT_FOUND: NotFoundError,
    Code.IMAGE_NOT_FOUND: ImageNotFoundError,
    Code.IMAGE_UNREADABLE: ImageError,
    Code.IMAGE_NO_OVERLAP: NoPixelsError,
    Code.IMAGE_TOO_LARGE: TooLargeError,
    Code.SERVICE_BUSY: BusyError,
    Code.SERVICE_UNAVAILABLE: BusyError,
}
"""The classes of the codes that are not their family's."""
