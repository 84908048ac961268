"""Whatever is written in the language either runs or is refused in words: typed random queries over the tables.

An EngineError here is SQL that the database refused, and so a gap in how we type; any other exception is a bug.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from tests.engines.writer import Writer
from vo_server.adql.planning.plan import plan
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax import tree
from vo_server.adql.syntax.parse import parse
from vo_server.adql.translate import translate
from vo_server.errors import TextSpan, UsageError

CASES = Path(__file__).resolve().parents[2].parent / "shared/standards/adql/adql_cases.jsonl"


def said(world: Any, text: str, planned: bool = True) -> str | list[Any]:
    """The rows, or the word of a refusal; anything else is a failure that tells the query."""
    try:
        return world.ask(text, planned)  # type: ignore[no-any-return]
    except UsageError as fault:
        return fault.code
    except Exception as error:
        raise AssertionError(f"{text}\n{type(error).__name__}: {error}\n{error.__cause__}") from error


@pytest.mark.parametrize("part", range(8))
def test_random_queries_run_or_are_refused(world: Any, part: int) -> None:
    outcomes = [said(world, Writer(seed).query()) for seed in range(part * 60, part * 60 + 60)]
    assert sum(isinstance(o, list) for o in outcomes) > len(outcomes) * 0.3, "hardly any query ran"


# ------------------------------------------------- the field's own queries, over our tables


def ours(node: Any) -> Any:
    """A tree with its tables and columns replaced by ones that there are; the shape of the query stays."""
    match node:
        case tree.TableName(names, alias, place):
            here = tree.Name("spots" if crc32(names[-1].text.encode()) % 4 == 0 else "stars", False, place)
            return tree.TableName((here,), alias or replace(names[-1], delimited=True), place)
        case tree.ColumnName(names):
            known = ("id", "ra", "dec", "id", "mag", "name")
            name = tree.Name(known[crc32(names[-1].text.lower().encode()) % len(known)], False, names[-1].place)
            return replace(node, names=(*names[:-1][-1:], name))
        case tuple():
            return tuple(map(ours, node))
        case _ if is_dataclass(node) and not isinstance(node, tree.Name | TextSpan | type):
            return replace(node, **{f.name: ours(getattr(node, f.name)) for f in fields(node)})
        case _:
            return node


@pytest.mark.skipif(not CASES.is_file(), reason=f"the ADQL case file is not at {CASES}")
def test_the_queries_of_the_field_run_or_are_refused(world: Any) -> None:
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    ran, refused = 0, 0
    for text in dict.fromkeys(case["adql"] for case in cases if case["valid"]):
        try:
            query = plan(
                resolve(ours(parse(text)), world.catalogue, text, world.engine.lacks()).query, world.engine.rows
            )
            statement, slots = translate(query, world.engine.locate)
            next(world.engine.run(statement, slots, timeout=5).batches(), None)
            ran += 1
        except UsageError as fault:
            refused += 1
            assert str(fault)
        except Exception as error:
            raise AssertionError(f"{text}\n{type(error).__name__}: {error}\n{error.__cause__}") from error
    assert ran > refused / 2
