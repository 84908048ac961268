"""The publishing registry: OAI-PMH, its records, and the probes of the validator of the Registry of Registries."""

from __future__ import annotations

import csv
import io
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from astropy.io.votable import parse_single_table
from lxml import etree
from mocpy import MOC
from pyvo.io import vosi

from vo_server.assembly import load_site_catalogue
from vo_server.engines.data_directory import DataDirectory
from vo_server.load.load import load
from vo_server.settings import Settings

OAI = "{http://www.openarchives.org/OAI/2.0/}"
RI = "{http://www.ivoa.net/xml/RegistryInterface/v1.0}Resource"
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
DC = "{http://purl.org/dc/elements/1.1/}"
FORMATS = ("ivo_vor", "oai_dc")
AUTHORITY = "ivo://unregistered.invalid"
COLLECTIONS = ("atlas", "quicklook", "stamps")
RECORD_KEYS = {
    *("registry", "org", "tap", "data/psc", "data/xsc", "cone/psc", "cone/xsc", "sia2", "datalink"),
    *(f"{kind}/{id}" for kind in ("data", "sia1") for id in COLLECTIONS),
}


def send_request(client: httpx.Client, **arguments: str) -> etree._Element:
    """Return a response of the registry; `since` is the argument `from`."""
    parameters = {{"since": "from"}.get(name, name): value for name, value in arguments.items()}
    response = client.get("/oai", params=parameters)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/xml;charset=utf-8"
    return etree.fromstring(response.content)


def list_error_codes(document: etree._Element) -> list[str]:
    return [error.get("code") for error in document.findall(f"{OAI}error")]


def harvest(
    client: httpx.Client, documents: etree.XMLSchema | None, verb: str, **arguments: str
) -> Iterator[tuple[str, list[etree._Element]]]:
    """Yield the pages of a list, each with its resumption token: empty on the last page, "none" without one."""
    size = None
    document = send_request(client, verb=verb, **arguments)
    seen = 0
    while True:
        if documents is not None:
            documents.assertValid(document)
        body = document.find(OAI + verb)
        assert body is not None, list_error_codes(document)
        items = [e for e in body if e.tag != f"{OAI}resumptionToken"]
        token = body.find(f"{OAI}resumptionToken")
        yield (token.text or "" if token is not None else "none"), items
        if token is not None:
            size = size or token.get("completeListSize")
            assert (token.get("completeListSize"), token.get("cursor")) == (size, str(seen))
        seen += len(items)
        if token is None or not token.text:
            assert size in (None, str(seen))
            return
        document = send_request(client, verb=verb, resumptionToken=token.text)


def fetch_headers(client: httpx.Client, prefix: str = "ivo_vor", **arguments: str) -> dict[str, etree._Element]:
    pages = harvest(client, None, "ListIdentifiers", metadataPrefix=prefix, **arguments)
    return {header.findtext(f"{OAI}identifier"): header for _, page in pages for header in page}


def fetch_datestamps(client: httpx.Client) -> dict[str, str]:
    return {id: header.findtext(f"{OAI}datestamp") for id, header in fetch_headers(client).items()}


def fetch_records(client: httpx.Client) -> dict[str, etree._Element]:
    """Return the VOResource records by their identifiers."""
    pages = harvest(client, None, "ListRecords", metadataPrefix="ivo_vor", set="ivo_managed")
    records = [record.find(f".//{RI}") for _, page in pages for record in page]
    return {record.findtext("identifier"): record for record in records if record is not None}


# ---------------------------------------------------------------- protocol


def _probes() -> list[Any]:
    file = Path(__file__).resolve().parents[3] / "shared/standards/tables/oai_probes.json"
    return json.loads(file.read_text())["probes"] if file.exists() else []


