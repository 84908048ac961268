"""The publishing registry: its verbs, its lists, and records that say what the services say."""

from __future__ import annotations

import io
from collections.abc import Iterator

from lxml import etree
from mocpy import MOC

from vo_server.check.checks.documents import invalid
from vo_server.check.finding import Check, Said
from vo_server.check.probe import Probe
from vo_server.check.response import Answer, Element, NoAnswer, Skipped, parsed

OAI = "{http://www.openarchives.org/OAI/2.0/}"
RESOURCE = "{http://www.ivoa.net/xml/RegistryInterface/v1.0}Resource"
PAGES = 200
"""Pages of a list that are followed at the most."""


def _url(probe: Probe) -> str:
    """Where the registry is.

    Raises Skipped where there is none.
    """
    url = f"{probe.root}/oai"
    if probe.get(url, [("verb", "Identify")]).status == 404:
        raise Skipped("there is no registry")
    return url


def _asked(probe: Probe, **arguments: str) -> Answer:
    return probe.get(_url(probe), list(arguments.items()))


def _tree(answer: Answer) -> Element:
    """Raises NoAnswer for what is no XML."""
    try:
        return parsed(answer.good().body)
    except etree.XMLSyntaxError as error:
        raise NoAnswer(answer.url, f"not well-formed: {error}") from None


def _codes(root: Element) -> list[str]:
    return [error.get("code", "") for error in root.iter(f"{OAI}error")]


def pages(probe: Probe, verb: str = "ListRecords", **arguments: str) -> Iterator[tuple[Answer, Element]]:
    """The pages of a list, following its tokens.

    Raises NoAnswer for a fault in their midst, and for a list without an end.
    """
    answer = _asked(probe, verb=verb, **(arguments or {"metadataPrefix": "ivo_vor"}))
    for _ in range(PAGES):
        root = _tree(answer)
        if _codes(root):
            raise NoAnswer(answer.url, f"{verb} gives {', '.join(_codes(root))}")
        yield answer, root
        token = root.findtext(f"{OAI}{verb}/{OAI}resumptionToken")
        if not token:
            return
        answer = _asked(probe, verb=verb, resumptionToken=token)
    raise NoAnswer(answer.url, f"the list has not ended after {PAGES} pages")


def _records(probe: Probe) -> Iterator[tuple[str, Element]]:
    """The identifier in the header, and the record."""
    for _, root in pages(probe):
        for record in root.iter(f"{OAI}record"):
            resource = record.find(f".//{RESOURCE}")
            if resource is not None:
                yield record.findtext(f"{OAI}header/{OAI}identifier") or "", resource


def identify(probe: Probe) -> Iterator[Said]:
    answer = _asked(probe, verb="Identify")
    said = (_tree(answer).findtext(f"{OAI}Identify/{OAI}baseURL") or "").strip()
    if said != _url(probe):
        yield answer.url, f"baseURL is {said}, and was asked at {_url(probe)}"


VERBS = ("Identify", "ListMetadataFormats", "ListSets", "ListIdentifiers&metadataPrefix=ivo_vor",
         "ListRecords&metadataPrefix=ivo_vor", "ListRecords&metadataPrefix=oai_dc",
         "ListRecords&metadataPrefix=ivo_vor&set=ivo_managed")  # fmt: skip
MISTAKES = {
    "NoSuchVerb": "badVerb",
    "ListRecords": "badArgument",
    "ListRecords&metadataPrefix=marc21": "cannotDisseminateFormat",
    "GetRecord&identifier=ivo://no.such/record&metadataPrefix=ivo_vor": "idDoesNotExist",
    "ListRecords&resumptionToken=junk": "badResumptionToken",
    "ListRecords&metadataPrefix=ivo_vor&until=1990-01-01": "noRecordsMatch",
}


def _verb(probe: Probe, query: str) -> Answer:
    verb, *rest = query.split("&")
    return _asked(probe, verb=verb, **dict(pair.split("=", 1) for pair in rest))


def verbs(probe: Probe) -> Iterator[Said]:
    for query in VERBS:
        answer = _verb(probe, query)
        if codes := _codes(_tree(answer)):
            yield answer.url, f"it gives {', '.join(codes)}"


def mistakes(probe: Probe) -> Iterator[Said]:
    for query, code in MISTAKES.items():
        answer = _verb(probe, query)
        if code not in (codes := _codes(_tree(answer))):
            yield answer.url, f"it gives {', '.join(codes) or 'no error'}, not {code}"


def whole(probe: Probe) -> Iterator[Said]:
    """Both lists, by whatever pages, name each record once, and as many as they say."""
    lists = {}
    for verb in ("ListIdentifiers", "ListRecords"):
        ids: list[str] = []
        sizes: set[str] = set()
        for _, root in pages(probe, verb):
            ids += [h.findtext(f"{OAI}identifier") or "" for h in root.iter(f"{OAI}header")]
            sizes |= {t.get("completeListSize", "") for t in root.iter(f"{OAI}resumptionToken")} - {""}
        lists[verb] = set(ids)
        if len(set(ids)) != len(ids):
            yield _url(probe), f"{verb} names {len(ids) - len(set(ids))} records twice"
        if sizes - {str(len(ids))}:
            yield _url(probe), f"{verb} has {len(ids)} records, where {', '.join(sorted(sizes))} are said"
    if lists["ListIdentifiers"] != lists["ListRecords"]:
        yield _url(probe), "ListIdentifiers and ListRecords name others"


