"""ivoa.obscore as a query: the inventories of the image collections in the columns of ObsCore 1.1, one after another.

What a column is to ObsCore follows from what the catalogue file says of the collection under [images]. The query takes
the place of the table wherever it is asked, so that its rows are those of the inventories, found by their index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import STC_S
from vo_server.adql.semantics.values import arithmetic, constant
from vo_server.catalogue.catalogue import UNREGISTERED, Catalogue, Collection
from vo_server.catalogue.images import CLOCKS, Band, Images
from vo_server.catalogue.obscore import image_collections, obscore
from vo_server.errors import UsageError
from vo_server.model import types
from vo_server.model.column import Column, Table
from vo_server.obscore.templates import encoded, joined, quoted, text, worded

Rows = Callable[[Table], int | None]

DATALINK = "application/x-votable+xml;content=datalink"
"""The media type of what access_url leads to (SIA 2.0 section 3.1.3)."""

PICTURES = ("image/jpeg", "image/png")
"""The media types of pictures of images."""


@dataclass(frozen=True, slots=True)
class Host:
    """Where images are had: the server's base URL without a slash at its end, and the authority of its identifiers."""

    base: str
    authority: str = ""

    def image(self, publication: Collection, did: str) -> str | None:
        """The name of the image of a collection that has this identifier; None where it is not of the collection.

        The authority is the same in every case (IVOA Identifiers 2.0 section 2.2).
        """
        prefix = self.prefix(publication)
        mine = did[: len(prefix)].lower() == prefix.lower() and len(did) > len(prefix)
        return did[len(prefix) :] if mine else None

    def file(self, publication: Collection) -> str:
        """What the URLs of a collection's files begin with; the name of the image follows."""
        return f"{self.base}/images/{publication.id}/"

    def preview(self, publication: Collection) -> str:
        """What the URLs of a collection's pictures begin with; the name of the image follows, and how it is wanted."""
        return f"{self.base}/preview?ID={publication.id}/"

    def prefix(self, publication: Collection) -> str:
        """What the identifiers of a collection's data sets begin with; that of the image follows."""
        return f"ivo://{self.authority or UNREGISTERED}/~?{publication.id}/"

    def links(self) -> str:
        """What the URLs of the links begin with; the identifier of the data set follows."""
        return f"{self.base}/datalink/links?ID="


def opened(query: q.Query, catalogue: Catalogue, rows: Rows, host: Host) -> q.Query:
    """The query with the inventories in the place of ivoa.obscore.

    `rows` tells how many rows a table has, None where it is not loaded. Raises UsageError where no collection is.
    """
    _, table = obscore()
    if table not in q.tables(query):
        return query
    branches = [Branch(p) for p in loaded(catalogue, rows)]

    def change(node: Any) -> Any:
        if not isinstance(node, q.Scan) or node.table != table:
            return node
        return q.Derived(node.name, union(branches, host, node.name))

    made: q.Query = q.mapped(query, change)
    return made


def loaded(catalogue: Catalogue, rows: Rows) -> tuple[Collection, ...]:
    """The collections whose inventories are loaded.

    Raises UsageError where none is.
    """
    found = tuple(p for p in image_collections(catalogue) if rows(p.table) is not None)
    if not found:
        raise UsageError("ivoa.obscore is published here, but no collection of images has been loaded yet")
    return found


@dataclass(frozen=True, slots=True)
class Branch:
    """The images of a collection for which a condition on its inventory holds, all where there is none.

    With the media type of the files, or of pictures, they lead to these and not to what is known of the images.
    """

    publication: Collection
    where: Callable[[Row], q.Condition] | None = None
    media_type: str = DATALINK


def union(branches: Sequence[Branch], host: Host, name: str) -> q.Query:
    """Images of several collections, one at least, in the columns of ObsCore."""
    _, table = obscore()
    first, *others = (_select(b, host, f"{name}_{n}") for n, b in enumerate(branches))
    made: q.Query = first
    for other in others:
        made = q.Combined("UNION", True, made, other, table.columns)
    return made


