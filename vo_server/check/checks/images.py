"""Images: SIA 1.0 and 2.0, from what their capabilities say to the files."""

from __future__ import annotations

from collections.abc import Iterator

from vo_server.check import votable
from vo_server.check.checks.obscore import MANDATORY, obscore
from vo_server.check.finding import Check, Said
from vo_server.check.probe import Offer, Probe
from vo_server.check.response import Answer, NoAnswer, Skipped, table_of

SIA1 = "ivo://ivoa.net/std/SIA"
SIA2 = "ivo://ivoa.net/std/SIA#query-2.0"

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


def offered(probe: Probe, standard: str) -> tuple[Offer, ...]:
    """Services that have something to find.

    Raises Skipped where there are none, and where availability says that no images have been loaded.
    """
    if "ivoa.obscore" in probe.unloaded:
        raise Skipped("no images have been loaded")
    return probe.offered(standard)


def columns2(probe: Probe) -> Iterator[Said]:
    for offer in offered(probe, SIA2):
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
    for offer in offered(probe, SIA2):
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
    for offer in offered(probe, SIA2):
        answer = probe.get(offer.base, [("POS", "CIRCLE no numbers")])
        fault = votable.message(answer.body) or ""
        words = ("UsageFault", "TransientFault", "FatalFault", "DefaultFault")
        if not fault.startswith(words):
            yield answer.url, f"a mistake is told as status {answer.status}: {fault or answer.gist}"


def metadata2(probe: Probe) -> Iterator[Said]:
    for offer in offered(probe, SIA2):
        answer = probe.get(offer.base, [("MAXREC", "0")])
        table = table_of(answer.good())
        if table.rows or not table.fields:
            yield answer.url, f"MAXREC=0 gives {len(table.rows)} rows and {len(table.fields)} columns"


def answers(probe: Probe) -> Iterator[Answer]:
    """An answer of each service that finds images, as far as they are there."""
    for service in (_answers1, _answers2):
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
    for offer in offered(probe, SIA2):
        yield probe.get(offer.base, [("MAXREC", "2")]).good()


_SIA1, _SIA2 = "SIA 1.0 section", "SIA 2.0 section"
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
)
