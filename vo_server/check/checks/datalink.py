"""DataLink and SODA: what is linked is there, what is named is described, and cutouts are made."""

from __future__ import annotations

from collections.abc import Iterator

from vo_server.check import votable
from vo_server.check.checks.images import offered
from vo_server.check.checks.obscore import obscore
from vo_server.check.finding import Check, Said
from vo_server.check.probe import Probe
from vo_server.check.response import Answer, NoAnswer, Skipped, table_of

LINKS = "ivo://ivoa.net/std/DataLink#links-1.1"
SODA = "ivo://ivoa.net/std/SODA#sync-1.0"

SEMANTICS = frozenset(
    "#this #progenitor #derivation #auxiliary #weight #error #noise #calibration #bias #dark #flat #preview"
    " #preview-image #preview-plot #thumbnail #proc #cutout #documentation #detached-header #coderived #counterpart"
    " #package".split()
)


def _did(probe: Probe) -> str:
    """An identifier of a data set."""
    rows = probe.rows(f"SELECT TOP 1 obs_publisher_did FROM {obscore(probe).name}").rows
    if not rows:
        raise Skipped("ivoa.obscore has no rows")
    return str(rows[0][0])


def _links(probe: Probe) -> Iterator[tuple[Answer, votable.Table]]:
    for offer in offered(probe, LINKS):
        answer = probe.get(offer.base, [("ID", _did(probe))])
        yield answer, table_of(answer.good())


def links(probe: Probe) -> Iterator[Said]:
    for answer, table in _links(probe):
        rows = table.dicts()
        if not rows:
            yield answer.url, "there are no links"
        for row in rows:
            given = [name for name in ("access_url", "service_def", "error_message") if row.get(name)]
            if len(given) != 1:
                yield answer.url, f"a row has {given or 'nothing'}, not one of access_url, service_def, error_message"
            word = str(row.get("semantics") or "")
            if word not in SEMANTICS and "://" not in word:
                yield answer.url, f"the semantics {word!r} are none of the vocabulary"
        if rows and "#this" not in [row.get("semantics") for row in rows]:
            yield answer.url, "no row is #this"
        standard = [value for name, value, _, _ in table.infos if name == "standardID"]
        if standard != [LINKS]:
            yield answer.url, f"the INFO standardID is {standard}, not {LINKS}"


def link_type(probe: Probe) -> Iterator[Said]:
    for answer, _ in _links(probe):
        if answer.type.replace(" ", "").lower() != "application/x-votable+xml;content=datalink":
            yield answer.url, f"its Content-Type is {answer.type}"


def linked(probe: Probe) -> Iterator[Said]:
    for _, table in _links(probe):
        for row in table.dicts():
            url = str(row.get("access_url") or "")
            if not url or not probe.own(url):
                continue
            answer = probe.get(url)
            said = str(row.get("content_type") or "")
            if answer.status != 200:
                yield url, f"a link to it, but status {answer.status}: {answer.gist}"
            elif said and answer.essence != said.partition(";")[0]:
                yield url, f"its Content-Type is {answer.type}, where {said} is said"


def unknown(probe: Probe) -> Iterator[Said]:
    for offer in offered(probe, LINKS):
        answer = probe.get(offer.base, [("ID", "ivo://no.such.authority/~?nothing")])
        rows = table_of(answer).dicts() if answer.status == 200 else []
        words = [str(row.get("error_message") or "") for row in rows]
        if not words or not words[0].startswith("NotFoundFault"):
            yield answer.url, f"an ID that is not there is told as {words or answer.gist}"


def soda(probe: Probe) -> Iterator[Said]:
    """A mistake, what is not there, what lies elsewhere, and a small cutout."""
    for offer in offered(probe, SODA):
        did = _did(probe)
        for pairs, statuses in (
            ([("ID", did), ("CIRCLE", "no numbers")], (400,)),
            ([("ID", "ivo://no.such.authority/~?nothing"), ("CIRCLE", "10 20 0.1")], (400, 404)),
        ):
            answer = probe.get(offer.base, pairs)
            if answer.status not in statuses or answer.essence != "text/plain":
                yield answer.url, f"status {answer.status}, {answer.type}, not {statuses[-1]} and text/plain"
        rows = probe.rows(f"SELECT TOP 1 s_ra, s_dec FROM {obscore(probe).name}").rows
        for ra, dec in rows:
            away = probe.get(offer.base, [("ID", did), ("CIRCLE", f"{(ra + 90) % 360} {-dec} 0.01")])
            if away.status != 204:
                yield away.url, f"a circle elsewhere gives status {away.status}, not 204"
            cut = probe.get(offer.base, [("ID", did), ("CIRCLE", f"{ra} {dec} 0.01")])
            if cut.status != 200 or not cut.body:
                yield cut.url, f"a circle in the image gives status {cut.status}: {cut.gist}"


def quiet(probe: Probe) -> Iterator[Said]:
    """DataLink without an ID has no rows, and is no mistake."""
    for offer in offered(probe, LINKS):
        try:
            rows = table_of(probe.get(offer.base).good()).rows
        except NoAnswer as fault:
            yield offer.url, f"without an ID: {fault.what}"
            continue
        if rows:
            yield offer.url, f"without an ID there are {len(rows)} rows"


def answers(probe: Probe) -> Iterator[Answer]:
    """Links of a data set, where there are any."""
    try:
        yield from (answer for answer, _ in _links(probe))
    except (Skipped, NoAnswer):
        return


_LINK = "DataLink 1.1 section"
CHECKS = (
    Check("LINK-ROW-1", "error", "links are one of three things, and mean something", f"{_LINK} 3.2", links),
    Check("LINK-TYPE-1", "error", "links come under their media type", f"{_LINK} 3.3", link_type),
    Check("LINK-ACCESS-1", "error", "what is linked is there", f"{_LINK} 3.2", linked),
    Check("LINK-ERROR-1", "error", "an ID that is not there has a row that says so", f"{_LINK} 3.4", unknown),
    Check("LINK-NONE-1", "error", "without an ID there are no links", f"{_LINK} 2.1", quiet),
    Check("SODA-1", "error", "cutouts are made, and mistakes told in text", "SODA 1.0 section 5", soda),
)
