"""The registry as a harvester of another make has it: sickle, which follows OAI-PMH by itself."""

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

from tests.contract.test_registry import COUNT, RI, XSI_TYPE, Place, set_back
from vo_server.engines.data_directory import DataDirectory

PUBLIC = "https://vo.example.org/sky"
BEGIN = "ivo://org.example"
VOSI = "http://www.ivoa.net/xml/VOSICapabilities/v1.0"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, listening: Any) -> Place:
    made = Place(tmp_path_factory.mktemp("harvest"), listening)
    for number in range(COUNT):
        made.write(f"stars{number}")
        made.load(f"stars{number}")
    return made


@pytest.fixture(scope="module")
def served(place: Place) -> Iterator[str]:
    with place.served() as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture(params=["GET", "POST"])
def harvester(request: pytest.FixtureRequest, served: str) -> Sickle:
    return Sickle(f"{served}/oai", http_method=request.param)


def test_all_of_it(harvester: Sickle, documents: etree.XMLSchema) -> None:
    """28 records in two answers, each valid, none twice."""
    for prefix in ("ivo_vor", "oai_dc"):
        records = list(harvester.ListRecords(metadataPrefix=prefix, set="ivo_managed"))
        ids = [record.header.identifier for record in records]
        assert len(ids) == len({*ids}) == 4 + 2 * COUNT
        assert ids == [h.identifier for h in harvester.ListIdentifiers(metadataPrefix=prefix, set="ivo_managed")]
        for record in records:
            assert record.header.setSpecs == ["ivo_managed"]
            (body,) = record.xml.find("{*}metadata")
            documents.assertValid(etree.fromstring(etree.tostring(body)))
            same = harvester.GetRecord(identifier=record.header.identifier, metadataPrefix=prefix)
            assert etree.tostring(same.xml.find("{*}metadata")[0], method="c14n") == etree.tostring(body, method="c14n")


def test_who_it_is(harvester: Sickle) -> None:
    said = harvester.Identify()
    assert (said.baseURL, said.adminEmail) == (f"{PUBLIC}/oai", "vo@example.org")
    assert (said.deletedRecord, said.granularity) == ("persistent", "YYYY-MM-DDThh:mm:ssZ")
    assert [s.setSpec for s in harvester.ListSets()] == ["ivo_managed"]
    assert {f.metadataPrefix for f in harvester.ListMetadataFormats()} == {"ivo_vor", "oai_dc"}
    known = harvester.ListMetadataFormats(identifier=f"{BEGIN}/tap")
    assert {f.metadataPrefix for f in known} == {"ivo_vor", "oai_dc"}


def test_between_dates(harvester: Sickle) -> None:
    dates = {h.identifier: h.datestamp for h in harvester.ListIdentifiers(metadataPrefix="ivo_vor")}
    first, last = min(dates.values()), max(dates.values())
    for since, until in ((first, last), (first[:10], last[:10]), (last, None), (None, first)):
        given = {k: v for k, v in (("from", since), ("until", until)) if v}
        found = {h.identifier for h in harvester.ListIdentifiers(metadataPrefix="ivo_vor", **given)}
        late = {id for id, at in dates.items() if since is None or at >= since}
        assert found == {id for id, at in dates.items() if id in late and (until is None or at[: len(until)] <= until)}


@pytest.mark.parametrize(
    ("error", "verb", "arguments"),
    [
        (oaiexceptions.BadArgument, "ListRecords", {}),
        (oaiexceptions.BadArgument, "ListRecords", {"metadataPrefix": "ivo_vor", "from": "2001-13-01"}),
        (oaiexceptions.BadArgument, "GetRecord", {"metadataPrefix": "ivo_vor"}),
        (oaiexceptions.BadResumptionToken, "ListRecords", {"resumptionToken": "gone"}),
        (oaiexceptions.BadResumptionToken, "ListIdentifiers", {"resumptionToken": "gone"}),
        (oaiexceptions.CannotDisseminateFormat, "ListRecords", {"metadataPrefix": "marc21"}),
        (oaiexceptions.CannotDisseminateFormat, "GetRecord", {"metadataPrefix": "marc21", "identifier": BEGIN}),
        (oaiexceptions.IdDoesNotExist, "GetRecord", {"metadataPrefix": "oai_dc", "identifier": f"{BEGIN}/none"}),
        (oaiexceptions.IdDoesNotExist, "ListMetadataFormats", {"identifier": f"{BEGIN}/none"}),
        (oaiexceptions.NoRecordsMatch, "ListRecords", {"metadataPrefix": "ivo_vor", "set": "other"}),
        (oaiexceptions.NoRecordsMatch, "ListIdentifiers", {"metadataPrefix": "ivo_vor", "until": "1999-01-01"}),
    ],
)  # fmt: skip
def test_errors_are_those_of_the_protocol(
    harvester: Sickle, error: type[Exception], verb: str, arguments: dict[str, str]
) -> None:
    with pytest.raises(error):
        next(iter(getattr(harvester, verb)(**arguments)))


