"""Faults that are put into a healthy server: an application around it that alters what is asked and what is answered.

Each fault stands under the code of the check that must find it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlencode

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Asked:
    """A request as the server gets it; `given` are the parameters of its URL, or of its form."""

    method: str
    path: str
    given: tuple[tuple[str, str], ...]
    headers: dict[str, str]

    @property
    def query(self) -> str:
        return next((value for name, value in self.given if name.upper() == "QUERY"), "")

    def has(self, name: str, value: str | None = None) -> bool:
        return any(n == name and value in (None, v) for n, v in self.given)


@dataclass(frozen=True)
class Told:
    """What it answers."""

    status: int
    headers: dict[str, str]
    body: bytes

    def but(self, old: str, new: str, count: int = -1) -> Told:
        return replace(self, body=self.body.replace(old.encode(), new.encode(), count))

    def with_type(self, media_type: str) -> Told:
        return replace(self, headers=self.headers | {"content-type": media_type})

    def without(self, *names: str) -> Told:
        return replace(self, headers={n: v for n, v in self.headers.items() if n not in names})


Before = Callable[[Asked], Asked]
After = Callable[[Asked, Told], Told]


@dataclass
class Altered:
    """The application with a fault, which can be changed."""

    app: ASGIApp
    before: Before = field(default=lambda asked: asked)
    after: After = field(default=lambda _, told: told)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        headers.pop("accept-encoding", None)
        form = headers.get("content-type", "") == "application/x-www-form-urlencoded"
        text = body.decode() if form else scope["query_string"].decode()
        asked = Asked(scope["method"], scope["path"], tuple(parse_qsl(text, keep_blank_values=True)), headers)
        changed = self.before(asked)
        if changed.given != asked.given:
            text = urlencode(changed.given)
        sent = text.encode() if form else body
        if form:
            changed.headers["content-length"] = str(len(sent))
        inner = {
            **scope,
            "method": changed.method,
            "path": changed.path,
            "raw_path": changed.path.encode(),
            "query_string": scope["query_string"] if form else text.encode(),
            "headers": [(n.encode(), v.encode()) for n, v in changed.headers.items()],
        }
        await self._answer(asked, await self._told(inner, sent), send)

    async def _told(self, scope: Scope, body: bytes) -> Told:
        told = Told(0, {}, b"")
        sent = False

        async def receive() -> Message:
            nonlocal sent
            if sent:  # a client that waits
                await anyio.sleep_forever()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Message) -> None:
            nonlocal told
            if message["type"] == "http.response.start":
                headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
                told = Told(message["status"], headers, b"")
            else:
                told = replace(told, body=told.body + message.get("body", b""))

        await self.app(scope, receive, keep)
        return told

    async def _answer(self, asked: Asked, told: Told, send: Send) -> None:
        told = self.after(asked, told).without("content-length")
        headers = [(name.encode(), value.encode()) for name, value in told.headers.items()]
        await send({"type": "http.response.start", "status": told.status, "headers": headers})
        await send({"type": "http.response.body", "body": told.body})


# ------------------------------------------------------------ kinds of faults


@dataclass(frozen=True)
class Fault:
    """A fault, and words that what is found must have."""

    code: str
    words: str
    before: Before = lambda asked: asked
    after: After = lambda _, told: told


def answer(code: str, words: str, path: str, change: Callable[[Told], Told], when: str = "") -> Fault:
    """An answer of a path (a pattern) is altered; `when` is in the query or among the values of the parameters."""

    def after(asked: Asked, told: Told) -> Told:
        there = not when or any(when in value or when == name for name, value in asked.given)
        return change(told) if re.fullmatch(path, asked.path) and there else told

    return Fault(code, words, after=after)


def text(code: str, words: str, path: str, old: str, new: str, count: int = -1, when: str = "") -> Fault:
    """Some text of an answer is another."""
    return answer(code, words, path, lambda told: told.but(old, new, count), when)


def status(code: str, words: str, path: str, number: int, when: str = "") -> Fault:
    """An answer has another status."""
    return answer(code, words, path, lambda told: replace(told, status=number), when)


def asks(code: str, words: str, change: Callable[[Asked], Asked]) -> Fault:
    """The server hears something else than was asked."""
    return Fault(code, words, before=change)


def query(code: str, words: str, old: str, new: str) -> Fault:
    """The server hears another query, with something else for what fits a pattern."""

    def change(asked: Asked) -> Asked:
        said = tuple((n, re.sub(old, new, v) if n.upper() == "QUERY" else v) for n, v in asked.given)
        return replace(asked, given=said)

    return Fault(code, words, before=change)


def parameter(code: str, words: str, name: str, old: str, new: str | None) -> Fault:
    """The server hears another value of a parameter, or none."""

    def change(asked: Asked) -> Asked:
        said = [(n, new if (n, v) == (name, old) or (n == name and old == "*") else v) for n, v in asked.given]
        return replace(asked, given=tuple((n, v) for n, v in said if v is not None))

    return Fault(code, words, before=change)


TELLING = (
    "SELECT table_name, column_name, datatype, arraysize, xtype, unit, ucd, utype, description FROM TAP_SCHEMA.columns"
)


def column(code: str, words: str, name: str, value: str) -> Fault:
    """TAP_SCHEMA says something else of all columns."""
    return query(code, words, f"^{TELLING}", TELLING.replace(f" {name},", f" '{value}' AS {name},"))


def lacks(code: str, words: str, name: str) -> Fault:
    """TAP_SCHEMA does not tell of a column."""
    return query(code, words, f"^{TELLING}", f"{TELLING} WHERE column_name <> '{name}'")


CAPABILITIES = "/tap/capabilities"
SYNC = "/tap/sync"
TABLES = "^SELECT schema_name, table_name, description FROM TAP_SCHEMA.tables"
RECORDS = "ListRecords"
IVOID = "ivo://unregistered.invalid"


def sub(pattern: str, new: str) -> Callable[[Told], Told]:
    return lambda told: replace(told, body=re.sub(pattern.encode(), new.encode(), told.body, flags=re.DOTALL))


def drop(*names: str) -> Callable[[Told], Told]:
    return lambda told: told.without(*names)


def typed(media_type: str) -> Callable[[Told], Told]:
    return lambda told: told.with_type(media_type)


def _only_first(asked: Asked) -> Asked:
    seen: dict[str, str] = {}
    for name, value in asked.given:
        seen.setdefault(name, value)
    return replace(asked, given=tuple(seen.items()))


def _case(asked: Asked) -> Asked:
    return replace(asked, given=tuple((n, v) for n, v in asked.given if n == n.upper()))


def _no_prefix(asked: Asked) -> Asked:
    return replace(asked, headers={n: v for n, v in asked.headers.items() if n != "x-forwarded-prefix"})


def _no_range(asked: Asked) -> Asked:
    """A server that says that it knows ranges, and sends all."""
    return replace(asked, headers={n: v for n, v in asked.headers.items() if n != "range"})


def _wide(asked: Asked) -> Asked:
    """A cone search that gives all of a square about the cone, and more."""
    said = tuple((n, "30" if n == "SR" and v != "0" else v) for n, v in asked.given)
    return replace(asked, given=said) if asked.path.startswith("/cone/") else asked


def _kept(asked: Asked) -> Asked:
    """A job that cannot be destroyed."""
    return replace(asked, method="GET") if asked.method == "DELETE" else asked


def _sloppy(asked: Asked) -> Asked:
    return replace(asked, given=tuple((n, v) for n, v in asked.given if n != "POS" or "no" not in v))


def _refused(kind: str) -> After:
    def after(asked: Asked, told: Told) -> Told:
        refused = asked.method == "POST" and kind in asked.headers.get("content-type", "")
        return replace(told, status=415, body=b"no") if refused and asked.path == SYNC else told

    return after


def _crash(asked: Asked, told: Told) -> Told:
    trace = b'Traceback (most recent call last):\n  File "tap.py", line 7, in sync\nZeroDivisionError'
    return replace(told, status=500, body=trace) if "1/0" in asked.query else told


def _breaks(asked: Asked, told: Told) -> Told:
    return replace(told, status=500, body=b"internal") if "CAST('x'" in asked.query else told


def _headless(asked: Asked, told: Told) -> Told:
    return replace(told, status=405) if asked.method == "HEAD" else told


def _unmarked(asked: Asked, told: Told) -> Told:
    return told.without("last-modified") if asked.path == CAPABILITIES else told


def _packed(told: Told) -> Told:
    return replace(told, headers=told.headers | {"content-encoding": "deflated"})


def _elsewhere(told: Told) -> Told:
    """A job that is somewhere else."""
    return replace(told, headers=told.headers | {"location": "http://elsewhere.example.org/job"})


def _not_413(asked: Asked, told: Told) -> Told:
    return replace(told, status=400) if told.status == 413 else told


def _forgetful(asked: Asked) -> Asked:
    """A server that does not look whether what it has is known."""
    return replace(asked, headers={n: v for n, v in asked.headers.items() if n != "if-none-match"})


def _posted(asked: Asked, told: Told) -> Told:
    return replace(told, status=200) if told.status == 405 else told


def _feature(form: str) -> tuple[str, str]:
    """Where a function is announced that is not there."""
    udf = '<languageFeatures type="ivo://ivoa.net/std/TAPRegExt#features-udf">'
    return udf, f"{udf}<feature><form>{form}</form></feature>"


def _named_twice(told: Told) -> Told:
    """The first record of a list comes again."""
    header = re.search(rb"<oai:header>.*?</oai:header>", told.body, re.DOTALL)
    if header is None:
        return told
    return replace(told, body=told.body.replace(header[0], header[0] * 2, 1))


FAULTS: tuple[Fault, ...] = (
    # documents
    status("VOSI-STATUS-1", "status 503", "/tap/availability", 503),
    answer("XML-WELL-1", "not well-formed", "/tap/tables", lambda told: replace(told, body=told.body[:-20])),
    text("XML-SCHEMA-1", "perhaps", "/tap/availability", ">true<", ">perhaps<"),
    answer("XML-TYPE-1", "application/octet-stream", CAPABILITIES, typed("application/octet-stream")),
    Fault("VOSI-METHOD-1", "not 405", after=_posted),
    Fault("VOSI-MODIFIED-1", "no Last-Modified", after=_unmarked),
    text("VOSI-TABLE-1", "other columns", "/tap/tables/twomass.psc", "<name>j_m</name>", "<name>jmag</name>"),
    answer("VOSI-TABLE-2", "not 404", "/tap/tables/no.such_table", lambda told: replace(told, status=200)),
    text("VOSI-TABLE-3", "called j_m", "/tap/tables", "<name>h_m</name>", "<name>j_m</name>"),
    answer("VOSI-TABLE-4", "no description: ra", "/tap/tables", sub("<description>.*?</description>", "")),
    text("VOSI-AVAIL-1", "queries work", "/tap/availability", ">true<", ">false<"),
    status("VOSI-AVAIL-1", "a query fails", SYNC, 503),
    text("VOSI-AVAIL-2", "yet to come", "/tap/availability", "Since>20", "Since>29"),
    # capabilities
    text("CAP-TAP-1", "0 capabilities", CAPABILITIES, 'std/TAP"', 'std/TAP#1.1"'),
    text("CAP-INTERFACE-1", "version 1.0", CAPABILITIES, 'version="1.1"', 'version="1.0"'),
    text("CAP-ID-1", "is written ivo://ivoa.net/std/SIA", "/sia1/.*", "std/SIA", "std/sia"),
    text("CAP-URL-1", "localhost:8080", CAPABILITIES, "vo-server.invalid", "localhost:8080"),
    text("CAP-URL-2", "is https", CAPABILITIES, "http://vo-server", "https://vo-server"),
    asks("CAP-URL-3", "behind a proxy", _no_prefix),
    status("CAP-URL-4", "status 500", "/cone/psc", 500),
    text("CAP-VOSI-1", "does not tell of tables", CAPABILITIES, "VOSI#tables-1.1", "VOSI#x"),
    text("CAP-VOSI-2", "securityMethod", CAPABILITIES, "</accessURL>", "</accessURL><securityMethod/>"),
    text("CAP-VOSI-3", "itself", "/sia2/capabilities", "VOSI#capabilities", "VOSI#caps"),
    text("CAP-MODEL-1", "no dataModel", CAPABILITIES, "ObsCore#core-1.1", "ObsCore/v1.1"),
    parameter("TAP-LANG-1", "announced, but", "LANG", "ADQL-2.1", "none"),
    text("TAP-LANG-1", "has the id", CAPABILITIES, "ADQL#v2.1", "ADQL#2.1"),
    parameter("TAP-LANG-2", "but taken", "LANG", "KLINGON-1.0", "ADQL"),
    # TAP_SCHEMA
    lacks("TS-SELF-1", "the column principal", "principal"),
    query("TS-VALUE-1", "indexed is 2", "indexed, principal", "2 AS indexed, principal"),
    query("TS-VALUE-1", '"size" is', 'arraysize, "size"', 'NULL AS arraysize, "size"'),
    query("TS-WHOLE-1", "no columns", TELLING, f"{TELLING} WHERE table_name <> 'twomass.psc'"),
    query("TS-KEY-1", "no table nowhere.t", "target_table FROM", "'nowhere.t' AS target_table FROM"),
    lacks("TS-TABLES-1", "/tables alone", "j_m"),
    text("TS-TABLES-2", "'rad' in /tables", "/tap/tables", "<unit>deg</unit>", "<unit>rad</unit>"),
    query("TS-SELECT-1", "twomass.psc.j_m: it cannot", r"\bj_m\b", "j_m_gone"),
    text("TS-SELECT-2", "unit is 'Jy' in the answer", SYNC, 'unit="mag"', 'unit="Jy"'),
    text("TS-SELECT-2", "in the answer alone", SYNC, 'name="j_m"', 'name="jmag"', when="* FROM twomass.psc"),
    text("TS-ROWS-1", "20,001", "/tap/tables", "<nrows>20000<", "<nrows>20001<"),
    text("TS-ROWS-2", "no rows", "/tap/tables", "<nrows>20000<", "<nrows>0<"),
    # what columns mean
    column("META-UNIT-1", "'furlongs/fortnight'", "unit", "furlongs/fortnight"),
    column("META-UNIT-2", "'Angstrom'", "unit", "Angstrom"),
    column("META-UCD-1", "'pos.nowhere'", "ucd", "pos.nowhere"),
    column("META-UTYPE-1", "'a b'", "utype", "a b"),
    column("META-TYPE-1", "'VARCHAR'", "datatype", "VARCHAR"),
    column("META-XTYPE-1", "does not go with", "xtype", "point"),
    column("META-XTYPE-1", "none of DALI", "xtype", "place"),
    column("META-NAME-1", "in quotes", "column_name", "a b"),
    # ObsCore
    lacks("OBS-COLUMN-1", "missing", "em_min"),
    column("OBS-COLUMN-2", "its unit is arcsec, not m", "unit", "arcsec"),
    column("OBS-COLUMN-2", "its UCD is meta.id, not em.wl;stat.min", "ucd", "meta.id"),
    column("OBS-COLUMN-2", "its utype is x:y", "utype", "x:y"),
    query("OBS-VALUE-1", "t_min is after t_max", "t_min > t_max", "t_min <= t_max"),
    query("OBS-ID-1", "different obs_publisher_did", "DISTINCT obs_publisher_did", "DISTINCT obs_collection"),
    status("OBS-ACCESS-1", "gives status 404", "/datalink/links", 404),
    answer("OBS-ACCESS-1", "where access_format is", "/datalink/links", typed("text/html")),
    # HTTP and DALI
    Fault("HTTP-HEAD-1", "HEAD gives status 405", after=_headless),
    answer("HTTP-CORS-1", "Access-Control", SYNC, drop("access-control-allow-origin")),
    answer("HTTP-404-1", "not 404", "/tap/no-such-page", lambda told: replace(told, status=200)),
    asks("HTTP-RANGE-1", "give status 200", _no_range),
    answer("HTTP-CACHE-1", "neither ETag", "/images/.*", drop("etag", "last-modified")),
    answer("HTTP-GZIP-1", "not accepted", CAPABILITIES, _packed),
    asks("DALI-NAME-1", "lang&query gives", _case),
    asks("DALI-REPEAT-1", "taken twice", _only_first),
    Fault("DALI-POST-1", "multipart gives status 415", after=_refused("multipart")),
    Fault("DALI-POST-1", "urlencoded gives status 415", after=_refused("urlencoded")),
    text("DALI-STATUS-1", "QUERY_STATUS is []", SYNC, "QUERY_STATUS", "STATUS"),
    answer("DALI-TYPE-1", "comes as text/plain", SYNC, typed("text/plain")),
    answer("DALI-ERROR-1", "no VOTable", SYNC, lambda told: replace(told, body=b"<html>Oh no</html>")),
    query("DALI-SELECT-1", "DELETE is taken", "^DELETE FROM", "SELECT 1 AS x FROM"),
    Fault("ERROR-TRACE-1", "Traceback", after=_crash),
    Fault("ERROR-500-1", "status 500", after=_breaks),
    # formats, limits, uploads
    parameter("TAP-FORMAT-1", "announced, but", "RESPONSEFORMAT", "fits", "unfit"),
    answer("TAP-FORMAT-2", "text/plain, not text/csv", SYNC, typed("text/plain"), when="csv"),
    parameter("TAP-FORMAT-3", "cannot be read", "RESPONSEFORMAT", "application/fits", "csv"),
    text("TAP-FORMAT-3", "other rows", SYNC, "obscore", "obscure", when="text/csv;header=present"),
    text("TAP-FORMAT-3", "it is BINARY2, where", CAPABILITIES, "output-votable-binary2", "output-votable-td"),
    parameter("TAP-FORMAT-4", "but taken", "RESPONSEFORMAT", "application/x-no-such-format", None),
    parameter("TAP-MAXREC-1", "rows", "MAXREC", "1", None),
    text("TAP-MAXREC-2", "without QUERY_STATUS OVERFLOW", SYNC, "OVERFLOW", "OK"),
    text("TAP-MAXREC-3", "OVERFLOW, where", SYNC, 'value="OK"', 'value="OVERFLOW"'),
    text("TAP-MAXREC-4", "no QUERY_STATUS OVERFLOW", SYNC, "OVERFLOW", "OK"),
    parameter("TAP-MAXREC-5", "without a word", "MAXREC", "-1", None),
    text("TAP-LIMIT-1", "the default limit is 5,000", CAPABILITIES, ">1000000<", ">5000<"),
    text("TAP-LIMIT-2", "the hard limit is 7,000", CAPABILITIES, '"row">100000000<', '"row">7000<'),
    text("TAP-LIMIT-3", "3600 s, where executionDuration is 17", CAPABILITIES, ">3600<", ">17<"),
    text("TAP-LIMIT-3", "where 4000 s are the most", CAPABILITIES, ">86400<", ">4000<"),
    text("TAP-LIMIT-4", "is not kept", CAPABILITIES, ">604800<", ">60<"),
    text("TAP-LIMIT-4", "are the most", CAPABILITIES, ">2592000<", ">700000<"),
    text("TAP-UPLOAD-1", "must be", CAPABILITIES, "#upload-http", "#upload-https"),
    Fault("TAP-UPLOAD-2", "announced, but gives status 415", after=_refused("multipart")),
    text("TAP-UPLOAD-2", "the columns came back", SYNC, 'datatype="int"', 'datatype="long"'),
    text("TAP-UPLOAD-4", "and 2,001 are taken", CAPABILITIES, '"byte">100000000<', '"byte">2000<'),
    # functions
    text("TAP-GEO-1", "no geometry function", CAPABILITIES, "<form>AREA</form>", "<form>VOLUME</form>"),
    query("TAP-GEO-1", "where 1.0 is right", r"DISTANCE\(", "2 * DISTANCE("),
    query("TAP-GEO-1", "POLYGON(10, 0, 11, 0, 11, 1, 10, 1)) fails", r"POLYGON\(", "POLIGON("),
    query("TAP-FEATURE-1", "ILIKE: it is announced", "ILIKE", "ILIKES"),
    query("TAP-FEATURE-1", "arcmin", "'arcmin'", "'arcsec'"),
    text("TAP-UDF-1", "ivo_nothing", CAPABILITIES, *_feature("ivo_nothing(a REAL) -&gt; REAL"), 1),
    query("TAP-UDF-1", "where 51545.5 is right", r"ivo_to_mjd\(", "ivo_to_jd("),
    text("TAP-UDF-2", "form", CAPABILITIES, *_feature("ivo_nothing"), 1),
    # jobs
    asks("UWS-JOB-1", "still there", _kept),
    status("UWS-JOB-2", "not 404", "/tap/async/no-such-job", 200),
    text("UWS-JOB-3", "with Z", "/tap/async/.*", "Z</uws:creation", "</uws:creation"),
    # examples
    text("EX-FORM-1", "not well-formed", "/tap/examples", "</pre>", "<br></pre>"),
    text("EX-FORM-2", "vocab", "/tap/examples", "rdf/examples#", "rdf/examples"),
    text("EX-FORM-2", "no query", "/tap/examples", 'property="query"', 'property="adql"'),
    text("EX-TABLE-1", "no table", "/tap/examples", "twomass.psc</code>", "twomass.pcs</code>"),
    text("EX-RUN-1", "fails", "/tap/examples", "twomass.psc", "twomass.pcs"),
    # cone searches and images
    answer("CONE-TEST-1", "finds nothing", "/cone/xsc/capabilities", sub("<dec>.*?</dec>", "<dec>-89.9</dec>")),
    text("CONE-COLUMN-1", "0 columns have the UCD ID_MAIN", "/cone/psc", "ID_MAIN", "meta.id"),
    text("CONE-COLUMN-1", "is of float", "/cone/psc", 'datatype="double"', 'datatype="float"'),
    text("CONE-FORM-1", "2 elements RESOURCE", "/cone/psc", "</RESOURCE>", "</RESOURCE><RESOURCE/>"),
    asks("CONE-CIRCLE-1", "degrees from the centre", _wide),
    status("CONE-ZERO-1", "status 400", "/cone/psc", 400),
    text("CONE-ERROR-1", "no INFO named Error", "/cone/xsc", "Error", "Problem"),
    text("SIA1-TEST-1", "no testQuery", "/sia1/atlas/capabilities", "testQuery", "noQuery"),
    text("SIA1-COLUMN-1", "VOX:Image_Scale", "/sia1/atlas", "VOX:Image_Scale", "VOX:Scale"),
    text("SIA1-META-1", "INPUT:SIZE", "/sia1/atlas", "INPUT:SIZE", "INPUT:size"),
    text("SIA1-ERROR-1", "no QUERY_STATUS", "/sia1/atlas", 'value="ERROR"', 'value="OK"'),
    status("SIA1-ACCESS-1", "status 404", "/images/.*", 404),
    answer("SIA1-ACCESS-1", "where image/fits is said", "/images/.*", typed("text/html")),
    text("SIA2-COLUMN-1", "em_min", "/sia2/query", 'name="em_min"', 'name="emmin"'),
    text("SIA2-COLUMN-1", "the unit of s_fov", "/sia2/query", 'unit="deg"', 'unit="rad"'),
    parameter("SIA2-META-1", "rows", "MAXREC", "0", "1"),
    asks("SIA2-ERROR-1", "a mistake", _sloppy),
    text("LINK-ROW-1", "none of the vocabulary", "/datalink/links", "#this", "#that"),
    text("LINK-ROW-1", "standardID", "/datalink/links", "links-1.1", "links-1.2"),
    answer("LINK-TYPE-1", "its Content-Type", "/datalink/links", typed("text/xml")),
    status("LINK-ACCESS-1", "status 404", "/images/.*", 404),
    text("LINK-ERROR-1", "an ID that is not there", "/datalink/links", "NotFoundFault", "NoSuchThing"),
    status("LINK-NONE-1", "without an ID", "/datalink/links", 400),
    status("SODA-1", "not 204", "/soda/sync", 200),
    text("SIA2-TEST-1", "not there", "/sia2/query", "ivo://", "ivoa://", when="POS"),
    parameter("SIA2-TEST-1", "images are found", "ID", "*", None),
    # VOTables
    text("VOT-LINT-1", "astropy", "/sia2/query", 'arraysize="*"', 'arraysize="a"'),
    text("VOT-LINT-1", "astropy", SYNC, 'datatype="double"', 'datatype="real"'),
    text("VOT-UNIT-1", "degr", "/cone/psc", 'unit="deg"', 'unit="degr"'),
    text("VOT-REF-1", "two elements have the ID j_m", SYNC, 'ID="h_m"', 'ID="j_m"'),
    text("VOT-REF-1", "no element has that ID", "/cone/xsc", "<COOSYS ID=", "<COOSYS name="),
    text("LINK-SERVICE-1", "not described", "/datalink/links", 'utype="adhoc:service"', 'utype="x"'),
    text("LINK-SERVICE-1", "status 404", "/datalink/links", "/soda/sync", "/soda/sink"),
    # the registry
    answer("OAI-MOC-1", "no MOC", "/oai", sub("<spatial>.", "<spatial>x"), when=RECORDS),
    answer("OAI-MOC-1", "has places", "/oai", sub("<spatial>.*?</spatial>", "<spatial>3/1</spatial>"), when=RECORDS),
    text("OAI-IDENTIFY-1", "baseURL is http://x", "/oai", "baseURL>http://vo-server.invalid", "baseURL>http://x"),
    parameter("OAI-VERB-1", "badVerb", "verb", "ListSets", "listsets"),
    parameter("OAI-ERROR-1", "not idDoesNotExist", "verb", "GetRecord", "Identify"),
    answer("OAI-LIST-1", "twice", "/oai", _named_twice, when="ListIdentifiers"),
    text("OAI-SCHEMA-1", "curatio", "/oai", "curation>", "curatio>", when=RECORDS),
    text("OAI-ID-1", "calls itself", "/oai", f"<identifier>{IVOID}/tap<", "<identifier>ivo://x/tap<", when=RECORDS),
    text("OAI-ID-2", "not in this registry", "/oai", f'ivo-id="{IVOID}/org"', f'ivo-id="{IVOID}/gone"'),
    text("OAI-URL-1", "of another server", "/oai", 'full">http://vo-server.invalid', 'full">http://localhost'),
    text("OAI-URL-2", "status 404", "/oai", "/tap/examples<", "/tap/beispiele<", when=RECORDS),
    text("OAI-TABLE-1", "other columns", "/oai", "<name>j_m</name>", "<name>jm</name>", when=RECORDS),
    # links
    status("URL-OWN-1", "status 404", "/coverage/.*", 404),
    # further ways in which each may go wrong
    text("CAP-TAP-1", "of the type vr:Capability", CAPABILITIES, "tr:TableAccess", "vr:Capability"),
    text("CAP-INTERFACE-1", "no interface of the role std", "/sia2/capabilities", 'role="std"', 'role="x"'),
    text("CAP-INTERFACE-1", "not base", CAPABILITIES, 'use="base"', 'use="full"'),
    text("CAP-ID-1", "none of a standard", "/sia2/capabilities", "SIA#query-2.0", "SIA#query-9.0"),
    text("CAP-URL-2", "not absolute", CAPABILITIES, ">http://vo-server.invalid/tap<", ">/tap<"),
    status("CAP-VOSI-1", "examples, which are not there", "/tap/examples", 404),
    query("CAP-MODEL-1", "there is no table ivoa.obscore", TABLES, f"{TABLES[1:]} WHERE table_name <> 'ivoa.obscore'"),
    text("TAP-LANG-1", "ADQL is not told of", CAPABILITIES, "<name>ADQL</name>", "<name>PQL</name>"),
    status("VOSI-TABLE-1", "status 404", "/tap/tables/twomass.psc", 404),
    text("VOSI-AVAIL-2", "no instant", "/tap/availability", "Since>20", "Since>x20"),
    text("VOSI-AVAIL-2", "without the Z", "/tap/availability", "Z</vosi:upSince", "</vosi:upSince"),
    query("TS-SELF-1", "of this table of its own", TABLES, f"{TABLES[1:]} WHERE table_name NOT LIKE '%keys'"),
    query("TS-WHOLE-1", "not among the schemas", "^SELECT schema_name FROM", "SELECT 'x' AS schema_name FROM"),
    query("TS-WHOLE-1", "x: the schema has no tables", "^SELECT schema_name FROM", "SELECT 'x' AS schema_name FROM"),
    query("TS-WHOLE-1", "not among the tables", "DISTINCT table_name", "DISTINCT 'gone.t' AS table_name"),
    query("TS-KEY-1", "has no column nothing", "from_column, target_column", "'nothing' AS from_column, target_column"),
    query("TS-KEY-1", "and not in keys", "^SELECT key_id, from_column", "SELECT 'x' AS key_id, from_column"),
    query("TS-KEY-1", "it has no columns", "^SELECT key_id, from_column", "SELECT 'x' AS key_id, from_column"),
    query("TS-TABLES-1", "twomass.psc: it is in /tables", TABLES, f"{TABLES[1:]} WHERE table_name <> 'twomass.psc'"),
    column("META-TYPE-1", "the arraysize 'many'", "arraysize", "many"),
    column("META-TYPE-1", "an array of one", "arraysize", "1"),
    column("OBS-COLUMN-2", "its datatype is boolean", "datatype", "boolean"),
    query("OBS-ID-1", "no IVOA identifier", "TOP 1 obs_publisher_did F", "TOP 1 obs_id AS obs_publisher_did F"),
    status("DALI-ERROR-1", "as if it were not", SYNC, 503),
    asks("HTTP-RANGE-1", "sent again", _forgetful),
    text("TAP-FORMAT-1", "no output format", CAPABILITIES, "outputFormat", "format"),
    text("TAP-LIMIT-2", "is more than the hard limit, 7,000", CAPABILITIES, '"row">100000000<', '"row">7000<'),
    text("TAP-UPLOAD-1", "'carrier-pigeon'", CAPABILITIES, "#upload-http", "#upload-carrier-pigeon"),
    text("TAP-UPLOAD-2", "not announced, but taken", CAPABILITIES, "#upload-inline", "#upload-ftp"),
    Fault("TAP-UPLOAD-4", "gives status 400, not 413", after=_not_413),
    query("TAP-FEATURE-1", "rows, where 0 are right", "EXCEPT", "UNION"),
    status("UWS-JOB-1", "not 303", "/tap/async", 200),
    answer("UWS-JOB-1", "the Location of a new job is", "/tap/async", _elsewhere),
    text("UWS-JOB-1", "the phase of a new job is", "/tap/async/.*", ">PENDING<", ">QUEUED<"),
    text("UWS-JOB-1", "its parameter LANG is 'PQL'", "/tap/async/.*", ">ADQL<", ">PQL<"),
    text("EX-FORM-2", "its resource is", "/tap/examples", 'resource="#', 'resource="'),
    text("EX-FORM-2", "not one name", "/tap/examples", 'property="name"', 'property="title"'),
    text("EX-FORM-2", "no element with typeof", "/tap/examples", 'typeof="example"', 'typeof="sample"'),
    text("CONE-TEST-1", "no testQuery", "/cone/psc/capabilities", "testQuery", "noQuery"),
    status("CONE-TEST-1", "status 400", "/cone/psc", 400),
    answer("CONE-FORM-1", "its Content-Type is text/html", "/cone/psc", typed("text/html")),
    answer("LINK-ACCESS-1", "its Content-Type is text/html", "/images/.*", typed("text/html")),
    text("LINK-SERVICE-1", "its accessURL is missing", "/datalink/links", 'name="accessURL"', 'name="x"'),
    answer("OAI-IDENTIFY-1", "not well-formed", "/oai", lambda told: replace(told, body=told.body[:-20])),
    text("OAI-LIST-1", "name others", "/oai", f"{IVOID}/tap<", f"{IVOID}/pat<", when="ListIdentifiers"),
    text("OAI-TABLE-1", "which /tables does not", "/oai", "<name>twomass.psc<", "<name>twomass.pcs<", when=RECORDS),
    status("OAI-MOC-1", "gives status 404", "/coverage/.*", 404),
    answer("OAI-MOC-1", "is no MOC", "/coverage/.*", lambda told: replace(told, body=b"SIMPLE")),
)  # fmt: skip
