"""Images: SIA 1.0 and 2.0, DataLink and SODA, from what their capabilities say to the files."""

from __future__ import annotations

from collections.abc import Iterator

from vo_server.check import votable
from vo_server.check.checks.obscore import MANDATORY, obscore
from vo_server.check.finding import Check, Said
from vo_server.check.probe import Answer, NoAnswer, Offer, Probe, Skipped, table_of

SIA1 = "ivo://ivoa.net/std/SIA"
SIA2 = "ivo://ivoa.net/std/SIA#query-2.0"
LINKS = "ivo://ivoa.net/std/DataLink#links-1.1"
SODA = "ivo://ivoa.net/std/SODA#sync-1.0"

WORDS = {
    "VOX:Image_Title": ("char", "*"),
    "POS_EQ_RA_MAIN": ("double", ""),
    "POS_EQ_DEC_MAIN": ("double", ""),
    "VOX:Image_Naxes": ("int", ""),
    "VOX:Image_Naxis": ("int", "*"),
    "VOX:Image_Scale": ("double", "*"),
    "VOX:Image_Format": ("char", "*"),
    "VOX:Image_AccessReference": ("char", "*"),
}
"""The columns of SIA 1.0 that must be there, with datatype and arraysize (section 4.2.4)."""

SEMANTICS = frozenset(
    "#this #progenitor #derivation #auxiliary #weight #error #noise #calibration #bias #dark #flat #preview"
    " #preview-image #preview-plot #thumbnail #proc #cutout #documentation #detached-header #coderived #counterpart"
    " #package".split()
)


# ------------------------------------------------------------------- SIA 1


def _sample(probe: Probe, offer: Offer, *more: tuple[str, str]) -> Answer | None:
    """The test query of SIA 1.0."""
    texts = [offer.element.findtext(f"testQuery/{path}") for path in ("pos/long", "pos/lat", "size/long", "size/lat")]
    if None in texts:
        return None
    ra, dec, width, height = (str(text).strip() for text in texts)
    return probe.get(offer.base, [("POS", f"{ra},{dec}"), ("SIZE", f"{width},{height}"), *more])


def _filled(probe: Probe, offer: Offer) -> bool:
    """A collection that has not been loaded has no test query, and says so."""
    answer = probe.get(offer.base, [("POS", "0,0"), ("SIZE", "0.1")])
    return "not been loaded" not in answer.text


def sample1(probe: Probe) -> Iterator[Said]:
    for offer in (o for o in probe.offered(SIA1) if _filled(probe, o)):
        answer = _sample(probe, offer)
        if answer is None:
            yield offer.document, "there is no testQuery"
        elif answer.status != 200 or votable.message(answer.body):
            yield answer.url, f"the testQuery gives status {answer.status}: {answer.gist}"
        elif not table_of(answer).rows:
            yield answer.url, "the testQuery finds nothing"


def _found1(probe: Probe) -> Iterator[votable.Table]:
    for offer in probe.offered(SIA1):
        answer = _sample(probe, offer)
        if answer is not None and answer.status == 200 and not votable.message(answer.body):
            yield table_of(answer)


def columns1(probe: Probe) -> Iterator[Said]:
    for offer in probe.offered(SIA1):
        answer = _sample(probe, offer)
        if answer is None or answer.status != 200 or votable.message(answer.body):
            continue  # SIA1-TEST-1 tells
        fields = table_of(answer).fields
        for word, (datatype, arraysize) in WORDS.items():
            found = [f for f in fields if f.get("ucd") == word]
            if len(found) != 1:
                yield answer.url, f"{len(found)} columns have the UCD {word}, not one"
            elif (found[0].get("datatype"), found[0].get("arraysize", "")) != (datatype, arraysize):
                given = f"{found[0].get('datatype')}[{found[0].get('arraysize', '')}]"
                yield answer.url, f"the column of {word} is {given}, not {datatype}[{arraysize}]"


def metadata1(probe: Probe) -> Iterator[Said]:
    for offer in probe.offered(SIA1):
        answer = probe.get(offer.base, [("FORMAT", "METADATA")])
        for name in ("INPUT:POS", "INPUT:SIZE", "INPUT:FORMAT"):
            if f'name="{name}"' not in answer.text:
                yield answer.url, f"there is no PARAM {name}"


