"""What faults tell to programs and to people."""

from __future__ import annotations

import io

from rich.console import Console

from vo_server.commands.terminal import told
from vo_server.errors import NotFoundError, QueryError, TextSpan

TEXT = "SELECT a,\n  b\nFROM t"


def several() -> QueryError:
    further = (
        QueryError("no column b", span=TextSpan(12, 13)),
        QueryError("no table t", span=TextSpan(19, 20), hint="u?"),
    )
    return QueryError("no column a", span=TextSpan(7, 8), other_errors=further).with_text(TEXT)


def test_a_fault_without_a_place() -> None:
    assert NotFoundError("nothing").as_dict() == {"code": "NOTFOUND", "message": "nothing"}
    assert QueryError("wrong", hint="so").as_dict() == {"code": "QUERY", "message": "wrong", "hint": "so"}


def test_all_faults_of_a_query_are_listed() -> None:
    first = {"code": "QUERY", "message": "no column a", "line": 1, "column": 8}
    second = {"code": "QUERY", "message": "no column b", "line": 2, "column": 3}
    third = {"code": "QUERY", "message": "no table t", "hint": "u?", "line": 3, "column": 6}
    assert several().as_dict() == first | {"errors": [first, second, third]}


def test_all_faults_of_a_query_are_shown_with_their_places() -> None:
    shown = io.StringIO()
    told(Console(file=shown, highlight=False), several(), "q: ")
    assert shown.getvalue().splitlines() == [
        "q: line 1, column 8: no column a",
        "  SELECT a,",
        "         ^",
        "q: line 2, column 3: no column b",
        "    b",
        "    ^",
        "q: line 3, column 6: no table t",
        "  FROM t",
        "       ^",
        "  u?",
    ]


def test_of_a_long_line_the_part_about_the_place_is_shown() -> None:
    text = "x" * 500 + "here" + "y" * 500
    line, carets = TextSpan(500, 504).caret(text, 30).split("\n")
    assert len(line) == 60
    assert line[carets.index("^") : carets.rindex("^") + 1] == "here"
