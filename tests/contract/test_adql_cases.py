"""Published ADQL queries with their verdicts: valid ones parse, invalid ones give an error with a span."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vo_server.adql.syntax.parse import parse
from vo_server.errors import Code, QueryError

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "standards" / "adql"
FILES = ("adql_cases.jsonl", "adql_cases_generated.jsonl", "adql_cases_v20_only.jsonl")

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"the ADQL case files are not at {CASES}")

EXCEPTIONS: dict[str, str] = {}
"""Cases whose verdict is not that of the file: the reason by id, or by text for generated cases, which have no id."""

EXTENSION_SOURCES = ("generated:limit",)
"""Sources of generated cases that are extensions: these have no kind."""

Case = dict[str, Any]


def read_cases() -> list[Case]:
    """Return all cases; those of the last file have their verdicts for ADQL 2.0, and all are valid in 2.1."""
    rows = []
    for name in FILES:
        for line in (CASES / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            rows.append(row | {"valid": True} if name == FILES[2] else row)
    return [row for row in rows if row.get("id", row["adql"]) not in EXCEPTIONS]


def parse_error(text: str, strict: bool) -> QueryError | None:
    """Return the error that a query gives, if there is one."""
    try:
        parse(text, strict)
    except QueryError as error:
        return error
    return None


def is_extension(case: Case) -> bool:
    """Return whether a case is an extension that is accepted unless strict mode is on."""
    return case.get("kind") == "extension" or case["source"].startswith(EXTENSION_SOURCES)


@pytest.mark.parametrize("strict", [True, False])
def test_valid_queries_parse(strict: bool) -> None:
    valid = [case["adql"] for case in read_cases() if case["valid"]]
    assert len(valid) > 950
    errors = {text: str(error) for text in valid if (error := parse_error(text, strict))}
    assert errors == {}


def test_rejects_malformed_queries_with_a_span() -> None:
    malformed = [case["adql"] for case in read_cases() if not case["valid"] and not is_extension(case)]
    assert len(malformed) > 800
    for strict in (True, False):
        errors = {text: parse_error(text, strict) for text in malformed}
        assert [text for text, error in errors.items() if error is None] == []
        for text, error in errors.items():
            assert error is not None and error.span is not None and error.text == text
            assert error.code != Code.ADQL_INVALID
            assert 0 <= error.span.start <= error.span.end <= len(text)


def test_strict_mode_rejects_extensions() -> None:
    extensions = [case["adql"] for case in read_cases() if not case["valid"] and is_extension(case)]
    assert len(extensions) > 100
    assert [text for text in extensions if parse_error(text, strict=True) is None] == []


def test_score_by_source(capsys: pytest.CaptureFixture[str]) -> None:
    """Print the number of correct verdicts by source, to show what a change of the grammar affects."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for case in read_cases():
        source = case["source"].partition(":")[0]
        total[source] += 1
        right[source] += (parse_error(case["adql"], strict=True) is None) == case["valid"]
    with capsys.disabled():
        print("\nADQL cases decided as marked, read strictly")
        for source, n in total.most_common():
            print(f"  {right[source]:5} of {n:5}  {source}")
    assert right == total


def test_contested_queries_raise_no_other_exception() -> None:
    for line in (CASES / "adql_cases_contested.jsonl").read_text(encoding="utf-8").splitlines():
        for strict in (True, False):
            parse_error(json.loads(line)["adql"], strict)
