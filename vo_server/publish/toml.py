"""The draft of a catalogue file as TOML, its guesses marked in comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from vo_server.publish.draft import Draft, DraftColumn
from vo_server.publish.guess import Guess
from vo_server.publish.position import Place

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_RADIUS = 0.1
"""Degrees about the place of a row, for a test query."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the file is to be called in the service; `schema_text` describes the schema where no other file does."""

    id: str
    schema: str
    schema_text: str | None
    publisher: str


def written(draft: Draft, names: Names) -> str:
    """The text of the catalogue file."""
    blocks = [
        _head(draft, names),
        _schema(names),
        _table(draft, names),
        *(_column(c) for c in draft.columns),
        _files(draft),
        _cone(draft),
        _example(draft, names),
        _coverage(draft),
        _origin(draft, names),
    ]
    return "\n\n".join("\n".join(block) for block in map(list, blocks) if block) + "\n"


def _head(draft: Draft, names: Names) -> Iterator[str]:
    yield f"# Written by `vo-server publish` from {_plain(draft.file)}, {draft.rows:,} rows, to be finished."
    yield "# What the file does not say is a guess, and is marked so: correct it and take the mark away. The head of"
    yield "# schemas/catalogues/psc.toml lists all keys of such a file; `vo-server check` reads it. If names or"
    yield f"# types change, load the rows again, `vo-server load {names.id} FILE`; after any change restart the server."
    yield ""
    yield _line("id", names.id)
    yield _line("description", draft.description)
    yield '# subjects = ["stars"]  # for registries; terms of https://www.ivoa.net/rdf/uat'


def _schema(names: Names) -> Iterator[str]:
    yield "[schema]"
    yield _line("name", names.schema)
    if names.schema_text:
        yield _line("description", names.schema_text)


def _table(draft: Draft, names: Names) -> Iterator[str]:
    yield "[table]"
    yield _line("name", names.id)
    yield _line("title", draft.title)
    yield _line("description", draft.description)
    if draft.identifier:
        yield _line("identifier", draft.identifier)
    if isinstance(draft.place, Place):
        pair = f"{{ ra = {_text(draft.place.ra)}, dec = {_text(draft.place.dec)} }}"
        yield f"position = {pair}{_mark(draft.place.why + ', taken for ICRS')}"
    else:
        yield f"# No position, and so no cone search: {_plain(draft.place.why)}."
        yield '# position = { ra = "...", dec = "..." }'


def _column(column: DraftColumn) -> Iterator[str]:
    yield f"[columns.{_key(column.name)}]" + (f"  # {_plain(column.remark)}" if column.remark else "")
    yield _line("type", column.type)
    if column.arraysize:
        yield _line("arraysize", column.arraysize)
    for key, guess in (("unit", column.unit), ("ucd", column.ucd)):
        if guess.value is not None:
            yield _line(key, guess)
        elif guess.why is not None:
            yield f"# no {key}: {_plain(guess.why)}"
    for key, value in (("utype", column.utype), ("xtype", column.xtype)):
        if value:
            yield _line(key, value)
    yield _line("description", column.description)
    if not column.nullable:
        yield "nullable = false"
    for flag, holds in (("indexed", column.indexed), ("principal", column.principal)):
        if holds:
            yield f"{flag} = true"
    if column.source and column.source != column.name:
        yield f"also = [{_exactly(column.source)}]"


def _files(draft: Draft) -> Iterator[str]:
    if draft.number is None and draft.null is None:
        return
    yield "[files]"
    if draft.number is not None:
        yield _line("number", draft.number)
    if draft.null is not None:
        yield _line("null", draft.null)


def _cone(draft: Draft) -> Iterator[str]:
    if not isinstance(draft.place, Place) or draft.test is None or draft.identifier is None:
        return
    yield "[cone]"
    yield f"test = [{draft.test[0]!r}, {draft.test[1]!r}, {_RADIUS}]"
    yield f"verb1 = [{', '.join(map(_text, dict.fromkeys((draft.identifier.value, draft.place.ra, draft.place.dec))))}]"