@pytest.mark.parametrize("probe", _probes(), ids=lambda p: p["query"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_validator_probes(client: httpx.Client, documents: etree.XMLSchema, method: str, probe: dict[str, Any]) -> None:
    query = probe["query"].removeprefix("?")
    if method == "GET":
        response = client.get(f"/oai?{query}")
    else:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        response = client.post("/oai", content=query, headers=form)
    assert response.status_code == 200
    tree = etree.fromstring(response.content)
    documents.assertValid(tree)
    codes = list_error_codes(tree)
    if "ok" not in probe["expect"]:
        assert codes
    if probe["expect"] == "ok":
        assert codes == []
    assert {*codes} <= {*probe.get("codes", ())}


ERRORS = [
    ("", ["badVerb"]),
    ("verb=", ["badVerb"]),
    ("verb=identify", ["badVerb"]),
    ("verb=Identify&verb=Identify", ["badVerb"]),
    ("VERB=Identify", ["badVerb"]),
    ("verb=%00%01%3C%22", ["badVerb"]),
    ("verb=Identify&x=%08", ["badArgument"]),
    ("verb=Identify&metadataPrefix=ivo_vor", ["badArgument"]),
    ("verb=GetRecord", ["badArgument", "badArgument"]),
    ("verb=GetRecord&identifier=ivo://x&metadataPrefix=ivo_vor", ["idDoesNotExist"]),
    (f"verb=GetRecord&identifier={AUTHORITY}&metadataPrefix=marc", ["cannotDisseminateFormat"]),
    (f"verb=GetRecord&identifier={AUTHORITY}&metadataPrefix=a%20b", ["badArgument"]),
    ("verb=GetRecord&identifier=a%20b&metadataPrefix=ivo_vor", ["badArgument"]),
    ("verb=ListMetadataFormats&identifier=ivo://x/y", ["idDoesNotExist"]),
    ("verb=ListSets&resumptionToken=x", ["badResumptionToken"]),
    ("verb=ListRecords&metadataPrefix=marc", ["cannotDisseminateFormat"]),
    ("verb=ListRecords&metadataPrefix=ivo_vor&set=ivo_other", ["noRecordsMatch"]),
    ("verb=ListRecords&metadataPrefix=ivo_vor&set=%3C", ["badArgument"]),
    ("verb=ListRecords&metadataPrefix=ivo_vor&set=", ["badArgument"]),
    ("verb=ListRecords&metadataPrefix=ivo_vor&from=", ["badArgument"]),
    ("verb=ListRecords&metadataPrefix=ivo_vor&from=2001-02-30", ["badArgument"]),
    ("verb=ListRecords&metadataPrefix=ivo_vor&from=0000-01-01", ["badArgument"]),
    ("verb=ListRecords&metadataPrefix=ivo_vor&from=2001-01-01T00:00Z", ["badArgument"]),
    ("verb=ListRecords&metadataPrefix=ivo_vor&from=2001-01-01T00:00:00", ["badArgument"]),
    ("verb=ListRecords&metadataPrefix=ivo_vor&from=2001-01-01T24:00:00Z", ["badArgument"]),
    ("verb=ListRecords&metadataPrefix=ivo_vor&from=x&until=y", ["badArgument", "badArgument"]),
    ("verb=ListRecords&metadataPrefix=ivo_vor&until=9999-12-31&from=9999-12-31", ["noRecordsMatch"]),
    ("verb=ListRecords&metadataPrefix=ivo_vor&resumptionToken=x", ["badArgument"]),
    ("verb=ListRecords&resumptionToken=", ["badResumptionToken"]),
    ("verb=ListRecords&resumptionToken=%C3%A9", ["badResumptionToken"]),
    ("verb=ListRecords&resumptionToken=AAAA", ["badResumptionToken"]),
    ("verb=ListRecords&resumptionToken=%01", ["badResumptionToken"]),
]


@pytest.mark.parametrize(("query", "expected"), ERRORS)
def test_oai_errors(client: httpx.Client, documents: etree.XMLSchema, query: str, expected: list[str]) -> None:
    """The arguments of a valid request are repeated as attributes, those of an invalid one are not (section 3.6)."""
    response = client.get(f"/oai?{query}")
    assert response.status_code == 200
    tree = etree.fromstring(response.content)
    documents.assertValid(tree)
    assert list_error_codes(tree) == expected
    attributes = tree.find(f"{OAI}request").attrib
    assert bool(attributes) is not bool({*expected} & {"badVerb", "badArgument"})
    assert all(error.text for error in tree.findall(f"{OAI}error"))


def test_rejects_other_media_types(client: httpx.Client, documents: etree.XMLSchema) -> None:
    response = client.post("/oai", content=b"{}", headers={"Content-Type": "application/json"})
    tree = etree.fromstring(response.content)
    documents.assertValid(tree)
    assert (response.status_code, list_error_codes(tree)) == (200, ["badArgument"])
    assert client.put("/oai").status_code == 405


@pytest.mark.parametrize("prefix", FORMATS)
def test_single_records_equal_listed_ones(client: httpx.Client, documents: etree.XMLSchema, prefix: str) -> None:
    pages = harvest(client, documents, "ListRecords", metadataPrefix=prefix)
    listed = [record for _, page in pages for record in page]
    assert {r.findtext(f"{OAI}header/{OAI}identifier") for r in listed} >= {
        AUTHORITY,
        *(f"{AUTHORITY}/{key}" for key in RECORD_KEYS),
    }
    for record in listed:
        id = record.findtext(f"{OAI}header/{OAI}identifier")
        document = send_request(client, verb="GetRecord", metadataPrefix=prefix, identifier=id.upper())
        documents.assertValid(document)
        (single,) = document.findall(f"{OAI}GetRecord/{OAI}record")
        assert list_texts(single) == list_texts(record)


def list_texts(element: etree._Element) -> list[str]:
    return [text.strip() for text in element.itertext() if text.strip()]


def test_identify(client: httpx.Client, documents: etree.XMLSchema) -> None:
    """Identify contains the registry's own record (Registry Interfaces 1.1 section 3.1.5)."""
    response = send_request(client, verb="Identify")
    documents.assertValid(response)
    identify = response.find(f"{OAI}Identify")
    base = f"{str(client.base_url).rstrip('/')}/oai"
    assert identify.findtext(f"{OAI}baseURL") == base == response.findtext(f"{OAI}request")
    assert identify.findtext(f"{OAI}deletedRecord") == "persistent"
    assert identify.findtext(f"{OAI}earliestDatestamp") <= min(fetch_datestamps(client).values())
    (registry,) = identify.findall(f"{OAI}description/{RI}")
    assert (registry.get(XSI_TYPE), registry.findtext("full")) == ("vg:Registry", "false")
    assert [a.text for a in registry.findall("managedAuthority")] == ["unregistered.invalid"]
    (harvest_capability,) = (
        c for c in registry.findall("capability") if c.get("standardID") == "ivo://ivoa.net/std/Registry"
    )
    interface = harvest_capability.find("interface")
    assert (harvest_capability.get(XSI_TYPE), interface.get(XSI_TYPE)) == ("vg:Harvest", "vg:OAIHTTP")
    assert (interface.get("role"), interface.get("version")) == ("std", "1.0")
    assert interface.findtext("accessURL") == base
    for url in (u.text for u in registry.iter("accessURL") if u.text != base):
        documents.assertValid(etree.fromstring(client.get(url).content))


def test_records_required_by_registry_interfaces(client: httpx.Client) -> None:
    """The managed set has the registry and its authority, and no records of others (section 3.1.4)."""
    records = fetch_records(client)
    assert {f"{AUTHORITY}/registry", AUTHORITY} <= {*records}
    assert records[AUTHORITY].get(XSI_TYPE) == "vg:Authority"
    assert records[AUTHORITY].find("managingOrg").get("ivo-id") == f"{AUTHORITY}/org"
    assert records[f"{AUTHORITY}/org"].get(XSI_TYPE) == "vr:Organisation"
    assert {id.split("/")[2] for id in records} == {"unregistered.invalid"}
    assert [s.text for s in send_request(client, verb="ListSets").iter(f"{OAI}setSpec")] == ["ivo_managed"]
    assert {s.text for h in fetch_headers(client).values() for s in h.iter(f"{OAI}setSpec")} == {"ivo_managed"}
    prefixes = {
        f.findtext(f"{OAI}metadataPrefix")
        for f in send_request(client, verb="ListMetadataFormats").iter(f"{OAI}metadataFormat")
    }
    assert prefixes == {*FORMATS}


def test_records_without_authority_are_inactive(client: httpx.Client) -> None:
    """It can be harvested, and cannot be registered by mistake."""
    assert {record.get("status") for record in fetch_records(client).values()} == {"inactive"}


# ----------------------------------------------------------------- records


def test_capabilities_agree_with_services(client: httpx.Client) -> None:
    services = {id: r for id, r in fetch_records(client).items() if r.get(XSI_TYPE) == "vs:CatalogService"}
    assert {*services} >= {
        f"{AUTHORITY}/{key}" for key in RECORD_KEYS if key.partition("/")[0] not in ("registry", "org", "data")
    }
    for id, record in services.items():
        expected = etree.fromstring(client.get(f"{id.removeprefix(AUTHORITY)}/capabilities").content)
        assert [to_plain(c) for c in record.findall("capability")] == [to_plain(c) for c in expected]
        assert record.find(".//securityMethod") is None


def to_plain(element: etree._Element) -> Any:
    """Return an element with its content as plain values, without surrounding blanks."""
    return element.tag, dict(element.attrib), (element.text or "").strip(), [to_plain(child) for child in element]


def test_tables_agree_with_services(client: httpx.Client) -> None:
    records = fetch_records(client)
    for key, names in (
        ("tap", {"twomass.psc", "twomass.atlas", "ivoa.obscore"}),
        ("cone/psc", {"twomass.psc"}),
        ("sia1/atlas", {"twomass.atlas"}),
        ("sia2", {"ivoa.obscore"}),
    ):
        tables = etree.fromstring(client.get(f"/{key}/tables").content)
        assert [to_plain(s) for s in records[f"{AUTHORITY}/{key}"].find("tableset")] == [to_plain(s) for s in tables]
        table_names = {name.text for name in tables.iterfind("schema/table/name")}
        assert (table_names >= names) if key == "tap" else (table_names == names)
    assert (records[f"{AUTHORITY}/datalink"].find("tableset"), client.get("/datalink/tables").status_code) == (
        None,
        404,
    )
    names = [t.text for t in records[f"{AUTHORITY}/data/psc"].iterfind("tableset/schema/table/name")]
    assert names == ["twomass.psc", "twomass.fp_psc"]
    assert records[f"{AUTHORITY}/data/psc"].findtext("tableset/schema/table/nrows") == "20000"


def test_relationships_are_mutual(client: httpx.Client) -> None:
    records = fetch_records(client)
    relationships = {
        (id, r.findtext("relationshipType"), other.get("ivo-id"))
        for id, record in records.items()
        for r in record.iterfind("content/relationship")
        for other in r.iterfind("relatedResource")
    }
    assert {id for _, _, id in relationships} <= {*records}
    inverse = {"IsServedBy": "IsServiceFor", "IsServiceFor": "IsServedBy"}
    assert relationships == {(b, inverse[kind], a) for a, kind, b in relationships}
    assert (f"{AUTHORITY}/data/psc", "IsServedBy", f"{AUTHORITY}/tap") in relationships
    assert (f"{AUTHORITY}/cone/psc", "IsServiceFor", f"{AUTHORITY}/data/psc") in relationships
    for id in COLLECTIONS:
        served = {b for a, kind, b in relationships if (a, kind) == (f"{AUTHORITY}/data/{id}", "IsServedBy")}
        assert served >= {f"{AUTHORITY}/{key}" for key in ("tap", "sia2", "datalink", f"sia1/{id}")}
    assert {a for a, _, b in relationships if b == f"{AUTHORITY}/sia2"} == {
        f"{AUTHORITY}/data/{id}" for id in COLLECTIONS
    }


def test_auxiliary_capabilities(client: httpx.Client) -> None:
    """A collection has those of the services for several collections (Discovering Data Collections Within Services,
    section 4)."""
    records, base = fetch_records(client), str(client.base_url).rstrip("/")
    tap = ("ivo://ivoa.net/std/TAP#aux", "1.1", f"{base}/tap")
    sia = ("ivo://ivoa.net/std/SIA#query-aux-2.0", "2.0", f"{base}/sia2/query")
    for id in ("psc", "xsc", *COLLECTIONS):
        capabilities = records[f"{AUTHORITY}/data/{id}"].findall("capability")
        assert {c.get(XSI_TYPE) for c in capabilities} == {None}
        assert {c.find("interface").get("role") for c in capabilities} == {"std"}
        described = [
            (c.get("standardID"), c.find("interface").get("version"), c.findtext("interface/accessURL"))
            for c in capabilities
        ]
        assert described == ([tap, sia] if id in COLLECTIONS else [tap])


def test_image_services(client: httpx.Client) -> None:
    """Clients find services by the standard, the type of the capability and a short name of at most 16 characters."""
    records = fetch_records(client)
    for id, short in zip(COLLECTIONS, ("2MASS Atlas", "2MASS Quicklook", "2MASS Stamps"), strict=True):
        assert (
            records[f"{AUTHORITY}/data/{id}"].findtext("shortName"),
            list_types(records[f"{AUTHORITY}/data/{id}"]),
        ) == (
            short,
            ["Archive"],
        )
        record = records[f"{AUTHORITY}/sia1/{id}"]
        assert record.findtext("title") == f"{records[f'{AUTHORITY}/data/{id}'].findtext('title')}: Simple Image Access"
        assert len(record.findtext("shortName")) <= 16
        assert record.findtext("shortName").endswith(f"{short.split()[-1]} SIA1")
        (sia,) = (c for c in record.findall("capability") if c.get("standardID") == "ivo://ivoa.net/std/SIA")
        assert (sia.get(XSI_TYPE), sia.find("interface").get("role")) == ("sia:SimpleImageAccess", "std")
        pos = sia.find("testQuery/pos")
        test = {"POS": f"{pos.findtext('long')},{pos.findtext('lat')}", "SIZE": "0.1", "RESPONSEFORMAT": "csv"}
        assert len(client.get(f"/sia1/{id}", params=test).text.splitlines()) > 1
    for key, standard in (("sia2", "SIA#query-2.0"), ("datalink", "DataLink#links-1.1")):
        record = records[f"{AUTHORITY}/{key}"]
        assert f"ivo://ivoa.net/std/{standard}" in [c.get("standardID") for c in record.findall("capability")]
        assert list_types(record) == ["Archive"]
        assert {s.text for s in record.iterfind("content/subject")} >= {"infrared-astronomy", "sky-surveys"}
    (tap,) = (
        c for c in records[f"{AUTHORITY}/tap"].findall("capability") if c.get("standardID") == "ivo://ivoa.net/std/TAP"
    )
    (model,) = tap.findall("dataModel")
    assert (model.get("ivo-id"), model.text) == ("ivo://ivoa.net/std/ObsCore#core-1.1", "ObsCore-1.1")


def test_short_names_are_unique(client: httpx.Client) -> None:
    """Short names have at most 16 characters (VOResource 1.2 section 3.1.1)."""
    names = [
        record.findtext("shortName")
        for record in fetch_records(client).values()
        if record.find("shortName") is not None
    ]
    assert len(names) == len({*names})
    assert all(0 < len(name) <= 16 for name in names)


def list_types(record: etree._Element) -> list[str]:
    return [word.text for word in record.iterfind("content/type")]


def test_services_cover_their_collections(client: httpx.Client) -> None:
    records = fetch_records(client)
    for key, ids in (("sia2", COLLECTIONS), ("datalink", COLLECTIONS), ("tap", (*COLLECTIONS, "psc", "xsc"))):
        coverage = MOC.from_string(records[f"{AUTHORITY}/{key}"].findtext("coverage/spatial"))
        for id in ids:
            collection_coverage = MOC.from_string(records[f"{AUTHORITY}/data/{id}"].findtext("coverage/spatial"))
            assert coverage.intersection(collection_coverage) == collection_coverage
        elements = [(e.tag, e.text) for e in records[f"{AUTHORITY}/{key}"].find("coverage")]
        times = [text for name, text in elements if name == "temporal"]
        assert times == (["50606 51956"] if key == "tap" else ["50841 50842"])
        assert elements[1 + len(times) :] == [("spectral", "8.161e-20 1.863e-19"), ("waveband", "Infrared")]
        assert records[f"{AUTHORITY}/{key}"].find("rights").get("rightsURI").startswith("https://")


TERMS = {
    *("astronomy-databases", "broad-band-photometry", "galaxies", "galaxy-photometry", "infrared-astronomy"),
    *("infrared-photometry", "sky-surveys", "stellar-photometry"),
}
"""Terms of the Unified Astronomy Thesaurus (concepts 83, 184, 573, 611, 786, 792, 1464, 1620), in IVOA spelling."""


def test_terms_are_of_vocabularies(client: httpx.Client, shared: Path) -> None:
    """Terms are from the UAT (http://www.ivoa.net/rdf/uat) and the IVOA's vocabularies."""
    vocabularies = {}
    for name in ("content_type", "content_level", "relationship_type", "date_role"):
        lines = (shared / "standards" / "vocab" / f"voresource-{name}.csv").read_text().splitlines()
        vocabularies[name] = {line.partition(";")[0] for line in lines}
    for record in fetch_records(client).values():
        assert {t.text for t in record.iterfind("content/type")} <= vocabularies["content_type"]
        assert {t.text for t in record.iterfind("content/contentLevel")} <= vocabularies["content_level"]
        assert {t.text for t in record.iter("relationshipType")} <= vocabularies["relationship_type"]
        assert {d.get("role") for d in record.iterfind("curation/date")} <= vocabularies["date_role"]
        assert {s.text for s in record.iterfind("content/subject")} <= TERMS


def test_collection_record(client: httpx.Client) -> None:
    record = fetch_records(client)[f"{AUTHORITY}/data/psc"]
    assert record.get(XSI_TYPE) == "vs:CatalogResource"
    assert (record.findtext("shortName"), record.findtext("altIdentifier")) == ("2MASS PSC", "doi:10.26131/IRSA2")
    assert record.findtext("curation/creator/name") == "Skrutskie, M. F."
    assert (record.find("curation/date").get("role"), record.findtext("curation/date")) == ("Issued", "2003-03-25")
    source = record.find("content/source")
    assert (source.get("format"), source.text) == ("bibcode", "2006AJ....131.1163S")
    assert record.find("rights").get("rightsURI").startswith("https://")
    # by hand: J begins at 1.066 um, K ends at 2.434, h c = 1.98645e-25 J m
    # 1997-06-07 is MJD 50606, 2001-02-16 is 51956
    assert [e.text for e in record.iterfind("coverage/spectral")] == ["8.161e-20 1.863e-19"]
    assert record.findtext("coverage/temporal") == "50606 51956"
    assert record.findtext("coverage/waveband") == "Infrared"


@pytest.mark.parametrize("id", ["psc", "xsc"])
def test_coverage(client: httpx.Client, id: str) -> None:
    """The map of the record contains the footprint, which contains every row of the table."""
    record = fetch_records(client)[f"{AUTHORITY}/data/{id}"]
    spatial = record.findtext("coverage/spatial")
    assert len(spatial) <= 24_000
    response = client.get(record.findtext("coverage/footprint"))
    assert response.headers["content-type"] == "application/fits"
    footprint = MOC.from_fits(io.BytesIO(response.content))
    assert MOC.from_string(spatial).intersection(footprint) == footprint
    files = {extension: client.get(f"/coverage/{id}.{extension}") for extension in ("json", "txt", "svg")}
    assert MOC.from_json(files["json"].json()) == footprint == MOC.from_string(files["txt"].text)
    assert files["svg"].headers["content-type"] == "image/svg+xml"
    query = {"LANG": "ADQL", "QUERY": f"SELECT ra, dec FROM {id}", "RESPONSEFORMAT": "votable", "MAXREC": "30000"}
    rows = parse_single_table(io.BytesIO(client.post("/tap/sync", data=query).content)).to_table()
    assert footprint.contains_lonlat(rows["ra"].quantity, rows["dec"].quantity).all()


def test_coverage_of_images(client: httpx.Client) -> None:
    """Map, times and bands are those of the rows."""
    query = "SELECT s_region, t_min, t_max, em_min, em_max FROM ivoa.obscore WHERE obs_collection = '{}'"
    for id, name in zip(COLLECTIONS, ("Atlas", "Quicklook", "Stamps"), strict=True):
        form = {"LANG": "ADQL", "QUERY": query.format(f"2MASS All-Sky {name}"), "RESPONSEFORMAT": "csv"}
        rows = list(csv.DictReader(client.post("/tap/sync", data=form).text.splitlines()))
        assert rows
        expected = MOC.new_empty(10).union(*(MOC.from_stcs(row["s_region"], 10) for row in rows))
        covered = MOC.from_fits(io.BytesIO(client.get(f"/coverage/{id}.fits").content))
        assert covered == expected
        coverage = fetch_records(client)[f"{AUTHORITY}/data/{id}"].find("coverage")
        ((first, last),) = (map(float, e.text.split()) for e in coverage.iterfind("temporal"))
        if rows[0]["t_min"]:
            assert first <= min(float(r["t_min"]) for r in rows) < first + 1
            assert last - 1 <= max(float(r["t_max"]) for r in rows) < last
        assert last - first < 5
        ((low, high),) = (map(float, e.text.split()) for e in coverage.iterfind("spectral"))
        assert low == pytest.approx(1.98645e-25 / max(float(r["em_max"]) for r in rows), rel=1e-3)
        assert high == pytest.approx(1.98645e-25 / min(float(r["em_min"]) for r in rows), rel=1e-3)


def test_unchanged_map_is_not_sent_again(client: httpx.Client) -> None:
    first = client.get("/coverage/psc.fits")
    second = client.get("/coverage/psc.fits", headers={"If-None-Match": first.headers["etag"]})
    assert (second.status_code, second.content) == (304, b"")
    for path in ("psc.png", "psc", "nothing.fits", "fp_psc.fits"):
        assert client.get(f"/coverage/{path}").status_code == 404


def test_pyvo_reads_record(client: httpx.Client) -> None:
    """pyvo reads the capabilities and tables of the TAP record, put into VOSI documents."""
    record = fetch_records(client)[f"{AUTHORITY}/tap"]
    spaces = {**record.nsmap, "vosi": "http://www.ivoa.net/xml/VOSICapabilities/v1.0"}
    document = etree.Element(f"{{{spaces['vosi']}}}capabilities", nsmap=spaces)
    document.extend(record.findall("capability"))
    tap = vosi.parse_capabilities(io.BytesIO(etree.tostring(document)))[0]
    assert tap.standardid == "ivo://ivoa.net/std/TAP"
    assert tap.get_adql().get_udf("ivo_healpix_index") is not None
    spaces = {**record.nsmap, "vosi": "http://www.ivoa.net/xml/VOSITables/v1.0"}
    document = etree.Element(f"{{{spaces['vosi']}}}tableset", nsmap=spaces)
    document.extend(record.find("tableset"))
    tables = vosi.parse_tables(io.BytesIO(etree.tostring(document))).iter_tables()
    assert {"twomass.psc", "twomass.xsc"} <= {table.name for table in tables}


def test_dublin_core(client: httpx.Client) -> None:
    (record,) = send_request(
        client, verb="GetRecord", metadataPrefix="oai_dc", identifier=f"{AUTHORITY}/data/psc"
    ).iter(f"{OAI}metadata")
    terms = [(e.tag.removeprefix(DC), e.text) for e in record[0]]
    for pair in (
        ("title", "2MASS All-Sky Point Source Catalog"),
        ("creator", "Cutri, R. M."),
        ("identifier", f"{AUTHORITY}/data/psc"),
        ("identifier", "doi:10.26131/IRSA2"),
        ("source", "2006AJ....131.1163S"),
        ("relation", f"{AUTHORITY}/tap"),
        ("date", "2003-03-25"),
    ):
        assert pair in terms


# ------------------------------------------------- harvests, dates, deletions

TOML = """
id = "{id}"
description = "{description}"
[schema]
name = "mine"
[table]
name = "{id}"
identifier = "name"
position = {{ ra = "ra", dec = "dec" }}
[columns.name]
type = "VARCHAR(8)"
description = "Name"
nullable = false
[columns.ra]
type = "DOUBLE PRECISION"
unit = "deg"
description = "Right ascension"
nullable = false
[columns.dec]
type = "DOUBLE PRECISION"
unit = "deg"
description = "Declination"
nullable = false
[cone]
test = [10, 10, 1]
verb1 = ["name", "ra", "dec"]
verb2 = ["name", "ra", "dec"]
[origin]
title = "Stars {id}"
publisher = "Nobody"
"""

COLLECTION_COUNT = 12
"""The catalogues of the test. They give 24 records; the server itself has 4. The built-in ones are not loaded."""

OPERATOR = {
    "authority": "org.Example",
    "publisher": "Example Observatory",
    "contact": "vo@example.org",
    "public_url": "https://vo.example.org/sky",
}


class CatalogueFolder:
    """A folder of catalogue files and data, which can be served repeatedly."""

    def __init__(self, folder: Path, listening: Any) -> None:
        self.folder, self.listening = folder, listening
        self.settings = Settings(data=folder / "data", schemas=str(folder / "schemas"), **OPERATOR)
        (folder / "schemas").mkdir()

    def write(self, id: str, description: str = "Stars") -> None:
        (self.folder / "schemas" / f"{id}.toml").write_text(TOML.format(id=id, description=description))

    def load(self, id: str, rows: str = "a,10,10\nb,20,20\n") -> None:
        (self.folder / f"{id}.csv").write_text(f"name,ra,dec\n{rows}")
        load(
            load_site_catalogue(self.settings).get_collection(id),
            [self.folder / f"{id}.csv"],
            DataDirectory(self.settings.data),
        )

    @contextmanager
    def serve(self) -> Iterator[httpx.Client]:
        with self.listening(self.settings) as url, httpx.Client(base_url=url, timeout=30) as client:
            yield client

    def fetch_datestamps(self) -> dict[str, str]:
        with self.serve() as client:
            return fetch_datestamps(client)


@pytest.fixture(scope="module")
def authority_client(tmp_path_factory: pytest.TempPathFactory, listening: Any) -> Iterator[httpx.Client]:
    """Serve a registry of 28 records with an authority."""
    folder = CatalogueFolder(tmp_path_factory.mktemp("registry"), listening)
    for number in range(COLLECTION_COUNT):
        folder.write(f"stars{number}")
        folder.load(f"stars{number}")
    with folder.serve() as client:
        yield client


@pytest.mark.parametrize("verb", ["ListRecords", "ListIdentifiers"])
@pytest.mark.parametrize("prefix", FORMATS)
def test_list_comes_in_two_pages(
    authority_client: httpx.Client, documents: etree.XMLSchema, verb: str, prefix: str
) -> None:
    """The first page has a resumption token, the last one an empty token."""
    pages = list(harvest(authority_client, documents, verb, metadataPrefix=prefix, set="ivo_managed"))
    assert [len(page) for _, page in pages] == [20, 8]
    assert pages[0][0] not in ("", "none")
    assert pages[1][0] == ""
    ids = [item.find(f".//{OAI}identifier").text for _, page in pages for item in page]
    stars = [key for n in range(COLLECTION_COUNT) for key in (f"data/stars{n}", f"cone/stars{n}")]
    assert sorted(ids) == sorted(
        ["ivo://org.example", *(f"ivo://org.example/{k}" for k in ("registry", "org", "tap", *stars))]
    )
    dates = [item.find(f".//{OAI}datestamp").text for _, page in pages for item in page]
    assert dates == sorted(dates)


def test_rejects_other_and_damaged_tokens(authority_client: httpx.Client) -> None:
    ((text, _), _) = harvest(authority_client, None, "ListIdentifiers", metadataPrefix="oai_dc")
    assert list_error_codes(send_request(authority_client, verb="ListRecords", resumptionToken=text)) == [
        "badResumptionToken"
    ]
    for garbled in (text[:-1], text[1:], text.swapcase(), text + text):
        assert list_error_codes(send_request(authority_client, verb="ListIdentifiers", resumptionToken=garbled)) == [
            "badResumptionToken"
        ]
    assert list_error_codes(send_request(authority_client, verb="ListIdentifiers", resumptionToken=text)) == []


def test_records_of_authority_are_active(authority_client: httpx.Client) -> None:
    records = fetch_records(authority_client)
    assert {record.get("status") for record in records.values()} == {"active"}
    for record in records.values():
        assert record.findtext("curation/publisher") == "Example Observatory"
        assert record.findtext("curation/contact/email") == "vo@example.org"
        urls = [u.text for u in record.iter("accessURL")]
        assert all(url.startswith("https://vo.example.org/sky/") for url in urls)
    assert send_request(authority_client, verb="Identify").findtext(f".//{OAI}adminEmail") == "vo@example.org"


def test_responses_name_collection_record(authority_client: httpx.Client) -> None:
    for response in (
        authority_client.get("/cone/stars3", params={"RA": 10, "DEC": 10, "SR": 1}),
        authority_client.get(
            "/tap/sync", params={"LANG": "ADQL", "QUERY": "SELECT * FROM mine.stars3", "FORMAT": "votable/td"}
        ),
    ):
        infos = {i.get("name"): i.get("value") for i in etree.fromstring(response.content).iter("{*}INFO")}
        assert infos["ivoid"] == "ivo://org.example/data/stars3"
    assert "ivo://org.example/data/stars3" in fetch_records(authority_client)


def test_unreachable_database(tmp_path: Path, listening: Any, documents: etree.XMLSchema) -> None:
    """The error is that of HTTP (section 3.1.2.2), and no record is dated or deleted."""
    with (
        listening(Settings(data=tmp_path, engine="postgresql://nobody@127.0.0.1:1/nothing")) as url,
        httpx.Client(base_url=url) as client,
    ):
        response = client.get("/oai?verb=Identify")
        assert (response.status_code, response.headers["retry-after"]) == (503, "10")
        assert list_error_codes(etree.fromstring(client.get("/oai?verb=Nothing").content)) == ["badVerb"]
    assert not (tmp_path / "registry.json").exists()


def test_lists_between_dates(authority_client: httpx.Client) -> None:
    datestamps = fetch_datestamps(authority_client)
    first, last = min(datestamps.values()), max(datestamps.values())
    assert fetch_headers(authority_client, since=first, until=last).keys() == datestamps.keys()
    assert fetch_headers(authority_client, since=first[:10], until=last[:10]).keys() == datestamps.keys()
    before = datetime.fromisoformat(first).timestamp() - 1
    too_early = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(before))
    assert list_error_codes(
        send_request(authority_client, verb="ListIdentifiers", metadataPrefix="ivo_vor", until=too_early)
    ) == ["noRecordsMatch"]
    too_late = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(datetime.fromisoformat(last).timestamp() + 1))
    assert list_error_codes(
        send_request(authority_client, verb="ListIdentifiers", metadataPrefix="ivo_vor", since=too_late)
    ) == ["noRecordsMatch"]


