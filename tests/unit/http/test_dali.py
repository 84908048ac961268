"""Parameters of a request: case, repeats, numbers, MAXREC (DALI 1.1 section 3)."""

from __future__ import annotations

import pytest

from vo_server.errors import Code, RepeatedParameterError, UsageError
from vo_server.http.dali import Parameters


def make_parameters(*pairs: tuple[str, str]) -> Parameters:
    return Parameters(pairs)


def test_names_ignore_case() -> None:
    assert make_parameters(("QuErY", "Select")).get("query") == "Select"


def test_empty_equals_missing() -> None:
    assert make_parameters().get("QUERY") is None
    assert make_parameters(("QUERY", "")).get("QUERY") is None


def test_rejects_repeated_parameter() -> None:
    with pytest.raises(RepeatedParameterError) as raised:
        make_parameters(("QUERY", "a"), ("query", "a")).get("query")
    assert (raised.value.status, raised.value.code) == (400, Code.REQUEST_REPEATED_PARAMETER)
    assert "QUERY" in str(raised.value)


@pytest.mark.parametrize("text", ["", "abc", "nan", "inf", "1e999", "360.001", "-0.1", "1,5"])
def test_rejects_invalid_numbers(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        make_parameters(("RA", text)).get_number("RA", 0, 360, "degrees")
    assert raised.value.code == (Code.REQUEST_BAD_PARAMETER if text else Code.REQUEST_MISSING_PARAMETER)


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("360", 360.0), (" 12.5 ", 12.5), ("1e2", 100.0), ("+5", 5.0)])
def test_parses_numbers(text: str, value: float) -> None:
    assert make_parameters(("ra", text)).get_number("RA", 0, 360, "degrees") == value


@pytest.mark.parametrize(("text", "rows"), [(None, 100), ("0", 0), ("7", 7), ("5000", 1000)])
def test_maxrec_is_limited(text: str | None, rows: int) -> None:
    parameters = make_parameters() if text is None else make_parameters(("MAXREC", text))
    assert parameters.get_maxrec(100, 1000) == rows


@pytest.mark.parametrize("text", ["-1", "1.5", "many", "0x10", "٣x"])
def test_rejects_invalid_maxrec(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        make_parameters(("maxrec", text)).get_maxrec(100, 1000)
    assert raised.value.code == Code.REQUEST_BAD_PARAMETER
