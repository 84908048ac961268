"""The registry harvested by sickle, an independent client of OAI-PMH."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree
from pyvo.io import vosi
from sickle import Sickle, oaiexceptions

from tests.contract.test_registry import COLLECTION_COUNT, RI, XSI_TYPE, CatalogueFolder, backdate
from vo_server.engines.data_directory import DataDirectory

PUBLIC = "https://vo.example.org/sky"
AUTHORITY = "ivo://org.example"
VOSI = "http://www.ivoa.net/xml/VOSICapabilities/v1.0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, listening: Any) -> CatalogueFolder:
    catalogue_folder = CatalogueFolder(tmp_path_factory.mktemp("harvest"), listening)
    for number in range(COLLECTION_COUNT):
        catalogue_folder.write(f"stars{number}")
        catalogue_folder.load(f"stars{number}")
    return catalogue_folder


@pytest.fixture(scope="module")
def server_url(folder: CatalogueFolder) -> Iterator[str]:
    with folder.serve() as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture(params=["GET", "POST"])
def harvester(request: pytest.FixtureRequest, server_url: str) -> Sickle:
    return Sickle(f"{server_url}/oai", http_method=request.param)


def test_harvests_all_records(harvester: Sickle, documents: etree.XMLSchema) -> None:
    """28 records in two pages, each valid and listed once."""
    for prefix in ("ivo_vor", "oai_dc"):
        records = list(harvester.ListRecords(metadataPrefix=prefix, set="ivo_managed"))
        ids = [record.header.identifier for record in records]
        assert len(ids) == len({*ids}) == 4 + 2 * COLLECTION_COUNT
        assert ids == [h.identifier for h in harvester.ListIdentifiers(metadataPrefix=prefix, set="ivo_managed")]
        for record in records:
            assert record.header.setSpecs == ["ivo_managed"]
            (body,) = record.xml.find("{*}metadata")
            documents.assertValid(etree.fromstring(etree.tostring(body)))
            single = harvester.GetRecord(identifier=record.header.identifier, metadataPrefix=prefix)
            assert etree.tostring(single.xml.find("{*}metadata")[0], method="c14n") == etree.tostring(
                body, method="c14n"
            )


def test_identify(harvester: Sickle) -> None:
    identify = harvester.Identify()
    assert (identify.baseURL, identify.adminEmail) == (f"{PUBLIC}/oai", "vo@example.org")
    assert (identify.deletedRecord, identify.granularity) == ("persistent", "YYYY-MM-DDThh:mm:ssZ")
    assert [s.setSpec for s in harvester.ListSets()] == ["ivo_managed"]
    assert {f.metadataPrefix for f in harvester.ListMetadataFormats()} == {"ivo_vor", "oai_dc"}
    formats = harvester.ListMetadataFormats(identifier=f"{AUTHORITY}/tap")
    assert {f.metadataPrefix for f in formats} == {"ivo_vor", "oai_dc"}


def test_lists_between_dates(harvester: Sickle) -> None:
    dates = {h.identifier: h.datestamp for h in harvester.ListIdentifiers(metadataPrefix="ivo_vor")}
    first, last = min(dates.values()), max(dates.values())
    for since, until in ((first, last), (first[:10], last[:10]), (last, None), (None, first)):
        arguments = {k: v for k, v in (("from", since), ("until", until)) if v}
        ids = {h.identifier for h in harvester.ListIdentifiers(metadataPrefix="ivo_vor", **arguments)}
        late_ids = {id for id, at in dates.items() if since is None or at >= since}
        assert ids == {
            id for id, at in dates.items() if id in late_ids and (until is None or at[: len(until)] <= until)
        }


@pytest.mark.parametrize(
    ("error", "verb", "arguments"),
    [
        (oaiexceptions.BadArgument, "ListRecords", {}),
        (oaiexceptions.BadArgument, "ListRecords", {"metadataPrefix": "ivo_vor", "from": "2001-13-01"}),
        (oaiexceptions.BadArgument, "GetRecord", {"metadataPrefix": "ivo_vor"}),
        (oaiexceptions.BadResumptionToken, "ListRecords", {"resumptionToken": "gone"}),
        (oaiexceptions.BadResumptionToken, "ListIdentifiers", {"resumptionToken": "gone"}),
        (oaiexceptions.CannotDisseminateFormat, "ListRecords", {"metadataPrefix": "marc21"}),
        (oaiexceptions.CannotDisseminateFormat, "GetRecord", {"metadataPrefix": "marc21", "identifier": AUTHORITY}),
        (oaiexceptions.IdDoesNotExist, "GetRecord", {"metadataPrefix": "oai_dc", "identifier": f"{AUTHORITY}/none"}),
        (oaiexceptions.IdDoesNotExist, "ListMetadataFormats", {"identifier": f"{AUTHORITY}/none"}),
        (oaiexceptions.NoRecordsMatch, "ListRecords", {"metadataPrefix": "ivo_vor", "set": "other"}),
        (oaiexceptions.NoRecordsMatch, "ListIdentifiers", {"metadataPrefix": "ivo_vor", "until": "1999-01-01"}),
    ],
)  # fmt: skip
def test_oai_errors(harvester: Sickle, error: type[Exception], verb: str, arguments: dict[str, str]) -> None:
    with pytest.raises(error):
        next(iter(getattr(harvester, verb)(**arguments)))


def test_rejects_unknown_verb(harvester: Sickle) -> None:
    for arguments in ({"verb": "ListSetts"}, {}):
        assert harvester.harvest(**arguments).xml.find("{*}error").get("code") == "badVerb"


def test_record_changed_during_harvest_comes_again(listening: Any, tmp_path: Path) -> None:
    """A changed record moves to the end of the list, after the token; no other record is left out."""
    folder = CatalogueFolder(tmp_path, listening)
    for number in range(COLLECTION_COUNT):
        folder.write(f"stars{number}")
        folder.load(f"stars{number}")
    folder.fetch_datestamps()
    backdate(folder)
    with folder.serve() as client:
        records = Sickle(f"{client.base_url}/oai").ListIdentifiers(metadataPrefix="ivo_vor")
        before = [next(records).identifier for _ in range(20)]
        changed = next(id for id in before if "/data/stars" in id)
        folder.load(changed.rpartition("/")[2], "a,10,10\nb,20,20\nc,30,30\n")
        rest = [header.identifier for header in records]
    assert changed in rest
    assert len({*before, *rest}) == 4 + 2 * COLLECTION_COUNT


def test_deleted_records_stay_listed(listening: Any, tmp_path: Path) -> None:
    """A record is deleted with its catalogue file or its rows, and stays listed as deleted until they return."""
    folder = CatalogueFolder(tmp_path, listening)
    for id in ("file", "rows", "stays"):
        folder.write(id)
        folder.load(id)
    folder.fetch_datestamps()
    (tmp_path / "schemas" / "file.toml").rename(tmp_path / "file.toml")
    shutil.rmtree(DataDirectory(folder.settings.data).get_collection_folder("rows"))
    deleted = {f"{AUTHORITY}/{kind}/{id}" for kind in ("data", "cone") for id in ("file", "rows")}
    for _ in range(2):
        with folder.serve() as client:
            records = list(Sickle(f"{client.base_url}/oai").ListRecords(metadataPrefix="ivo_vor"))
            assert {r.header.identifier for r in records if r.deleted} == deleted
            assert all(r.xml.find("{*}metadata") is None for r in records if r.deleted)
            remaining = Sickle(f"{client.base_url}/oai").ListRecords(metadataPrefix="ivo_vor", ignore_deleted=True)
            assert {r.header.identifier for r in remaining} == {r.header.identifier for r in records} - deleted
            record = Sickle(f"{client.base_url}/oai").GetRecord(
                identifier=f"{AUTHORITY}/data/rows", metadataPrefix="oai_dc"
            )
            assert record.deleted
            tap = Sickle(f"{client.base_url}/oai").GetRecord(identifier=f"{AUTHORITY}/tap", metadataPrefix="ivo_vor")
            assert {e.get("ivo-id") for e in tap.xml.iter("relatedResource")} == {f"{AUTHORITY}/data/stays"}
    (tmp_path / "file.toml").rename(tmp_path / "schemas" / "file.toml")
    with folder.serve() as client:
        records = list(Sickle(f"{client.base_url}/oai").ListRecords(metadataPrefix="ivo_vor"))
        assert {r.header.identifier for r in records if r.deleted} == {id for id in deleted if id.endswith("rows")}


@pytest.mark.filterwarnings("ignore:Unknown xsi.type (cs.ConeSearch|sia.SimpleImageAccess) ignored")
@pytest.mark.filterwarnings("ignore::pyvo.utils.xml.exceptions.UnknownElementWarning")
def test_pyvo_reads_capabilities_of_records(client: httpx.Client) -> None:
    """pyvo is strict but for SimpleDALRegExt and parameters of interfaces, which it does not know."""
    harvester = Sickle(f"{str(client.base_url).rstrip('/')}/oai")
    standard_ids = {}
    for record in harvester.ListRecords(metadataPrefix="ivo_vor"):
        resource = record.xml.find(f".//{RI}")
        if resource.get(XSI_TYPE) not in ("vs:CatalogService", "vs:CatalogResource"):
            continue
        document = etree.Element(f"{{{VOSI}}}capabilities", nsmap={**resource.nsmap, "vosi": VOSI})
        document.extend(resource.findall("capability"))
        is_strict = document.find(".//param") is None
        capabilities = vosi.parse_capabilities(io.BytesIO(etree.tostring(document)), pedantic=is_strict)
        standard_ids[record.header.identifier] = {c.standardid for c in capabilities}
    assert "ivo://ivoa.net/std/SIA" in standard_ids["ivo://unregistered.invalid/sia1/atlas"]
    assert "ivo://ivoa.net/std/SIA#query-2.0" in standard_ids["ivo://unregistered.invalid/sia2"]
    assert "ivo://ivoa.net/std/DataLink#links-1.1" in standard_ids["ivo://unregistered.invalid/datalink"]
    assert "ivo://ivoa.net/std/SODA#sync-1.0" in standard_ids["ivo://unregistered.invalid/soda"]
    assert "ivo://ivoa.net/std/TAP#aux" in standard_ids["ivo://unregistered.invalid/data/psc"]
