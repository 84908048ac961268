"""Cone searches: their declared test query finds rows, and responses and errors have the form of the standard."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lxml import etree

from vo_server.check.finding import Check, Problem
from vo_server.check.probe import DeclaredCapability, Probe
from vo_server.check.response import CheckSkipped, ProbeResponse, parse_xml, read_table

CONE_ID = "ivo://ivoa.net/std/ConeSearch"
MANDATORY_UCDS = {"ID_MAIN": ("char", "unicodeChar"), "POS_EQ_RA_MAIN": ("double",), "POS_EQ_DEC_MAIN": ("double",)}


def _test_query(offer: DeclaredCapability) -> dict[str, float] | None:
    """Return the declared test query: ra, dec and sr in degrees."""
    texts = {name: offer.element.findtext(f"testQuery/{name}") for name in ("ra", "dec", "sr")}
    try:
        return {name: float(text or "") for name, text in texts.items()}
    except ValueError:
        return None


def _search(probe: Probe, offer: DeclaredCapability, sr: float | None = None) -> ProbeResponse | None:
    sample = _test_query(offer)
    if sample is None:
        return None
    parameters = {name.upper(): f"{value:.10g}" for name, value in sample.items()}
    return probe.get(offer.base_url, list((parameters | ({"SR": f"{sr:g}"} if sr is not None else {})).items()))


def _loaded_cones(probe: Probe) -> Iterator[DeclaredCapability]:
    """Yield the cone searches of tables that are loaded, by availability."""
    for offer in probe.capabilities_of(CONE_ID):
        if not (probe.unloaded_tables and "not been loaded" in _search_zero_radius(probe, offer).text):
            yield offer


def _search_zero_radius(probe: Probe, offer: DeclaredCapability) -> ProbeResponse:
    return probe.get(offer.base_url, [("RA", "10"), ("DEC", "10"), ("SR", "0")])


def check_test_query(probe: Probe) -> Iterator[Problem]:
    """Require that the test query finds rows."""
    for offer in _loaded_cones(probe):
        response = _search(probe, offer)
        if response is None:
            yield offer.document, "no testQuery is declared"
        elif response.status != 200 or _error_message(response.body):
            message = _error_message(response.body) or response.summary
            yield response.url, f"the testQuery gives status {response.status}: {message}"
        elif not read_table(response).rows:
            yield response.url, "the testQuery returns 0 rows"


def fetch_responses(probe: Probe) -> Iterator[ProbeResponse]:
    """Yield the responses to the test queries; none where there is no cone search."""
    try:
        offers = list(_loaded_cones(probe))
    except CheckSkipped:
        return
    for offer in offers:
        response = _search(probe, offer)
        if response is not None and response.status == 200 and not _error_message(response.body):
            yield response


def check_columns(probe: Probe) -> Iterator[Problem]:
    """Require that one column each has the UCDs of the standard."""
    probe.capabilities_of(CONE_ID)
    for response in fetch_responses(probe):
        fields = read_table(response).fields
        for word, datatypes in MANDATORY_UCDS.items():
            matches = [f for f in fields if f.get("ucd") == word]
            if len(matches) != 1:
                yield response.url, f"expected one column with the UCD {word}, got {len(matches)}"
            elif matches[0].get("datatype") not in datatypes:
                datatype = matches[0].get("datatype")
                yield response.url, f"the column {word} has datatype {datatype}, expected {datatypes[0]}"


def check_structure(probe: Probe) -> Iterator[Problem]:
    """Require that the response has one RESOURCE with one TABLE."""
    probe.capabilities_of(CONE_ID)
    for response in fetch_responses(probe):
        root = parse_xml(response.body)
        for name in ("RESOURCE", "TABLE"):
            if (count := len(list(root.iter(f"{{*}}{name}")))) != 1:
                yield response.url, f"expected one element {name}, got {count}"
        if response.media_type not in ("text/xml", "application/x-votable+xml"):
            yield response.url, f"expected Content-Type text/xml, got {response.content_type or 'none'}"


def check_rows_in_cone(probe: Probe) -> Iterator[Problem]:
    """Compute the great-circle distance of each row from the centre."""
    for offer in _loaded_cones(probe):
        response, sample = _search(probe, offer), _test_query(offer)
        if response is None or sample is None or response.status != 200 or _error_message(response.body):
            continue
        table = read_table(response)
        indices = [n for word in list(MANDATORY_UCDS)[1:] for n, f in enumerate(table.fields) if f.get("ucd") == word]
        if len(indices) != 2:
            continue
        for row in table.rows:
            distance = _great_circle(sample["ra"], sample["dec"], *(float(row[n]) for n in indices))
            if distance > sample["sr"] * (1 + 1e-9) + 1e-9:
                yield response.url, f"a row lies {distance:g} degrees from the centre, more than SR={sample['sr']:g}"
                break


def _great_circle(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Return the great-circle distance in degrees, by the haversine formula."""
    a, b, c, d = map(math.radians, (ra1, dec1, ra2, dec2))
    h = math.sin((d - b) / 2) ** 2 + math.cos(b) * math.cos(d) * math.sin((c - a) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(h))))


def check_zero_radius(probe: Probe) -> Iterator[Problem]:
    """Require that SR=0 returns the columns."""
    for offer in _loaded_cones(probe):
        response = _search_zero_radius(probe, offer)
        if response.status != 200 or _error_message(response.body):
            yield (
                response.url,
                f"SR=0 gives status {response.status}: {_error_message(response.body) or response.summary}",
            )
        elif not read_table(response).fields:
            yield response.url, "SR=0 returns no columns"


INVALID_QUERIES = ("RA=as3f&DEC=13.0&SR=0.25", "RA=10&DEC=95&SR=0.1", "DEC=13.0&SR=0.25")


def check_error_document(probe: Probe) -> Iterator[Problem]:
    """Require that errors are reported in an INFO named Error."""
    for offer in _loaded_cones(probe):
        for query in INVALID_QUERIES:
            pairs = [(n, v) for n, _, v in (pair.partition("=") for pair in query.split("&"))]
            response = probe.get(offer.base_url, pairs)
            if _error_message(response.body) is None:
                yield (
                    response.url,
                    f"an invalid request gives no INFO named Error, but status {response.status}: {response.summary}",
                )


def _error_message(body: bytes) -> str | None:
    """Return the error message of a cone search: an INFO or PARAM named Error (section 2.3)."""
    try:
        root = parse_xml(body)
    except etree.XMLSyntaxError:
        return None
    for kind in ("INFO", "PARAM"):
        for element in root.iter(f"{{*}}{kind}"):
            if element.get("name") == "Error":
                return str(element.get("value") or "an error without a message")
    return None


_SCS = "Simple Cone Search 1.03 section"
CHECKS = (
    Check("CONE-TEST-1", "error", "the test query finds rows", "SimpleDALRegExt 1.1 section 3.1", check_test_query),
    Check("CONE-COLUMN-1", "error", "one column each has the UCDs of the standard", f"{_SCS} 2.2", check_columns),
    Check("CONE-FORM-1", "error", "the response has one RESOURCE with one TABLE", f"{_SCS} 2.2", check_structure),
    Check("CONE-CIRCLE-1", "error", "all rows lie in the cone", f"{_SCS} 2.1", check_rows_in_cone),
    Check("CONE-ZERO-1", "error", "SR=0 returns the columns", f"{_SCS} 2.1", check_zero_radius),
    Check("CONE-ERROR-1", "error", "errors are reported in an INFO named Error", f"{_SCS} 2.3", check_error_document),
)
