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

DALI_ERRORS = ("UsageFault", "TransientFault", "FatalFault", "DefaultFault")
"""The words that errors of SIA 2.0 begin with (section 3.2)."""

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
"""The mandatory columns of SIA 1.0 by UCD, with datatype and arraysize (section 4.2.4)."""


# ------------------------------------------------------------------- SIA 1


def _test_query(probe: Probe, offer: DeclaredCapability, *more: tuple[str, str]) -> ProbeResponse | None:
    """Run the declared test query of SIA 1.0; return None where there is none."""
    texts = [offer.element.findtext(f"testQuery/{path}") for path in ("pos/long", "pos/lat", "size/long", "size/lat")]
    if None in texts:
        return None
    ra, dec, width, height = (str(text).strip() for text in texts)
    return probe.get(offer.base_url, [("POS", f"{ra},{dec}"), ("SIZE", f"{width},{height}"), *more])


def _is_loaded(probe: Probe, offer: DeclaredCapability) -> bool:
    """Tell whether the image collection of a service is loaded."""
    response = probe.get(offer.base_url, [("POS", "0,0"), ("SIZE", "0.1")])
    return "not been loaded" not in response.text


def check_sia1_test_query(probe: Probe) -> Iterator[Problem]:
    """Require that the test query finds images."""
    for offer in (o for o in probe.capabilities_of(SIA1_ID) if _is_loaded(probe, o)):
        response = _test_query(probe, offer)
        if response is None:
            yield offer.document, "no testQuery is declared"
        elif response.status != 200 or votable.error_message(response.body):
            yield response.url, f"the testQuery gives status {response.status}: {response.summary}"
        elif not read_table(response).rows:
            yield response.url, "the testQuery returns 0 rows"


def _find_sia1_images(probe: Probe) -> Iterator[votable.VOTable]:
    for offer in probe.capabilities_of(SIA1_ID):
        response = _test_query(probe, offer)
        if response is not None and response.status == 200 and not votable.error_message(response.body):
            yield read_table(response)


def check_sia1_columns(probe: Probe) -> Iterator[Problem]:
    """Require that mandatory columns exist."""
    for offer in probe.capabilities_of(SIA1_ID):
        response = _test_query(probe, offer)
        if response is None or response.status != 200 or votable.error_message(response.body):
            continue  # SIA1-TEST-1 reports it
        fields = read_table(response).fields
        for word, (datatype, arraysize) in SIA1_UCDS.items():
            matches = [f for f in fields if f.get("ucd") == word]
            if len(matches) != 1:
                yield response.url, f"expected one column with the UCD {word}, got {len(matches)}"
            elif (matches[0].get("datatype"), matches[0].get("arraysize", "")) != (datatype, arraysize):
                actual = f"{matches[0].get('datatype')}[{matches[0].get('arraysize', '')}]"
                yield response.url, f"the column {word} has type {actual}, expected {datatype}[{arraysize}]"


def check_sia1_metadata(probe: Probe) -> Iterator[Problem]:
    """Require that FORMAT=METADATA describes the parameters."""
    for offer in probe.capabilities_of(SIA1_ID):
        response = probe.get(offer.base_url, [("FORMAT", "METADATA")])
        for name in ("INPUT:POS", "INPUT:SIZE", "INPUT:FORMAT"):
            if f'name="{name}"' not in response.text:
                yield response.url, f"the PARAM {name} is missing"


def check_sia1_errors(probe: Probe) -> Iterator[Problem]:
    """Require that errors are reported by QUERY_STATUS."""
    for offer in probe.capabilities_of(SIA1_ID):
        response = probe.get(offer.base_url, [("POS", "as3f,13.0"), ("SIZE", "0.25")])
        if votable.error_message(response.body) is None:
            yield (
                response.url,
                f"an invalid request gives no QUERY_STATUS ERROR, but status {response.status}: {response.summary}",
            )


def _find_column(table: votable.VOTable, word: str) -> list[str]:
    indices = [n for n, field in enumerate(table.fields) if field.get("ucd") == word]
    return [str(row[indices[0]]) for row in table.rows] if indices else []


def list_files(probe: Probe) -> list[str]:
    """Return the URL of the first file of each SIA 1.0 service.

    Raises CheckSkipped where there are none.
    """
    urls = [url for table in _find_sia1_images(probe) for url in _find_column(table, "VOX:Image_AccessReference")[:1]]
    own = [url for url in urls if probe.is_own_url(url)]
    if not own:
        raise CheckSkipped("there are no image files on this server")
    return own


