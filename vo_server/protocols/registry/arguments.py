"""The arguments of harvesting requests: the verbs of OAI-PMH 2.0 (section 4) and resumption tokens (section 3.5).

This module does not know which records exist.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from vo_server.errors import Code, UsageError

_CODES = {
    "idDoesNotExist": Code.REQUEST_NOT_FOUND,
    "noRecordsMatch": Code.REQUEST_NOT_FOUND,
    "cannotDisseminateFormat": Code.REQUEST_UNSUPPORTED_FORMAT,
}
"""The codes of some errors of OAI-PMH; the others have the default code."""


class OaiError(UsageError):
    """An error of OAI-PMH: a code of section 3.6 and a message for each mistake."""

    default_code = Code.REQUEST_BAD_PARAMETER

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__("; ".join(message for _, message in errors), code=_CODES.get(errors[0][0]))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class OaiVerb:
    """The arguments of a verb. `exclusive` is the argument that replaces all others."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    exclusive: str = ""


_LIST = OaiVerb(("metadataPrefix",), ("from", "until", "set"), "resumptionToken")

VERBS = {
    "Identify": OaiVerb(),
    "ListMetadataFormats": OaiVerb(optional=("identifier",)),
    "ListSets": OaiVerb(exclusive="resumptionToken"),
    "GetRecord": OaiVerb(("identifier", "metadataPrefix")),
    "ListIdentifiers": _LIST,
    "ListRecords": _LIST,
}


# --------------------------------------------------------------- arguments


_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9\-_.!~*'()]+")
_SET = re.compile(r"[A-Za-z0-9\-_.!~*'()]+(:[A-Za-z0-9\-_.!~*'()]+)*")
_URI = re.compile(r"[A-Za-z0-9\-_.!~*'()+=:/?#\[\]@$&,;%]+")
_PATTERNS = {"metadataPrefix": _PREFIX, "set": _SET, "identifier": _URI}


def _parse_date(text: str) -> tuple[datetime, datetime] | None:
    """Return the first and the last second of a date (section 3.3.1); None for an empty text.

    Raises ValueError for an invalid one.
    """
    if not text:
        return None
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    begin = datetime.fromisoformat(text.rstrip("Z")).replace(tzinfo=UTC)
    return begin, begin if match[1] else begin + timedelta(days=1, seconds=-1)


def parse_arguments(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the arguments of a request, the verb among them.

    Raises OaiError with all mistakes.
    """
    arguments = list(pairs)
    verbs = [value for name, value in arguments if name == "verb"]
    if len(verbs) != 1 or verbs[0] not in VERBS:
        reason = f"unknown verb {verbs[0]!r}" if len(verbs) == 1 else f"verb occurs {len(verbs)} times"
        raise OaiError(("badVerb", f"{reason}; it must occur once and be one of {', '.join(VERBS)}"))
    errors = list(
        _find_errors(verbs[0], VERBS[verbs[0]], [(name, value) for name, value in arguments if name != "verb"])
    )
    if errors:
        raise OaiError(*(("badArgument", message) for message in errors))
    return dict(arguments)


def _find_errors(name: str, verb: OaiVerb, rest: list[tuple[str, str]]) -> Iterable[str]:
    names = [n for n, _ in rest]
    known = {*verb.required, *verb.optional, verb.exclusive} - {""}
    for each in dict.fromkeys(names):
        if each not in known:
            yield f"{name} has no argument {each!r}" + (f"; it has {', '.join(sorted(known))}" if known else "")
        elif names.count(each) > 1:
            yield f"{each} occurs {names.count(each)} times"
    if verb.exclusive and verb.exclusive in names:
        if len(set(names)) > 1:
            yield f"{verb.exclusive} must be the only argument"
        return
    yield from (f"{each} is missing" for each in verb.required if each not in names)
    values = dict(rest)
    for each, shape in _PATTERNS.items():
        if each in values and not shape.fullmatch(values[each]):
            yield f"invalid {each} {values[each]!r}"
    yield from _find_date_errors({each: values[each] for each in ("from", "until") if each in values})


def _find_date_errors(dates: Mapping[str, str]) -> Iterable[str]:
    parsed = {}
    for name, text in dates.items():
        try:
            parsed[name] = _parse_date(text)
        except (ValueError, OverflowError):
            parsed[name] = None
        if parsed[name] is None:
            yield f"{name} must be a date such as 2001-02-15 or 2001-02-15T00:00:00Z, not {text!r}"
    since, until = parsed.get("from"), parsed.get("until")
    if since is not None and until is not None:
        if len(dates["from"]) != len(dates["until"]):
            yield "from and until differ in granularity"
        elif since > until:
            yield "from is later than until"


# ------------------------------------------------------------------- lists


@dataclass(frozen=True, slots=True)
class ListRequest:
    """The arguments of a list as texts, and date and identifier of the last record of the previous response."""

    verb: str
    prefix: str
    set: str = ""
    since: str = ""
    until: str = ""
    after: tuple[str, str] | None = None

    def parse_bounds(self) -> tuple[datetime, datetime]:
        """Return the first and the last second of the datestamps."""
        begin, end = _parse_date(self.since), _parse_date(self.until)
        return begin[0] if begin else _UNBOUNDED[0], end[1] if end else _UNBOUNDED[1]

    def parse_position(self) -> tuple[datetime, str] | None:
        """Return the record after which the list continues; None at its beginning."""
        return None if self.after is None else (datetime.fromisoformat(self.after[0]), self.after[1])

    def make_token(self, updated: datetime, id: str) -> str:
        """Return the token that continues the list after a record, with a checksum that detects a damaged token."""
        continued = replace(self, after=(updated.isoformat(), id))
        body = json.dumps(
            [continued.verb, continued.prefix, continued.set, continued.since, continued.until, continued.after],
            separators=(",", ":"),
        ).encode()
        return base64.urlsafe_b64encode(_compute_checksum(body) + body).decode().rstrip("=")


_UNBOUNDED = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def parse_list_request(arguments: Mapping[str, str]) -> ListRequest:
    """Return the arguments of a list, or those in a resumption token.

    Raises OaiError for an invalid token, and for one of another verb.
    """
    if "resumptionToken" in arguments:
        return _parse_token(arguments["resumptionToken"], arguments["verb"])
    since, until = arguments.get("from", ""), arguments.get("until", "")
    return ListRequest(arguments["verb"], arguments["metadataPrefix"], arguments.get("set", ""), since, until)


def _parse_token(text: str, verb: str) -> ListRequest:
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        packed = b""
    if not packed or packed[:8] != _compute_checksum(packed[8:]):
        raise OaiError(("badResumptionToken", "unknown resumptionToken"))
    token_verb, prefix, set, since, until, (updated, id) = json.loads(packed[8:])
    list_request = ListRequest(token_verb, prefix, set, since, until, (updated, id))
    if list_request.verb != verb:
        raise OaiError(("badResumptionToken", f"the resumptionToken is of {list_request.verb}, not of {verb}"))
    return list_request


def _compute_checksum(body: bytes) -> bytes:
    return hashlib.sha256(b"vo_server resumption token" + body).digest()[:8]
