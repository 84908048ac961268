"""The publishing registry, as a harvester and as the validator of the Registry of Registries ask it."""

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
BOTH = ("ivo_vor", "oai_dc")
DEMO = "ivo://unregistered.invalid"
COLLECTIONS = ("atlas", "quicklook", "stamps")
KEYS = {
    *("registry", "org", "tap", "data/psc", "data/xsc", "cone/psc", "cone/xsc", "sia2", "datalink"),
    *(f"{kind}/{id}" for kind in ("data", "sia1") for id in COLLECTIONS),
}


def ask(client: httpx.Client, **arguments: str) -> etree._Element:
    """An answer of the registry; `since` is the argument `from`."""
    given = {{"since": "from"}.get(name, name): value for name, value in arguments.items()}
    answer = client.get("/oai", params=given)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/xml;charset=utf-8"
    return etree.fromstring(answer.content)


def codes(answer: etree._Element) -> list[str]:
    return [error.get("code") for error in answer.findall(f"{OAI}error")]


def harvest(
    client: httpx.Client, documents: etree.XMLSchema | None, verb: str, **arguments: str
) -> Iterator[tuple[str, list[etree._Element]]]:
    """The pages of a list as a harvester gets them, each with the text of the token that led on from it, if any."""
    size = None
    answer = ask(client, verb=verb, **arguments)
    seen = 0
    while True:
        if documents is not None:
            documents.assertValid(answer)
        body = answer.find(OAI + verb)
        assert body is not None, codes(answer)
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
        answer = ask(client, verb=verb, resumptionToken=token.text)


def headers(client: httpx.Client, prefix: str = "ivo_vor", **arguments: str) -> dict[str, etree._Element]:
    pages = harvest(client, None, "ListIdentifiers", metadataPrefix=prefix, **arguments)
    return {header.findtext(f"{OAI}identifier"): header for _, page in pages for header in page}


def stamps(client: httpx.Client) -> dict[str, str]:
    return {id: header.findtext(f"{OAI}datestamp") for id, header in headers(client).items()}


def records(client: httpx.Client) -> dict[str, etree._Element]:
    """The VOResource records by their identifiers."""
    pages = harvest(client, None, "ListRecords", metadataPrefix="ivo_vor", set="ivo_managed")
    found = [record.find(f".//{RI}") for _, page in pages for record in page]
    return {record.findtext("identifier"): record for record in found if record is not None}


# ------------------------------------------------------- what validators ask


def _probes() -> list[Any]:
    file = Path(__file__).resolve().parents[3] / "shared/standards/tables/oai_probes.json"
    return json.loads(file.read_text())["probes"] if file.exists() else []


