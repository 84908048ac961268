"""Faults that are injected into a healthy server: an application around it that alters requests and responses.

Each fault has the code of the check that must find it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlencode

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class RequestData:
    """A request before the server gets it; `parameters` are those of its URL, or of its form."""

    method: str
    path: str
    parameters: tuple[tuple[str, str], ...]
    headers: dict[str, str]

    @property
    def query(self) -> str:
        return next((value for name, value in self.parameters if name.upper() == "QUERY"), "")


@dataclass(frozen=True)
class ResponseData:
    """A response of the server with its whole body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def replace_text(self, old: str, new: str, count: int = -1) -> ResponseData:
        return replace(self, body=self.body.replace(old.encode(), new.encode(), count))

    def with_type(self, media_type: str) -> ResponseData:
        return replace(self, headers=self.headers | {"content-type": media_type})

    def without(self, *names: str) -> ResponseData:
        return replace(self, headers={n: v for n, v in self.headers.items() if n not in names})


AlterRequest = Callable[[RequestData], RequestData]
AlterResponse = Callable[[RequestData, ResponseData], ResponseData]


def keep_request(request: RequestData) -> RequestData:
    """Return a request as it is."""
    return request


def keep_response(_: RequestData, response: ResponseData) -> ResponseData:
    """Return a response as it is."""
    return response


@dataclass
class FaultyApp:
    """An ASGI application that alters the requests and responses of another one; both functions can be replaced."""

    app: ASGIApp
    alter_request: AlterRequest = field(default=keep_request)
    alter_response: AlterResponse = field(default=keep_response)

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
        request = RequestData(scope["method"], scope["path"], tuple(parse_qsl(text, keep_blank_values=True)), headers)
        altered = self.alter_request(request)
        if altered.parameters != request.parameters:
            text = urlencode(altered.parameters)
        content = text.encode() if form else body
        if form:
            altered.headers["content-length"] = str(len(content))
        inner = {
            **scope,
            "method": altered.method,
            "path": altered.path,
            "raw_path": altered.path.encode(),
            "query_string": scope["query_string"] if form else text.encode(),
            "headers": [(n.encode(), v.encode()) for n, v in altered.headers.items()],
        }
        await self._send(request, await self._call(inner, content), send)

    async def _call(self, scope: Scope, body: bytes) -> ResponseData:
        """Call the inner application and collect its response."""
        response = ResponseData(0, {}, b"")
        sent = False

        async def receive() -> Message:
            nonlocal sent
            if sent:  # the client stays connected and waits
                await anyio.sleep_forever()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def collect(message: Message) -> None:
            nonlocal response
            if message["type"] == "http.response.start":
                headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
                response = ResponseData(message["status"], headers, b"")
            else:
                response = replace(response, body=response.body + message.get("body", b""))

        await self.app(scope, receive, collect)
        return response

    async def _send(self, request: RequestData, response: ResponseData, send: Send) -> None:
        response = self.alter_response(request, response).without("content-length")
        headers = [(name.encode(), value.encode()) for name, value in response.headers.items()]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})


# ------------------------------------------------------------ kinds of faults


@dataclass(frozen=True)
class Fault:
    """A fault, the code of the check that must find it, and the data that the finding must contain.

    `data` are names and numbers, separated by spaces, in the order in which the finding has them.
    """

    code: str
    data: str
    alter_request: AlterRequest = keep_request
    alter_response: AlterResponse = keep_response

    def matches(self, finding: str) -> bool:
        """Tell whether the text of a finding contains the data, as whole words."""
        words = (rf"(?<!\w){re.escape(word)}(?!\w)" for word in self.data.split())
        return re.search(".*".join(words), finding, re.DOTALL) is not None


def alter_response(
    code: str, data: str, path: str, change: Callable[[ResponseData], ResponseData], when: str = ""
) -> Fault:
    """Alter the responses of a path (a pattern), or only those whose parameters contain `when`."""

    def alter(request: RequestData, response: ResponseData) -> ResponseData:
        applies = not when or any(when in value or when == name for name, value in request.parameters)
        return change(response) if re.fullmatch(path, request.path) and applies else response

    return Fault(code, data, alter_response=alter)


def alter_text(code: str, data: str, path: str, old: str, new: str, count: int = -1, when: str = "") -> Fault:
    """Replace a text in the responses of a path."""
    return alter_response(code, data, path, lambda response: response.replace_text(old, new, count), when)


def alter_status(code: str, data: str, path: str, status: int, when: str = "") -> Fault:
    """Set the status of the responses of a path."""
    return alter_response(code, data, path, lambda response: replace(response, status=status), when)