def check_sia1_access(probe: Probe) -> Iterator[Problem]:
    """Require that images exist and match their description."""
    for table in _find_sia1_images(probe):
        pairs = zip(
            _find_column(table, "VOX:Image_AccessReference"), _find_column(table, "VOX:Image_Format"), strict=True
        )
        seen: set[str] = set()
        for url, format in pairs:
            if format in seen or not probe.is_own_url(url):
                continue
            seen.add(format)
            response = probe.get(url)
            if response.status != 200:
                yield url, f"the image gives status {response.status}: {response.summary}"
            elif response.media_type != format:
                yield url, f"the declared format is {format}, but Content-Type is {response.content_type}"


# ------------------------------------------------------------------- SIA 2


def loaded_capabilities(probe: Probe, standard: str) -> tuple[DeclaredCapability, ...]:
    """Return the capabilities of a standard whose services have rows.

    Raises CheckSkipped where there are none, and where availability reports that no images have been loaded.
    """
    if "ivoa.obscore" in probe.unloaded_tables:
        raise CheckSkipped("no images have been loaded")
    return probe.capabilities_of(standard)


def check_sia2_columns(probe: Probe) -> Iterator[Problem]:
    """Require that columns are those of ObsCore."""
    for offer in loaded_capabilities(probe, SIA2_ID):
        response = probe.get(offer.base_url, [("MAXREC", "2")])
        table = read_table(response.require_ok())
        for name, _, unit, ucd, utype in MANDATORY:
            field = next((f for f in table.fields if f["name"].lower() == name), None)
            if field is None:
                yield response.url, f"the column {name} is missing"
                continue
            expected = {"unit": unit.replace("-", ""), "ucd": ucd, "utype": f"obscore:{utype}"}
            for key, value in expected.items():
                if field.get(key, "").lower() != value.lower():
                    yield response.url, f"expected {key} {value!r} of {name}, got {field.get(key, '')!r}"


def check_sia2_search(probe: Probe) -> Iterator[Problem]:
    """Search for the first image of ivoa.obscore by position and by identifier."""
    rows = probe.query_table(f"SELECT TOP 1 obs_publisher_did, s_ra, s_dec FROM {find_obscore(probe).name}").rows
    for offer in loaded_capabilities(probe, SIA2_ID):
        for did, ra, dec in rows:
            for pair in (("POS", f"CIRCLE {ra} {dec} 0.001"), ("ID", did)):
                response = probe.get(offer.base_url, [pair, ("MAXREC", "10000")])
                dids = [row.get("obs_publisher_did") for row in read_table(response.require_ok()).dicts()]
                if did not in dids:
                    yield response.url, f"{did} is missing among the {len(dids)} images of its {pair[0]}"
                elif pair[0] == "ID" and len(dids) != 1:
                    yield response.url, f"expected one image with the ID {did}, got {len(dids)}"


def check_sia2_errors(probe: Probe) -> Iterator[Problem]:
    """Require that errors begin with the standard's error name."""
    for offer in loaded_capabilities(probe, SIA2_ID):
        response = probe.get(offer.base_url, [("POS", "CIRCLE no numbers")])
        message = votable.error_message(response.body) or ""
        if not message.startswith(DALI_ERRORS):
            actual = f"status {response.status}: {message or response.summary}"
            yield response.url, f"expected an error that begins with {', '.join(DALI_ERRORS)}, got {actual}"


def check_sia2_metadata(probe: Probe) -> Iterator[Problem]:
    """Require that MAXREC=0 returns the columns."""
    for offer in loaded_capabilities(probe, SIA2_ID):
        response = probe.get(offer.base_url, [("MAXREC", "0")])
        table = read_table(response.require_ok())
        if table.rows or not table.fields:
            yield (
                response.url,
                f"expected columns and no rows for MAXREC=0, got {len(table.fields)} and {len(table.rows)}",
            )


def fetch_responses(probe: Probe) -> Iterator[ProbeResponse]:
    """Yield a response of each image service that exists."""
    for service in (_fetch_sia1, _fetch_sia2):
        try:
            yield from service(probe)
        except (CheckSkipped, NoResponse):
            continue


def _fetch_sia1(probe: Probe) -> Iterator[ProbeResponse]:
    for offer in probe.capabilities_of(SIA1_ID):
        response = _test_query(probe, offer)
        if response is not None and response.status == 200:
            yield response


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
