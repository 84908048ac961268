"""What faults tell to programs and to people."""

from __future__ import annotations

import io

from rich.console import Console

from vo_server.commands.terminal import told
from vo_server.errors import NotFoundFault, Place, QueryFault

TEXT = "SELECT a,\n  b\nFROM t"


def several() -> QueryFault:
    further = (QueryFault("no column b", place=Place(12, 13)), QueryFault("no table t", place=Place(19, 20), hint="u?"))
    return QueryFault("no column a", place=Place(7, 8), further=further).within(TEXT)


def test_a_fault_without_a_place() -> None:
    assert NotFoundFault("nothing").told() == {"code": "NOTFOUND", "message": "nothing"}
    assert QueryFault("wrong", hint="so").told() == {"code": "QUERY", "message": "wrong", "hint": "so"}


def test_all_faults_of_a_query_are_listed() -> None:
    first = {"code": "QUERY", "message": "no column a", "line": 1, "column": 8}
    second = {"code": "QUERY", "message": "no column b", "line": 2, "column": 3}
    third = {"code": "QUERY", "message": "no table t", "hint": "u?", "line": 3, "column": 6}
    assert several().told() == first | {"errors": [first, second, third]}


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
    line, carets = Place(500, 504).caret(text, 30).split("\n")
    assert len(line) == 60
    assert line[carets.index("^") : carets.rindex("^") + 1] == "here"