def _select(branch: Branch, host: Host, name: str) -> q.Select:
    _, table = obscore()
    row = Row(branch.publication, name)
    values = row.obscore(host) | row.direct(host, branch.media_type)
    outputs = tuple(q.Output(c.name, _as(values.get(c.name), c)) for c in table.columns)
    return q.Select(outputs, row.scan, None if branch.where is None else branch.where(row))


def _as(value: q.Value | None, column: Column) -> q.Value:
    """The value as that column."""
    if value is None:
        return q.Constant(None, column)
    return replace(value, column=column) if value.column.type is column.type else q.Cast(value, column)


# ----------------------------------------------------------- what a row says


@dataclass(frozen=True, slots=True)
class Row:
    """What an image of a collection is, by the columns of its inventory, which is the source of this name."""

    publication: Collection
    source: str

    @property
    def images(self) -> Images:
        """What is said of the collection."""
        assert self.publication.images is not None
        return self.publication.images

    @property
    def scan(self) -> q.Scan:
        """The inventory as a source."""
        return q.Scan(self.source, self.publication.table)

    def field(self, name: str) -> q.Field:
        """A column of the inventory."""
        return q.Field(self.source, name, self.publication.table.column(name))

    def filled(self, source: Any, said: str) -> q.Field | None:
        """The column that holds this of a file; None where none does."""
        name = self.images.filled(source, said)
        return None if name is None else self.field(name)

    @property
    def identifier(self) -> q.Field:
        """The name of the image."""
        assert self.publication.table.identifier is not None  # no images without it
        return self.field(self.publication.table.identifier)

    @property
    def name(self) -> q.Value:
        """The same as a text, which identifiers and URLs are made from."""
        identifier = self.identifier
        is_text = identifier.column.type.family == "text"
        return identifier if is_text else q.Cast(identifier, Column("", types.VARCHAR))

    @property
    def position(self) -> tuple[q.Field, q.Field]:
        """Right ascension and declination of the centre."""
        position = self.publication.table.position
        assert position is not None  # no images without it
        return self.field(position.ra), self.field(position.dec)

    @property
    def footprint(self) -> q.Field:
        """The outline."""
        found = self.filled("sky", "footprint")
        assert found is not None  # no images without it
        return found

    @property
    def title(self) -> q.Value:
        """The title of the image."""
        return self.worded(self.images.title)

    @property
    def observation(self) -> q.Value:
        """The name of the observation."""
        return self.worded(self.images.observation) if self.images.observation else self.name

    @property
    def size(self) -> q.Value:
        """The bytes of the file as it is served; NULL where they are not kept."""
        kept = None if self.images.restored else self.filled("file", "size")
        return kept or q.Constant(None, Column("", types.BIGINT))

    @property
    def estimate(self) -> q.Value:
        """About how many bytes the file has: those of the pixels of one that is restored."""
        sides = [self.filled("header", name) for name in ("NAXIS1", "NAXIS2")]
        if not self.images.restored or None in sides:
            return self.size
        wide, high = (q.Cast(side, Column("", types.BIGINT)) for side in sides if side is not None)
        return arithmetic("*", arithmetic("*", wide, high), q.Constant(2, Column("", types.BIGINT)))

    def worded(self, template: str) -> q.Value:
        """A text with columns in braces."""
        return worded(template, self.field)

    def of_band(self, value: Callable[[Band], float], over_all: Callable[[Iterable[float]], float]) -> q.Value:
        """A number of the band of the image; of all bands together, where it has all of them."""
        if self.images.band is None:
            return constant(over_all(map(value, self.images.bands)))
        band = self.field(self.images.band)
        return _by(band, {b.name: constant(value(b)) for b in self.images.bands})

    def times(self, factor: float, days: float) -> q.Value | None:
        """The middle of the observation and so many times half of it, as a number of days."""
        time = self.images.time
        if time is None:
            return None
        shift = CLOCKS["jd"] - factor * time.span / 2 / 86400
        return arithmetic("-", self.field(time.column), constant(shift + days))

    def url(self, host: Host) -> q.Value:
        """Where its file is had."""
        return joined([text(host.file(self.publication)), quoted(self.name)])

    def picture(self, host: Host, media_type: str) -> q.Value:
        """Where a picture of it is had, with as many pixels."""
        how = text(f"&FORMAT={media_type.partition('/')[2]}")
        return joined([text(host.preview(self.publication)), quoted(self.name), how])

    def direct(self, host: Host, media_type: str) -> dict[str, q.Value | None]:
        """What of ObsCore is another thing where it leads to the file, or to a picture."""
        if media_type == DATALINK:
            return {}
        if media_type in PICTURES:
            said: dict[str, q.Value | None] = {"access_url": self.picture(host, media_type), "access_estsize": None}
        else:
            said = {"access_url": self.url(host)}
        return said | {"access_format": text(media_type)}

    def obscore(self, host: Host) -> dict[str, q.Value | None]:
        """Its values in ObsCore by the names of the columns; those that are not there are not known."""
        images = self.images
        ra, dec = self.position
        links = host.links() + encoded(host.prefix(self.publication))
        did = joined([text(host.prefix(self.publication)), self.name])
        bands = 1 if images.band else len(images.bands)
        return {
            "dataproduct_type": text(images.product),
            "calib_level": _whole(images.calibration),
            "obs_collection": text(images.collection),
            "obs_id": self.observation,
            "obs_publisher_did": did,
            "access_url": joined([text(links), quoted(self.name)]),
            "access_format": text(DATALINK),
            "access_estsize": _kilobytes(self.estimate),
            "s_ra": ra,
            "s_dec": dec,
            "s_fov": self.filled("sky", "fov"),
            "s_region": _region(self.footprint),
            "s_resolution": self.field(images.resolution) if images.resolution else None,
            "s_xel1": self.filled("header", "NAXIS1"),
            "s_xel2": self.filled("header", "NAXIS2"),
            "t_min": self.times(-1, 0),
            "t_max": self.times(1, 0),
            "t_exptime": constant(images.time.exposure) if images.time else None,
            "t_resolution": constant(images.time.span) if images.time else None,
            "t_xel": _whole(1),
            "em_min": self.of_band(lambda b: b.low, min),
            "em_max": self.of_band(lambda b: b.high, max),
            "em_res_power": self.of_band(lambda b: b.reference / (b.high - b.low), min),
            "em_xel": _whole(bands),
            "o_ucd": text(images.observable) if images.observable else None,
            "facility_name": text(images.facility),
            "instrument_name": text(images.instrument),
            "dataproduct_subtype": text(images.subtype) if images.subtype else None,
            "obs_title": self.title,
            "bib_reference": text(self.publication.origin.bibcode) if self.publication.origin.bibcode else None,
            "s_pixel_scale": _arcsec(self.filled("header", "CDELT2")),
        }


# --------------------------------------------------------------- its pieces


def _whole(number: int) -> q.Constant:
    return q.Constant(number, Column("", types.INTEGER))


def _by(field: q.Value, values: Mapping[str, q.Value]) -> q.Value:
    """The value that goes with a text."""
    branches = tuple((q.Compare("=", field, text(name)), value) for name, value in values.items())
    return q.Case(branches, None, next(iter(values.values())).column)


def _region(polygon: q.Field) -> q.Value:
    return q.Apply(STC_S, (polygon,), STC_S.result((polygon,)))


def _kilobytes(size: q.Value) -> q.Value:
    """Thousands of bytes; one begun is one."""
    long = Column("", types.BIGINT)
    return arithmetic("/", arithmetic("+", size, q.Constant(999, long)), q.Constant(1000, long))


def _arcsec(degrees: q.Field | None) -> q.Value | None:
    return None if degrees is None else arithmetic("*", degrees, constant(3600.0))
