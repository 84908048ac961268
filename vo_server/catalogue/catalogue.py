"""The published catalogues and how a name in a query finds its table.

Names as in ADQL 2.1 sections 2.1.5 and 2.1.6: a regular identifier is compared without case, a delimited one exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches

from vo_server.catalogue.images import Images
from vo_server.model.column import Table

UNREGISTERED = "unregistered.invalid"
"""The authority of a server that has none. Nobody can own it (RFC 6761 section 6.4), and its records are inactive: they
can be harvested and looked at, and no registry that keeps to the rules shows them."""

UPLOADS = "TAP_UPLOAD"
"""The schema of tables that come with a query (TAP 1.1 section 2.7.6)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a data set comes from: what every answer says of it (Data Origin in the VO, DALI 1.1 section 4.4.3)."""

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
    """A cautionary note: one sentence and where to read on."""

    text: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """When and in which light the data were taken (VODataService 1.2 section 3.2); where, the rows themselves say.

    `wavebands` are words of the IVOA's vocabulary of messengers, `times` first and last days, `wavelengths` in um.
    `time` is a column that says when a row was observed, in days of `clock` if it is a number: then the rows say that,
    too.
    """

    wavebands: tuple[str, ...] = ()
    times: tuple[tuple[date, date], ...] = ()
    wavelengths: tuple[tuple[float, float], ...] = ()
    time: str | None = None
    clock: str = "jd"


@dataclass(frozen=True, slots=True)
class Cone:
    """The cone search of a table: its bounds, the columns of each verbosity and a query that finds something."""

    max_sr: float = 180.0
    verb1: tuple[str, ...] = ()
    verb2: tuple[str, ...] = ()
    test: tuple[float, float, float] = (0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Check:
    """What a value must obey to be loaded: bounds included."""

    column: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A query that shows what a table is good for (DALI 1.1 section 2.3, TAP 1.1 section 2.6).

    `uploads` are the tables that come with it, each by its name and the query of this service that makes it.
    """

    id: str
    title: str
    description: str
    query: str
    uploads: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Files:
    """How the files of a release write a table: delimited text without a header, columns in this order.

    `columns` are (name in the files, name of the published column).
    `also` are further names under which other sources of the same rows carry a column.
    `number` is a column that the files do not have: the rows are counted in it, from 1, as they are loaded.
    """

    columns: tuple[tuple[str, str], ...]
    delimiter: str = "|"
    null: str = "\\N"
    also: dict[str, str] = field(default_factory=dict)
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """One file of schemas/catalogues: a table, its views, how it is loaded and where it comes from; of which images, if
    it is an inventory."""

    id: str
    table: Table
    origin: Origin
    files: Files
    views: tuple[Table, ...] = ()
    notes: tuple[Note, ...] = ()
    checks: tuple[Check, ...] = ()
    cone: Cone | None = None
    images: Images | None = None
    bounds: Bounds = Bounds()
    examples: tuple[Example, ...] = ()
    subjects: tuple[str, ...] = ()
    description: str | None = None

    @property
    def tables(self) -> tuple[Table, ...]:
        """The table and its views."""
        return (self.table, *self.views)


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema that tables live in."""

    name: str
    title: str | None = None
    description: str | None = None
    utype: str | None = None


def same(written: str, delimited: bool, declared: str) -> bool:
    """Does an identifier, as written in a query, name what is declared under this name?"""
    return written == declared if delimited else written.lower() == declared.lower()


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """All that can be queried. Two catalogues are never equal, so that one can be the key of a cache."""

    schemas: tuple[Schema, ...]
    tables: tuple[Table, ...]
    collections: tuple[Collection, ...] = ()

    def find(self, names: Sequence[tuple[str, bool]]) -> list[Table]:
        """The tables that a name means: (identifier, delimited?) for each part, schema first when there are two.

        One table is an answer; none and several are for the caller to tell. A leading catalogue name is passed over.
        A name without a schema means an upload only where nothing published has it.
        """
        *outer, (name, delimited) = names
        hits = [t for t in self.tables if same(name, delimited, t.name)]
        if outer:
            schema, exact = outer[-1]
            return [t for t in hits if same(schema, exact, t.schema)]
        return [t for t in hits if t.schema != UPLOADS] or hits

    def similar(self, name: str) -> list[str]:
        """Names of tables much like this one, the likest first."""
        known = {t.name.lower(): t.qualified for t in self.tables}
        known |= {t.qualified.lower(): t.qualified for t in self.tables}
        found = get_close_matches(name.lower(), known, n=3, cutoff=0.6)
        return list(dict.fromkeys(known[k] for k in found))

    def with_tables(self, tables: Iterable[Table], schema: Schema | None = None) -> Catalogue:
        """A catalogue that holds these tables too (uploads, TAP_SCHEMA)."""
        schemas = self.schemas if schema is None else (*self.schemas, schema)
        return Catalogue(schemas, (*self.tables, *tables), self.collections)

    def part(self, tables: Iterable[Table]) -> Catalogue:
        """A catalogue of these tables alone."""
        return Catalogue(self.schemas, tuple(tables), self.collections)

    def collection(self, id: str) -> Collection:
        """The publication of this id.

        Raises KeyError where there is none.
        """
        for publication in self.collections:
            if publication.id == id:
                return publication
        raise KeyError(id)

    def origins(self, tables: Iterable[Table]) -> tuple[Origin, ...]:
        """The origins of these tables, each once."""
        wanted = {t.qualified for t in tables}
        found = [p.origin for p in self.collections if wanted & {t.qualified for t in p.tables}]
        return tuple(dict.fromkeys(found))