def alter_request(code: str, data: str, change: AlterRequest) -> Fault:
    """Alter the requests before the server gets them."""
    return Fault(code, data, alter_request=change)


def alter_query(code: str, data: str, pattern: str, new: str) -> Fault:
    """Replace what matches a pattern in the queries."""

    def alter(request: RequestData) -> RequestData:
        parameters = tuple((n, re.sub(pattern, new, v) if n.upper() == "QUERY" else v) for n, v in request.parameters)
        return replace(request, parameters=parameters)

    return Fault(code, data, alter_request=alter)


def alter_parameter(code: str, data: str, name: str, old: str, new: str | None) -> Fault:
    """Replace a value of a parameter, or any value where `old` is *; None removes the parameter."""

    def alter(request: RequestData) -> RequestData:
        pairs = [(n, new if n == name and old in (v, "*") else v) for n, v in request.parameters]
        return replace(request, parameters=tuple((n, v) for n, v in pairs if v is not None))

    return Fault(code, data, alter_request=alter)


COLUMNS_QUERY = (
    "SELECT table_name, column_name, datatype, arraysize, xtype, unit, ucd, utype, description FROM TAP_SCHEMA.columns"
)


def alter_column(code: str, data: str, name: str, value: str) -> Fault:
    """Replace a value in all rows of TAP_SCHEMA.columns."""
    return alter_query(code, data, f"^{COLUMNS_QUERY}", COLUMNS_QUERY.replace(f" {name},", f" '{value}' AS {name},"))


def hide_column(code: str, data: str, name: str) -> Fault:
    """Remove a column from TAP_SCHEMA.columns."""
    return alter_query(code, data, f"^{COLUMNS_QUERY}", f"{COLUMNS_QUERY} WHERE column_name <> '{name}'")


CAPABILITIES = "/tap/capabilities"
SYNC = "/tap/sync"
TABLES_QUERY = "SELECT schema_name, table_name, description FROM TAP_SCHEMA.tables"
RECORDS = "ListRecords"
IVOID = "ivo://unregistered.invalid"


def filter_tables(code: str, data: str, condition: str) -> Fault:
    """Keep only the rows of TAP_SCHEMA.tables that satisfy a condition."""
    return alter_query(code, data, f"^{TABLES_QUERY}", f"{TABLES_QUERY} WHERE {condition}")


# ----------------------------------------------------- changes of a response


def substitute(pattern: str, new: str) -> Callable[[ResponseData], ResponseData]:
    return lambda response: replace(
        response, body=re.sub(pattern.encode(), new.encode(), response.body, flags=re.DOTALL)
    )


def drop_headers(*names: str) -> Callable[[ResponseData], ResponseData]:
    return lambda response: response.without(*names)


def set_type(media_type: str) -> Callable[[ResponseData], ResponseData]:
    return lambda response: response.with_type(media_type)


def set_ok(response: ResponseData) -> ResponseData:
    return replace(response, status=200)


def set_body(text: str) -> Callable[[ResponseData], ResponseData]:
    return lambda response: replace(response, body=text.encode())


def truncate(response: ResponseData) -> ResponseData:
    return replace(response, body=response.body[:-20])


def _set_encoding(response: ResponseData) -> ResponseData:
    return replace(response, headers=response.headers | {"content-encoding": "deflated"})


def _move_job(response: ResponseData) -> ResponseData:
    return replace(response, headers=response.headers | {"location": "http://elsewhere.example.org/job"})


def _repeat_header(response: ResponseData) -> ResponseData:
    """Repeat the header of the first record of a list."""
    header = re.search(rb"<oai:header>.*?</oai:header>", response.body, re.DOTALL)
    if header is None:
        return response
    return replace(response, body=response.body.replace(header[0], header[0] * 2, 1))


def alter_up_since(data: str, value: str) -> Fault:
    """Replace upSince in the availability."""
    return alter_response("VOSI-AVAIL-2", data, "/tap/availability", substitute("Since>[^<]*", f"Since>{value}"))


def _declare_function(form: str) -> tuple[str, str]:
    """Return a text of the capabilities, and the text with a function that does not exist."""
    udf = '<languageFeatures type="ivo://ivoa.net/std/TAPRegExt#features-udf">'
    return udf, f"{udf}<feature><form>{form}</form></feature>"


# ------------------------------------- changes of a response by its request


def _reject_form(kind: str) -> AlterResponse:
    def alter(request: RequestData, response: ResponseData) -> ResponseData:
        rejected = request.method == "POST" and kind in request.headers.get("content-type", "")
        return replace(response, status=415, body=b"no") if rejected and request.path == SYNC else response

    return alter


