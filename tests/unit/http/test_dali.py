"""Parameters of a request: case, repeats, numbers, MAXREC (DALI 1.1 section 3)."""

from __future__ import annotations

import pytest

from vo_server.errors import Code, RepeatedParameterError, UsageError
from vo_server.http.dali import Parameters


def given(*pairs: tuple[str, str]) -> Parameters:
    return Parameters(pairs)


def test_names_have_no_case_and_values_have() -> None:
    assert given(("QuErY", "Select")).get("query") == "Select"


def test_missing_and_empty_are_the_same() -> None:
    assert given().get("QUERY") is None
    assert given(("QUERY", "")).get("QUERY") is None


def test_a_repeated_parameter_is_refused_by_name() -> None:
    with pytest.raises(RepeatedParameterError) as caught:
        given(("QUERY", "a"), ("query", "a")).get("query")
    assert (caught.value.status, caught.value.code) == (400, Code.REQUEST_REPEATED_PARAMETER)
    assert "QUERY" in str(caught.value)


@pytest.mark.parametrize("text", ["", "abc", "nan", "inf", "1e999", "360.001", "-0.1", "1,5"])
def test_a_number_out_of_bounds_or_none(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        given(("RA", text)).get_number("RA", 0, 360, "degrees")
    assert raised.value.code == (Code.REQUEST_BAD_PARAMETER if text else Code.REQUEST_MISSING_PARAMETER)


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("360", 360.0), (" 12.5 ", 12.5), ("1e2", 100.0), ("+5", 5.0)])
def test_a_number_in_bounds(text: str, value: float) -> None:
    assert given(("ra", text)).get_number("RA", 0, 360, "degrees") == value


@pytest.mark.parametrize(("text", "rows"), [(None, 100), ("0", 0), ("7", 7), ("5000", 1000)])
def test_maxrec_is_cut_at_the_hard_limit(text: str | None, rows: int) -> None:
    parameters = given() if text is None else given(("MAXREC", text))
    assert parameters.get_maxrec(100, 1000) == rows


@pytest.mark.parametrize("text", ["-1", "1.5", "many", "0x10", "٣x"])
def test_maxrec_that_is_no_whole_number(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        given(("maxrec", text)).get_maxrec(100, 1000)
    assert raised.value.code == Code.REQUEST_BAD_PARAMETER
