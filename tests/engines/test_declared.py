"""Every language feature of the capabilities runs on every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from vo_server.adql.semantics.functions import AGGREGATES, FUNCTIONS, OPERATORS, Function, Parameter
from vo_server.adql.semantics.udfs import NOT_OFFERED, UDF_FORMS
from vo_server.documents.capability import FEATURE_IDS, TableAccess
from vo_server.errors import Code, QueryError
from vo_server.http.health import Health
from vo_server.http.service import Site
from vo_server.model import types
from vo_server.model.column import Column, Table
from vo_server.protocols.tap import tap
from vo_server.settings import Settings
from vo_server.site import open_job_service

KIND_SAMPLES = {
    "number": "x",
    "integer": "small",
    "text": "name",
    "time": "moment",
    "point": "POINT(ra, dec)",
    "geometry": "CIRCLE(ra, dec, 1)",
    "interval": "span",
    "any": "mag",
}

SAMPLE_ARGUMENTS = {
    "ivo_geom_transform": "'ICRS', 'GALACTIC', POLYGON(ra, 1, ra + 1, 2, ra, 3)",
    "ivo_string_agg": "name, ', '",
    "ivo_histogram": "x, 0, 1, 5",
    "ivo_epoch_prop_pos": "ra, dec, x, x, x, x, 2000.0, 2016.0",
    "IN_UNIT": "x, 'deg'",
    "MOC": "'6/1-3 7/20'",
    "MOC(order, geometry)": "6, CIRCLE(ra, dec, 1)",
    "RAND": "3",
    "ROUND": "x, -1",
    "TRUNCATE": "x, 2",
    "NULLIF": "mag, kmag",
    "REGION": "'POLYGON 1 2 3 4 1 5'",
    "POLYGON": "ra, 1, ra + 1, 2, ra, 3",
    "COORDSYS": "POINT(ra, dec)",
}
"""Arguments with further requirements than their kinds."""

OTHERS = {
    "ILIKE": "SELECT id FROM sky.stars WHERE name ILIKE 'A%'",
    "WITH": "WITH s AS (SELECT id FROM sky.stars) SELECT * FROM s",
    "UNION": "SELECT id FROM sky.stars UNION SELECT spot FROM sky.spots",
    "EXCEPT": "SELECT id FROM sky.stars EXCEPT SELECT spot FROM sky.spots",
    "INTERSECT": "SELECT id FROM sky.stars INTERSECT SELECT spot FROM sky.spots",
    "CAST": "SELECT CAST(x AS INTEGER) FROM sky.stars",
    "OFFSET": "SELECT id FROM sky.stars ORDER BY id OFFSET 3",
}
"""Features that are not functions."""


@dataclass(frozen=True)
class CallSample:
    """A query that calls a function."""

    name: str
    arguments: str

    @property
    def text(self) -> str:
        table = "TAP_UPLOAD.spans" if "span" in self.arguments else "sky.stars"
        return f"SELECT {self.name}({self.arguments}) AS v FROM {table}"


def make_sample(function: Function) -> CallSample:
    arguments = ", ".join(_argument(p) for p in function.parameters)
    return CallSample(function.name.partition("(")[0], SAMPLE_ARGUMENTS.get(function.name, arguments))


def _argument(parameter: Parameter) -> str:
    return KIND_SAMPLES[parameter.kind]


@pytest.fixture(scope="module")
def ask_with_upload(world: Any) -> Callable[[str], list[Any]]:
    """Return a function that queries the tables and an upload with a column of intervals."""
    span = Column("span", types.find_type("DOUBLE PRECISION ARRAY"), arraysize_override="2", xtype_override="interval")
    spans = Table("TAP_UPLOAD", "spans", (Column("x", types.DOUBLE), span))
    with_upload = replace(world, catalogue=world.catalogue.with_tables([spans]))
    rows = {"spans": pa.table({"x": [1.0, 2.0], "span": [[0.0, 1.5], [0.0, 1.5]]})}
    return lambda text: with_upload.ask(text, uploads=rows)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def declared(world: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return the forms of the features of each kind in the capabilities."""
    data = tmp_path_factory.mktemp("jobs")
    jobs = open_job_service(Settings(data=data))
    site = Site(
        catalogue=world.catalogue,
        engine=world.engine,
        jobs=jobs,
        health=Health(world.engine, (), jobs.store, data, {}),
        started=datetime.now(UTC),
        maxrec=10,
        maxrec_hard=10,
        timeout=60,
        title="announced",
    )
    capability, *_ = tap.list_capabilities(site, "http://127.0.0.1/tap")
    assert isinstance(capability.details, TableAccess)
    (language,) = capability.details.languages
    kinds = {uri: kind for kind, uri in FEATURE_IDS.items()}
    return {kinds[uri]: {f.form for f in features} for uri, features in language.features}


@pytest.mark.parametrize("function", UDF_FORMS, ids=lambda f: f.form)
def test_user_defined_function_runs(
    function: Function, declared: dict[str, set[str]], ask_with_upload: Callable[[str], list[Any]]
) -> None:
    assert function.form in declared["udf"]
    values = [row[0] for row in ask_with_upload(make_sample(function).text)]
    assert any(value is not None for value in values) or function.name.endswith("to_degrees")


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_function_runs(
    function: Function, declared: dict[str, set[str]], ask_with_upload: Callable[[str], list[Any]]
) -> None:
    if function.feature is not None:
        assert function.name in declared[function.feature]
    assert any(row[0] is not None for row in ask_with_upload(make_sample(function).text))


def test_other_features_run(world: Any, declared: dict[str, set[str]]) -> None:
    function_names = {f.name for f in FUNCTIONS.values()} | {f.form for f in UDF_FORMS} | {"COORDSYS"}
    assert {form for forms in declared.values() for form in forms} - function_names == OTHERS.keys()
    for text in (*OTHERS.values(), CallSample("COORDSYS", SAMPLE_ARGUMENTS["COORDSYS"]).text):
        assert world.ask(text)


@pytest.mark.parametrize("name", AGGREGATES)
def test_aggregate_runs(world: Any, name: str) -> None:
    columns = ("x", "mag", "small", "big") if name in ("SUM", "AVG") else (*world.stars, "TRUE")
    for column in columns:
        argument = column if column == "TRUE" else f'"{column}"'
        assert world.ask(f"SELECT {name}({argument}), {name}(DISTINCT {argument}) FROM sky.stars")[0][0] is not None


@pytest.mark.parametrize("symbol", OPERATORS)
def test_operator_runs(world: Any, symbol: str) -> None:
    a, b = ("name", "flag") if symbol == "||" else ("big", "small")
    assert any(row[0] is not None for row in world.ask(f"SELECT {a} {symbol} {b} FROM sky.stars"))


@pytest.mark.parametrize("name", NOT_OFFERED)
def test_rejects_functions_that_are_not_declared(world: Any, declared: dict[str, set[str]], name: str) -> None:
    assert not any(form.startswith(name) for form in declared["udf"])
    with pytest.raises(QueryError) as raised:
        world.ask(f"SELECT {name}('M 31') FROM sky.stars")
    assert (raised.value.code, raised.value.hint) == (Code.ADQL_UNKNOWN_FUNCTION, NOT_OFFERED[name])
