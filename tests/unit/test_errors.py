"""Errors as text and as JSON, and the table of codes."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from vo_server.commands.terminal import print_error
from vo_server.errors import Code, NotFoundError, QueryError, ServiceError, TextSpan, UsageError, error_from_code

TEXT = "SELECT a,\n  b\nFROM t"


def several() -> QueryError:
    further = (
        QueryError("no column b", span=TextSpan(12, 13)),
        QueryError("no table t", span=TextSpan(19, 20), hint="u?"),
    )
    return QueryError("no column a", span=TextSpan(7, 8), other_errors=further).with_text(TEXT)


def test_error_without_a_span() -> None:
    assert NotFoundError("nothing").as_dict() == {"code": "REQUEST.NOT_FOUND", "message": "nothing"}
    assert QueryError("wrong", hint="so").as_dict() == {"code": "ADQL.INVALID", "message": "wrong", "hint": "so"}


def test_lists_all_errors_of_a_query() -> None:
    first = {"code": "ADQL.INVALID", "message": "no column a", "line": 1, "column": 8}
    second = {"code": "ADQL.INVALID", "message": "no column b", "line": 2, "column": 3}
    third = {"code": "ADQL.INVALID", "message": "no table t", "hint": "u?", "line": 3, "column": 6}
    assert several().as_dict() == first | {"errors": [first, second, third]}


def test_prints_all_errors_of_a_query_with_their_spans() -> None:
    shown = io.StringIO()
    print_error(Console(file=shown, highlight=False), several(), "q: ")
    assert shown.getvalue().splitlines() == [
        "q: line 1, column 8: no column a [ADQL.INVALID]",
        "  SELECT a,",
        "         ^",
        "q: line 2, column 3: no column b [ADQL.INVALID]",
        "    b",
        "    ^",
        "q: line 3, column 6: no table t [ADQL.INVALID]",
        "  FROM t",
        "       ^",
        "  u?",
    ]


def test_shortens_a_long_line_around_the_span() -> None:
    text = "x" * 500 + "here" + "y" * 500
    line, carets = TextSpan(500, 504).caret(text, 30).split("\n")
    assert len(line) == 60
    assert line[carets.index("^") : carets.rindex("^") + 1] == "here"


@pytest.mark.parametrize("code", Code)
def test_codes_are_dotted_and_explained(code: Code) -> None:
    assert re.fullmatch(r"[A-Z]+\.[A-Z]+(_[A-Z]+)*", code)
    assert code.name == code.replace(".", "_")
    assert code.meaning.endswith(".")


@pytest.mark.parametrize("code", Code)
def test_restores_an_error_from_its_code(code: Code) -> None:
    error = error_from_code(code, "text")
    assert (error.code, error.message) == (code, "text")
    assert type(error) is not ServiceError or code.startswith("SERVICE.")


def test_unknown_stored_code_is_an_internal_error() -> None:
    assert error_from_code("NO.SUCH_CODE", "text").code == Code.SERVICE_INTERNAL


def test_infos_carry_code_line_and_column() -> None:
    assert several().infos() == {"ERROR_CODE": "ADQL.INVALID", "ERROR_LINE": "1", "ERROR_COLUMN": "8"}
    assert UsageError("no", code=Code.UPLOAD_MALFORMED).infos() == {"ERROR_CODE": "UPLOAD.MALFORMED"}


def test_codes_of_earlier_jobs_are_known() -> None:
    assert error_from_code("QUERY", "no column x").code == Code.ADQL_INVALID
    assert error_from_code("TIMEOUT", "too slow").dali_name == "UsageFault"