def backdate(folder: CatalogueFolder) -> None:
    """Set the dates of all records to a year ago."""
    file = folder.settings.data / "registry.json"
    rows = json.loads(file.read_text())
    for row in rows.values():
        row |= {"created": "2025-01-01T00:00:00+00:00", "updated": "2025-01-01T00:00:00+00:00"}
    file.write_text(json.dumps(rows))


def find_changed(folder: CatalogueFolder) -> set[str]:
    """Return the keys of the records whose dates have changed since `backdate`."""
    return {
        id.removeprefix("ivo://org.example/")
        for id, date in folder.fetch_datestamps().items()
        if date > "2025-01-01T00:00:00Z"
    }


def test_dates_follow_changes_of_records(tmp_path: Path, listening: Any) -> None:
    folder = CatalogueFolder(tmp_path, listening)
    for id in ("one", "two"):
        folder.write(id)
        folder.load(id)
    folder.fetch_datestamps()
    backdate(folder)
    assert find_changed(folder) == set()  # after a restart
    folder.load("one")
    assert find_changed(folder) == set()  # the same rows
    folder.load("one", "a,10,10\nb,20,20\nc,200,-20\n")
    assert find_changed(folder) == {"data/one", "cone/one", "tap"}  # other rows, with another number and coverage
    backdate(folder)
    folder.write("two", "Other stars")
    assert find_changed(folder) == {"data/two", "cone/two"}


