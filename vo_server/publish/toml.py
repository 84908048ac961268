"""The draft of a catalogue file as TOML, with guesses marked in comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from vo_server.publish.draft import Draft, DraftColumn
from vo_server.publish.guess import Guess
from vo_server.publish.position import PositionColumns

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_TEST_RADIUS_DEG = 0.1
"""The radius of the test query around the position of a row."""


@dataclass(frozen=True, slots=True)
class PublishedNames:
    """The names of a table in the service; `schema_text` describes the schema if no other file does."""

    id: str
    schema: str
    schema_text: str | None
    publisher: str


def to_toml(draft: Draft, names: PublishedNames) -> str:
    """Return the text of the catalogue file."""
    blocks = [
        _write_head(draft, names),
        _write_schema(names),
        _write_table(draft, names),
        *(_write_column(c) for c in draft.columns),
        _write_files(draft),
        _write_cone(draft),
        _write_example(draft, names),
        _write_coverage(draft),
        _write_origin(draft, names),
    ]
    return "\n\n".join("\n".join(block) for block in map(list, blocks) if block) + "\n"


def _write_head(draft: Draft, names: PublishedNames) -> Iterator[str]:
    yield f"# Written by `vo-server publish` from {_to_one_line(draft.file)}, {draft.rows:,} rows; to be completed."
    yield "# Metadata that the file does not have are guesses, marked as such: correct them and remove the mark."
    yield "# schemas/README.md describes all keys; `vo-server check` validates this file. If names or types change,"
    yield f"# load the rows again, `vo-server load {names.id} FILE`; after any change restart the server."
    yield ""
    yield _format_line("id", names.id)
    yield _format_line("description", draft.description)
    yield '# subjects = ["stars"]  # for registries; terms of https://www.ivoa.net/rdf/uat'


def _write_schema(names: PublishedNames) -> Iterator[str]:
    yield "[schema]"
    yield _format_line("name", names.schema)
    if names.schema_text:
        yield _format_line("description", names.schema_text)


def _write_table(draft: Draft, names: PublishedNames) -> Iterator[str]:
    yield "[table]"
    yield _format_line("name", names.id)
    yield _format_line("title", draft.title)
    yield _format_line("description", draft.description)
    if draft.identifier:
        yield _format_line("identifier", draft.identifier)
    if isinstance(draft.position, PositionColumns):
        pair = f"{{ ra = {_quote_line(draft.position.ra)}, dec = {_quote_line(draft.position.dec)} }}"
        yield f"position = {pair}{_format_guess(draft.position.why + ', assumed to be ICRS')}"
    else:
        yield f"# No position and no cone search: {_to_one_line(draft.position.why)}."
        yield '# position = { ra = "...", dec = "..." }'


def _write_column(column: DraftColumn) -> Iterator[str]:
    yield f"[columns.{_quote_key(column.name)}]" + (f"  # {_to_one_line(column.remark)}" if column.remark else "")
    yield _format_line("type", column.type)
    if column.arraysize:
        yield _format_line("arraysize", column.arraysize)
    for key, guess in (("unit", column.unit), ("ucd", column.ucd)):
        if guess.value is not None:
            yield _format_line(key, guess)
        elif guess.why is not None:
            yield f"# no {key}: {_to_one_line(guess.why)}"
    for key, value in (("utype", column.utype), ("xtype", column.xtype)):
        if value:
            yield _format_line(key, value)
    yield _format_line("description", column.description)
    if not column.nullable:
        yield "nullable = false"
    for flag, holds in (("indexed", column.indexed), ("principal", column.principal)):
        if holds:
            yield f"{flag} = true"
    if column.source and column.source != column.name:
        yield f"also = [{_quote_exactly(column.source)}]"


def _write_files(draft: Draft) -> Iterator[str]:
    if draft.number is None and draft.null is None:
        return
    yield "[files]"
    if draft.number is not None:
        yield _format_line("number", draft.number)
    if draft.null is not None:
        yield _format_line("null", draft.null)


def _write_cone(draft: Draft) -> Iterator[str]:
    if not isinstance(draft.position, PositionColumns) or draft.test_position is None or draft.identifier is None:
        return
    yield "[cone]"
    yield f"test = [{draft.test_position[0]!r}, {draft.test_position[1]!r}, {_TEST_RADIUS_DEG}]"
    verb1 = dict.fromkeys((draft.identifier.value, draft.position.ra, draft.position.dec))
    yield f"verb1 = [{', '.join(map(_quote_line, verb1))}]"


def _write_example(draft: Draft, names: PublishedNames) -> Iterator[str]:
    """Yield a query that returns rows, as a first example."""
    table = f"{names.schema}.{names.id}"
    yield "[[examples]]"
    yield _format_line("id", names.id)
    if isinstance(draft.position, PositionColumns) and draft.test_position is not None:
        ra, dec = draft.test_position
        yield _format_line("title", f"Rows of {table} near a position")
        yield _format_line(
            "description", f"All within {_TEST_RADIUS_DEG} degrees of right ascension {ra:g} and declination {dec:g}."
        )
        near = (
            f"CONTAINS(POINT({draft.position.ra}, {draft.position.dec}), CIRCLE({ra!r}, {dec!r}, {_TEST_RADIUS_DEG}))"
        )
        yield _format_line("query", f"SELECT TOP 100 * FROM {table} WHERE 1 = {near}")  # noqa: S608 - a text to be shown
    else:
        yield _format_line("title", f"Rows of {table}")
        yield _format_line("description", "Ten rows of the table.")
        yield _format_line("query", f"SELECT TOP 10 * FROM {table}")  # noqa: S608


def _write_coverage(draft: Draft) -> Iterator[str]:
    if not draft.wavebands and draft.time is None:
        return
    yield "[coverage]"
    if draft.wavebands:
        yield f"wavebands = [{', '.join(map(_quote_line, draft.wavebands))}]{_format_guess('by the UCDs')}"
    if draft.time is not None:
        yield _format_line("time", Guess(draft.time.column, "by its name and values"))
        if draft.time.days is not None:
            yield _format_line("clock", draft.time.days)


_ORIGIN = {
    "bibcode": ("bibcode", "citation_bibcode"),
    "doi": ("doi", "citation_doi"),
    "rights": ("rights", "license", "licence"),
    "rights_url": ("rights_uri", "rights_url", "license_uri"),
    "reference_url": ("reference_url", "referenceurl", "landing_page"),
    "version": ("version", "resource_version"),
}
"""Keys of [origin] and the corresponding keywords of files (Data Origin in the VO, and common practice)."""


def _write_origin(draft: Draft, names: PublishedNames) -> Iterator[str]:
    metadata = draft.metadata
    yield "[origin]"
    yield _format_line("title", draft.title)
    publisher = metadata.get("publisher") or metadata.get("origin")
    if names.publisher:
        yield _format_line("publisher", names.publisher)
    else:
        yield _format_line("publisher", Guess(publisher or "unknown", "the setting publisher is not set"))
    creators = _find_first(metadata, ("creator", "creators", "author", "authors"))
    if creators:
        yield f"creators = [{', '.join(_quote_line(c.strip()) for c in re.split(r';| and ', creators) if c.strip())}]"
    else:
        yield '# creators = ["Doe, J."]'
    for key, words in _ORIGIN.items():
        if value := _find_first(metadata, words):
            yield _format_line(key, value)
    for key, word in (("facilities", "telescop"), ("instruments", "instrume")):
        if value := metadata.get(word):
            yield f"{key} = [{_quote_line(value)}]"


def _find_first(metadata: Mapping[str, str], words: Iterable[str]) -> str | None:
    return next((metadata[word] for word in words if metadata.get(word)), None)


def _format_line(key: str, value: str | Guess[str] | Guess[str | None]) -> str:
    if isinstance(value, Guess):
        return f"{key} = {_quote_line(value.value or '')}{_format_guess(value.why)}"
    return f"{key} = {_quote_line(value)}"


def _format_guess(why: str | None) -> str:
    return "" if why is None else f"  # guess: {_to_one_line(why)}"


def _to_one_line(text: str) -> str:
    """Return a text for a comment: one line, no control characters (TOML 1.0)."""
    return re.sub(r"[\x00-\x1f\x7f\s]+", " ", text).strip()


def _quote_line(text: str) -> str:
    """Return a text as a basic string of TOML in one line."""
    return _quote_exactly(_to_one_line(text))


def _quote_exactly(text: str) -> str:
    """Return a text as a basic string of TOML: that of JSON, but TOML requires DEL to be escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _quote_key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quote_line(name)