def _show_traceback(request: RequestData, response: ResponseData) -> ResponseData:
    trace = b'Traceback (most recent call last):\n  File "tap.py", line 7, in sync\nZeroDivisionError'
    return replace(response, status=500, body=trace) if "1/0" in request.query else response


def _fail_cast(request: RequestData, response: ResponseData) -> ResponseData:
    return replace(response, status=500, body=b"internal") if "CAST('x'" in request.query else response


def _reject_head(request: RequestData, response: ResponseData) -> ResponseData:
    return replace(response, status=405) if request.method == "HEAD" else response


def _drop_last_modified(request: RequestData, response: ResponseData) -> ResponseData:
    return response.without("last-modified") if request.path == CAPABILITIES else response


def _set_bad_request(_: RequestData, response: ResponseData) -> ResponseData:
    return replace(response, status=400) if response.status == 413 else response


def _allow_methods(_: RequestData, response: ResponseData) -> ResponseData:
    return set_ok(response) if response.status == 405 else response


# ------------------------------------------------------ changes of a request


def _drop_header(name: str) -> AlterRequest:
    """Hide a header from the server, as if it did not support it."""
    return lambda request: replace(request, headers={n: v for n, v in request.headers.items() if n != name})


def _drop_repeated(request: RequestData) -> RequestData:
    first: dict[str, str] = {}
    for name, value in request.parameters:
        first.setdefault(name, value)
    return replace(request, parameters=tuple(first.items()))


def _drop_lower_case(request: RequestData) -> RequestData:
    return replace(request, parameters=tuple((n, v) for n, v in request.parameters if n == n.upper()))


def _drop_invalid_position(request: RequestData) -> RequestData:
    return replace(request, parameters=tuple((n, v) for n, v in request.parameters if n != "POS" or "no" not in v))


def _widen_cone(request: RequestData) -> RequestData:
    """Make a cone search return rows outside its cone."""
    parameters = tuple((n, "30" if n == "SR" and v != "0" else v) for n, v in request.parameters)
    return replace(request, parameters=parameters) if request.path.startswith("/cone/") else request


def _keep_jobs(request: RequestData) -> RequestData:
    """Make DELETE have no effect."""
    return replace(request, method="GET") if request.method == "DELETE" else request


