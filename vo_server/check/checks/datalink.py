"""DataLink and SODA: linked resources exist, services are described, and cutouts work."""

from __future__ import annotations

from collections.abc import Iterator

from vo_server.check import votable
from vo_server.check.checks.images import loaded_capabilities
from vo_server.check.checks.obscore import find_obscore
from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe
from vo_server.check.response import CheckSkipped, NoResponse, ProbeResponse, read_table

LINKS = "ivo://ivoa.net/std/DataLink#links-1.1"
SODA = "ivo://ivoa.net/std/SODA#sync-1.0"
LINKS_TYPE = "application/x-votable+xml;content=datalink"

SEMANTICS = frozenset(
    "#this #progenitor #derivation #auxiliary #weight #error #noise #calibration #bias #dark #flat #preview"
    " #preview-image #preview-plot #thumbnail #proc #cutout #documentation #detached-header #coderived #counterpart"
    " #package".split()
)


def _find_did(probe: Probe) -> str:
    """Return the identifier of a data set."""
    rows = probe.query_table(f"SELECT TOP 1 obs_publisher_did FROM {find_obscore(probe).name}").rows
    if not rows:
        raise CheckSkipped("ivoa.obscore has no rows")
    return str(rows[0][0])


def _fetch_links(probe: Probe) -> Iterator[tuple[ProbeResponse, votable.VOTable]]:
    for offer in loaded_capabilities(probe, LINKS):
        response = probe.get(offer.base_url, [("ID", _find_did(probe))])
        yield response, read_table(response.require_ok())


def check_link_rows(probe: Probe) -> Iterator[Problem]:
    """Require that each link has exactly one of its three targets, and valid semantics."""
    for response, table in _fetch_links(probe):
        rows = table.dicts()
        if not rows:
            yield response.url, "the data set has no links"
        for row in rows:
            targets = [name for name in ("access_url", "service_def", "error_message") if row.get(name)]
            if len(targets) != 1:
                yield response.url, f"expected one of access_url, service_def, error_message in a row, got {targets}"
            word = str(row.get("semantics") or "")
            if word not in SEMANTICS and "://" not in word:
                yield response.url, f"the semantics {word!r} is not in the vocabulary"
        if rows and "#this" not in [row.get("semantics") for row in rows]:
            yield response.url, "no row has the semantics #this"
        standard = [value for name, value, _, _ in table.infos if name == "standardID"]
        if standard != [LINKS]:
            yield response.url, f"expected one INFO standardID {LINKS}, got {standard}"


def check_links_media_type(probe: Probe) -> Iterator[Problem]:
    """Require that links have the DataLink media type."""
    for response, _ in _fetch_links(probe):
        if response.content_type.replace(" ", "").lower() != LINKS_TYPE:
            yield response.url, f"expected Content-Type {LINKS_TYPE}, got {response.content_type or 'none'}"


def check_link_targets(probe: Probe) -> Iterator[Problem]:
    """Require that linked resources exist."""
    for _, table in _fetch_links(probe):
        for row in table.dicts():
            url = str(row.get("access_url") or "")
            if not url or not probe.is_own_url(url):
                continue
            response = probe.get(url)
            declared = str(row.get("content_type") or "")
            if response.status != 200:
                yield url, f"a linked resource gives status {response.status}: {response.summary}"
            elif declared and response.media_type != declared.partition(";")[0]:
                yield url, f"content_type is {declared}, but Content-Type is {response.content_type}"


def check_unknown_id(probe: Probe) -> Iterator[Problem]:
    """Require that an unknown ID gives a row with an error."""
    for offer in loaded_capabilities(probe, LINKS):
        response = probe.get(offer.base_url, [("ID", "ivo://no.such.authority/~?nothing")])
        rows = read_table(response).dicts() if response.status == 200 else []
        messages = [str(row.get("error_message") or "") for row in rows]
        if not messages or not messages[0].startswith("NotFoundFault"):
            yield (
                response.url,
                f"expected error_message NotFoundFault for an unknown ID, got {messages or response.summary}",
            )


def check_soda(probe: Probe) -> Iterator[Problem]:
    """Send an invalid request, an unknown identifier, a region outside the image, and a small cutout."""
    for offer in loaded_capabilities(probe, SODA):
        did = _find_did(probe)
        for pairs, statuses in (
            ([("ID", did), ("CIRCLE", "no numbers")], (400,)),
            ([("ID", "ivo://no.such.authority/~?nothing"), ("CIRCLE", "10 20 0.1")], (400, 404)),
        ):
            response = probe.get(offer.base_url, pairs)
            if response.status not in statuses or response.media_type != "text/plain":
                yield (
                    response.url,
                    f"expected status {statuses[-1]} and text/plain, got {response.status} and {response.content_type}",
                )
        rows = probe.query_table(f"SELECT TOP 1 s_ra, s_dec FROM {find_obscore(probe).name}").rows
        for ra, dec in rows:
            outside = probe.get(offer.base_url, [("ID", did), ("CIRCLE", f"{(ra + 90) % 360} {-dec} 0.01")])
            if outside.status != 204:
                yield outside.url, f"expected status 204 for a circle outside the image, got {outside.status}"
            cut = probe.get(offer.base_url, [("ID", did), ("CIRCLE", f"{ra} {dec} 0.01")])
            if cut.status != 200 or not cut.body:
                yield (
                    cut.url,
                    f"a circle in the image gives status {cut.status} and {len(cut.body)} bytes: {cut.summary}",
                )


def check_missing_id(probe: Probe) -> Iterator[Problem]:
    """Require a response without rows and without an error."""
    for offer in loaded_capabilities(probe, LINKS):
        try:
            rows = read_table(probe.get(offer.base_url).require_ok()).rows
        except NoResponse as error:
            yield offer.url, f"a request without ID fails: {error.what}"
            continue
        if rows:
            yield offer.url, f"expected no rows without ID, got {len(rows)}"


def fetch_responses(probe: Probe) -> Iterator[ProbeResponse]:
    """Yield the links of a data set, where there is one."""
    try:
        yield from (response for response, _ in _fetch_links(probe))
    except (CheckSkipped, NoResponse):
        return


_LINK = "DataLink 1.1 section"
CHECKS = (
    Check(
        "LINK-ROW-1",
        "error",
        "each link has exactly one of its three targets, and valid semantics",
        f"{_LINK} 3.2",
        check_link_rows,
    ),
    Check("LINK-TYPE-1", "error", "links have the DataLink media type", f"{_LINK} 3.3", check_links_media_type),
    Check("LINK-ACCESS-1", "error", "linked resources exist", f"{_LINK} 3.2", check_link_targets),
    Check("LINK-ERROR-1", "error", "an unknown ID gives a row with an error", f"{_LINK} 3.4", check_unknown_id),
    Check("LINK-NONE-1", "error", "a request without ID returns no links", f"{_LINK} 2.1", check_missing_id),
    Check("SODA-1", "error", "cutouts work, and errors are plain text", "SODA 1.0 section 5", check_soda),
)
