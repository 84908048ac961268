"""Random typed queries over the tables: each one runs or is rejected with a UsageError.

An EngineError means SQL that the database rejects, a gap in the types; any other exception is a bug.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from tests.engines.writer import QueryWriter
from vo_server.adql.planning.plan import plan
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax import tree
from vo_server.adql.syntax.parse import parse
from vo_server.adql.translate import translate
from vo_server.errors import TextSpan, UsageError

CASES = Path(__file__).resolve().parents[2].parent / "shared/standards/adql/adql_cases.jsonl"


def run_query(world: Any, text: str, planned: bool = True) -> str | list[Any]:
    """Return the rows, or the code of the error; any other exception is a failure that shows the query."""
    try:
        return world.ask(text, planned)  # type: ignore[no-any-return]
    except UsageError as error:
        return error.code
    except Exception as error:
        raise AssertionError(f"{text}\n{type(error).__name__}: {error}\n{error.__cause__}") from error


@pytest.mark.parametrize("part", range(8))
def test_random_queries_run_or_are_rejected(world: Any, part: int) -> None:
    outcomes = [run_query(world, QueryWriter(seed).write_query()) for seed in range(part * 60, part * 60 + 60)]
    assert sum(isinstance(o, list) for o in outcomes) > len(outcomes) * 0.3, "hardly any query ran"


# ------------------------------------------------- the shared query collection, over our tables


def map_tree(node: Any) -> Any:
    """Return a tree with its tables and columns replaced by existing ones; the shape of the query stays."""
    match node:
        case tree.TableName(names, alias, span):
            table = tree.Identifier("spots" if crc32(names[-1].text.encode()) % 4 == 0 else "stars", False, span)
            return tree.TableName((table,), alias or replace(names[-1], delimited=True), span)
        case tree.ColumnName(names):
            columns = ("id", "ra", "dec", "id", "mag", "name")
            name = tree.Identifier(
                columns[crc32(names[-1].text.lower().encode()) % len(columns)], False, names[-1].span
            )
            return replace(node, names=(*names[:-1][-1:], name))
        case tuple():
            return tuple(map(map_tree, node))
        case _ if is_dataclass(node) and not isinstance(node, tree.Identifier | TextSpan | type):
            return replace(node, **{f.name: map_tree(getattr(node, f.name)) for f in fields(node)})
        case _:
            return node


@pytest.mark.skipif(not CASES.is_file(), reason=f"the ADQL case file is not at {CASES}")
def test_shared_queries_run_or_are_rejected(world: Any) -> None:
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    run_count, rejected_count = 0, 0
    for text in dict.fromkeys(case["adql"] for case in cases if case["valid"]):
        try:
            query = plan(
                resolve(map_tree(parse(text)), world.catalogue, text, world.engine.unsupported_functions()).query,
                world.engine.count_rows,
            )
            statement, slots = translate(query, world.engine.locate)
            next(world.engine.run(statement, slots, timeout=5).read_batches(), None)
            run_count += 1
        except UsageError as error:
            rejected_count += 1
            assert str(error)
        except Exception as error:
            raise AssertionError(f"{text}\n{type(error).__name__}: {error}\n{error.__cause__}") from error
    assert run_count > rejected_count / 2