FAULTS: tuple[Fault, ...] = (
    # documents
    alter_status("VOSI-STATUS-1", "503", "/tap/availability", 503),
    alter_response("XML-WELL-1", "tap/tables", "/tap/tables", truncate),
    alter_text("XML-SCHEMA-1", "perhaps", "/tap/availability", ">true<", ">perhaps<"),
    alter_response("XML-TYPE-1", "text/xml octet-stream", CAPABILITIES, set_type("application/octet-stream")),
    Fault("VOSI-METHOD-1", "405 200", alter_response=_allow_methods),
    Fault("VOSI-MODIFIED-1", "Last-Modified", alter_response=_drop_last_modified),
    alter_text("VOSI-TABLE-1", "j_m jmag", "/tap/tables/twomass.psc", "<name>j_m</name>", "<name>jmag</name>"),
    alter_response("VOSI-TABLE-2", "404 200", "/tap/tables/no.such_table", set_ok),
    alter_text("VOSI-TABLE-3", "twomass.psc j_m", "/tap/tables", "<name>h_m</name>", "<name>j_m</name>"),
    alter_response("VOSI-TABLE-4", "twomass.psc ra", "/tap/tables", substitute("<description>.*?</description>", "")),
    alter_text("VOSI-AVAIL-1", "false", "/tap/availability", ">true<", ">false<"),
    alter_status("VOSI-AVAIL-1", "true", SYNC, 503),
    alter_up_since("upSince '2999-01-01T00:00:00Z'", "2999-01-01T00:00:00Z"),
    # capabilities
    alter_text("CAP-TAP-1", "ivo://ivoa.net/std/TAP 0", CAPABILITIES, 'std/TAP"', 'std/TAP#1.1"'),
    alter_text("CAP-INTERFACE-1", "1.0 1.1", CAPABILITIES, 'version="1.1"', 'version="1.0"'),
    alter_text("CAP-ID-1", "std/sia std/SIA", "/sia1/.*", "std/SIA", "std/sia"),
    alter_text("CAP-URL-1", "localhost:8080 vo-server.invalid", CAPABILITIES, "vo-server.invalid", "localhost:8080"),
    alter_text("CAP-URL-2", "https http", CAPABILITIES, "http://vo-server", "https://vo-server"),
    alter_request("CAP-URL-3", "https://proxy.example.org/vo", _drop_header("x-forwarded-prefix")),
    alter_status("CAP-URL-4", "cone/psc 500", "/cone/psc", 500),
    alter_text("CAP-VOSI-1", "tables", CAPABILITIES, "VOSI#tables-1.1", "VOSI#x"),
    alter_text("CAP-VOSI-2", "securityMethod", CAPABILITIES, "</accessURL>", "</accessURL><securityMethod/>"),
    alter_text("CAP-VOSI-3", "sia2/capabilities VOSI", "/sia2/capabilities", "VOSI#capabilities", "VOSI#caps"),
    alter_text("CAP-MODEL-1", "ivoa.obscore ObsCore#core-1.1", CAPABILITIES, "ObsCore#core-1.1", "ObsCore/v1.1"),
    alter_parameter("TAP-LANG-1", "LANG=ADQL-2.1", "LANG", "ADQL-2.1", "none"),
    alter_text("TAP-LANG-1", "ADQL#2.1 ADQL#v2.1", CAPABILITIES, "ADQL#v2.1", "ADQL#2.1"),
    alter_parameter("TAP-LANG-2", "LANG=KLINGON-1.0", "LANG", "KLINGON-1.0", "ADQL"),
    # TAP_SCHEMA
    hide_column("TS-SELF-1", "principal TAP_SCHEMA.columns", "principal"),
    alter_query("TS-VALUE-1", "indexed 0 1 2", "indexed, principal", "2 AS indexed, principal"),
    alter_query("TS-VALUE-1", '"size" null', 'arraysize, "size"', 'NULL AS arraysize, "size"'),
    alter_query("TS-WHOLE-1", "twomass.psc", COLUMNS_QUERY, f"{COLUMNS_QUERY} WHERE table_name <> 'twomass.psc'"),
    alter_query("TS-KEY-1", "nowhere.t", "target_table FROM", "'nowhere.t' AS target_table FROM"),
    hide_column("TS-TABLES-1", "j_m /tables TAP_SCHEMA", "j_m"),
    alter_text("TS-TABLES-2", "'rad' /tables 'deg' TAP_SCHEMA", "/tap/tables", "<unit>deg</unit>", "<unit>rad</unit>"),
    alter_query("TS-SELECT-1", "twomass.psc.j_m", r"\bj_m\b", "j_m_gone"),
    alter_text("TS-SELECT-2", "unit 'Jy' 'mag' TAP_SCHEMA", SYNC, 'unit="mag"', 'unit="Jy"'),
    alter_text("TS-SELECT-2", "twomass.psc.jmag", SYNC, 'name="j_m"', 'name="jmag"', when="* FROM twomass.psc"),
    alter_text("TS-ROWS-1", "20,001 20,000", "/tap/tables", "<nrows>20000<", "<nrows>20001<"),
    alter_text("TS-ROWS-2", "twomass.psc", "/tap/tables", "<nrows>20000<", "<nrows>0<"),
    # what columns mean
    alter_column("META-UNIT-1", "'furlongs/fortnight'", "unit", "furlongs/fortnight"),
    alter_column("META-UNIT-2", "'Angstrom'", "unit", "Angstrom"),
    alter_column("META-UCD-1", "'pos.nowhere'", "ucd", "pos.nowhere"),
    alter_column("META-UTYPE-1", "'a b'", "utype", "a b"),
    alter_column("META-TYPE-1", "'VARCHAR'", "datatype", "VARCHAR"),
    alter_column("META-XTYPE-1", "'point' char", "xtype", "point"),
    alter_column("META-XTYPE-1", "'place'", "xtype", "place"),
    alter_column("META-NAME-1", "a b", "column_name", "a b"),
    # ObsCore
    hide_column("OBS-COLUMN-1", "em_min", "em_min"),
    alter_column("OBS-COLUMN-2", "em_min unit 'm' 'arcsec'", "unit", "arcsec"),
    alter_column("OBS-COLUMN-2", "em_min UCD 'em.wl;stat.min' 'meta.id'", "ucd", "meta.id"),
    alter_column("OBS-COLUMN-2", "utype 'x:y'", "utype", "x:y"),
    alter_query("OBS-VALUE-1", "t_min t_max", "t_min > t_max", "t_min <= t_max"),
    alter_query("OBS-ID-1", "3 obs_publisher_did", "DISTINCT obs_publisher_did", "DISTINCT obs_collection"),
    alter_status("OBS-ACCESS-1", "access_url 404", "/datalink/links", 404),
    alter_response("OBS-ACCESS-1", "access_format text/html", "/datalink/links", set_type("text/html")),
    # HTTP and DALI
    Fault("HTTP-HEAD-1", "200 HEAD 405", alter_response=_reject_head),
    alter_response("HTTP-CORS-1", "Access-Control-Allow-Origin", SYNC, drop_headers("access-control-allow-origin")),
    alter_response("HTTP-404-1", "404 200", "/tap/no-such-page", set_ok),
    alter_request("HTTP-RANGE-1", "206 200", _drop_header("range")),
    alter_response("HTTP-CACHE-1", "ETag Last-Modified", "/images/.*", drop_headers("etag", "last-modified")),
    alter_response("HTTP-GZIP-1", "deflated identity", CAPABILITIES, _set_encoding),
    alter_request("DALI-NAME-1", "lang&query", _drop_lower_case),
    alter_request("DALI-REPEAT-1", "MAXREC=1&MAXREC=2", _drop_repeated),
    Fault("DALI-POST-1", "multipart 415", alter_response=_reject_form("multipart")),
    Fault("DALI-POST-1", "urlencoded 415", alter_response=_reject_form("urlencoded")),
    alter_text("DALI-STATUS-1", "QUERY_STATUS []", SYNC, "QUERY_STATUS", "STATUS"),
    alter_response("DALI-TYPE-1", "application/x-votable+xml text/plain", SYNC, set_type("text/plain")),
    alter_response("DALI-ERROR-1", "QUERY_STATUS Oh no", SYNC, set_body("<html>Oh no</html>")),
    alter_query("DALI-SELECT-1", "DELETE", "^DELETE FROM", "SELECT 1 AS x FROM"),
    Fault("ERROR-TRACE-1", "Traceback", alter_response=_show_traceback),
    Fault("ERROR-500-1", "500", alter_response=_fail_cast),
    # formats, limits, uploads
    alter_parameter("TAP-FORMAT-1", "RESPONSEFORMAT=fits", "RESPONSEFORMAT", "fits", "unfit"),
    alter_response("TAP-FORMAT-2", "text/csv text/plain", SYNC, set_type("text/plain"), when="csv"),
    alter_parameter("TAP-FORMAT-3", "RESPONSEFORMAT=application/fits", "RESPONSEFORMAT", "application/fits", "csv"),
    alter_text("TAP-FORMAT-3", "text/csv;header=present", SYNC, "obscore", "obscure", when="text/csv;header=present"),
    alter_text("TAP-FORMAT-3", "TABLEDATA BINARY2", CAPABILITIES, "output-votable-binary2", "output-votable-td"),
    alter_parameter("TAP-FORMAT-4", "x-no-such-format", "RESPONSEFORMAT", "application/x-no-such-format", None),
    alter_parameter("TAP-MAXREC-1", "MAXREC=1 1", "MAXREC", "1", None),
    alter_text("TAP-MAXREC-2", "MAXREC=1 OVERFLOW", SYNC, "OVERFLOW", "OK"),
    alter_text("TAP-MAXREC-3", "QUERY_STATUS OVERFLOW", SYNC, 'value="OK"', 'value="OVERFLOW"'),
    alter_text("TAP-MAXREC-4", "MAXREC=0 OVERFLOW", SYNC, "OVERFLOW", "OK"),
    alter_parameter("TAP-MAXREC-5", "MAXREC=-1", "MAXREC", "-1", None),
    alter_text("TAP-LIMIT-1", "5,000 default", CAPABILITIES, ">1000000<", ">5000<"),
    alter_text("TAP-LIMIT-2", "7,000 hard", CAPABILITIES, '"row">100000000<', '"row">7000<'),
    alter_text("TAP-LIMIT-3", "17 3600", CAPABILITIES, ">3600<", ">17<"),
    alter_text("TAP-LIMIT-3", "5000 4000", CAPABILITIES, ">86400<", ">4000<"),
    alter_text("TAP-LIMIT-4", "lifetime 60", CAPABILITIES, ">604800<", ">60<"),
    alter_text("TAP-LIMIT-4", "700000", CAPABILITIES, ">2592000<", ">700000<"),
    alter_text("TAP-UPLOAD-1", "inline http https", CAPABILITIES, "#upload-http", "#upload-https"),
    Fault("TAP-UPLOAD-2", "inline 415", alter_response=_reject_form("multipart")),
    alter_text("TAP-UPLOAD-2", "'int' 'long'", SYNC, 'datatype="int"', 'datatype="long"'),
    alter_text("TAP-UPLOAD-4", "2,000 2,001", CAPABILITIES, '"byte">100000000<', '"byte">2000<'),
    # functions
    alter_text("TAP-GEO-1", "VOLUME ADQL", CAPABILITIES, "<form>AREA</form>", "<form>VOLUME</form>"),
    alter_query("TAP-GEO-1", "1.0 2.0", r"DISTANCE\(", "2 * DISTANCE("),
    alter_query("TAP-GEO-1", "POLYGON", r"POLYGON\(", "POLIGON("),
    alter_query("TAP-FEATURE-1", "ILIKE", "ILIKE", "ILIKES"),
    alter_query("TAP-FEATURE-1", "deg arcmin", "'arcmin'", "'arcsec'"),
    alter_text("TAP-UDF-1", "ivo_nothing", CAPABILITIES, *_declare_function("ivo_nothing(a REAL) -&gt; REAL"), 1),
    alter_query("TAP-UDF-1", "51545.5 2451546.0", r"ivo_to_mjd\(", "ivo_to_jd("),
    alter_text("TAP-UDF-2", "ivo_nothing", CAPABILITIES, *_declare_function("ivo_nothing"), 1),
    # jobs
    alter_request("UWS-JOB-1", "404 200", _keep_jobs),
    alter_status("UWS-JOB-2", "404 200", "/tap/async/no-such-job", 200),
    alter_text("UWS-JOB-3", "creationTime", "/tap/async/.*", "Z</uws:creation", "</uws:creation"),
    # examples
    alter_text("EX-FORM-1", "tap/examples", "/tap/examples", "</pre>", "<br></pre>"),
    alter_text("EX-FORM-2", "examples# examples'", "/tap/examples", "rdf/examples#", "rdf/examples"),
    alter_text("EX-FORM-2", "query", "/tap/examples", 'property="query"', 'property="adql"'),
    alter_text("EX-TABLE-1", "twomass.pcs", "/tap/examples", "twomass.psc</code>", "twomass.pcs</code>"),
    alter_text("EX-RUN-1", "twomass.pcs", "/tap/examples", "twomass.psc", "twomass.pcs"),
    # cone searches and images
    alter_response(
        "CONE-TEST-1", "cone/xsc 0", "/cone/xsc/capabilities", substitute("<dec>.*?</dec>", "<dec>-89.9</dec>")
    ),
    alter_text("CONE-COLUMN-1", "ID_MAIN 0", "/cone/psc", "ID_MAIN", "meta.id"),
    alter_text("CONE-COLUMN-1", "POS_EQ_RA_MAIN float double", "/cone/psc", 'datatype="double"', 'datatype="float"'),
    alter_text("CONE-FORM-1", "RESOURCE 2", "/cone/psc", "</RESOURCE>", "</RESOURCE><RESOURCE/>"),
    alter_request("CONE-CIRCLE-1", "SR", _widen_cone),
    alter_status("CONE-ZERO-1", "SR=0 400", "/cone/psc", 400),
    alter_text("CONE-ERROR-1", "Error", "/cone/xsc", "Error", "Problem"),
    alter_text("SIA1-TEST-1", "testQuery", "/sia1/atlas/capabilities", "testQuery", "noQuery"),
    alter_text("SIA1-COLUMN-1", "VOX:Image_Scale 0", "/sia1/atlas", "VOX:Image_Scale", "VOX:Scale"),
    alter_text("SIA1-META-1", "INPUT:SIZE", "/sia1/atlas", "INPUT:SIZE", "INPUT:size"),
    alter_text("SIA1-ERROR-1", "QUERY_STATUS", "/sia1/atlas", 'value="ERROR"', 'value="OK"'),
    alter_status("SIA1-ACCESS-1", "404", "/images/.*", 404),
    alter_response("SIA1-ACCESS-1", "image/fits text/html", "/images/.*", set_type("text/html")),
    alter_text("SIA2-COLUMN-1", "em_min", "/sia2/query", 'name="em_min"', 'name="emmin"'),
    alter_text("SIA2-COLUMN-1", "unit 'deg' s_fov 'rad'", "/sia2/query", 'unit="deg"', 'unit="rad"'),
    alter_parameter("SIA2-META-1", "MAXREC=0", "MAXREC", "0", "1"),
    alter_request("SIA2-ERROR-1", "UsageFault", _drop_invalid_position),
    alter_text("LINK-ROW-1", "'#that'", "/datalink/links", "#this", "#that"),
    alter_text("LINK-ROW-1", "standardID links-1.1 links-1.2", "/datalink/links", "links-1.1", "links-1.2"),
    alter_response("LINK-TYPE-1", "content=datalink text/xml", "/datalink/links", set_type("text/xml")),
    alter_status("LINK-ACCESS-1", "404", "/images/.*", 404),
    alter_text("LINK-ERROR-1", "NotFoundFault NoSuchThing", "/datalink/links", "NotFoundFault", "NoSuchThing"),
    alter_status("LINK-NONE-1", "ID", "/datalink/links", 400),
    alter_status("SODA-1", "204 200", "/soda/sync", 200),
    alter_text("SIA2-TEST-1", "POS", "/sia2/query", "ivo://", "ivoa://", when="POS"),
    alter_parameter("SIA2-TEST-1", "ID", "ID", "*", None),
    # VOTables
    alter_text("VOT-LINT-1", "astropy", "/sia2/query", 'arraysize="*"', 'arraysize="a"'),
    alter_text("VOT-LINT-1", "astropy", SYNC, 'datatype="double"', 'datatype="real"'),
    alter_text("VOT-UNIT-1", "'degr'", "/cone/psc", 'unit="deg"', 'unit="degr"'),
    alter_text("VOT-REF-1", "j_m", SYNC, 'ID="h_m"', 'ID="j_m"'),
    alter_text("VOT-REF-1", "cone/xsc ID", "/cone/xsc", "<COOSYS ID=", "<COOSYS name="),
    alter_text("LINK-SERVICE-1", "datalink/links RESOURCE", "/datalink/links", 'utype="adhoc:service"', 'utype="x"'),
    alter_text("LINK-SERVICE-1", "soda/sink 404", "/datalink/links", "/soda/sync", "/soda/sink"),
    # the registry
    alter_response("OAI-MOC-1", "MOC", "/oai", substitute("<spatial>.", "<spatial>x"), when=RECORDS),
    alter_response(
        "OAI-MOC-1", "footprint", "/oai", substitute("<spatial>.*?</spatial>", "<spatial>3/1</spatial>"), when=RECORDS
    ),
    alter_text(
        "OAI-IDENTIFY-1",
        "vo-server.invalid/oai http://x/oai",
        "/oai",
        "baseURL>http://vo-server.invalid",
        "baseURL>http://x",
    ),
    alter_parameter("OAI-VERB-1", "badVerb", "verb", "ListSets", "listsets"),
    alter_parameter("OAI-ERROR-1", "idDoesNotExist", "verb", "GetRecord", "Identify"),
    alter_response("OAI-LIST-1", "ListIdentifiers 1", "/oai", _repeat_header, when="ListIdentifiers"),
    alter_text("OAI-SCHEMA-1", "curatio", "/oai", "curation>", "curatio>", when=RECORDS),
    alter_text(
        "OAI-ID-1", "ivo://x/tap", "/oai", f"<identifier>{IVOID}/tap<", "<identifier>ivo://x/tap<", when=RECORDS
    ),
    alter_text("OAI-ID-2", f"{IVOID}/gone", "/oai", f'ivo-id="{IVOID}/org"', f'ivo-id="{IVOID}/gone"'),
    alter_text(
        "OAI-URL-1", "localhost vo-server.invalid", "/oai", 'full">http://vo-server.invalid', 'full">http://localhost'
    ),
    alter_text("OAI-URL-2", "tap/beispiele 404", "/oai", "/tap/examples<", "/tap/beispiele<", when=RECORDS),
    alter_text("OAI-TABLE-1", "twomass.psc j_m jm", "/oai", "<name>j_m</name>", "<name>jm</name>", when=RECORDS),
    # links
    alter_status("URL-OWN-1", "coverage 404", "/coverage/.*", 404),
    # further ways in which each may go wrong
    alter_text("CAP-TAP-1", "vr:Capability tr:TableAccess", CAPABILITIES, "tr:TableAccess", "vr:Capability"),
    alter_text("CAP-INTERFACE-1", "SIA#query-2.0 std", "/sia2/capabilities", 'role="std"', 'role="x"'),
    alter_text("CAP-INTERFACE-1", "['full'] base", CAPABILITIES, 'use="base"', 'use="full"'),
    alter_text("CAP-ID-1", "ivo://ivoa.net/std/SIA#query-9.0", "/sia2/capabilities", "SIA#query-2.0", "SIA#query-9.0"),
    alter_text("CAP-URL-2", "'/tap'", CAPABILITIES, ">http://vo-server.invalid/tap<", ">/tap<"),
    alter_status("CAP-VOSI-1", "examples", "/tap/examples", 404),
    filter_tables("CAP-MODEL-1", "ObsCore#core-1.1 ivoa.obscore", "table_name <> 'ivoa.obscore'"),
    alter_text("TAP-LANG-1", "tap/capabilities ADQL", CAPABILITIES, "<name>ADQL</name>", "<name>PQL</name>"),
    alter_status("VOSI-TABLE-1", "tables/twomass.psc 404", "/tap/tables/twomass.psc", 404),
    alter_up_since("upSince 'yesterday'", "yesterday"),
    alter_up_since("upSince '2020-01-01T00:00:00' Z", "2020-01-01T00:00:00"),
    filter_tables("TS-SELF-1", "TAP_SCHEMA.keys TAP_SCHEMA.tables", "table_name NOT LIKE '%keys'"),
    alter_query("TS-WHOLE-1", "TAP_SCHEMA.schemas", "^SELECT schema_name FROM", "SELECT 'x' AS schema_name FROM"),
    alter_query("TS-WHOLE-1", "x", "^SELECT schema_name FROM", "SELECT 'x' AS schema_name FROM"),
    alter_query("TS-WHOLE-1", "gone.t TAP_SCHEMA.tables", "DISTINCT table_name", "DISTINCT 'gone.t' AS table_name"),
    alter_query("TS-KEY-1", "nothing", "from_column, target_column", "'nothing' AS from_column, target_column"),
    alter_query(
        "TS-KEY-1", "key_columns TAP_SCHEMA.keys", "^SELECT key_id, from_column", "SELECT 'x' AS key_id, from_column"
    ),
    alter_query(
        "TS-KEY-1", "key TAP_SCHEMA.key_columns", "^SELECT key_id, from_column", "SELECT 'x' AS key_id, from_column"
    ),
    filter_tables("TS-TABLES-1", "twomass.psc /tables TAP_SCHEMA", "table_name <> 'twomass.psc'"),
    alter_column("META-TYPE-1", "arraysize 'many'", "arraysize", "many"),
    alter_column("META-TYPE-1", "arraysize 1", "arraysize", "1"),
    alter_column("OBS-COLUMN-2", "datatype 'boolean'", "datatype", "boolean"),
    alter_query("OBS-ID-1", "obs_publisher_did", "TOP 1 obs_publisher_did F", "TOP 1 obs_id AS obs_publisher_did F"),
    alter_status("DALI-ERROR-1", "500 503", SYNC, 503),
    alter_request("HTTP-RANGE-1", "304 If-None-Match 200", _drop_header("if-none-match")),
    alter_text("TAP-FORMAT-1", "outputFormat", CAPABILITIES, "outputFormat", "format"),
    alter_text("TAP-LIMIT-2", "1,000,000 7,000", CAPABILITIES, '"row">100000000<', '"row">7000<'),
    alter_text("TAP-UPLOAD-1", "'carrier-pigeon'", CAPABILITIES, "#upload-http", "#upload-carrier-pigeon"),
    alter_text("TAP-UPLOAD-2", "inline", CAPABILITIES, "#upload-inline", "#upload-ftp"),
    Fault("TAP-UPLOAD-4", "413 400", alter_response=_set_bad_request),
    alter_query("TAP-FEATURE-1", "EXCEPT 0 1", "EXCEPT", "UNION"),
    alter_status("UWS-JOB-1", "303 200", "/tap/async", 200),
    alter_response("UWS-JOB-1", "http://elsewhere.example.org/job", "/tap/async", _move_job),
    alter_text("UWS-JOB-1", "PENDING QUEUED", "/tap/async/.*", ">PENDING<", ">QUEUED<"),
    alter_text("UWS-JOB-1", "LANG='ADQL' 'PQL'", "/tap/async/.*", ">ADQL<", ">PQL<"),
    alter_text("EX-FORM-2", "resource", "/tap/examples", 'resource="#', 'resource="'),
    alter_text("EX-FORM-2", "name 0", "/tap/examples", 'property="name"', 'property="title"'),
    alter_text("EX-FORM-2", "typeof=example", "/tap/examples", 'typeof="example"', 'typeof="sample"'),
    alter_text("CONE-TEST-1", "cone/psc/capabilities testQuery", "/cone/psc/capabilities", "testQuery", "noQuery"),
    alter_status("CONE-TEST-1", "testQuery 400", "/cone/psc", 400),
    alter_response("CONE-FORM-1", "text/xml text/html", "/cone/psc", set_type("text/html")),
    alter_response("LINK-ACCESS-1", "text/html", "/images/.*", set_type("text/html")),
    alter_text("LINK-SERVICE-1", "accessURL", "/datalink/links", 'name="accessURL"', 'name="x"'),
    alter_response("OAI-IDENTIFY-1", "verb=Identify", "/oai", truncate),
    alter_text("OAI-LIST-1", f"{IVOID}/pat", "/oai", f"{IVOID}/tap<", f"{IVOID}/pat<", when="ListIdentifiers"),
    alter_text("OAI-TABLE-1", "twomass.pcs /tables", "/oai", "<name>twomass.psc<", "<name>twomass.pcs<", when=RECORDS),
    alter_status("OAI-MOC-1", "coverage 404", "/coverage/.*", 404),
    alter_response("OAI-MOC-1", "coverage MOC", "/coverage/.*", set_body("SIMPLE")),
)