def _example(draft: Draft, names: Names) -> Iterator[str]:
    """A query that finds something, for those who see the table for the first time."""
    table = f"{names.schema}.{names.id}"
    yield "[[examples]]"
    yield _line("id", names.id)
    if isinstance(draft.place, Place) and draft.test is not None:
        ra, dec = draft.test
        yield _line("title", f"Rows of {table} near a place")
        yield _line("description", f"All within {_RADIUS} degrees of right ascension {ra:g} and declination {dec:g}.")
        near = f"CONTAINS(POINT({draft.place.ra}, {draft.place.dec}), CIRCLE({ra!r}, {dec!r}, {_RADIUS}))"
        yield _line("query", f"SELECT TOP 100 * FROM {table} WHERE 1 = {near}")  # noqa: S608 - a text to be shown
    else:
        yield _line("title", f"Rows of {table}")
        yield _line("description", "Ten rows, to see what they are like.")
        yield _line("query", f"SELECT TOP 10 * FROM {table}")  # noqa: S608


def _coverage(draft: Draft) -> Iterator[str]:
    if not draft.wavebands and draft.clock is None:
        return
    yield "[coverage]"
    if draft.wavebands:
        yield f"wavebands = [{', '.join(map(_text, draft.wavebands))}]{_mark('by the UCDs')}"
    if draft.clock is not None:
        yield _line("time", Guess(draft.clock.column, "by its name and values"))
        if draft.clock.days is not None:
            yield _line("clock", draft.clock.days)


_ORIGIN = {
    "bibcode": ("bibcode", "citation_bibcode"),
    "doi": ("doi", "citation_doi"),
    "rights": ("rights", "license", "licence"),
    "rights_url": ("rights_uri", "rights_url", "license_uri"),
    "reference_url": ("reference_url", "referenceurl", "landing_page"),
    "version": ("version", "resource_version"),
}
"""Keys of [origin] and the statements of files that say the same (Data Origin in the VO, and what is usual)."""


def _origin(draft: Draft, names: Names) -> Iterator[str]:
    said = draft.said
    yield "[origin]"
    yield _line("title", draft.title)
    publisher = said.get("publisher") or said.get("origin")
    if names.publisher:
        yield _line("publisher", names.publisher)
    else:
        yield _line("publisher", Guess(publisher or "unknown", "the setting publisher is not set"))
    creators = _first(said, ("creator", "creators", "author", "authors"))
    if creators:
        yield f"creators = [{', '.join(_text(c.strip()) for c in re.split(r';| and ', creators) if c.strip())}]"
    else:
        yield '# creators = ["Doe, J."]'
    for key, words in _ORIGIN.items():
        if value := _first(said, words):
            yield _line(key, value)
    for key, word in (("facilities", "telescop"), ("instruments", "instrume")):
        if value := said.get(word):
            yield f"{key} = [{_text(value)}]"


def _first(said: Mapping[str, str], words: Iterable[str]) -> str | None:
    return next((said[word] for word in words if said.get(word)), None)


def _line(key: str, value: str | Guess[str] | Guess[str | None]) -> str:
    if isinstance(value, Guess):
        return f"{key} = {_text(value.value or '')}{_mark(value.why)}"
    return f"{key} = {_text(value)}"


def _mark(why: str | None) -> str:
    return "" if why is None else f"  # guess: {_plain(why)}"


def _plain(text: str) -> str:
    """A text as it may stand in a comment: one line, no control characters (TOML 1.0)."""
    return re.sub(r"[\x00-\x1f\x7f\s]+", " ", text).strip()


def _text(text: str) -> str:
    """A text in one line."""
    return _exactly(_plain(text))


def _exactly(text: str) -> str:
    """A basic string of TOML: that of JSON, but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)
