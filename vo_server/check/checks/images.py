"""SIA 1.0 and 2.0, from their capabilities to the files."""

from __future__ import annotations

from collections.abc import Iterator

from vo_server.check import votable
from vo_server.check.checks.obscore import MANDATORY, find_obscore
from vo_server.check.finding import Check, Problem
from vo_server.check.probe import DeclaredCapability, Probe
from vo_server.check.response import CheckSkipped, NoResponse, ProbeResponse, read_table

SIA1_ID = "ivo://ivoa.net/std/SIA"
SIA2_ID = "ivo://ivoa.net/std/SIA#query-2.0"

SIA1_UCDS = {
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


def _test_query(probe: Probe, offer: DeclaredCapability, *more: tuple[str, str]) -> ProbeResponse | None:
    """Return the declared test query of SIA 1.0."""
    texts = [offer.element.findtext(f"testQuery/{path}") for path in ("pos/long", "pos/lat", "size/long", "size/lat")]
    if None in texts:
        return None
    ra, dec, width, height = (str(text).strip() for text in texts)
    return probe.get(offer.base_url, [("POS", f"{ra},{dec}"), ("SIZE", f"{width},{height}"), *more])


def _has_test_query(probe: Probe, offer: DeclaredCapability) -> bool:
    """Tell whether a service has a test query; an image collection that is not loaded has none."""
    answer = probe.get(offer.base_url, [("POS", "0,0"), ("SIZE", "0.1")])
    return "not been loaded" not in answer.text


def check_sia1_test_query(probe: Probe) -> Iterator[Problem]:
    for offer in (o for o in probe.capabilities_of(SIA1_ID) if _has_test_query(probe, o)):
        answer = _test_query(probe, offer)
        if answer is None:
            yield offer.document, "there is no testQuery"
        elif answer.status != 200 or votable.error_message(answer.body):
            yield answer.url, f"the testQuery gives status {answer.status}: {answer.summary}"
        elif not read_table(answer).rows:
            yield answer.url, "the testQuery finds nothing"


def _find_sia1_images(probe: Probe) -> Iterator[votable.VOTable]:
    for offer in probe.capabilities_of(SIA1_ID):
        answer = _test_query(probe, offer)
        if answer is not None and answer.status == 200 and not votable.error_message(answer.body):
            yield read_table(answer)


def check_sia1_columns(probe: Probe) -> Iterator[Problem]:
    for offer in probe.capabilities_of(SIA1_ID):
        answer = _test_query(probe, offer)
        if answer is None or answer.status != 200 or votable.error_message(answer.body):
            continue  # SIA1-TEST-1 tells
        fields = read_table(answer).fields
        for word, (datatype, arraysize) in SIA1_UCDS.items():
            found = [f for f in fields if f.get("ucd") == word]
            if len(found) != 1:
                yield answer.url, f"{len(found)} columns have the UCD {word}, not one"
            elif (found[0].get("datatype"), found[0].get("arraysize", "")) != (datatype, arraysize):
                given = f"{found[0].get('datatype')}[{found[0].get('arraysize', '')}]"
                yield answer.url, f"the column of {word} is {given}, not {datatype}[{arraysize}]"


def check_sia1_metadata(probe: Probe) -> Iterator[Problem]:
    for offer in probe.capabilities_of(SIA1_ID):
        answer = probe.get(offer.base_url, [("FORMAT", "METADATA")])
        for name in ("INPUT:POS", "INPUT:SIZE", "INPUT:FORMAT"):
            if f'name="{name}"' not in answer.text:
                yield answer.url, f"there is no PARAM {name}"


def check_sia1_errors(probe: Probe) -> Iterator[Problem]:
    for offer in probe.capabilities_of(SIA1_ID):
        answer = probe.get(offer.base_url, [("POS", "as3f,13.0"), ("SIZE", "0.25")])
        if votable.error_message(answer.body) is None:
            yield answer.url, f"no QUERY_STATUS ERROR, but status {answer.status}: {answer.summary}"


def _find_column(table: votable.VOTable, word: str) -> list[str]:
    places = [n for n, field in enumerate(table.fields) if field.get("ucd") == word]
    return [str(row[places[0]]) for row in table.rows] if places else []


def list_files(probe: Probe) -> list[str]:
    """Yield the URL of the first file of each SIA 1.0 service.

    Raises CheckSkipped where there are none.
    """
    found = [url for table in _find_sia1_images(probe) for url in _find_column(table, "VOX:Image_AccessReference")[:1]]
    own = [url for url in found if probe.is_own_url(url)]
    if not own:
        raise CheckSkipped("there are no files")
    return own


def check_sia1_access(probe: Probe) -> Iterator[Problem]:
    for table in _find_sia1_images(probe):
        pairs = zip(
            _find_column(table, "VOX:Image_AccessReference"), _find_column(table, "VOX:Image_Format"), strict=True
        )
        seen: set[str] = set()
        for url, format in pairs:
            if format in seen or not probe.is_own_url(url):
                continue
            seen.add(format)
            answer = probe.get(url)
            if answer.status != 200:
                yield url, f"the image gives status {answer.status}: {answer.summary}"
            elif answer.media_type != format:
                yield url, f"its Content-Type is {answer.content_type}, where {format} is said"


# ------------------------------------------------------------------- SIA 2


def loaded_capabilities(probe: Probe, standard: str) -> tuple[DeclaredCapability, ...]:
    """Return the capabilities of a standard whose services have rows.

    Raises CheckSkipped where there are none, and where availability says that no images have been loaded.
    """
    if "ivoa.obscore" in probe.unloaded_tables:
        raise CheckSkipped("no images have been loaded")
    return probe.capabilities_of(standard)


def check_sia2_columns(probe: Probe) -> Iterator[Problem]:
    for offer in loaded_capabilities(probe, SIA2_ID):
        answer = probe.get(offer.base_url, [("MAXREC", "2")])
        table = read_table(answer.require_ok())
        for name, _, unit, ucd, utype in MANDATORY:
            field = next((f for f in table.fields if f["name"].lower() == name), None)
            if field is None:
                yield answer.url, f"the column {name} is missing"
                continue
            wanted = {"unit": unit.replace("-", ""), "ucd": ucd, "utype": f"obscore:{utype}"}
            for what, value in wanted.items():
                if field.get(what, "").lower() != value.lower():
                    yield answer.url, f"the {what} of {name} is {field.get(what, '') or 'none'}, not {value}"


def check_sia2_search(probe: Probe) -> Iterator[Problem]:
    """Search for the first image of ivoa.obscore by position and by identifier."""
    rows = probe.query_table(f"SELECT TOP 1 obs_publisher_did, s_ra, s_dec FROM {find_obscore(probe).name}").rows
    for offer in loaded_capabilities(probe, SIA2_ID):
        for did, ra, dec in rows:
            for pair in (("POS", f"CIRCLE {ra} {dec} 0.001"), ("ID", did)):
                answer = probe.get(offer.base_url, [pair, ("MAXREC", "10000")])
                found = [row.get("obs_publisher_did") for row in read_table(answer.require_ok()).dicts()]
                if did not in found or (pair[0] == "ID" and len(found) != 1):
                    yield (
                        answer.url,
                        f"{len(found)} images are found, and {did} is {'' if did in found else 'not '}there",
                    )


def check_sia2_errors(probe: Probe) -> Iterator[Problem]:
    for offer in loaded_capabilities(probe, SIA2_ID):
        answer = probe.get(offer.base_url, [("POS", "CIRCLE no numbers")])
        fault = votable.error_message(answer.body) or ""
        words = ("UsageFault", "TransientFault", "FatalFault", "DefaultFault")
        if not fault.startswith(words):
            yield answer.url, f"a mistake is told as status {answer.status}: {fault or answer.summary}"


def check_sia2_metadata(probe: Probe) -> Iterator[Problem]:
    for offer in loaded_capabilities(probe, SIA2_ID):
        answer = probe.get(offer.base_url, [("MAXREC", "0")])
        table = read_table(answer.require_ok())
        if table.rows or not table.fields:
            yield answer.url, f"MAXREC=0 gives {len(table.rows)} rows and {len(table.fields)} columns"


def fetch_responses(probe: Probe) -> Iterator[ProbeResponse]:
    """Yield a response of each image service that exists."""
    for service in (_fetch_sia1, _fetch_sia2):
        try:
            yield from service(probe)
        except (CheckSkipped, NoResponse):
            continue


def _fetch_sia1(probe: Probe) -> Iterator[ProbeResponse]:
    for offer in probe.capabilities_of(SIA1_ID):
        answer = _test_query(probe, offer)
        if answer is not None and answer.status == 200:
            yield answer


def _fetch_sia2(probe: Probe) -> Iterator[ProbeResponse]:
    for offer in loaded_capabilities(probe, SIA2_ID):
        yield probe.get(offer.base_url, [("MAXREC", "2")]).require_ok()


_SIA1, _SIA2 = "SIA 1.0 section", "SIA 2.0 section"
CHECKS = (
    Check(
        "SIA1-TEST-1", "error", "the test query finds images", "SimpleDALRegExt 1.1 section 3.2", check_sia1_test_query
    ),
    Check("SIA1-COLUMN-1", "error", "mandatory columns exist", f"{_SIA1} 4.2.4", check_sia1_columns),
    Check("SIA1-META-1", "error", "FORMAT=METADATA describes the parameters", f"{_SIA1} 7.1", check_sia1_metadata),
    Check("SIA1-ERROR-1", "error", "errors are reported by QUERY_STATUS", f"{_SIA1} 4.3", check_sia1_errors),
    Check("SIA1-ACCESS-1", "error", "images exist and match their description", f"{_SIA1} 4.2.4", check_sia1_access),
    Check("SIA2-COLUMN-1", "error", "columns are those of ObsCore", f"{_SIA2} 3.1", check_sia2_columns),
    Check("SIA2-TEST-1", "error", "an image is found by position and by identifier", f"{_SIA2} 2.1", check_sia2_search),
    Check("SIA2-META-1", "error", "MAXREC=0 returns the columns", f"{_SIA2} 2.2", check_sia2_metadata),
    Check("SIA2-ERROR-1", "error", "errors begin with the standard's error name", f"{_SIA2} 3.2", check_sia2_errors),
)
