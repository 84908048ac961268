"""The field's queries with their verdicts: what is valid parses, strictly too; what is not is refused with a place."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vo_server.adql.syntax.parse import parse
from vo_server.errors import QueryError

HERE = Path(__file__).resolve().parents[2].parent / "shared" / "standards" / "adql"
FILES = ("adql_cases.jsonl", "adql_cases_generated.jsonl", "adql_cases_v20_only.jsonl")

pytestmark = pytest.mark.skipif(not HERE.is_dir(), reason=f"the ADQL case files are not at {HERE}")

IMPOSSIBLE: dict[str, str] = {}
"""Cases that we do not decide as the file does: id (generated ones have none: their text) and why."""

AS_EXTENSION = ("generated:limit",)
"""Generated cases carry no kind; these are extensions that we accept unless read strictly."""

Case = dict[str, Any]


def cases() -> list[Case]:
    """All rows; those of the last file are marked under ADQL 2.0, all of them valid in 2.1."""
    rows = []
    for name in FILES:
        for line in (HERE / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            rows.append(row | {"valid": True} if name == FILES[2] else row)
    return [row for row in rows if row.get("id", row["adql"]) not in IMPOSSIBLE]


def fault(text: str, strict: bool) -> QueryError | None:
    try:
        parse(text, strict)
    except QueryError as said:
        return said
    return None


def is_extension(case: Case) -> bool:
    return case.get("kind") == "extension" or case["source"].startswith(AS_EXTENSION)


@pytest.mark.parametrize("strict", [True, False])
def test_valid_queries_parse(strict: bool) -> None:
    valid = [case["adql"] for case in cases() if case["valid"]]
    assert len(valid) > 950
    wrong = {text: str(said) for text in valid if (said := fault(text, strict))}
    assert wrong == {}


def test_malformed_queries_are_refused_with_their_place() -> None:
    malformed = [case["adql"] for case in cases() if not case["valid"] and not is_extension(case)]
    assert len(malformed) > 800
    for strict in (True, False):
        faults = {text: fault(text, strict) for text in malformed}
        assert [text for text, said in faults.items() if said is None] == []
        for text, said in faults.items():
            assert said is not None and said.span is not None and said.text == text
            assert 0 <= said.span.start <= said.span.end <= len(text)


def test_extensions_are_refused_when_read_strictly() -> None:
    extensions = [case["adql"] for case in cases() if not case["valid"] and is_extension(case)]
    assert len(extensions) > 100
    assert [text for text in extensions if fault(text, strict=True) is None] == []


def test_the_score_by_source(capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, so that a change of the language shows where it counts: pytest -s."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for case in cases():
        source = case["source"].partition(":")[0]
        total[source] += 1
        right[source] += (fault(case["adql"], strict=True) is None) == case["valid"]
    with capsys.disabled():
        print("\nADQL cases decided as marked, read strictly")
        for source, n in total.most_common():
            print(f"  {right[source]:5} of {n:5}  {source}")
    assert right == total


def test_contested_queries_have_a_verdict_without_another_exception() -> None:
    for line in (HERE / "adql_cases_contested.jsonl").read_text(encoding="utf-8").splitlines():
        for strict in (True, False):
            fault(json.loads(line)["adql"], strict)