@pytest.mark.parametrize("probe", _probes(), ids=lambda p: p["query"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_probes_of_the_validator(
    client: httpx.Client, documents: etree.XMLSchema, method: str, probe: dict[str, Any]
) -> None:
    query = probe["query"].removeprefix("?")
    if method == "GET":
        answer = client.get(f"/oai?{query}")
    else:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = client.post("/oai", content=query, headers=form)
    assert answer.status_code == 200
    tree = etree.fromstring(answer.content)
    documents.assertValid(tree)
    found = codes(tree)
    if "ok" not in probe["expect"]:
        assert found
    if probe["expect"] == "ok":
        assert found == []
    assert {*found} <= {*probe.get("codes", ())}


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
    (f"verb=GetRecord&identifier={DEMO}&metadataPrefix=marc", ["cannotDisseminateFormat"]),
    (f"verb=GetRecord&identifier={DEMO}&metadataPrefix=a%20b", ["badArgument"]),
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
def test_errors(client: httpx.Client, documents: etree.XMLSchema, query: str, expected: list[str]) -> None:
    """With the attributes of the request where it makes sense, and without where it does not (section 3.6)."""
    answer = client.get(f"/oai?{query}")
    assert answer.status_code == 200
    tree = etree.fromstring(answer.content)
    documents.assertValid(tree)
    assert codes(tree) == expected
    attributes = tree.find(f"{OAI}request").attrib
    assert bool(attributes) is not bool({*expected} & {"badVerb", "badArgument"})
    assert all(error.text for error in tree.findall(f"{OAI}error"))


def test_a_form_that_is_none(client: httpx.Client, documents: etree.XMLSchema) -> None:
    answer = client.post("/oai", content=b"{}", headers={"Content-Type": "application/json"})
    tree = etree.fromstring(answer.content)
    documents.assertValid(tree)
    assert (answer.status_code, codes(tree)) == (200, ["badArgument"])
    assert client.put("/oai").status_code == 405


@pytest.mark.parametrize("prefix", BOTH)
def test_every_record_alone_and_in_the_list(client: httpx.Client, documents: etree.XMLSchema, prefix: str) -> None:
    pages = harvest(client, documents, "ListRecords", metadataPrefix=prefix)
    listed = [record for _, page in pages for record in page]
    assert {r.findtext(f"{OAI}header/{OAI}identifier") for r in listed} >= {DEMO, *(f"{DEMO}/{key}" for key in KEYS)}
    for record in listed:
        id = record.findtext(f"{OAI}header/{OAI}identifier")
        alone = ask(client, verb="GetRecord", metadataPrefix=prefix, identifier=id.upper())
        documents.assertValid(alone)
        (same,) = alone.findall(f"{OAI}GetRecord/{OAI}record")
        assert _words(same) == _words(record)


def _words(element: etree._Element) -> list[str]:
    return [text.strip() for text in element.itertext() if text.strip()]


def test_identify(client: httpx.Client, documents: etree.XMLSchema) -> None:
    """Registry Interfaces 1.1 section 3.1.5: the registry's own record is in it."""
    answer = ask(client, verb="Identify")
    documents.assertValid(answer)
    said = answer.find(f"{OAI}Identify")
    base = f"{str(client.base_url).rstrip('/')}/oai"
    assert said.findtext(f"{OAI}baseURL") == base == answer.findtext(f"{OAI}request")
    assert said.findtext(f"{OAI}deletedRecord") == "persistent"
    assert said.findtext(f"{OAI}earliestDatestamp") <= min(stamps(client).values())
    (registry,) = said.findall(f"{OAI}description/{RI}")
    assert (registry.get(XSI_TYPE), registry.findtext("full")) == ("vg:Registry", "false")
    assert [a.text for a in registry.findall("managedAuthority")] == ["unregistered.invalid"]
    (own,) = (c for c in registry.findall("capability") if c.get("standardID") == "ivo://ivoa.net/std/Registry")
    interface = own.find("interface")
    assert (own.get(XSI_TYPE), interface.get(XSI_TYPE)) == ("vg:Harvest", "vg:OAIHTTP")
    assert (interface.get("role"), interface.get("version")) == ("std", "1.0")
    assert interface.findtext("accessURL") == base
    for url in (u.text for u in registry.iter("accessURL") if u.text != base):
        documents.assertValid(etree.fromstring(client.get(url).content))


def test_what_registry_interfaces_asks_of_the_records(client: httpx.Client) -> None:
    """Section 3.1.4: the registry and its authorities are among the managed ones, and nothing of others."""
    found = records(client)
    assert {f"{DEMO}/registry", DEMO} <= {*found}
    assert found[DEMO].get(XSI_TYPE) == "vg:Authority"
    assert found[DEMO].find("managingOrg").get("ivo-id") == f"{DEMO}/org"
    assert found[f"{DEMO}/org"].get(XSI_TYPE) == "vr:Organisation"
    assert {id.split("/")[2] for id in found} == {"unregistered.invalid"}
    assert [s.text for s in ask(client, verb="ListSets").iter(f"{OAI}setSpec")] == ["ivo_managed"]
    assert {s.text for h in headers(client).values() for s in h.iter(f"{OAI}setSpec")} == {"ivo_managed"}
    known = {
        f.findtext(f"{OAI}metadataPrefix") for f in ask(client, verb="ListMetadataFormats").iter(f"{OAI}metadataFormat")
    }
    assert known == {*BOTH}


def test_a_registry_without_an_authority_is_for_nobody(client: httpx.Client) -> None:
    """It can be harvested whole, and cannot be registered by mistake."""
    assert {record.get("status") for record in records(client).values()} == {"inactive"}


# ----------------------------------------------------------- what records say


def test_capabilities_are_those_of_the_services(client: httpx.Client) -> None:
    services = {id: r for id, r in records(client).items() if r.get(XSI_TYPE) == "vs:CatalogService"}
    assert {*services} >= {f"{DEMO}/{key}" for key in KEYS if key.partition("/")[0] not in ("registry", "org", "data")}
    for id, record in services.items():
        said = etree.fromstring(client.get(f"{id.removeprefix(DEMO)}/capabilities").content)
        assert [_plain(c) for c in record.findall("capability")] == [_plain(c) for c in said]
        assert record.find(".//securityMethod") is None


def _plain(element: etree._Element) -> Any:
    """An element with all in it, blanks apart."""
    return element.tag, dict(element.attrib), (element.text or "").strip(), [_plain(child) for child in element]


def test_tables_are_those_of_the_service(client: httpx.Client) -> None:
    found = records(client)
    for key, names in (
        ("tap", {"twomass.psc", "twomass.atlas", "ivoa.obscore"}),
        ("cone/psc", {"twomass.psc"}),
        ("sia1/atlas", {"twomass.atlas"}),
        ("sia2", {"ivoa.obscore"}),
    ):
        whole = etree.fromstring(client.get(f"/{key}/tables").content)
        assert [_plain(s) for s in found[f"{DEMO}/{key}"].find("tableset")] == [_plain(s) for s in whole]
        told = {name.text for name in whole.iterfind("schema/table/name")}
        assert (told >= names) if key == "tap" else (told == names)
    assert (found[f"{DEMO}/datalink"].find("tableset"), client.get("/datalink/tables").status_code) == (None, 404)
    names = [t.text for t in found[f"{DEMO}/data/psc"].iterfind("tableset/schema/table/name")]
    assert names == ["twomass.psc", "twomass.fp_psc"]
    assert found[f"{DEMO}/data/psc"].findtext("tableset/schema/table/nrows") == "20000"


def test_relationships_lead_somewhere_and_back(client: httpx.Client) -> None:
    found = records(client)
    lead = {
        (id, r.findtext("relationshipType"), other.get("ivo-id"))
        for id, record in found.items()
        for r in record.iterfind("content/relationship")
        for other in r.iterfind("relatedResource")
    }
    assert {id for _, _, id in lead} <= {*found}
    back = {"IsServedBy": "IsServiceFor", "IsServiceFor": "IsServedBy"}
    assert lead == {(b, back[word], a) for a, word, b in lead}
    assert (f"{DEMO}/data/psc", "IsServedBy", f"{DEMO}/tap") in lead
    assert (f"{DEMO}/cone/psc", "IsServiceFor", f"{DEMO}/data/psc") in lead
    for id in COLLECTIONS:
        served = {b for a, word, b in lead if (a, word) == (f"{DEMO}/data/{id}", "IsServedBy")}
        assert served >= {f"{DEMO}/{key}" for key in ("tap", "sia2", "datalink", f"sia1/{id}")}
    assert {a for a, _, b in lead if b == f"{DEMO}/sia2"} == {f"{DEMO}/data/{id}" for id in COLLECTIONS}


def test_auxiliary_capabilities(client: httpx.Client) -> None:
    """Discovering Data Collections Within Services, section 4: those of the services for several collections."""
    found, base = records(client), str(client.base_url).rstrip("/")
    tap = ("ivo://ivoa.net/std/TAP#aux", "1.1", f"{base}/tap")
    sia = ("ivo://ivoa.net/std/SIA#query-aux-2.0", "2.0", f"{base}/sia2/query")
    for id in ("psc", "xsc", *COLLECTIONS):
        capabilities = found[f"{DEMO}/data/{id}"].findall("capability")
        assert {c.get(XSI_TYPE) for c in capabilities} == {None}
        assert {c.find("interface").get("role") for c in capabilities} == {"std"}
        told = [
            (c.get("standardID"), c.find("interface").get("version"), c.findtext("interface/accessURL"))
            for c in capabilities
        ]
        assert told == ([tap, sia] if id in COLLECTIONS else [tap])


def test_image_services(client: httpx.Client) -> None:
    """What clients find them by: the standard, the type of the capability, a name that is not too long."""
    found = records(client)
    for id, short in zip(COLLECTIONS, ("2MASS Atlas", "2MASS Quicklook", "2MASS Stamps"), strict=True):
        assert (found[f"{DEMO}/data/{id}"].findtext("shortName"), _types(found[f"{DEMO}/data/{id}"])) == (
            short,
            ["Archive"],
        )
        record = found[f"{DEMO}/sia1/{id}"]
        assert record.findtext("title") == f"{found[f'{DEMO}/data/{id}'].findtext('title')}: Simple Image Access"
        assert len(record.findtext("shortName")) <= 16
        assert record.findtext("shortName").endswith(f"{short.split()[-1]} SIA1")
        (sia,) = (c for c in record.findall("capability") if c.get("standardID") == "ivo://ivoa.net/std/SIA")
        assert (sia.get(XSI_TYPE), sia.find("interface").get("role")) == ("sia:SimpleImageAccess", "std")
        pos = sia.find("testQuery/pos")
        test = {"POS": f"{pos.findtext('long')},{pos.findtext('lat')}", "SIZE": "0.1", "RESPONSEFORMAT": "csv"}
        assert len(client.get(f"/sia1/{id}", params=test).text.splitlines()) > 1
    for key, standard in (("sia2", "SIA#query-2.0"), ("datalink", "DataLink#links-1.1")):
        record = found[f"{DEMO}/{key}"]
        assert f"ivo://ivoa.net/std/{standard}" in [c.get("standardID") for c in record.findall("capability")]
        assert _types(record) == ["Archive"]
        assert {s.text for s in record.iterfind("content/subject")} >= {"infrared-astronomy", "sky-surveys"}
    (tap,) = (c for c in found[f"{DEMO}/tap"].findall("capability") if c.get("standardID") == "ivo://ivoa.net/std/TAP")
    (model,) = tap.findall("dataModel")
    assert (model.get("ivo-id"), model.text) == ("ivo://ivoa.net/std/ObsCore#core-1.1", "ObsCore-1.1")


def test_short_names_tell_records_apart(client: httpx.Client) -> None:
    """They are what lists of services show; 16 characters at the most (VOResource 1.2 section 3.1.1)."""
    names = [
        record.findtext("shortName") for record in records(client).values() if record.find("shortName") is not None
    ]
    assert len(names) == len({*names})
    assert all(0 < len(name) <= 16 for name in names)


def _types(record: etree._Element) -> list[str]:
    return [word.text for word in record.iterfind("content/type")]


def test_what_services_cover_is_what_their_collections_do(client: httpx.Client) -> None:
    found = records(client)
    for key, ids in (("sia2", COLLECTIONS), ("datalink", COLLECTIONS), ("tap", (*COLLECTIONS, "psc", "xsc"))):
        whole = MOC.from_string(found[f"{DEMO}/{key}"].findtext("coverage/spatial"))
        for id in ids:
            part = MOC.from_string(found[f"{DEMO}/data/{id}"].findtext("coverage/spatial"))
            assert whole.intersection(part) == part
        words = [(e.tag, e.text) for e in found[f"{DEMO}/{key}"].find("coverage")]
        times = [text for name, text in words if name == "temporal"]
        assert times == (["50606 51956"] if key == "tap" else ["50841 50842"])
        assert words[1 + len(times) :] == [("spectral", "8.161e-20 1.863e-19"), ("waveband", "Infrared")]
        assert found[f"{DEMO}/{key}"].find("rights").get("rightsURI").startswith("https://")


TERMS = {
    *("astronomy-databases", "broad-band-photometry", "galaxies", "galaxy-photometry", "infrared-astronomy"),
    *("infrared-photometry", "sky-surveys", "stellar-photometry"),
}
"""Those terms of the Unified Astronomy Thesaurus that were looked up there (concepts 83, 184, 573, 611, 786, 792, 1464,
1620), as the IVOA spells them."""


def test_subjects_and_types_are_of_the_vocabularies(client: httpx.Client, shared: Path) -> None:
    """The UAT (http://www.ivoa.net/rdf/uat) and the IVOA's content types and levels, relationships and date roles."""
    words = {}
    for name in ("content_type", "content_level", "relationship_type", "date_role"):
        lines = (shared / "standards" / "vocab" / f"voresource-{name}.csv").read_text().splitlines()
        words[name] = {line.partition(";")[0] for line in lines}
    for record in records(client).values():
        assert {t.text for t in record.iterfind("content/type")} <= words["content_type"]
        assert {t.text for t in record.iterfind("content/contentLevel")} <= words["content_level"]
        assert {t.text for t in record.iter("relationshipType")} <= words["relationship_type"]
        assert {d.get("role") for d in record.iterfind("curation/date")} <= words["date_role"]
        assert {s.text for s in record.iterfind("content/subject")} <= TERMS


def test_a_collection(client: httpx.Client) -> None:
    record = records(client)[f"{DEMO}/data/psc"]
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
    """The map of the record holds that of the footprint, and that every row of the table."""
    record = records(client)[f"{DEMO}/data/{id}"]
    spatial = record.findtext("coverage/spatial")
    assert len(spatial) <= 24_000
    answer = client.get(record.findtext("coverage/footprint"))
    assert answer.headers["content-type"] == "application/fits"
    fine = MOC.from_fits(io.BytesIO(answer.content))
    assert MOC.from_string(spatial).intersection(fine) == fine
    forms = {form: client.get(f"/coverage/{id}.{form}") for form in ("json", "txt", "svg")}
    assert MOC.from_json(forms["json"].json()) == fine == MOC.from_string(forms["txt"].text)
    assert forms["svg"].headers["content-type"] == "image/svg+xml"
    query = {"LANG": "ADQL", "QUERY": f"SELECT ra, dec FROM {id}", "RESPONSEFORMAT": "votable", "MAXREC": "30000"}
    rows = parse_single_table(io.BytesIO(client.post("/tap/sync", data=query).content)).to_table()
    assert fine.contains_lonlat(rows["ra"].quantity, rows["dec"].quantity).all()


def test_coverage_of_images(client: httpx.Client) -> None:
    """The map is that of the footprints, and the times and bands are those of the rows."""
    query = "SELECT s_region, t_min, t_max, em_min, em_max FROM ivoa.obscore WHERE obs_collection = '{}'"
    for id, name in zip(COLLECTIONS, ("Atlas", "Quicklook", "Stamps"), strict=True):
        form = {"LANG": "ADQL", "QUERY": query.format(f"2MASS All-Sky {name}"), "RESPONSEFORMAT": "csv"}
        rows = list(csv.DictReader(client.post("/tap/sync", data=form).text.splitlines()))
        assert rows
        drawn = MOC.new_empty(10).union(*(MOC.from_stcs(row["s_region"], 10) for row in rows))
        covered = MOC.from_fits(io.BytesIO(client.get(f"/coverage/{id}.fits").content))
        assert covered == drawn
        coverage = records(client)[f"{DEMO}/data/{id}"].find("coverage")
        ((first, last),) = (map(float, e.text.split()) for e in coverage.iterfind("temporal"))
        if rows[0]["t_min"]:
            assert first <= min(float(r["t_min"]) for r in rows) < first + 1
            assert last - 1 <= max(float(r["t_max"]) for r in rows) < last
        assert last - first < 5
        ((low, high),) = (map(float, e.text.split()) for e in coverage.iterfind("spectral"))
        assert low == pytest.approx(1.98645e-25 / max(float(r["em_max"]) for r in rows), rel=1e-3)
        assert high == pytest.approx(1.98645e-25 / min(float(r["em_min"]) for r in rows), rel=1e-3)


def test_a_map_is_sent_once_to_who_keeps_it(client: httpx.Client) -> None:
    first = client.get("/coverage/psc.fits")
    again = client.get("/coverage/psc.fits", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for path in ("psc.png", "psc", "nothing.fits", "fp_psc.fits"):
        assert client.get(f"/coverage/{path}").status_code == 404


def test_pyvo_reads_what_records_hold(client: httpx.Client) -> None:
    """The capabilities and the tables of the TAP service's record, in the documents in which pyvo meets them."""
    record = records(client)[f"{DEMO}/tap"]
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
    (record,) = ask(client, verb="GetRecord", metadataPrefix="oai_dc", identifier=f"{DEMO}/data/psc").iter(
        f"{OAI}metadata"
    )
    said = [(e.tag.removeprefix(DC), e.text) for e in record[0]]
    for pair in (
        ("title", "2MASS All-Sky Point Source Catalog"),
        ("creator", "Cutri, R. M."),
        ("identifier", f"{DEMO}/data/psc"),
        ("identifier", "doi:10.26131/IRSA2"),
        ("source", "2006AJ....131.1163S"),
        ("relation", f"{DEMO}/tap"),
        ("date", "2003-03-25"),
    ):
        assert pair in said


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

COUNT = 12
"""Catalogues of our own; the two that are built in are not loaded here. 24 records, and 4 of the server itself."""

OPERATOR = {
    "authority": "org.Example",
    "publisher": "Example Observatory",
    "contact": "vo@example.org",
    "public_url": "https://vo.example.org/sky",
}


class Place:
    """A folder of catalogues and of data, to be served again and again."""

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
    def served(self) -> Iterator[httpx.Client]:
        with self.listening(self.settings) as url, httpx.Client(base_url=url, timeout=30) as client:
            yield client

    def stamps(self) -> dict[str, str]:
        with self.served() as client:
            return stamps(client)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, listening: Any) -> Iterator[httpx.Client]:
    """A registry of 28 records, under an authority."""
    place = Place(tmp_path_factory.mktemp("registry"), listening)
    for number in range(COUNT):
        place.write(f"stars{number}")
        place.load(f"stars{number}")
    with place.served() as client:
        yield client


@pytest.mark.parametrize("verb", ["ListRecords", "ListIdentifiers"])
@pytest.mark.parametrize("prefix", BOTH)
def test_a_harvest(full: httpx.Client, documents: etree.XMLSchema, verb: str, prefix: str) -> None:
    """In two answers: the first leads on, the second says that it is the last."""
    pages = list(harvest(full, documents, verb, metadataPrefix=prefix, set="ivo_managed"))
    assert [len(page) for _, page in pages] == [20, 8]
    assert pages[0][0] not in ("", "none")
    assert pages[1][0] == ""
    found = [item.find(f".//{OAI}identifier").text for _, page in pages for item in page]
    stars = [key for n in range(COUNT) for key in (f"data/stars{n}", f"cone/stars{n}")]
    assert sorted(found) == sorted(
        ["ivo://org.example", *(f"ivo://org.example/{k}" for k in ("registry", "org", "tap", *stars))]
    )
    dates = [item.find(f".//{OAI}datestamp").text for _, page in pages for item in page]
    assert dates == sorted(dates)


def test_a_token_is_for_its_own_list_and_for_nothing_garbled(full: httpx.Client) -> None:
    ((text, _), _) = harvest(full, None, "ListIdentifiers", metadataPrefix="oai_dc")
    assert codes(ask(full, verb="ListRecords", resumptionToken=text)) == ["badResumptionToken"]
    for garbled in (text[:-1], text[1:], text.swapcase(), text + text):
        assert codes(ask(full, verb="ListIdentifiers", resumptionToken=garbled)) == ["badResumptionToken"]
    assert codes(ask(full, verb="ListIdentifiers", resumptionToken=text)) == []


def test_records_of_an_authority_are_active_and_whole(full: httpx.Client) -> None:
    found = records(full)
    assert {record.get("status") for record in found.values()} == {"active"}
    for record in found.values():
        assert record.findtext("curation/publisher") == "Example Observatory"
        assert record.findtext("curation/contact/email") == "vo@example.org"
        urls = [u.text for u in record.iter("accessURL")]
        assert all(url.startswith("https://vo.example.org/sky/") for url in urls)
    assert ask(full, verb="Identify").findtext(f".//{OAI}adminEmail") == "vo@example.org"


def test_answers_name_the_record_of_their_collection(full: httpx.Client) -> None:
    for answer in (
        full.get("/cone/stars3", params={"RA": 10, "DEC": 10, "SR": 1}),
        full.get("/tap/sync", params={"LANG": "ADQL", "QUERY": "SELECT * FROM mine.stars3", "FORMAT": "votable/td"}),
    ):
        infos = {i.get("name"): i.get("value") for i in etree.fromstring(answer.content).iter("{*}INFO")}
        assert infos["ivoid"] == "ivo://org.example/data/stars3"
    assert "ivo://org.example/data/stars3" in records(full)


def test_a_database_that_is_away(tmp_path: Path, listening: Any, documents: etree.XMLSchema) -> None:
    """It is told as HTTP does (section 3.1.2.2), and nothing is dated or taken for deleted."""
    with (
        listening(Settings(data=tmp_path, engine="postgresql://nobody@127.0.0.1:1/nothing")) as url,
        httpx.Client(base_url=url) as client,
    ):
        answer = client.get("/oai?verb=Identify")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert codes(etree.fromstring(client.get("/oai?verb=Nothing").content)) == ["badVerb"]
    assert not (tmp_path / "registry.json").exists()


def test_dates_bound_a_list_at_both_ends(full: httpx.Client) -> None:
    found = stamps(full)
    first, last = min(found.values()), max(found.values())
    assert headers(full, since=first, until=last).keys() == found.keys()
    assert headers(full, since=first[:10], until=last[:10]).keys() == found.keys()
    before = datetime.fromisoformat(first).timestamp() - 1
    early = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(before))
    assert codes(ask(full, verb="ListIdentifiers", metadataPrefix="ivo_vor", until=early)) == ["noRecordsMatch"]
    late = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(datetime.fromisoformat(last).timestamp() + 1))
    assert codes(ask(full, verb="ListIdentifiers", metadataPrefix="ivo_vor", since=late)) == ["noRecordsMatch"]


