"""The documents of VOSI: there, well-formed, valid, and what they say of the service itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote

from lxml import etree

from vo_server.check.finding import Check, Said
from vo_server.check.probe import Probe
from vo_server.check.response import Answer, NoAnswer, Skipped, parsed
from vo_server.check.tables import bare, column_of

NAMES = ("capabilities", "availability", "tables")
AVAILABILITY = "{http://www.ivoa.net/xml/VOSIAvailability/v1.0}"


def _documents(probe: Probe) -> Iterator[Answer]:
    """Those of all services; a service without tables has no /tables."""
    for service in probe.services:
        for name in NAMES:
            answer = probe.get(f"{service}/{name}")
            if name != "tables" or answer.status != 404 or service == probe.tap:
                yield answer


def there(probe: Probe) -> Iterator[Said]:
    for answer in _documents(probe):
        if answer.status != 200:
            yield answer.url, f"status {answer.status}: {answer.gist}"


def well_formed(probe: Probe) -> Iterator[Said]:
    for answer in _documents(probe):
        try:
            if answer.status == 200:
                parsed(answer.body)
        except etree.XMLSyntaxError as error:
            yield answer.url, f"not well-formed: {error}"


def valid(probe: Probe) -> Iterator[Said]:
    if probe.schemas is None:
        raise Skipped("there are no XML schemas; --xsd says where")
    for answer in (*_documents(probe), *_others(probe)):
        yield from invalid(probe, answer)


def _others(probe: Probe) -> Iterator[Answer]:
    """A table of its own, the list of jobs, and an answer with rows and one of a fault."""
    yield probe.get(f"{probe.tap}/tables", [("detail", "min")])
    for table in probe.tables[:3]:
        yield probe.get(f"{probe.tap}/tables/{quote(table.name)}")
    yield probe.get(f"{probe.tap}/async")
    yield probe.query("SELECT TOP 3 * FROM TAP_SCHEMA.columns")
    yield probe.query("SELECT nothing FROM nowhere")


def invalid(probe: Probe, answer: Answer) -> Iterator[Said]:
    """What is wrong with a document by its schema: the first three faults."""
    try:
        root = parsed(answer.body)
    except etree.XMLSyntaxError:
        return
    if probe.schemas is not None and not probe.schemas.validate(root):
        for fault in list(probe.schemas.error_log)[:3]:
            yield answer.url, f"line {fault.line}: {fault.message}"


def media_type(probe: Probe) -> Iterator[Said]:
    for answer in _documents(probe):
        if answer.status == 200 and answer.essence not in ("text/xml", "application/xml"):
            yield answer.url, f"its Content-Type is {answer.type or 'missing'}, not text/xml"


def methods(probe: Probe) -> Iterator[Said]:
    for name in NAMES:
        url = f"{probe.tap}/{name}"
        answer = probe.ask("POST", url, data={"x": "1"})
        if answer.status != 405:
            yield url, f"a POST gives status {answer.status}, not 405"


def modified(probe: Probe) -> Iterator[Said]:
    url = f"{probe.tap}/capabilities"
    for answer in (probe.get(url), probe.head(url)):
        if "last-modified" not in answer.headers:
            yield url, f"{answer.method} gives no Last-Modified"


def table_documents(probe: Probe) -> Iterator[Said]:
    for table in probe.tables[: probe.bounds.tables]:
        url = f"{probe.tap}/tables/{quote(table.name)}"
        answer = probe.get(url)
        if answer.status != 200:
            yield url, f"status {answer.status}: {answer.gist}"
            continue
        told = [column_of(column) for column in probe.tree(url).iter("column")]
        if tuple(told) != table.columns:
            yield url, f"other columns than /tables has for {table.name}"


def no_such_table(probe: Probe) -> Iterator[Said]:
    url = f"{probe.tap}/tables/no.such_table"
    answer = probe.get(url)
    if answer.status != 404:
        yield url, f"a table that is not there gives status {answer.status}, not 404"


def truthful(probe: Probe) -> Iterator[Said]:
    """Whether queries work; while it is going to be down, as it says, they may still."""
    url = f"{probe.tap}/availability"
    root = probe.tree(url)
    said = (root.findtext(f"{AVAILABILITY}available") or "").strip()
    try:
        works = bool(probe.rows("SELECT TOP 1 table_name FROM TAP_SCHEMA.tables").rows)
    except NoAnswer as fault:
        if said == "true":
            yield url, f"it says available, but a query fails: {fault.what}"
        return
    planned = any(root.find(AVAILABILITY + name) is not None for name in ("downAt", "backAt"))
    if works and said != "true" and not planned:
        yield url, f"it says {said or 'nothing'}, but queries work"


def instants(probe: Probe) -> Iterator[Said]:
    url = f"{probe.tap}/availability"
    root = probe.tree(url)
    for name in ("upSince", "downAt", "backAt"):
        said = root.findtext(AVAILABILITY + name)
        if said is None:
            continue
        try:
            moment = datetime.fromisoformat(said.strip().replace("Z", "+00:00"))
        except ValueError:
            yield url, f"{name} is {said!r}, which is no instant"
            continue
        if not said.strip().endswith("Z"):
            yield url, f"{name} is {said!r}, without the Z of UTC"
        elif name == "upSince" and moment > datetime.now(UTC):
            yield url, f"upSince is {said}, which is yet to come"


def described(probe: Probe) -> Iterator[Said]:
    for table in probe.tables:
        if not table.description:
            yield table.name, "the table has no description"
        missing = [column.name for column in table.columns if not column.description]
        if missing:
            yield table.name, f"no description: {', '.join(missing[:8])}{' ...' if len(missing) > 8 else ''}"


def names_unique(probe: Probe) -> Iterator[Said]:
    for table in probe.tables:
        names = [bare(column.name) for column in table.columns]
        for name in sorted({n for n in names if names.count(n) > 1}):
            yield table.name, f"two columns are called {name}"


CHECKS = (
    Check("VOSI-STATUS-1", "error", "capabilities, availability and tables of each service are there",
          "VOSI 1.1 section 2, TAP 1.1 section 2", there),
    Check("XML-WELL-1", "error", "the documents are well-formed", "XML 1.0 section 2.1", well_formed),
    Check("XML-SCHEMA-1", "error", "the documents are valid by the IVOA's schemas", "the schema of each", valid),
    Check("XML-TYPE-1", "warning", "XML comes as text/xml or application/xml", "VOSI 1.1 section 2", media_type),
    Check("VOSI-METHOD-1", "error", "VOSI knows GET alone", "VOSI 1.1 section 2", methods),
    Check("VOSI-MODIFIED-1", "warning", "capabilities have Last-Modified", "VOSI 1.1 section 3.1", modified),
    Check("VOSI-TABLE-1", "error", "each table has a document of its own, with the same columns",
          "VOSI 1.1 section 3.3", table_documents),
    Check("VOSI-TABLE-2", "error", "a table that is not there is 404", "VOSI 1.1 section 3.3", no_such_table),
    Check("VOSI-TABLE-3", "error", "no two columns of a table have one name", "VODataService 1.2 section 3.4",
          names_unique),
    Check("VOSI-TABLE-4", "warning", "tables and columns are described", "VODataService 1.2 section 3.4", described),
    Check("VOSI-AVAIL-1", "error", "availability tells whether queries work", "VOSI 1.1 section 3.2", truthful),
    Check("VOSI-AVAIL-2", "error", "the instants of availability are some", "VOSI 1.1 section 3.2", instants),
)  # fmt: skip