def mistakes1(probe: Probe) -> Iterator[Said]:
    for offer in probe.offered(SIA1):
        answer = probe.get(offer.base, [("POS", "as3f,13.0"), ("SIZE", "0.25")])
        if votable.message(answer.body) is None:
            yield answer.url, f"no QUERY_STATUS ERROR, but status {answer.status}: {answer.gist}"


def _column(table: votable.Table, word: str) -> list[str]:
    places = [n for n, field in enumerate(table.fields) if field.get("ucd") == word]
    return [str(row[places[0]]) for row in table.rows] if places else []


def files(probe: Probe) -> list[str]:
    """The first file of each collection of SIA 1.0.

    Raises Skipped where there are none.
    """
    found = [url for table in _found1(probe) for url in _column(table, "VOX:Image_AccessReference")[:1]]
    own = [url for url in found if probe.own(url)]
    if not own:
        raise Skipped("there are no files")
    return own


def access1(probe: Probe) -> Iterator[Said]:
    for table in _found1(probe):
        pairs = zip(_column(table, "VOX:Image_AccessReference"), _column(table, "VOX:Image_Format"), strict=True)
        seen: set[str] = set()
        for url, format in pairs:
            if format in seen or not probe.own(url):
                continue
            seen.add(format)
            answer = probe.get(url)
            if answer.status != 200:
                yield url, f"the image gives status {answer.status}: {answer.gist}"
            elif answer.essence != format:
                yield url, f"its Content-Type is {answer.type}, where {format} is said"


# ------------------------------------------------------------------- SIA 2


def _offered(probe: Probe, standard: str) -> tuple[Offer, ...]:
    """Services that have something to find.

    Raises Skipped where there are none, and where availability says that no images have been loaded.
    """
    if "ivoa.obscore" in probe.unloaded:
        raise Skipped("no images have been loaded")
    return probe.offered(standard)


def columns2(probe: Probe) -> Iterator[Said]:
    for offer in _offered(probe, SIA2):
        answer = probe.get(offer.base, [("MAXREC", "2")])
        table = table_of(answer.good())
        for name, _, unit, ucd, utype in MANDATORY:
            field = next((f for f in table.fields if f["name"].lower() == name), None)
            if field is None:
                yield answer.url, f"the column {name} is missing"
                continue
            wanted = {"unit": unit.replace("-", ""), "ucd": ucd, "utype": f"obscore:{utype}"}
            for what, value in wanted.items():
                if field.get(what, "").lower() != value.lower():
                    yield answer.url, f"the {what} of {name} is {field.get(what, '') or 'none'}, not {value}"


def sample2(probe: Probe) -> Iterator[Said]:
    """The first image of ivoa.obscore, by its place and by its identifier."""
    rows = probe.rows(f"SELECT TOP 1 obs_publisher_did, s_ra, s_dec FROM {obscore(probe).name}").rows
    for offer in _offered(probe, SIA2):
        for did, ra, dec in rows:
            for pair in (("POS", f"CIRCLE {ra} {dec} 0.001"), ("ID", did)):
                answer = probe.get(offer.base, [pair, ("MAXREC", "10000")])
                found = [row.get("obs_publisher_did") for row in table_of(answer.good()).dicts()]
                if did not in found or (pair[0] == "ID" and len(found) != 1):
                    yield (
                        answer.url,
                        f"{len(found)} images are found, and {did} is {'' if did in found else 'not '}there",
                    )


def mistakes2(probe: Probe) -> Iterator[Said]:
    for offer in _offered(probe, SIA2):
        answer = probe.get(offer.base, [("POS", "CIRCLE no numbers")])
        fault = votable.message(answer.body) or ""
        words = ("UsageFault", "TransientFault", "FatalFault", "DefaultFault")
        if not fault.startswith(words):
            yield answer.url, f"a mistake is told as status {answer.status}: {fault or answer.gist}"


def metadata2(probe: Probe) -> Iterator[Said]:
    for offer in _offered(probe, SIA2):
        answer = probe.get(offer.base, [("MAXREC", "0")])
        table = table_of(answer.good())
        if table.rows or not table.fields:
            yield answer.url, f"MAXREC=0 gives {len(table.rows)} rows and {len(table.fields)} columns"


