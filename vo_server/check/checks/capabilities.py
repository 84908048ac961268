"""The capabilities of TAP and VOSI: identifiers in the standard spelling, and URLs that match the requests."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from vo_server.check.finding import Check, Problem
from vo_server.check.probe import TAP_ID, XSI_TYPE, DeclaredCapability, Probe
from vo_server.check.response import CheckSkipped, ProbeResponse, parse_xml
from vo_server.check.tables import normalise_name

VOSI_ID_PREFIX = "ivo://ivoa.net/std/VOSI#"
EXAMPLES_ID = "ivo://ivoa.net/std/DALI#examples"
OBSCORE_ID = "ivo://ivoa.net/std/ObsCore#core-1.1"

STANDARD_IDS = (
    TAP_ID, f"{TAP_ID}#aux", f"{VOSI_ID_PREFIX}capabilities", f"{VOSI_ID_PREFIX}availability",
    f"{VOSI_ID_PREFIX}tables",
    f"{VOSI_ID_PREFIX}tables-1.1", EXAMPLES_ID,
    "ivo://ivoa.net/std/ConeSearch", "ivo://ivoa.net/std/SIA", "ivo://ivoa.net/std/SIA#query-2.0",
    "ivo://ivoa.net/std/SIA#query-aux-2.0", "ivo://ivoa.net/std/SODA#sync-1.0", "ivo://ivoa.net/std/SODA#async-1.0",
    "ivo://ivoa.net/std/DataLink#links-1.0", "ivo://ivoa.net/std/DataLink#links-1.1", "ivo://ivoa.net/std/Registry",
    "ivo://ivoa.net/std/UWS#rest-1.1", "ivo://ivoa.net/std/SSA", "ivo://ivoa.net/std/hips#hipslist-1.0",
    "ivo://ivoa.net/std/hips#hips-1.0", "ivo://ivoa.net/std/ConeSearch#aux", "ivo://ivoa.net/std/SIA#aux",
)  # fmt: skip
"""The ids of standards, as clients compare them."""

INTERFACES = {
    TAP_ID: ("1.1", "base"),
    "ivo://ivoa.net/std/ConeSearch": (None, "base"),
    "ivo://ivoa.net/std/SIA": (None, "base"),
    "ivo://ivoa.net/std/SIA#query-2.0": ("2.0", "base"),
}
"""The version of the standard interface and the `use` of its URL, for standards whose clients read these."""


def check_single_tap(probe: Probe) -> Iterator[Problem]:
    """Require that exactly one TAP capability is declared."""
    offers = [o for o in probe.capabilities if o.service_url == probe.tap_url and o.standard == TAP_ID]
    where = f"{probe.tap_url}/capabilities"
    probe.parse_document(where)
    if len(offers) != 1:
        yield where, f"expected one capability {TAP_ID}, got {len(offers)}"
    for offer in offers:
        if offer.element.get(XSI_TYPE) != "tr:TableAccess":
            yield where, f"the TAP capability has type {offer.element.get(XSI_TYPE)}, expected tr:TableAccess"


def check_interfaces(probe: Probe) -> Iterator[Problem]:
    """Require that standard interfaces have role, version and use."""
    for offer in probe.capabilities:
        if offer.standard not in INTERFACES:
            continue
        version, use = INTERFACES[offer.standard]
        std = [i for i in offer.element.findall("interface") if i.get("role") == "std"]
        if not std:
            yield offer.document, f"{offer.standard} has no interface with role std"
        for interface in std:
            if version and interface.get("version") != version:
                yield offer.document, f"{offer.standard} has version {interface.get('version')}, expected {version}"
            uses = [url.get("use") for url in interface.findall("accessURL")]
            if uses != [use]:
                yield offer.document, f"{offer.standard} has accessURL use={uses}, expected {use}"


def check_standard_ids(probe: Probe) -> Iterator[Problem]:
    """Require that standard ids are written as clients expect them."""
    lower = {id.lower(): id for id in STANDARD_IDS}
    for offer in probe.capabilities:
        if offer.standard in STANDARD_IDS or not offer.standard.lower().startswith("ivo://ivoa.net/std/"):
            continue
        meant = lower.get(offer.standard.lower())
        advice = f"must be written {meant}" if meant else "is not the id of a standard"
        yield offer.document, f"the id {offer.standard} {advice}"


def check_access_urls(probe: Probe) -> Iterator[Problem]:
    """Compare access URLs with the requested URLs."""
    for offer in probe.capabilities:
        if offer.base_url != offer.service_url and not offer.base_url.startswith(f"{offer.service_url}/"):
            yield (
                offer.document,
                f"{offer.standard} is declared at {offer.url}, but was requested at {offer.service_url}",
            )


def check_url_schemes(probe: Probe) -> Iterator[Problem]:
    """Require that URLs are absolute and have the requested scheme."""
    scheme = urlsplit(probe.tap_url).scheme
    for offer in probe.capabilities:
        parts = urlsplit(offer.url)
        if probe.is_own_url(offer.url) and parts.scheme != scheme:
            yield offer.document, f"{offer.url} has scheme {parts.scheme}, but was requested by {scheme}"
        if not parts.scheme or not parts.netloc:
            yield offer.document, f"the URL {offer.url!r} is not absolute"


PROXY_HEADERS = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "proxy.example.org", "X-Forwarded-Prefix": "/vo"}


def check_urls_behind_proxy(probe: Probe) -> Iterator[Problem]:
    """Accept a fixed URL or the URL of the proxy: its scheme, host and path."""
    if not probe.is_vo_server:
        raise CheckSkipped("whether a service trusts proxy headers is its operator's choice")
    document = f"{probe.tap_url}/capabilities"
    response = probe.get(document, headers=PROXY_HEADERS).require_ok()
    fixed = {str(url) for url in probe.parse_document(document).xpath("//accessURL/text()")}
    path = probe.tap_url.removeprefix(probe.root_url)
    for url in parse_xml(response.body).xpath("//accessURL/text()"):
        if url not in fixed and not url.startswith(f"https://proxy.example.org/vo{path}"):
            yield document, f"behind a proxy at https://proxy.example.org/vo it declares {url}"


def check_vosi_declared(probe: Probe) -> Iterator[Problem]:
    """Require that VOSI resources and examples are declared if they exist."""
    where = f"{probe.tap_url}/capabilities"
    declared = {o.standard for o in probe.capabilities if o.service_url == probe.tap_url}
    probe.parse_document(where)
    for name in ("capabilities", "availability"):
        if VOSI_ID_PREFIX + name not in declared:
            yield where, f"{VOSI_ID_PREFIX}{name} is not declared"
    for name, ids in (
        ("tables", {f"{VOSI_ID_PREFIX}tables", f"{VOSI_ID_PREFIX}tables-1.1"}),
        ("examples", {EXAMPLES_ID}),
    ):
        exists = probe.get(f"{probe.tap_url}/{name}").status == 200
        if exists != bool(declared & ids):
            yield where, f"{name} {'exists but is not declared' if exists else 'is declared but does not exist'}"


def check_vosi_anonymous(probe: Probe) -> Iterator[Problem]:
    """Require that VOSI resources need no authentication."""
    for offer in probe.capabilities:
        if offer.standard.startswith(VOSI_ID_PREFIX) and offer.element.find("interface/securityMethod") is not None:
            yield offer.document, f"{offer.standard} has a securityMethod, but must need no authentication"


def check_urls_respond(probe: Probe) -> Iterator[Problem]:
    """Request each URL: resources without parameters must exist, others must not be missing or broken."""
    for offer in probe.capabilities:
        if not probe.is_own_url(offer.url):
            continue
        full = any(url.get("use") == "full" for url in offer.element.iter("accessURL"))
        response = probe.get(offer.base_url)
        missing = response.status == 404 and "soda" not in offer.standard.lower()
        if missing or response.status >= 500 or (full and response.status >= 400 and "SODA" not in offer.standard):
            yield offer.url, f"{offer.standard} responds with status {response.status}: {response.summary}"


def check_data_models(probe: Probe) -> Iterator[Problem]:
    """Require that ObsCore is declared if it exists."""
    where = f"{probe.tap_url}/capabilities"
    models = {(m.get("ivo-id") or "").strip() for m in probe.tap_capability.findall("dataModel")}
    exists = any(normalise_name(table.name) == "ivoa.obscore" for table in probe.tap_schema)
    if exists and OBSCORE_ID not in models:
        yield where, f"the table ivoa.obscore exists, but dataModel {OBSCORE_ID} is not declared"
    if OBSCORE_ID in models and not exists:
        yield where, f"dataModel {OBSCORE_ID} is declared, but the table ivoa.obscore does not exist"


LANGUAGE_IDS = {"2.0": "ivo://ivoa.net/std/ADQL#v2.0", "2.1": "ivo://ivoa.net/std/ADQL#v2.1"}


def check_languages(probe: Probe) -> Iterator[Problem]:
    """Require that each declared language and version is accepted."""
    where = f"{probe.tap_url}/capabilities"
    languages = probe.tap_capability.findall("language")
    if "ADQL" not in [(language.findtext("name") or "").strip() for language in languages]:
        yield where, "the language ADQL is not declared"
    for language in languages:
        name = (language.findtext("name") or "").strip()
        for version in language.findall("version"):
            number = (version.text or "").strip()
            if name == "ADQL" and version.get("ivo-id", LANGUAGE_IDS.get(number)) != LANGUAGE_IDS.get(number):
                yield where, f"ADQL {number} has the id {version.get('ivo-id')}, expected {LANGUAGE_IDS.get(number)}"
            for word in (name, f"{name}-{number}"):
                response = _query_in_language(probe, word)
                if response.status != 200:
                    yield (
                        f"LANG={word}",
                        f"the language is declared, but gives status {response.status}: {response.summary}",
                    )


def check_unknown_language(probe: Probe) -> Iterator[Problem]:
    """Require that an undeclared language is rejected."""
    for word in ("KLINGON-1.0", "ADQL-9.9"):
        response = _query_in_language(probe, word)
        if response.status == 200 and b"ERROR" not in response.body:
            yield f"LANG={word}", "the language is not declared, but accepted"


def _query_in_language(probe: Probe, word: str) -> ProbeResponse:
    query = "SELECT TOP 1 table_name FROM TAP_SCHEMA.tables"
    return probe.get(f"{probe.tap_url}/sync", [("LANG", word), ("QUERY", query)])


def check_documents_declared(probe: Probe) -> Iterator[Problem]:
    """Require that each capabilities document declares itself."""
    for service in probe.service_urls:
        own = [o for o in _capabilities_at(probe, service) if o.standard == f"{VOSI_ID_PREFIX}capabilities"]
        if probe.get(f"{service}/capabilities").status == 200 and not own:
            yield f"{service}/capabilities", f"{VOSI_ID_PREFIX}capabilities is not declared"


def _capabilities_at(probe: Probe, service: str) -> list[DeclaredCapability]:
    return [offer for offer in probe.capabilities if offer.service_url == service]


CHECKS = (
    Check("CAP-TAP-1", "error", "exactly one TAP capability is declared", "TAP 1.1 section 2.4", check_single_tap),
    Check("CAP-INTERFACE-1", "error", "standard interfaces have role, version and use",
          "TAP 1.1 section 2.4, SimpleDALRegExt 1.1 section 2", check_interfaces),
    Check("CAP-ID-1", "error", "standard ids are written as clients expect them", "VOResource 1.2 section 2.2.2",
          check_standard_ids),
    Check("CAP-URL-1", "error", "access URLs match the requested URLs", "VOSI 1.1 section 3.1", check_access_urls),
    Check("CAP-URL-2", "error", "URLs are absolute and have the requested scheme", "VOResource 1.2 section 2.2.3",
          check_url_schemes),
    Check("CAP-URL-3", "error", "URLs behind a proxy are those of the proxy", "RFC 7239 section 4",
          check_urls_behind_proxy),
    Check("CAP-URL-4", "error", "every URL of the capabilities responds", "VOResource 1.2 section 2.2.3",
          check_urls_respond),
    Check("CAP-VOSI-1", "error", "VOSI resources and examples are declared if they exist", "TAP 1.1 section 2.4",
          check_vosi_declared),
    Check("CAP-VOSI-2", "error", "VOSI resources need no authentication", "VOSI 1.1 section 2", check_vosi_anonymous),
    Check("CAP-VOSI-3", "error", "capabilities of each service declare their own URL", "VOSI 1.1 section 4",
          check_documents_declared),
    Check("CAP-MODEL-1", "error", "ObsCore is declared if it exists", "TAPRegExt 1.0 section 2.3", check_data_models),
    Check("TAP-LANG-1", "error", "each declared language and version is accepted", "TAP 1.1 section 2.7.1",
          check_languages),
    Check("TAP-LANG-2", "error", "an undeclared language is rejected", "TAP 1.1 section 2.7.1", check_unknown_language),
)  # fmt: skip