def test_lists_deleted_records(tmp_path: Path, listening: Any, documents: etree.XMLSchema) -> None:
    folder = CatalogueFolder(tmp_path, listening)
    for id in ("one", "two"):
        folder.write(id)
        folder.load(id)
    folder.fetch_datestamps()
    backdate(folder)
    shutil.rmtree(DataDirectory(folder.settings.data).get_collection_folder("two"))
    deleted = {"ivo://org.example/data/two", "ivo://org.example/cone/two"}
    with folder.serve() as client:
        for verb in ("ListRecords", "ListIdentifiers"):
            for _ in harvest(client, documents, verb, metadataPrefix="ivo_vor"):
                pass
        headers = fetch_headers(client, since="2025-01-02")
        assert {id for id, header in headers.items() if header.get("status") == "deleted"} == deleted
        assert {*headers} == {*deleted, "ivo://org.example/tap"}  # its record names the collections that it serves
        response = send_request(
            client, verb="GetRecord", metadataPrefix="ivo_vor", identifier="ivo://org.example/data/two"
        )
        (record,) = response.iter(f"{OAI}record")
        assert [child.tag for child in record] == [f"{OAI}header"]
        assert {record.findtext("identifier") for record in fetch_records(client).values()}.isdisjoint(deleted)
    folder.load("two")
    with folder.serve() as client:
        assert {header.get("status") for header in fetch_headers(client).values()} == {None}
