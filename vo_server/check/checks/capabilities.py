"""The capabilities of TAP and of VOSI: spelled as clients know them, and the URLs right from where they were asked."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from vo_server.check.finding import Check, Said
from vo_server.check.probe import TAP, XSI_TYPE, Offer, Probe
from vo_server.check.response import Answer, Skipped, parsed
from vo_server.check.tables import bare

VOSI = "ivo://ivoa.net/std/VOSI#"
EXAMPLES = "ivo://ivoa.net/std/DALI#examples"
OBSCORE = "ivo://ivoa.net/std/ObsCore#core-1.1"

STANDARDS = (
    TAP, f"{TAP}#aux", f"{VOSI}capabilities", f"{VOSI}availability", f"{VOSI}tables", f"{VOSI}tables-1.1", EXAMPLES,
    "ivo://ivoa.net/std/ConeSearch", "ivo://ivoa.net/std/SIA", "ivo://ivoa.net/std/SIA#query-2.0",
    "ivo://ivoa.net/std/SIA#query-aux-2.0", "ivo://ivoa.net/std/SODA#sync-1.0", "ivo://ivoa.net/std/SODA#async-1.0",
    "ivo://ivoa.net/std/DataLink#links-1.0", "ivo://ivoa.net/std/DataLink#links-1.1", "ivo://ivoa.net/std/Registry",
    "ivo://ivoa.net/std/UWS#rest-1.1", "ivo://ivoa.net/std/SSA", "ivo://ivoa.net/std/hips#hipslist-1.0",
    "ivo://ivoa.net/std/hips#hips-1.0", "ivo://ivoa.net/std/ConeSearch#aux", "ivo://ivoa.net/std/SIA#aux",
)  # fmt: skip
"""The ids of standards, as clients compare them."""

INTERFACES = {
    TAP: ("1.1", "base"),
    "ivo://ivoa.net/std/ConeSearch": (None, "base"),
    "ivo://ivoa.net/std/SIA": (None, "base"),
    "ivo://ivoa.net/std/SIA#query-2.0": ("2.0", "base"),
}
"""The version of the standard interface, and how its URL is used, where clients look at these."""


def one_tap(probe: Probe) -> Iterator[Said]:
    found = [o for o in probe.offers if o.service == probe.tap and o.standard == TAP]
    where = f"{probe.tap}/capabilities"
    probe.tree(where)
    if len(found) != 1:
        yield where, f"there are {len(found)} capabilities {TAP}, not one"
    for offer in found:
        if offer.element.get(XSI_TYPE) != "tr:TableAccess":
            yield where, f"the TAP capability is of the type {offer.element.get(XSI_TYPE)}, not tr:TableAccess"


def interfaces(probe: Probe) -> Iterator[Said]:
    for offer in probe.offers:
        if offer.standard not in INTERFACES:
            continue
        version, use = INTERFACES[offer.standard]
        std = [i for i in offer.element.findall("interface") if i.get("role") == "std"]
        if not std:
            yield offer.document, f"{offer.standard} has no interface of the role std"
        for interface in std:
            if version and interface.get("version") != version:
                yield offer.document, f"{offer.standard}: version {interface.get('version')}, not {version}"
            said = [url.get("use") for url in interface.findall("accessURL")]
            if said != [use]:
                yield offer.document, f"{offer.standard}: accessURL use={said}, not {use}"


def ids(probe: Probe) -> Iterator[Said]:
    lower = {id.lower(): id for id in STANDARDS}
    for offer in probe.offers:
        if offer.standard in STANDARDS or not offer.standard.lower().startswith("ivo://ivoa.net/std/"):
            continue
        meant = lower.get(offer.standard.lower())
        yield offer.document, f"the id {offer.standard} is {f'written {meant}' if meant else 'none of a standard'}"


def urls_right(probe: Probe) -> Iterator[Said]:
    """The services are where they were asked."""
    for offer in probe.offers:
        if offer.base != offer.service and not offer.base.startswith(f"{offer.service}/"):
            yield offer.document, f"{offer.standard} is said to be at {offer.url}, and was asked at {offer.service}"


def schemes(probe: Probe) -> Iterator[Said]:
    asked = urlsplit(probe.tap).scheme
    for offer in probe.offers:
        said = urlsplit(offer.url)
        if probe.own(offer.url) and said.scheme != asked:
            yield offer.document, f"{offer.url} is {said.scheme}, where {asked} was asked"
        if not said.scheme or not said.netloc:
            yield offer.document, f"{offer.url!r} is not absolute"


PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "proxy.example.org", "X-Forwarded-Prefix": "/vo"}


def behind_proxy(probe: Probe) -> Iterator[Said]:
    """Either the URL is a fixed one, or that of the proxy: its scheme, host and path."""
    if not probe.ours:
        raise Skipped("whether it believes a proxy is its operator's choice")
    document = f"{probe.tap}/capabilities"
    answer = probe.get(document, headers=PROXY).good()
    fixed = {str(url) for url in probe.tree(document).xpath("//accessURL/text()")}
    path = probe.tap.removeprefix(probe.root)
    for url in parsed(answer.body).xpath("//accessURL/text()"):
        if url not in fixed and not url.startswith(f"https://proxy.example.org/vo{path}"):
            yield document, f"behind a proxy at https://proxy.example.org/vo it says {url}"


def vosi(probe: Probe) -> Iterator[Said]:
    where = f"{probe.tap}/capabilities"
    told = {o.standard for o in probe.offers if o.service == probe.tap}
    probe.tree(where)
    for name in ("capabilities", "availability"):
        if VOSI + name not in told:
            yield where, f"it does not tell of {VOSI}{name}"
    there = probe.get(f"{probe.tap}/tables").status == 200
    if there != bool(told & {f"{VOSI}tables", f"{VOSI}tables-1.1"}):
        yield where, f"it {'does not tell' if there else 'tells'} of tables, which are {'' if there else 'not '}there"
    there = probe.get(f"{probe.tap}/examples").status == 200
    if there != (EXAMPLES in told):
        yield where, f"it {'does not tell' if there else 'tells'} of examples, which are {'' if there else 'not '}there"


def anonymous(probe: Probe) -> Iterator[Said]:
    for offer in probe.offers:
        if offer.standard.startswith(VOSI) and offer.element.find("interface/securityMethod") is not None:
            yield offer.document, f"{offer.standard} has a securityMethod, where anybody may read it"


def answering(probe: Probe) -> Iterator[Said]:
    """What is to be had without parameters is there; of the rest, nothing is gone or broken."""
    for offer in probe.offers:
        if not probe.own(offer.url):
            continue
        full = any(url.get("use") == "full" for url in offer.element.iter("accessURL"))
        answer = probe.get(offer.base)
        gone = answer.status == 404 and "soda" not in offer.standard.lower()
        if gone or answer.status >= 500 or (full and answer.status >= 400 and "SODA" not in offer.standard):
            yield offer.url, f"{offer.standard} gives status {answer.status}: {answer.gist}"


def models(probe: Probe) -> Iterator[Said]:
    where = f"{probe.tap}/capabilities"
    said = {(m.get("ivo-id") or "").strip() for m in probe.access.findall("dataModel")}
    there = any(bare(table.name) == "ivoa.obscore" for table in probe.tap_schema)
    if there and OBSCORE not in said:
        yield where, f"ivoa.obscore is there, but no dataModel {OBSCORE}"
    if OBSCORE in said and not there:
        yield where, f"a dataModel {OBSCORE} is told, but there is no table ivoa.obscore"


LANGUAGE_IDS = {"2.0": "ivo://ivoa.net/std/ADQL#v2.0", "2.1": "ivo://ivoa.net/std/ADQL#v2.1"}


def languages(probe: Probe) -> Iterator[Said]:
    where = f"{probe.tap}/capabilities"
    told = probe.access.findall("language")
    if "ADQL" not in [(language.findtext("name") or "").strip() for language in told]:
        yield where, "the language ADQL is not told of"
    for language in told:
        name = (language.findtext("name") or "").strip()
        for version in language.findall("version"):
            number = (version.text or "").strip()
            if name == "ADQL" and version.get("ivo-id", LANGUAGE_IDS.get(number)) != LANGUAGE_IDS.get(number):
                yield where, f"ADQL {number} has the id {version.get('ivo-id')}, not {LANGUAGE_IDS.get(number)}"
            for word in (name, f"{name}-{number}"):
                answer = _in_language(probe, word)
                if answer.status != 200:
                    yield f"LANG={word}", f"it is announced, but gives status {answer.status}: {answer.gist}"


def strange_language(probe: Probe) -> Iterator[Said]:
    for word in ("KLINGON-1.0", "ADQL-9.9"):
        answer = _in_language(probe, word)
        if answer.status == 200 and b"ERROR" not in answer.body:
            yield f"LANG={word}", "it is not announced, but taken"


def _in_language(probe: Probe, word: str) -> Answer:
    query = "SELECT TOP 1 table_name FROM TAP_SCHEMA.tables"
    return probe.get(f"{probe.tap}/sync", [("LANG", word), ("QUERY", query)])


def nested(probe: Probe) -> Iterator[Said]:
    """Each document names itself."""
    for service in probe.services:
        own = [o for o in _of(probe, service) if o.standard == f"{VOSI}capabilities"]
        if probe.get(f"{service}/capabilities").status == 200 and not own:
            yield f"{service}/capabilities", "it does not tell of itself"


def _of(probe: Probe, service: str) -> list[Offer]:
    return [offer for offer in probe.offers if offer.service == service]


CHECKS = (
    Check("CAP-TAP-1", "error", "there is one capability of TAP", "TAP 1.1 section 2.4", one_tap),
    Check("CAP-INTERFACE-1", "error", "standard interfaces have their role, version and use",
          "TAP 1.1 section 2.4, SimpleDALRegExt 1.1 section 2", interfaces),
    Check("CAP-ID-1", "error", "the ids of standards are written as clients know them", "VOResource 1.2 section 2.2.2",
          ids),
    Check("CAP-URL-1", "error", "services are where they say", "VOSI 1.1 section 3.1", urls_right),
    Check("CAP-URL-2", "error", "URLs are absolute, and of the scheme that is asked", "VOResource 1.2 section 2.2.3",
          schemes),
    Check("CAP-URL-3", "error", "behind a proxy URLs are those of the proxy", "RFC 7239 section 4", behind_proxy),
    Check("CAP-URL-4", "error", "every URL of the capabilities answers", "VOResource 1.2 section 2.2.3", answering),
    Check("CAP-VOSI-1", "error", "VOSI and examples are told of if they are there", "TAP 1.1 section 2.4", vosi),
    Check("CAP-VOSI-2", "error", "VOSI is for anybody", "VOSI 1.1 section 2", anonymous),
    Check("CAP-VOSI-3", "error", "capabilities of each service name themselves", "VOSI 1.1 section 4", nested),
    Check("CAP-MODEL-1", "error", "ObsCore is told of if it is there", "TAPRegExt 1.0 section 2.3", models),
    Check("TAP-LANG-1", "error", "each announced language and version is understood", "TAP 1.1 section 2.7.1",
          languages),
    Check("TAP-LANG-2", "error", "a language that is not announced is refused", "TAP 1.1 section 2.7.1",
          strange_language),
)  # fmt: skip
