"""The published catalogue and the lookup of tables by their names in queries.

Names as in ADQL 2.1 sections 2.1.5 and 2.1.6: a regular identifier is compared without case, a delimited one exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches

from vo_server.catalogue.images import ImageCollection
from vo_server.model.column import Table

UNREGISTERED = "unregistered.invalid"
"""The IVOA authority of a server without one. Nobody can own it (RFC 6761 section 6.4), and its records are inactive:
they can be harvested and inspected, but a conforming registry does not show them."""

UPLOADS = "TAP_UPLOAD"
"""The schema of uploaded tables (TAP 1.1 section 2.7.6)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a data set, which every response states (Data Origin in the VO, DALI 1.1 section 4.4.3)."""

    title: str
    publisher: str
    creators: tuple[str, ...] = ()
    bibcode: str | None = None
    doi: str | None = None
    rights: str | None = None
    rights_url: str | None = None
    acknowledgement: str | None = None
    reference_url: str | None = None
    release_date: str | None = None
    version: str | None = None
    short_name: str | None = None
    facilities: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """A cautionary note: one sentence, and the URL of details."""

    text: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class DeclaredCoverage:
    """The coverage of a collection in time and spectrum (VODataService 1.2 section 3.2).

    The spatial coverage is computed from the rows. `wavebands` are terms of the IVOA vocabulary of messengers, `times`
    pairs of a first and a last day, `wavelengths` pairs in um. `time` is the column with the time of observation, in
    days of `clock` if it is a number: the temporal coverage is then computed from the rows, too.
    """

    wavebands: tuple[str, ...] = ()
    times: tuple[tuple[date, date], ...] = ()
    wavelengths: tuple[tuple[float, float], ...] = ()
    time: str | None = None
    clock: str = "jd"


@dataclass(frozen=True, slots=True)
class Cone:
    """The cone search of a table: its maximum radius, the columns of each verbosity, and a query that returns rows."""

    max_sr: float = 180.0
    verb1: tuple[str, ...] = ()
    verb2: tuple[str, ...] = ()
    test: tuple[float, float, float] = (0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class ValueCheck:
    """The range of the values of a column, bounds included; a row outside of it is not loaded."""

    column: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class ExampleQuery:
    """An example query for a table (DALI 1.1 section 2.3, TAP 1.1 section 2.6).

    `uploads` maps the names of its uploaded tables to queries of this service that produce them.
    """

    id: str
    title: str
    description: str
    query: str
    uploads: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileLayout:
    """The layout of the bulk files of a table: delimited text without a header, with columns in this order.

    `columns` are pairs (name in the files, name of the published column). `also` maps alternative names of columns, as
    other sources of the same rows use them, to the published columns. `number` is a column that the files do not have:
    it numbers the rows from 1 as they are loaded.
    """

    columns: tuple[tuple[str, str], ...]
    delimiter: str = "|"
    null: str = "\\N"
    also: dict[str, str] = field(default_factory=dict)
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """The content of one file of schemas/catalogues: a table, its views, the layout of its files and its origin.

    `images` describes the images if the table is the inventory of an image collection.
    """

    id: str
    table: Table
    origin: Origin
    files: FileLayout
    views: tuple[Table, ...] = ()
    notes: tuple[Note, ...] = ()
    checks: tuple[ValueCheck, ...] = ()
    cone: Cone | None = None
    images: ImageCollection | None = None
    coverage: DeclaredCoverage = DeclaredCoverage()
    examples: tuple[ExampleQuery, ...] = ()
    subjects: tuple[str, ...] = ()
    description: str | None = None

    @property
    def tables(self) -> tuple[Table, ...]:
        """Return the table and its views."""
        return (self.table, *self.views)


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema of tables."""

    name: str
    title: str | None = None
    description: str | None = None
    utype: str | None = None


def is_same_name(written: str, delimited: bool, declared: str) -> bool:
    """Tell whether an identifier in a query refers to a declared name."""
    return written == declared if delimited else written.lower() == declared.lower()


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """All tables that can be queried. Catalogues are compared by identity, so that one can be the key of a cache."""

    schemas: tuple[Schema, ...]
    tables: tuple[Table, ...]
    collections: tuple[Collection, ...] = ()

    def find_tables(self, names: Sequence[tuple[str, bool]]) -> list[Table]:
        """Return the tables that a name refers to: none, one, or several if it is ambiguous.

        `names` has (identifier, is delimited) for each part, the schema before the table. A leading catalogue name is
        ignored. A name without a schema refers to an upload only if no published table has it.
        """
        *outer, (name, delimited) = names
        hits = [t for t in self.tables if is_same_name(name, delimited, t.name)]
        if outer:
            schema, exact = outer[-1]
            return [t for t in hits if is_same_name(schema, exact, t.schema)]
        return [t for t in hits if t.schema != UPLOADS] or hits

    def find_similar(self, name: str) -> list[str]:
        """Return names of tables similar to this one, the most similar first."""
        known = {t.name.lower(): t.qualified_name for t in self.tables}
        known |= {t.qualified_name.lower(): t.qualified_name for t in self.tables}
        matches = get_close_matches(name.lower(), known, n=3, cutoff=0.6)
        return list(dict.fromkeys(known[k] for k in matches))

    def with_tables(self, tables: Iterable[Table], schema: Schema | None = None) -> Catalogue:
        """Return a catalogue with these tables in addition (uploads, TAP_SCHEMA)."""
        schemas = self.schemas if schema is None else (*self.schemas, schema)
        return Catalogue(schemas, (*self.tables, *tables), self.collections)

    def restrict_to(self, tables: Iterable[Table]) -> Catalogue:
        """Return a catalogue of these tables only."""
        return Catalogue(self.schemas, tuple(tables), self.collections)

    def get_collection(self, id: str) -> Collection:
        """Return the collection with this id.

        Raises KeyError if there is none.
        """
        for collection in self.collections:
            if collection.id == id:
                return collection
        raise KeyError(id)

    def collect_origins(self, tables: Iterable[Table]) -> tuple[Origin, ...]:
        """Return the origins of these tables, each once."""
        names = {t.qualified_name for t in tables}
        origins = [c.origin for c in self.collections if names & {t.qualified_name for t in c.tables}]
        return tuple(dict.fromkeys(origins))