def same_id(probe: Probe) -> Iterator[Said]:
    for header, resource in _records(probe):
        said = (resource.findtext("identifier") or "").strip()
        if said.lower() != header.lower():
            yield header, f"the record calls itself {said}"


def related(probe: Probe) -> Iterator[Said]:
    """What records of this authority name is here."""
    known = {id.lower() for id, _ in _records(probe)}
    authorities = {id.partition("ivo://")[2].partition("/")[0] for id in known}
    for id, resource in _records(probe):
        for named in resource.xpath(".//*[@ivo-id]"):
            other = named.get("ivo-id", "").lower()
            if other.partition("ivo://")[2].partition("/")[0] in authorities and other not in known:
                yield id, f"it names {named.get('ivo-id')}, which is not in this registry"


def valid(probe: Probe) -> Iterator[Said]:
    if probe.schemas is None:
        raise Skipped("there are no XML schemas; --xsd says where")
    for prefix in ("ivo_vor", "oai_dc"):
        for answer, _ in pages(probe, metadataPrefix=prefix):
            yield from invalid(probe, answer)
    for query in ("Identify", "ListSets", "ListMetadataFormats", "NoSuchVerb"):
        yield from invalid(probe, _verb(probe, query))


def services(probe: Probe) -> Iterator[Said]:
    """Where records say that services are, there they are, as their own capabilities say."""
    known = {offer.base for offer in probe.offers}  # CAP-URL-4 asks these
    for id, resource in _records(probe):
        for url in resource.xpath("capability/interface/accessURL/text()"):
            answer = probe.get(url.rstrip("?&")) if probe.own(url) and url.rstrip("?&") not in known else None
            if answer is not None and (answer.status == 404 or answer.status >= 500):
                yield id, f"its accessURL {url} gives status {answer.status}"


def same_server(probe: Probe) -> Iterator[Said]:
    for id, resource in _records(probe):
        for url in resource.xpath("capability/interface/accessURL/text()"):
            if not probe.own(url):
                yield id, f"its accessURL {url} is of another server than was asked, {probe.root}"


def tables(probe: Probe) -> Iterator[Said]:
    """Tables of records are those of the service, column by column."""
    there = {table.name: [c.name for c in table.columns] for table in probe.tables}
    for id, resource in _records(probe):
        for table in resource.iter("table"):
            name = (table.findtext("name") or "").strip()
            if name not in there:
                yield id, f"it tells of a table {name}, which /tables does not"
            elif [c.findtext("name") for c in table.findall("column")] not in (there[name], []):
                yield id, f"it tells of other columns of {name} than /tables does"


def coverage(probe: Probe) -> Iterator[Said]:
    """The map of a record is one, and that of its footprint lies in it."""
    for id, resource in _records(probe):
        for spatial in resource.findall("coverage/spatial"):
            try:
                told = MOC.from_string(spatial.text or "")
            except Exception as error:  # noqa: BLE001 - mocpy tells it by OSError, or as it likes
                yield id, f"its spatial coverage is no MOC: {' '.join(str(error).split())[:100]}"
                continue
            for url in resource.xpath("coverage/footprint/text()"):
                answer = probe.get(url) if probe.own(url) else None
                if answer is not None and (fault := _outside(answer, told)):
                    yield id, f"its footprint {url} {fault}"


def _outside(answer: Answer, told: MOC) -> str | None:
    """Why a footprint is not what a record says; None where it is."""
    if answer.status != 200:
        return f"gives status {answer.status}"
    try:
        fine = MOC.from_fits(io.BytesIO(answer.body))
    except Exception as error:  # noqa: BLE001 - of FITS and of mocpy
        return f"is no MOC: {error}"
    return None if told.intersection(fine) == fine else "has places that its spatial coverage has not"


_OAI, _RI = "OAI-PMH 2.0 section", "Registry Interfaces 1.1 section"
CHECKS = (
    Check("OAI-IDENTIFY-1", "error", "baseURL is where it was asked", f"{_OAI} 4.2", identify),
    Check("OAI-VERB-1", "error", "every verb answers", f"{_OAI} 4", verbs),
    Check("OAI-ERROR-1", "error", "mistakes are told by their codes", f"{_OAI} 3.6", mistakes),
    Check("OAI-LIST-1", "error", "lists are whole, by all their pages", f"{_OAI} 3.5", whole),
    Check("OAI-SCHEMA-1", "error", "answers and records are valid by their schemas", f"{_RI} 3.1", valid),
    Check("OAI-ID-1", "error", "headers and records have one identifier", f"{_RI} 3.1.2", same_id),
    Check("OAI-ID-2", "error", "records name what is there", "VOResource 1.2 section 3.1", related),
    Check("OAI-URL-1", "error", "records say where this server is", "VOResource 1.2 section 2.2.3", same_server),
    Check("OAI-URL-2", "error", "every URL of the records answers", "VOResource 1.2 section 2.2.3", services),
    Check(
        "OAI-MOC-1", "error", "coverages are MOCs, and hold their footprints", "VODataService 1.2 section 3.2", coverage
    ),
    Check("OAI-TABLE-1", "error", "records tell of the tables that there are", "VODataService 1.2 section 3.4", tables),
)
