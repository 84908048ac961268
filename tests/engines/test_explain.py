"""Explanations of each engine: SQL that can be run as it stands, and its plan."""

from __future__ import annotations

import pyarrow as pa
import pytest
import sqlalchemy as sa

from tests.engines.conftest import World
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.answer import prepare
from vo_server.catalogue.catalogue import Schema
from vo_server.engines.engine import CompiledStatement, QueryPlan, iterate_steps, to_literal
from vo_server.explain import WRITERS, ExplainRequest, explain
from vo_server.model import types
from vo_server.model.column import Column, Table

CONE = "1 = CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 2.5))"

QUERIES = [
    "SELECT id, ra, mag FROM sky.stars WHERE mag > 8.5 AND small < -3 ORDER BY id",
    f"SELECT id, DISTANCE(ra, dec, 10, -20.5) AS d FROM sky.stars WHERE {CONE} ORDER BY id",
    "SELECT id FROM sky.stars WHERE 1 = CONTAINS(POINT(ra, dec), POLYGON(5, 15, 15, 15, 15, 25, 5, 25)) ORDER BY id",
    "SELECT id FROM sky.stars WHERE 1 = CONTAINS(POINT(ra, dec), MOC('3/300-320 5/9000')) ORDER BY id",
    "SELECT id, s_region FROM sky.footprints WHERE 1 = INTERSECTS(s_region, MOC('3/300-320')) ORDER BY id",
    "SELECT id, name FROM sky.stars WHERE name IN ('it''s', '\\%', 'ÄÖ', '$1') ORDER BY id",
    "SELECT id AS \"a $1 'b\" FROM sky.stars WHERE name = 'x y' AND id < 300 ORDER BY id",
    "SELECT id, moment FROM sky.stars WHERE moment > '2000-01-01T15:00:00' ORDER BY id",
    "SELECT COUNT(*) AS n, AVG(x * 1e-3) AS x FROM sky.stars WHERE big > 12345678901234",
    "SELECT flag, ivo_string_agg(name, '; ') AS h FROM sky.stars WHERE id < 40 GROUP BY flag ORDER BY flag",
    f"SELECT id FROM sky.stars WHERE id IN ({', '.join(map(str, range(0, 2000, 3)))}) ORDER BY id",
    "SELECT s.id, p.spot FROM sky.stars AS s JOIN sky.spots AS p"
    " ON DISTANCE(s.ra, s.dec, p.ra, p.dec) < 1.5 ORDER BY s.id, p.spot",
    "SELECT TOP 3 table_name FROM tap_schema.tables WHERE schema_name = 'sky' ORDER BY table_name",
]


def explain_query(world: World, text: str, maxrec: int = 2000) -> QueryPlan:
    prepared = prepare(world.resolve(text, planned=False), world.engine, maxrec)
    return world.engine.explain(prepared.statement, prepared.parameters, brief=prepared.is_small, timeout=30)


@pytest.mark.parametrize("text", QUERIES)
def test_explained_sql_gives_result(world: World, text: str) -> None:
    sql = explain_query(world, text).sql
    statement = sa.text(sql.replace(":", "\\:"))
    run = world.engine.run(statement)  # type: ignore[arg-type]
    rows = [tuple(row.values()) for batch in run.read_batches() for row in batch.to_pylist()]
    assert rows == world.ask(text)
    assert rows


@pytest.mark.parametrize("text", QUERIES)
def test_plan_names_tables_and_estimates_rows(world: World, text: str) -> None:
    plan = explain_query(world, text).plan
    words = " ".join(f"{step.name} {' '.join(step.details.values())}" for step in iterate_steps(plan)).lower()
    assert "scan" in words
    assert any(step.rows for step in iterate_steps(plan))


def test_complete_explanation(world: World) -> None:
    text = (
        "SELECT s.id, p.spot FROM sky.stars AS s JOIN sky.spots AS p ON DISTANCE(s.ra, s.dec, p.ra, p.dec) < 1"
        " WHERE 1 = CONTAINS(POINT(s.ra, s.dec), CIRCLE(10, 20, 2.5))"
    )
    resolved = resolve(parse(text), world.catalogue, text)
    explanation = explain(ExplainRequest(text, resolved, world.engine, 1000))
    stars, spots = explanation.reads
    assert (stars.name, stars.rows) == ("s", len(world.stars["id"]))
    assert (spots.name, spots.rows) == ("p", len(world.spots["spot"]))
    assert stars.coverage is not None and 0 < stars.coverage.sky < 0.01
    assert spots.coverage is not None and stars.coverage.sky < spots.coverage.sky < 0.01, "a degree wider"
    (join,) = explanation.joins
    assert (join.unnested, join.other) == ("p", "s")
    assert explanation.estimate.engine is not None
    assert [c.name for c in explanation.columns] == ["id", "spot"]
    for write in WRITERS.values():
        assert explanation.engine.engine.encode() in write(explanation)


def test_reads_no_rows(world: World) -> None:
    """A query that would fail on its rows is explained."""
    assert explain_query(world, "SELECT CAST(name AS INTEGER) AS n FROM sky.stars").plan.inputs


def test_explains_upload(world: World) -> None:
    rows = pa.table({"ra": [10.0, 11.0], "dec": [20.0, 21.0]})
    table = Table("TAP_UPLOAD", "Mine", tuple(Column(n, types.DOUBLE) for n in ("ra", "dec")))
    catalogue = world.catalogue.with_tables((table,), Schema("TAP_UPLOAD"))
    text = "SELECT s.id FROM sky.stars AS s JOIN TAP_UPLOAD.Mine AS m ON DISTANCE(s.ra, s.dec, m.ra, m.dec) < 0.1"
    prepared = prepare(resolve(parse(text), catalogue, text).query, world.engine, 100)
    explanation = world.engine.explain(
        prepared.statement, prepared.parameters, uploads={"Mine": rows}, brief=prepared.is_small
    )
    assert "upload_mine" in explanation.sql
    assert any("join" in step.name.lower() or step.name == "Nested Loop" for step in iterate_steps(explanation.plan))


def test_shows_values_as_literals() -> None:
    compiled = CompiledStatement("""SELECT "a$1", 'it''s $2', $2, x - $1, $3, $4 FROM t""", ("a", "b", "c", "d"), {})
    statement = CompiledStatement(compiled.text, compiled.names, {"a": -1.5, "b": "it's", "c": None, "d": (1, True)})
    assert (
        statement.with_values(()) == """SELECT "a$1", 'it''s $2', 'it''s', x - (-1.5e0), NULL, ARRAY[1, TRUE] FROM t"""
    )
    assert to_literal(float("inf")) == "CAST('inf' AS DOUBLE PRECISION)"
    assert to_literal(1e-9) == "1e-09"