def test_a_verb_that_is_none(harvester: Sickle) -> None:
    for given in ({"verb": "ListSetts"}, {}):
        assert harvester.harvest(**given).xml.find("{*}error").get("code") == "badVerb"


def test_what_changes_amid_a_harvest_comes_again(listening: Any, tmp_path: Path) -> None:
    """It moves to the end of the list, behind the token; nothing that stays is left out."""
    own = Place(tmp_path, listening)
    for number in range(COUNT):
        own.write(f"stars{number}")
        own.load(f"stars{number}")
    own.stamps()
    set_back(own)
    with own.served() as client:
        records = Sickle(f"{client.base_url}/oai").ListIdentifiers(metadataPrefix="ivo_vor")
        before = [next(records).identifier for _ in range(20)]
        again = next(id for id in before if "/data/stars" in id)
        own.load(again.rpartition("/")[2], "a,10,10\nb,20,20\nc,30,30\n")
        rest = [header.identifier for header in records]
    assert again in rest
    assert len({*before, *rest}) == 4 + 2 * COUNT


def test_what_is_withdrawn_is_told_for_ever(listening: Any, tmp_path: Path) -> None:
    """Its file taken away, or its rows; also after further starts, and until it comes back."""
    own = Place(tmp_path, listening)
    for id in ("file", "rows", "stays"):
        own.write(id)
        own.load(id)
    own.stamps()
    (tmp_path / "schemas" / "file.toml").rename(tmp_path / "file.toml")
    shutil.rmtree(DataDirectory(own.settings.data).get_collection_folder("rows"))
    gone = {f"{BEGIN}/{kind}/{id}" for kind in ("data", "cone") for id in ("file", "rows")}
    for _ in range(2):
        with own.served() as client:
            records = list(Sickle(f"{client.base_url}/oai").ListRecords(metadataPrefix="ivo_vor"))
            assert {r.header.identifier for r in records if r.deleted} == gone
            assert all(r.xml.find("{*}metadata") is None for r in records if r.deleted)
            kept = Sickle(f"{client.base_url}/oai").ListRecords(metadataPrefix="ivo_vor", ignore_deleted=True)
            assert {r.header.identifier for r in kept} == {r.header.identifier for r in records} - gone
            dead = Sickle(f"{client.base_url}/oai").GetRecord(identifier=f"{BEGIN}/data/rows", metadataPrefix="oai_dc")
            assert dead.deleted
            tap = Sickle(f"{client.base_url}/oai").GetRecord(identifier=f"{BEGIN}/tap", metadataPrefix="ivo_vor")
            assert {e.get("ivo-id") for e in tap.xml.iter("relatedResource")} == {f"{BEGIN}/data/stays"}
    (tmp_path / "file.toml").rename(tmp_path / "schemas" / "file.toml")
    with own.served() as client:
        records = list(Sickle(f"{client.base_url}/oai").ListRecords(metadataPrefix="ivo_vor"))
        assert {r.header.identifier for r in records if r.deleted} == {id for id in gone if id.endswith("rows")}


@pytest.mark.filterwarnings("ignore:Unknown xsi.type (cs.ConeSearch|sia.SimpleImageAccess) ignored")
@pytest.mark.filterwarnings("ignore::pyvo.utils.xml.exceptions.UnknownElementWarning")
def test_pyvo_reads_the_capabilities_of_every_record(client: httpx.Client) -> None:
    """As strictly as it can: it does not know SimpleDALRegExt, nor the parameters of an interface."""
    harvester = Sickle(f"{str(client.base_url).rstrip('/')}/oai")
    known = {}
    for record in harvester.ListRecords(metadataPrefix="ivo_vor"):
        resource = record.xml.find(f".//{RI}")
        if resource.get(XSI_TYPE) not in ("vs:CatalogService", "vs:CatalogResource"):
            continue
        document = etree.Element(f"{{{VOSI}}}capabilities", nsmap={**resource.nsmap, "vosi": VOSI})
        document.extend(resource.findall("capability"))
        plain = document.find(".//param") is None
        read = vosi.parse_capabilities(io.BytesIO(etree.tostring(document)), pedantic=plain)
        known[record.header.identifier] = {c.standardid for c in read}
    assert "ivo://ivoa.net/std/SIA" in known["ivo://unregistered.invalid/sia1/atlas"]
    assert "ivo://ivoa.net/std/SIA#query-2.0" in known["ivo://unregistered.invalid/sia2"]
    assert "ivo://ivoa.net/std/DataLink#links-1.1" in known["ivo://unregistered.invalid/datalink"]
    assert "ivo://ivoa.net/std/SODA#sync-1.0" in known["ivo://unregistered.invalid/soda"]
    assert "ivo://ivoa.net/std/TAP#aux" in known["ivo://unregistered.invalid/data/psc"]
