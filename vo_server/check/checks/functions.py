"""The declared functions and optional features, each executed and compared with its expected value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from vo_server.check import votable
from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe

FROM = "FROM TAP_SCHEMA.tables"
Sample = tuple[str, Any]
"""An expression and its expected value; ANY_VALUE accepts every value."""

ANY_VALUE = object()

_SQUARE = "POLYGON(10, 0, 11, 0, 11, 1, 10, 1)"
GEOMETRY: dict[str, Sample] = {
    "POINT": ("COORD2(POINT(10, 20))", 20.0),
    "CIRCLE": ("CONTAINS(POINT(10, 20), CIRCLE(10, 20, 1))", 1),
    "BOX": ("CONTAINS(POINT(10, 20), BOX(10, 20, 1, 1))", 1),
    "POLYGON": (f"CONTAINS(POINT(12, 0.5), {_SQUARE})", 0),
    "REGION": ("REGION('CIRCLE ICRS 10 20 1')", ANY_VALUE),
    "DISTANCE": ("DISTANCE(POINT(0, 0), POINT(0, 1))", 1.0),
    "CONTAINS": ("CONTAINS(POINT(10, 22), CIRCLE(10, 20, 1))", 0),
    "INTERSECTS": ("INTERSECTS(CIRCLE(10, 20, 1), CIRCLE(11.5, 20, 1))", 1),
    "AREA": ("AREA(CIRCLE(10, 20, 1))", 2 * math.pi * (1 - math.cos(math.pi / 180)) * (180 / math.pi) ** 2),
    "CENTROID": ("COORD1(CENTROID(CIRCLE(10, 20, 1)))", 10.0),
    "COORD1": ("COORD1(POINT(10, 20))", 10.0),
    "COORD2": ("COORD2(POINT(10, 20))", 20.0),
    "COORDSYS": ("COORDSYS(POINT(10, 20))", ANY_VALUE),
}
LANGUAGE: dict[str, Sample] = {
    "LOWER": ("LOWER('AbC')", "abc"),
    "UPPER": ("UPPER('AbC')", "ABC"),
    "COALESCE": ("COALESCE(NULL, 'x')", "x"),
    "CAST": ("CAST('12' AS INTEGER)", 12),
}
QUERIES: dict[str, tuple[str, int]] = {
    "ILIKE": (f"SELECT table_name {FROM} WHERE table_name ILIKE 'TAP_SCHEMA.TABLES'", 1),
    "WITH": (f"WITH t AS (SELECT table_name {FROM}) SELECT TOP 1 table_name FROM t", 1),
    "UNION": (f"SELECT TOP 1 'a' AS x {FROM} UNION SELECT TOP 1 'a' AS x {FROM}", 1),
    "EXCEPT": (f"SELECT 'a' AS x {FROM} EXCEPT SELECT 'a' AS x {FROM}", 0),
    "INTERSECT": (f"SELECT 'a' AS x {FROM} INTERSECT SELECT 'b' AS x {FROM}", 0),
    "OFFSET": (f"SELECT table_name {FROM} WHERE table_name = 'TAP_SCHEMA.tables' OFFSET 1", 0),
}
"""Features that need a whole query, and the number of its rows."""

UDF: dict[tuple[str, int], Sample] = {
    ("moc", 1): ("MOC('6/1-3')", ANY_VALUE),
    ("moc", 2): ("MOC(4, CIRCLE(10, 20, 1))", ANY_VALUE),
    ("ivo_healpix_index", 3): ("ivo_healpix_index(0, 1, 1)", 4),
    ("ivo_healpix_index", 2): ("ivo_healpix_index(0, POINT(1, 1))", 4),
    ("ivo_healpix_center", 2): ("COORD1(ivo_healpix_center(0, 6))", 180.0),
    ("ivo_epoch_prop_pos", 8): ("COORD2(ivo_epoch_prop_pos(0, 0, 100, 0, 1000, 0, 2000, 2001))", 1 / 3600),
    ("ivo_apply_pm", 5): ("COORD2(ivo_apply_pm(0, 0, 0, 0.01, 1))", 0.01),
    ("ivo_geom_transform", 3): (
        "COORD1(ivo_geom_transform('ICRS', 'GALACTIC', POINT(266.40499, -28.93617)))",
        ANY_VALUE,
    ),
    ("ivo_to_jd", 1): ("ivo_to_jd('2000-01-02T12:00:00')", 2451546.0),
    ("ivo_to_mjd", 1): ("ivo_to_mjd('2000-01-02T12:00:00')", 51545.5),
    ("ivo_string_agg", 2): ("ivo_string_agg('a', '')", ANY_VALUE),
    ("ivo_nocasematch", 2): ("ivo_nocasematch('ABC', 'ab_')", 1),
    ("ivo_hasword", 2): ("ivo_hasword('Miller time', 'TIME')", 1),
    ("ivo_hashlist_has", 2): ("ivo_hashlist_has('a#b', 'B')", 1),
    ("ivo_histogram", 4): ("ivo_histogram(1, 0, 10, 5)", ANY_VALUE),
    ("ivo_normal_random", 2): ("ivo_normal_random(0, 1)", ANY_VALUE),
    ("ivo_interval_overlaps", 4): ("ivo_interval_overlaps(0, 1, 1, 2)", 1),
    ("ivo_interval_has", 3): ("ivo_interval_has(1, 0, 2)", 1),
    ("ivo_hms_to_degrees", 1): ("ivo_hms_to_degrees('12:00:00')", 180.0),
    ("ivo_dms_to_degrees", 1): ("ivo_dms_to_degrees('-42:30:00')", -42.5),
}
"""The functions of the IVOA's catalogue and common services, by name and number of arguments."""