def set_back(place: Place) -> None:
    """As if all that was dated until now were a year old."""
    file = place.settings.data / "registry.json"
    rows = json.loads(file.read_text())
    for row in rows.values():
        row |= {"created": "2025-01-01T00:00:00+00:00", "updated": "2025-01-01T00:00:00+00:00"}
    file.write_text(json.dumps(rows))


def changed(place: Place) -> set[str]:
    """The keys of the records whose dates have moved since they were set back."""
    return {
        id.removeprefix("ivo://org.example/") for id, date in place.stamps().items() if date > "2025-01-01T00:00:00Z"
    }


def test_dates_move_with_what_records_say_and_not_otherwise(tmp_path: Path, listening: Any) -> None:
    place = Place(tmp_path, listening)
    for id in ("one", "two"):
        place.write(id)
        place.load(id)
    place.stamps()
    set_back(place)
    assert changed(place) == set()  # another start
    place.load("one")
    assert changed(place) == set()  # the same rows again
    place.load("one", "a,10,10\nb,20,20\nc,200,-20\n")
    assert changed(place) == {"data/one", "cone/one", "tap"}  # other rows: their number and their coverage
    set_back(place)
    place.write("two", "Other stars")
    assert changed(place) == {"data/two", "cone/two"}


def test_what_is_gone_is_told_as_deleted(tmp_path: Path, listening: Any, documents: etree.XMLSchema) -> None:
    place = Place(tmp_path, listening)
    for id in ("one", "two"):
        place.write(id)
        place.load(id)
    place.stamps()
    set_back(place)
    shutil.rmtree(DataDirectory(place.settings.data).get_collection_folder("two"))
    gone = {"ivo://org.example/data/two", "ivo://org.example/cone/two"}
    with place.served() as client:
        for verb in ("ListRecords", "ListIdentifiers"):
            for _ in harvest(client, documents, verb, metadataPrefix="ivo_vor"):
                pass
        found = headers(client, since="2025-01-02")
        assert {id for id, header in found.items() if header.get("status") == "deleted"} == gone
        assert {*found} == {*gone, "ivo://org.example/tap"}  # which says for what it is a service
        answer = ask(client, verb="GetRecord", metadataPrefix="ivo_vor", identifier="ivo://org.example/data/two")
        (record,) = answer.iter(f"{OAI}record")
        assert [child.tag for child in record] == [f"{OAI}header"]
        assert {record.findtext("identifier") for record in records(client).values()}.isdisjoint(gone)
    place.load("two")
    with place.served() as client:
        assert {header.get("status") for header in headers(client).values()} == {None}
