"""The VOSI documents: valid by the schemas of the IVOA, and their content."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from vo_server.catalogue.catalogue import Catalogue, Schema
from vo_server.documents import capability as cap
from vo_server.documents import vosi
from vo_server.model.column import Column, Key, Table
from vo_server.model.types import CHAR, DATE, DOUBLE, INTEGER, POLYGON, UNICODE, VARCHAR

SCHEMAS = Path(__file__).resolve().parents[4] / "shared" / "standards" / "xsd" / "local"
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"

STARS = Table(
    "sky",
    "stars",
    (
        Column("designation", VARCHAR, 17, ucd="meta.id;meta.main", description="Name & <place>", nullable=False),
        Column("ra", DOUBLE, unit="deg", ucd="pos.eq.ra;meta.main", indexed=True, principal=True),
        Column("date", DATE),
        Column("flag", CHAR, 3, std=True),
        Column("outline", POLYGON),
        Column("remark", UNICODE),
        Column("galaxy", INTEGER),
    ),
    title="Stars",
    description="All of them",
    identifier="designation",
    nrows=12,
    keys=(
        Key("sky.galaxies", (("galaxy", "key"),), description="the galaxy behind"),
        Key("nowhere.found", (("galaxy", "key"),)),
    ),
)
GALAXIES = Table("sky", "galaxies", (Column("key", INTEGER, nullable=False),), kind="view")
CATALOGUE = Catalogue((Schema("sky", "The sky", "above"), Schema("empty"), Schema("sky", "twice")), (STARS, GALAXIES))

TAP = cap.Capability(
    "ivo://ivoa.net/std/TAP",
    (cap.Interface("https://example.org/tap", "base", role="std", version="1.1"),),
    cap.TableAccess(
        models=(("ObsCore-1.1", "ivo://ivoa.net/std/ObsCore#core-1.1"),),
        languages=(
            cap.describe_adql(
                {
                    "adqlgeo": [cap.Feature("POINT"), cap.Feature("CIRCLE")],
                    "udf": [cap.Feature("ivo_hasword(text VARCHAR, word VARCHAR) -> INTEGER", "finds & counts")],
                    "offset": [cap.Feature("OFFSET")],
                    "unit": [],
                }
            ),
        ),
        formats=(
            cap.OutputFormat("text/xml", ("votable",), "ivo://ivoa.net/std/TAPRegExt#output-votable-binary2"),
            cap.OutputFormat("text/csv;header=present", ("csv",)),
        ),
        upload_methods=(cap.UPLOAD_INLINE, cap.UPLOAD_HTTP),
        retention=cap.LimitPair(86400, 864000),
        duration=cap.LimitPair(600),
        output_limit=cap.LimitPair(2000, 10_000_000),
        upload_limit=cap.LimitPair(hard=100_000_000),
    ),
)
CONE = cap.Capability(
    "ivo://ivoa.net/std/ConeSearch",
    (
        cap.Interface(
            "https://example.org/cone?",
            "base",
            role="std",
            query_types=("GET", "POST"),
            result_type="application/x-votable+xml",
            params=(cap.Param("RA", "real", "right ascension", "deg", "pos.eq.ra", "required"),),
            test_query="RA=1&DEC=2&SR=0.1",
        ),
    ),
    cap.ConeSearch(verbosity=True, max_sr=10.0, max_records=5000, test=cap.SampleCone(1.5, -2.0, 0.1, verb=3)),
    description="Cones",
)
EXAMPLES = cap.Capability(
    "ivo://ivoa.net/std/DALI#examples", (cap.Interface("https://example.org/tap/examples", type="vr:WebBrowser"),)
)


@cache
def load_schema() -> etree.XMLSchema:
    if not SCHEMAS.exists():
        pytest.skip("the IVOA's schemas are not beside this checkout")
    return etree.XMLSchema(etree.parse(SCHEMAS / "vo-bundle.xsd"))


def find_texts(document: bytes, path: str) -> list[str]:
    return [element.text for element in etree.fromstring(document).findall(path)]


UP_SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

DOCUMENTS = {
    "up": vosi.write_availability(vosi.Availability(True, UP_SINCE)),
    "down": vosi.write_availability(vosi.Availability(False, UP_SINCE, UP_SINCE, UP_SINCE, ("moving", "house"))),
    "capabilities": vosi.write_capabilities([TAP, CONE, EXAMPLES]),
    "min": vosi.write_tableset(CATALOGUE, "min"),
    "max": vosi.write_tableset(CATALOGUE),
    "table": vosi.write_table(STARS, CATALOGUE),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_valid(name: str) -> None:
    load_schema().assertValid(etree.fromstring(DOCUMENTS[name]))


def test_availability() -> None:
    space = f"{{{vosi.AVAILABILITY_NAMESPACE}}}"
    assert find_texts(DOCUMENTS["down"], f"{space}available") == ["false"]
    assert find_texts(DOCUMENTS["up"], f"{space}upSince") == ["2026-01-02T03:04:05Z"]
    assert find_texts(DOCUMENTS["down"], f"{space}note") == ["moving", "house"]


def test_capabilities_have_types() -> None:
    capabilities = etree.fromstring(DOCUMENTS["capabilities"]).findall("capability")
    assert [c.get(XSI_TYPE) for c in capabilities] == ["tr:TableAccess", "cs:ConeSearch", None]


def test_features() -> None:
    groups = etree.fromstring(DOCUMENTS["capabilities"]).findall(".//languageFeatures")
    assert [g.get("type") for g in groups] == [
        "ivo://ivoa.net/std/TAPRegExt#features-adqlgeo",
        "ivo://ivoa.net/std/TAPRegExt#features-udf",
        "ivo://ivoa.net/std/tapregext#features-adql-offset",
    ]
    assert find_texts(DOCUMENTS["capabilities"], ".//language/version") == ["2.0", "2.1"]


def test_radius_of_whole_sky_is_left_out() -> None:
    capability = cap.Capability("x", (), cap.ConeSearch(verbosity=False, max_sr=180.0))
    assert b"maxSR" not in vosi.write_capabilities([capability])


def test_names_are_those_of_queries() -> None:
    assert find_texts(DOCUMENTS["max"], "schema/name") == ["sky"]
    assert find_texts(DOCUMENTS["max"], "schema/table/name") == ["sky.stars", "sky.galaxies"]
    assert '"date"' in find_texts(DOCUMENTS["table"], "column/name")


def test_columns() -> None:
    columns = {c.findtext("name"): c for c in etree.fromstring(DOCUMENTS["table"]).findall("column")}
    outline = columns["outline"].find("dataType")
    assert (outline.text, dict(outline.attrib)) == (
        "double",
        {XSI_TYPE: "vs:VOTableType", "arraysize": "*", "extendedType": "polygon"},
    )
    assert columns["ra"].find("dataType").get("arraysize") is None
    assert columns["designation"].find("dataType").get("arraysize") == "17*"
    assert [f.text for f in columns["designation"].findall("flag")] == ["primary"]
    assert [f.text for f in columns["ra"].findall("flag")] == ["indexed", "nullable"]
    assert columns["flag"].get("std") == "true"


def test_min_has_no_columns() -> None:
    assert b"<column" not in DOCUMENTS["min"]
    assert b"<description>All of them" in DOCUMENTS["min"]
    kinds = [t.get("type") for t in etree.fromstring(DOCUMENTS["max"]).findall("schema/table")]
    assert kinds == ["base_table", "view"]


def test_only_keys_to_published_tables() -> None:
    assert find_texts(DOCUMENTS["table"], "foreignKey/targetTable") == ["sky.galaxies"]
    assert find_texts(DOCUMENTS["table"], "foreignKey/fkColumn/targetColumn") == ['"key"']