ARGUMENTS = {
    "INTEGER": "1", "BIGINT": "1", "SMALLINT": "1", "REAL": "1.0", "DOUBLE": "1.0", "DOUBLE PRECISION": "1.0",
    "FLOAT": "1.0", "NUMERIC": "1", "TEXT": "'1'", "CHAR": "'1'", "VARCHAR": "'1'", "STRING": "'1'",
    "POINT": "POINT(1, 1)", "CIRCLE": "CIRCLE(1, 1, 1)", "POLYGON": _SQUARE, "REGION": "CIRCLE(1, 1, 1)",
    "GEOMETRY": "CIRCLE(1, 1, 1)", "TIMESTAMP": "'2000-01-01T00:00:00'",
}  # fmt: skip
"""An argument of each type, for functions without a sample."""

ABSENT_FUNCTION = re.compile(
    r"(?i)(no|unknown|undefined|unsupported|unresolved|not? .{0,20}(function|known|supported|exist|found|offered))"
)
"""The messages of services about a function that they do not have."""


def declared_features(probe: Probe) -> Iterator[tuple[str, str]]:
    """Return the last word of the type and the form of each declared feature."""
    for features in probe.tap_capability.findall("language/languageFeatures"):
        kind = features.get("type", "").lower().rpartition("#features-")[2].removeprefix("adql-")
        for form in features.findall("feature/form"):
            yield kind, " ".join((form.text or "").split())


def check_geometries(probe: Probe) -> Iterator[Problem]:
    """Require that each declared geometry function works."""
    for kind, form in declared_features(probe):
        if kind == "adqlgeo":
            if form.upper() not in GEOMETRY:
                yield form, f"{form} is not a geometry function of ADQL"
            else:
                yield from _check_value(probe, form, GEOMETRY[form.upper()])


def check_features(probe: Probe) -> Iterator[Problem]:
    """Require that each declared language feature works."""
    for kind, form in declared_features(probe):
        if kind in ("udf", "adqlgeo"):
            continue
        if form.upper() in LANGUAGE:
            yield from _check_value(probe, form, LANGUAGE[form.upper()])
        elif form.upper() in QUERIES:
            yield from _check_row_count(probe, form, *QUERIES[form.upper()])
        elif form.upper() == "IN_UNIT":
            yield from _check_in_unit(probe, form)