# ----------------------------------------------------- DataLink and SODA


def _did(probe: Probe) -> str:
    """An identifier of a data set."""
    rows = probe.rows(f"SELECT TOP 1 obs_publisher_did FROM {obscore(probe).name}").rows
    if not rows:
        raise Skipped("ivoa.obscore has no rows")
    return str(rows[0][0])


def _links(probe: Probe) -> Iterator[tuple[Answer, votable.Table]]:
    for offer in _offered(probe, LINKS):
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
    for offer in _offered(probe, LINKS):
        answer = probe.get(offer.base, [("ID", "ivo://no.such.authority/~?nothing")])
        rows = table_of(answer).dicts() if answer.status == 200 else []
        words = [str(row.get("error_message") or "") for row in rows]
        if not words or not words[0].startswith("NotFoundFault"):
            yield answer.url, f"an ID that is not there is told as {words or answer.gist}"


def soda(probe: Probe) -> Iterator[Said]:
    """A mistake, what is not there, what lies elsewhere, and a small cutout."""
    for offer in _offered(probe, SODA):
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


def answers(probe: Probe) -> Iterator[Answer]:
    """An answer of each service that finds images or tells of them, as far as they are there."""
    for service in (_answers1, _answers2, lambda probe: (answer for answer, _ in _links(probe))):
        try:
            yield from service(probe)
        except (Skipped, NoAnswer):
            continue


def _answers1(probe: Probe) -> Iterator[Answer]:
    for offer in probe.offered(SIA1):
        answer = _sample(probe, offer)
        if answer is not None and answer.status == 200:
            yield answer


def _answers2(probe: Probe) -> Iterator[Answer]:
    for offer in _offered(probe, SIA2):
        yield probe.get(offer.base, [("MAXREC", "2")]).good()


def quiet(probe: Probe) -> Iterator[Said]:
    """DataLink without an ID has no rows, and is no mistake."""
    for offer in _offered(probe, LINKS):
        try:
            rows = table_of(probe.get(offer.base).good()).rows
        except NoAnswer as fault:
            yield offer.url, f"without an ID: {fault.what}"
            continue
        if rows:
            yield offer.url, f"without an ID there are {len(rows)} rows"


_SIA1, _SIA2, _LINK = "SIA 1.0 section", "SIA 2.0 section", "DataLink 1.1 section"
CHECKS = (
    Check("SIA1-TEST-1", "error", "the test query finds something", "SimpleDALRegExt 1.1 section 3.2", sample1),
    Check("SIA1-COLUMN-1", "error", "the columns that must be there are", f"{_SIA1} 4.2.4", columns1),
    Check("SIA1-META-1", "error", "FORMAT=METADATA tells of the parameters", f"{_SIA1} 7.1", metadata1),
    Check("SIA1-ERROR-1", "error", "mistakes are told by QUERY_STATUS", f"{_SIA1} 4.3", mistakes1),
    Check("SIA1-ACCESS-1", "error", "images are where they are said, and what is said", f"{_SIA1} 4.2.4", access1),
    Check("SIA2-COLUMN-1", "error", "the columns are those of ObsCore", f"{_SIA2} 3.1", columns2),
    Check("SIA2-TEST-1", "error", "an image is found by its place and its identifier", f"{_SIA2} 2.1", sample2),
    Check("SIA2-META-1", "error", "MAXREC=0 gives the columns", f"{_SIA2} 2.2", metadata2),
    Check("SIA2-ERROR-1", "error", "mistakes begin with the word of the standard", f"{_SIA2} 3.2", mistakes2),
    Check("LINK-ROW-1", "error", "links are one of three things, and mean something", f"{_LINK} 3.2", links),
    Check("LINK-TYPE-1", "error", "links come under their media type", f"{_LINK} 3.3", link_type),
    Check("LINK-ACCESS-1", "error", "what is linked is there", f"{_LINK} 3.2", linked),
    Check("LINK-ERROR-1", "error", "an ID that is not there has a row that says so", f"{_LINK} 3.4", unknown),
    Check("LINK-NONE-1", "error", "without an ID there are no links", f"{_LINK} 2.1", quiet),
    Check("SODA-1", "error", "cutouts are made, and mistakes told in text", "SODA 1.0 section 5", soda),
)
