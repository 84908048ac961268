"""Cone searches: the query that they give themselves finds something, and answers and faults have their old form."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lxml import etree

from vo_server.check.finding import Check, Said
from vo_server.check.probe import Offer, Probe
from vo_server.check.response import Answer, Skipped, parsed, table_of

STANDARD = "ivo://ivoa.net/std/ConeSearch"
WORDS = {"ID_MAIN": ("char", "unicodeChar"), "POS_EQ_RA_MAIN": ("double",), "POS_EQ_DEC_MAIN": ("double",)}


def _sample(offer: Offer) -> dict[str, float] | None:
    """The test query: ra, dec and sr in degrees."""
    found = {name: offer.element.findtext(f"testQuery/{name}") for name in ("ra", "dec", "sr")}
    try:
        return {name: float(value or "") for name, value in found.items()}
    except ValueError:
        return None


def _asked(probe: Probe, offer: Offer, sr: float | None = None) -> Answer | None:
    sample = _sample(offer)
    if sample is None:
        return None
    given = {name.upper(): f"{value:.10g}" for name, value in sample.items()}
    return probe.get(offer.base, list((given | ({"SR": f"{sr:g}"} if sr is not None else {})).items()))


def _offered(probe: Probe) -> Iterator[Offer]:
    """Those of tables that have been loaded, as availability tells."""
    for offer in probe.offered(STANDARD):
        if not (probe.unloaded and "not been loaded" in _empty(probe, offer).text):
            yield offer


def _empty(probe: Probe, offer: Offer) -> Answer:
    return probe.get(offer.base, [("RA", "10"), ("DEC", "10"), ("SR", "0")])


def samples(probe: Probe) -> Iterator[Said]:
    for offer in _offered(probe):
        answer = _asked(probe, offer)
        if answer is None:
            yield offer.document, "there is no testQuery"
        elif answer.status != 200 or _fault(answer.body):
            yield answer.url, f"the testQuery gives status {answer.status}: {_fault(answer.body) or answer.gist}"
        elif not table_of(answer).rows:
            yield answer.url, "the testQuery finds nothing"


def answers(probe: Probe) -> Iterator[Answer]:
    """What the test queries give; nothing where there is no cone search."""
    try:
        offers = list(_offered(probe))
    except Skipped:
        return
    for offer in offers:
        answer = _asked(probe, offer)
        if answer is not None and answer.status == 200 and not _fault(answer.body):
            yield answer


def columns(probe: Probe) -> Iterator[Said]:
    probe.offered(STANDARD)
    for answer in answers(probe):
        fields = table_of(answer).fields
        for word, datatypes in WORDS.items():
            found = [f for f in fields if f.get("ucd") == word]
            if len(found) != 1:
                yield answer.url, f"{len(found)} columns have the UCD {word}, not one"
            elif found[0].get("datatype") not in datatypes:
                yield answer.url, f"the column of {word} is of {found[0].get('datatype')}, not {datatypes[0]}"


def shape(probe: Probe) -> Iterator[Said]:
    probe.offered(STANDARD)
    for answer in answers(probe):
        root = parsed(answer.body)
        for name in ("RESOURCE", "TABLE"):
            if (count := len(list(root.iter(f"{{*}}{name}")))) != 1:
                yield answer.url, f"there are {count} elements {name}, not one"
        if answer.essence not in ("text/xml", "application/x-votable+xml"):
            yield answer.url, f"its Content-Type is {answer.type}"


def inside(probe: Probe) -> Iterator[Said]:
    """What is found lies in the cone, by the great circle."""
    for offer in _offered(probe):
        answer, sample = _asked(probe, offer), _sample(offer)
        if answer is None or sample is None or answer.status != 200 or _fault(answer.body):
            continue
        table = table_of(answer)
        places = [n for word in list(WORDS)[1:] for n, f in enumerate(table.fields) if f.get("ucd") == word]
        if len(places) != 2:
            continue
        for row in table.rows:
            far = _distance(sample["ra"], sample["dec"], *(float(row[n]) for n in places))
            if far > sample["sr"] * (1 + 1e-9) + 1e-9:
                yield answer.url, f"a row lies {far:g} degrees from the centre"
                break


def _distance(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """The great circle in degrees, by the haversine."""
    a, b, c, d = map(math.radians, (ra1, dec1, ra2, dec2))
    h = math.sin((d - b) / 2) ** 2 + math.cos(b) * math.cos(d) * math.sin((c - a) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(h))))


def empty(probe: Probe) -> Iterator[Said]:
    for offer in _offered(probe):
        answer = _empty(probe, offer)
        if answer.status != 200 or _fault(answer.body):
            yield answer.url, f"SR=0 gives status {answer.status}: {_fault(answer.body) or answer.gist}"
        elif not table_of(answer).fields:
            yield answer.url, "SR=0 gives no columns"


MISTAKES = ("RA=as3f&DEC=13.0&SR=0.25", "RA=10&DEC=95&SR=0.1", "DEC=13.0&SR=0.25")


def mistakes(probe: Probe) -> Iterator[Said]:
    for offer in _offered(probe):
        for query in MISTAKES:
            pairs = [(n, v) for n, _, v in (pair.partition("=") for pair in query.split("&"))]
            answer = probe.get(offer.base, pairs)
            if _fault(answer.body) is None:
                yield answer.url, f"no INFO named Error, but status {answer.status}: {answer.gist}"


def _fault(body: bytes) -> str | None:
    """What a cone search says is wrong: an INFO or PARAM named Error (section 2.3)."""
    try:
        root = parsed(body)
    except etree.XMLSyntaxError:
        return None
    for kind in ("INFO", "PARAM"):
        for found in root.iter(f"{{*}}{kind}"):
            if found.get("name") == "Error":
                return str(found.get("value") or "an error without words")
    return None


_SCS = "Simple Cone Search 1.03 section"
CHECKS = (
    Check("CONE-TEST-1", "error", "the test query finds something", "SimpleDALRegExt 1.1 section 3.1", samples),
    Check("CONE-COLUMN-1", "error", "one column each has the UCDs of the standard", f"{_SCS} 2.2", columns),
    Check("CONE-FORM-1", "error", "there is one RESOURCE with one TABLE", f"{_SCS} 2.2", shape),
    Check("CONE-CIRCLE-1", "error", "what is found lies in the cone", f"{_SCS} 2.1", inside),
    Check("CONE-ZERO-1", "error", "SR=0 gives the columns", f"{_SCS} 2.1", empty),
    Check("CONE-ERROR-1", "error", "mistakes are told by an INFO named Error", f"{_SCS} 2.3", mistakes),
)