def check_udfs(probe: Probe) -> Iterator[Problem]:
    """Require that each declared function works."""
    for kind, form in declared_features(probe):
        if kind != "udf" or not (call := parse_signature(form)):
            continue
        name, arguments = call
        sample = UDF.get((name.lower(), len(arguments)))
        if sample is not None:
            yield from _check_value(probe, form, sample)
        elif all(argument in ARGUMENTS for argument in arguments):
            yield from _check_exists(probe, form, f"{name}({', '.join(ARGUMENTS[a] for a in arguments)})")


def check_signatures(probe: Probe) -> Iterator[Problem]:
    """Require that functions are declared by their signature."""
    for kind, form in declared_features(probe):
        if kind == "udf" and parse_signature(form) is None:
            yield form, "the signature must have the form name(argument TYPE, ...) -> TYPE"


def parse_signature(form: str) -> tuple[str, list[str]] | None:
    """Return the name of a function and the types of its arguments."""
    match = re.fullmatch(r"([A-Za-z_]\w*)\s*\(\s*(.*?)\s*\)\s*->\s*\S.*", form)
    if match is None:
        return None
    arguments = [a.strip() for a in match[2].split(",")] if match[2] else []
    if not all(re.fullmatch(r"\w+\s+\S.*", argument) for argument in arguments):
        return None
    return match[1], [re.sub(r" literal$", "", a.partition(" ")[2].strip()).upper() for a in arguments]


def _check_value(probe: Probe, form: str, sample: Sample) -> Iterator[Problem]:
    expression, expected = sample
    response = probe.query(f"SELECT TOP 1 {expression} AS x {FROM}")
    if response.status != 200 or votable.error_message(response.body):
        yield form, f"the function is declared, but {expression} fails: {response.summary}"
        return
    (value,) = votable.read(response.body).rows[0]
    if expected is not ANY_VALUE and not _is_equal(value, expected):
        yield form, f"expected {expected} for {expression}, got {value}"


def _is_equal(value: Any, expected: Any) -> bool:
    if isinstance(expected, float):
        return isinstance(value, int | float) and math.isclose(value, expected, rel_tol=1e-4)
    return bool(value == expected)


def _check_row_count(probe: Probe, form: str, query: str, rows: int) -> Iterator[Problem]:
    response = probe.query(query)
    if response.status != 200 or votable.error_message(response.body):
        yield form, f"it is announced, but fails: {response.summary}"
    elif (count := len(votable.read(response.body).rows)) != rows and form.upper() not in ("ILIKE", "OFFSET"):
        yield form, f"expected {rows} rows for {query}, got {count}"


def _check_in_unit(probe: Probe, form: str) -> Iterator[Problem]:
    """Convert the first column that is in degrees."""
    for table in probe.queryable_tables:
        for column in (c for c in table.columns if c.unit == "deg" and not c.arraysize):
            response = probe.query(
                f"SELECT TOP 1 {column.name} AS d, IN_UNIT({column.name}, 'arcmin') AS m FROM {table.name}"
            )
            if response.status != 200 or votable.error_message(response.body):
                yield form, f"it is announced, but fails: {response.summary}"
                return
            for degrees, minutes in votable.read(response.body).rows:
                if degrees is not None and not math.isclose(degrees * 60, minutes, rel_tol=1e-5):
                    yield form, f"IN_UNIT converts {degrees} deg to {minutes} arcmin"
            return


def _check_exists(probe: Probe, form: str, call: str) -> Iterator[Problem]:
    """Call a function that has no sample; it may reject the arguments, but must exist."""
    response = probe.query(f"SELECT TOP 1 {call} AS x {FROM}")
    message = response.summary if response.status != 200 else votable.error_message(response.body)
    if message and ABSENT_FUNCTION.search(message):
        yield form, f"the function is declared, but {call} fails: {message}"


_REGEXT = "TAPRegExt 1.0 section 2.4"
CHECKS = (
    Check("TAP-GEO-1", "error", "each declared geometry function works", "ADQL 2.1 section 4.2", check_geometries),
    Check("TAP-FEATURE-1", "error", "each declared language feature works", "ADQL 2.1 section 4", check_features),
    Check("TAP-UDF-1", "error", "each declared function works", _REGEXT, check_udfs),
    Check("TAP-UDF-2", "error", "functions are declared by their signature", _REGEXT, check_signatures),
)
