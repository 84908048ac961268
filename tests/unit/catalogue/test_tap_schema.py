"""TAP_SCHEMA describes the catalogue and itself consistently (TAP 1.1 section 4)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.shipped import SHIPPED
from vo_server.catalogue.catalogue import Catalogue, Schema
from vo_server.catalogue.tap_schema import add_tap_schema, build_rows, load_tap_schema
from vo_server.model.column import Column, Key, Table
from vo_server.model.types import CIRCLE, CLOB, INTEGER, POINT, POLYGON, TIMESTAMP, UNICODE, VARCHAR

STANDARD = Path(__file__).resolve().parents[4] / "shared" / "standards" / "tables" / "tap_schema_columns.json"
DATATYPES = {"boolean", "unsignedByte", "short", "int", "long", "float", "double", "char", "unicodeChar"}


@cache
def catalogue() -> Catalogue:
    return SHIPPED


@cache
def rows() -> dict[str, list[dict[str, Any]]]:
    return {name: table.to_pylist() for name, table in build_rows(catalogue()).items()}


@pytest.mark.skipif(not STANDARD.is_file(), reason="the folder of standards is not beside the repository")
def test_columns_are_those_of_the_standard() -> None:
    standard = json.loads(STANDARD.read_text("utf-8"))
    families = {"string": "text", "integer": "integer"}
    _, tables = load_tap_schema()
    assert [f"TAP_SCHEMA.{t.name}" for t in tables] == list(standard["tables"])
    for table in tables:
        expected = standard["tables"][f"TAP_SCHEMA.{table.name}"]
        assert [(c.name, c.type.family, not c.nullable, c.std) for c in table.columns] == [
            (e["name"].strip('"'), families[e["type"]], e["not_null"], True) for e in expected
        ]
        assert all(c.arraysize in ("*", None) for c in table.columns)
    keys = [[f"TAP_SCHEMA.{t.name}", *_pair(k)] for t in tables for k in t.keys]
    assert keys == standard["foreign_keys"]


def _pair(key: Key) -> list[str]:
    ((here, there),) = key.columns
    return [here, key.target.replace("tap_schema", "TAP_SCHEMA"), there]


def test_schemas_and_tables() -> None:
    assert [r["schema_name"] for r in rows()["schemas"]] == ["twomass", "tap_schema"]
    assert [r["schema_index"] for r in rows()["schemas"]] == [1, 2]
    assert [(r["table_name"], r["table_type"]) for r in rows()["tables"]] == [
        ("twomass.psc", "table"),
        ("twomass.fp_psc", "view"),
        ("twomass.xsc", "table"),
        ("twomass.fp_xsc", "view"),
        ("twomass.atlas", "table"),
        ("twomass.quicklook", "table"),
        ("twomass.stamps", "table"),
        ("tap_schema.schemas", "table"),
        ("tap_schema.tables", "table"),
        ("tap_schema.columns", "table"),
        ("tap_schema.keys", "table"),
        ("tap_schema.key_columns", "table"),
    ]
    assert {r["schema_name"] for r in rows()["tables"]} == {r["schema_name"] for r in rows()["schemas"]}


def test_every_column_has_its_table_and_every_table_its_columns() -> None:
    tables = {r["table_name"] for r in rows()["tables"]}
    assert {r["table_name"] for r in rows()["columns"]} == tables
    names = [(r["table_name"], r["column_name"]) for r in rows()["columns"]]
    assert len(set(names)) == len(names) == 2 * (60 + 389) + 46 + 36 + 45 + 32
    assert not any("_healpix" in name for _, name in names)


def test_values_follow_the_rules() -> None:
    for row in rows()["columns"]:
        assert row["datatype"] in DATATYPES
        assert {row["indexed"], row["principal"], row["std"]} <= {0, 1}
        assert row["std"] == row["table_name"].startswith("tap_schema.")
        size = (row["arraysize"] or "").rstrip("*")
        assert row["size"] == (int(size) if size.isdigit() else None)
        if row["datatype"] not in ("char", "unicodeChar"):
            assert row["arraysize"] == ("*" if row["xtype"] == "polygon" else None)
        for text in row.values():
            assert text != ""


def test_required_values_are_not_null() -> None:
    for table in load_tap_schema()[1]:
        told = build_rows(catalogue())[table.name]
        assert told.column_names == [c.name for c in table.columns]
        for column in table.columns:
            assert column.nullable or told[column.name].null_count == 0
            assert told.schema.field(column.name).type == column.type.arrow


def test_reserved_names_are_quoted() -> None:
    delimited = {(r["table_name"], r["column_name"]) for r in rows()["columns"] if '"' in r["column_name"]}
    assert delimited == {
        ("twomass.psc", '"date"'),
        ("twomass.xsc", '"date"'),
        ("twomass.fp_xsc", '"date"'),
        ("twomass.atlas", '"date"'),
        ("twomass.quicklook", '"date"'),
        ("twomass.stamps", '"date"'),
        ("tap_schema.columns", '"size"'),
    }


def test_keys_join_columns_that_exist() -> None:
    columns = {(r["table_name"], r["column_name"]) for r in rows()["columns"]}
    keys = {r["key_id"]: r for r in rows()["keys"]}
    assert len(keys) == len(rows()["keys"]) == 12
    assert {r["key_id"] for r in rows()["key_columns"]} == set(keys)
    for row in rows()["key_columns"]:
        key = keys[row["key_id"]]
        assert (key["from_table"], row["from_column"]) in columns
        assert (key["target_table"], row["target_column"]) in columns


def test_is_added_once_and_last() -> None:
    whole = add_tap_schema(catalogue())
    assert add_tap_schema(whole) is whole
    assert build_rows(whole) == build_rows(catalogue())
    assert whole.find_tables([("TAP_SCHEMA", False), ("Columns", False)]) == [whole.tables[-3]]


def test_odd_names_and_types() -> None:
    columns = (
        Column("2mass id", VARCHAR, 12),
        Column("where", POINT),
        Column("round", CIRCLE),
        Column("area", POLYGON),
        Column("at", TIMESTAMP),
        Column("note", UNICODE),
        Column("xml", CLOB),
    )
    odd = Table(
        "my-data", "Table", columns, keys=(Key("my-data.no", (("note", "x"),)), Key("my-data.Table", (("area", "at"),)))
    )
    told = build_rows(Catalogue((Schema("my-data"), Schema("empty")), (odd,)))
    assert told["schemas"]["schema_name"].to_pylist() == ['"my-data"', "tap_schema"]
    assert told["tables"]["table_name"][0].as_py() == '"my-data"."Table"'
    seen = [
        (r["column_name"], r["datatype"], r["arraysize"], r["size"], r["xtype"])
        for r in told["columns"].to_pylist()[: len(columns)]
    ]
    assert seen == [
        ('"2mass id"', "char", "12*", 12, None),
        ('"where"', "double", "2", 2, "point"),
        ('"round"', "double", "3", 3, "circle"),
        ('"area"', "double", "*", None, "polygon"),
        ('"at"', "char", "*", None, "timestamp"),
        ("note", "unicodeChar", "*", None, None),
        ("xml", "char", "*", None, "adql:CLOB"),
    ]
    assert told["key_columns"].to_pylist()[0] == {
        "key_id": "my-data.Table.key2",
        "from_column": '"area"',
        "target_column": '"at"',
    }


def test_integers_are_int() -> None:
    numbers = {c.type for t in load_tap_schema()[1] for c in t.columns if c.type.family == "integer"}
    assert numbers == {INTEGER}
