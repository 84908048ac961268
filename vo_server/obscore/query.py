"""ivoa.obscore as a query: a UNION of the inventories of the image collections in the columns of ObsCore 1.1.

The columns follow from the section [images] of each collection's catalogue file. The query replaces the table wherever
it is read, so that its rows are those of the inventories, found by their index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.internal_functions import STC_S
from vo_server.adql.semantics.values import apply_operator, to_constant, to_integer_constant
from vo_server.catalogue.catalogue import UNREGISTERED, Catalogue, Collection
from vo_server.catalogue.images import CLOCKS, ImageCollection, Passband
from vo_server.catalogue.obscore import get_image_collections, load_obscore
from vo_server.errors import Code, UsageError
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.urls import SiteUrls
from vo_server.obscore.templates import concatenate, encode_in_sql, encode_query_value, render_template, to_text

DATALINK = "application/x-votable+xml;content=datalink"
"""The media type of the links that access_url leads to (SIA 2.0 section 3.1.3)."""

PICTURES = ("image/jpeg", "image/png")
"""The media types of previews."""


@dataclass(frozen=True, slots=True)
class ImageUrls:
    """The URLs and identifiers of images: the URLs of the site, and the naming authority."""

    site: SiteUrls
    authority: str = ""

    def image_name(self, collection: Collection, did: str) -> str | None:
        """Return the name of the image of a collection that has this identifier; None where it is not of the
        collection.

        The authority is compared without case (IVOA Identifiers 2.0 section 2.2).
        """
        prefix = self.identifier_prefix(collection)
        matches = did[: len(prefix)].lower() == prefix.lower() and len(did) > len(prefix)
        return did[len(prefix) :] if matches else None

    def file_prefix(self, collection: Collection) -> str:
        """Return the beginning of the URLs of a collection's files; the name of the image follows."""
        return self.site.get_url("images", f"/{collection.id}/")

    def preview_prefix(self, collection: Collection) -> str:
        """Return the beginning of the URLs of a collection's previews; the name of the image and options follow."""
        return self.site.get_url("preview", f"?ID={collection.id}/")

    def identifier_prefix(self, collection: Collection) -> str:
        """Return the beginning of the identifiers of a collection's data sets; the name of the image follows."""
        return f"ivo://{self.authority or UNREGISTERED}/~?{collection.id}/"

    def links_prefix(self) -> str:
        """Return the beginning of the URLs of DataLink documents; the identifier of the data set follows."""
        return self.site.get_url("datalink", "/links?ID=")


def with_inventories(query: q.Query, catalogue: Catalogue, rows: q.RowCounts, urls: ImageUrls) -> q.Query:
    """Return the query with the inventories in the place of ivoa.obscore.

    `rows` returns how many rows a table has, None where it is not loaded. Raises UsageError where no collection is
    loaded.
    """
    _, table = load_obscore()
    if table not in q.scanned_tables(query):
        return query
    branches = [Branch(p) for p in loaded_collections(catalogue, rows)]

    def replace_scan(node: Any) -> Any:
        if not isinstance(node, q.TableScan) or node.table != table:
            return node
        return q.Subquery(node.name, union_query(branches, urls, node.name))

    result: q.Query = q.transform(query, replace_scan)
    return result


def loaded_collections(catalogue: Catalogue, rows: q.RowCounts) -> tuple[Collection, ...]:
    """Return the collections whose inventories are loaded.

    Raises UsageError where none is.
    """
    collections = tuple(p for p in get_image_collections(catalogue) if rows(p.table) is not None)
    if not collections:
        raise UsageError("ivoa.obscore is empty: no image collection has been loaded yet", code=Code.QUERY_NOT_LOADED)
    return collections


@dataclass(frozen=True, slots=True)
class Branch:
    """The images of a collection for which a condition on its inventory holds, all where there is none.

    With the media type of the files, or of pictures, access_url leads to these and not to the DataLink document.
    """

    collection: Collection
    where: Callable[[InventoryRow], q.Condition] | None = None
    media_type: str = DATALINK


def union_query(branches: Sequence[Branch], urls: ImageUrls, name: str) -> q.Query:
    """Return the images of one or several collections in the columns of ObsCore."""
    _, table = load_obscore()
    first, *others = (_select_branch(b, urls, f"{name}_{n}") for n, b in enumerate(branches))
    union: q.Query = first
    for other in others:
        union = q.SetQuery("UNION", True, union, other, table.columns)
    return union


def _select_branch(branch: Branch, urls: ImageUrls, name: str) -> q.SelectQuery:
    _, table = load_obscore()
    row = InventoryRow(branch.collection, name)
    values = row.obscore_values(urls) | row.access_overrides(urls, branch.media_type)
    outputs = tuple(q.OutputColumn(c.name, _to_column(values.get(c.name), c)) for c in table.columns)
    return q.SelectQuery(outputs, row.scan, None if branch.where is None else branch.where(row))


def _to_column(value: q.Value | None, column: Column) -> q.Value:
    """Return the value as that column."""
    if value is None:
        return q.Constant(None, column)
    return replace(value, column=column) if value.column.type is column.type else q.TypeCast(value, column)


# ------------------------------------------------------- columns of a row


@dataclass(frozen=True, slots=True)
class InventoryRow:
    """The properties of an image of a collection, from the columns of its inventory, which is the source of
    this name."""

    collection: Collection
    source: str

    @property
    def images(self) -> ImageCollection:
        """The section [images] of the collection."""
        assert self.collection.images is not None
        return self.collection.images

    @property
    def scan(self) -> q.TableScan:
        """The inventory as a source."""
        return q.TableScan(self.source, self.collection.table)

    def column(self, name: str) -> q.ColumnRef:
        """Return a column of the inventory."""
        return q.ColumnRef(self.source, name, self.collection.table.get_column(name))

    def find_column(self, source: Any, property: str) -> q.ColumnRef | None:
        """Return the column that holds this property of a file; None where none does."""
        name = self.images.find_column(source, property)
        return None if name is None else self.column(name)

    @property
    def identifier(self) -> q.ColumnRef:
        """The name of the image."""
        assert self.collection.table.identifier is not None  # no images without it
        return self.column(self.collection.table.identifier)

    @property
    def name(self) -> q.Value:
        """The name of the image as a text, for identifiers and URLs."""
        identifier = self.identifier
        is_text = identifier.column.type.family == "text"
        return identifier if is_text else q.TypeCast(identifier, Column("", types.VARCHAR))

    @property
    def position(self) -> tuple[q.ColumnRef, q.ColumnRef]:
        """Right ascension and declination of the centre."""
        position = self.collection.table.position
        assert position is not None  # no images without it
        return self.column(position.ra), self.column(position.dec)

    @property
    def footprint(self) -> q.ColumnRef:
        """The outline."""
        column = self.find_column("sky", "footprint")
        assert column is not None  # no images without it
        return column

    @property
    def title(self) -> q.Value:
        """The title of the image."""
        return self.render(self.images.title)

    @property
    def observation(self) -> q.Value:
        """The name of the observation."""
        return self.render(self.images.observation) if self.images.observation else self.name

    @property
    def size(self) -> q.Value:
        """The bytes of the file as it is served; NULL where they are not known."""
        column = None if self.images.restored else self.find_column("file", "size")
        return column or q.Constant(None, Column("", types.BIGINT))

    @property
    def estimate(self) -> q.Value:
        """The approximate bytes of the file: those of the pixels if it is decompressed when it is served."""
        sides = [self.find_column("header", name) for name in ("NAXIS1", "NAXIS2")]
        if not self.images.restored or None in sides:
            return self.size
        wide, high = (q.TypeCast(side, Column("", types.BIGINT)) for side in sides if side is not None)
        return apply_operator("*", apply_operator("*", wide, high), q.Constant(2, Column("", types.BIGINT)))

    def render(self, template: str) -> q.Value:
        """Return a text template with columns in braces as a value."""
        return render_template(template, self.column)

    def band_value(self, value: Callable[[Passband], float], over_all: Callable[[Iterable[float]], float]) -> q.Value:
        """Return a number of the band of the image; of all bands together, where it has all of them."""
        if self.images.band is None:
            return to_constant(over_all(map(value, self.images.bands)))
        band = self.column(self.images.band)
        return _choose_by_text(band, {b.name: to_constant(value(b)) for b in self.images.bands})

    def time_bound(self, factor: float, days: float) -> q.Value | None:
        """Return the middle of the observation plus `factor` times half of its length, as MJD less `days`; None without
        a time."""
        time = self.images.time
        if time is None:
            return None
        shift = CLOCKS["jd"] - factor * time.span / 2 / 86400
        return apply_operator("-", self.column(time.column), to_constant(shift + days))

    def file_url(self, urls: ImageUrls) -> q.Value:
        """Return the URL of its file."""
        return concatenate([to_text(urls.file_prefix(self.collection)), encode_in_sql(self.name)])

    def preview_url(self, urls: ImageUrls, media_type: str) -> q.Value:
        """Return the URL of a preview of it with as many pixels."""
        options = to_text(f"&FORMAT={media_type.partition('/')[2]}")
        return concatenate([to_text(urls.preview_prefix(self.collection)), encode_in_sql(self.name), options])

    def access_overrides(self, urls: ImageUrls, media_type: str) -> dict[str, q.Value | None]:
        """Return the columns of ObsCore that differ if access_url leads to the file, or to a preview."""
        if media_type == DATALINK:
            return {}
        if media_type in PICTURES:
            values: dict[str, q.Value | None] = {
                "access_url": self.preview_url(urls, media_type),
                "access_estsize": None,
            }
        else:
            values = {"access_url": self.file_url(urls)}
        return values | {"access_format": to_text(media_type)}

    def obscore_values(self, urls: ImageUrls) -> dict[str, q.Value | None]:
        """Return its values in ObsCore by the names of the columns; those that are missing are unknown."""
        images = self.images
        ra, dec = self.position
        links = urls.links_prefix() + encode_query_value(urls.identifier_prefix(self.collection))
        did = concatenate([to_text(urls.identifier_prefix(self.collection)), self.name])
        bands = 1 if images.band else len(images.bands)
        return {
            "dataproduct_type": to_text(images.product),
            "calib_level": to_integer_constant(images.calibration),
            "obs_collection": to_text(images.collection),
            "obs_id": self.observation,
            "obs_publisher_did": did,
            "access_url": concatenate([to_text(links), encode_in_sql(self.name)]),
            "access_format": to_text(DATALINK),
            "access_estsize": _to_kilobytes(self.estimate),
            "s_ra": ra,
            "s_dec": dec,
            "s_fov": self.find_column("sky", "fov"),
            "s_region": _to_region(self.footprint),
            "s_resolution": self.column(images.resolution) if images.resolution else None,
            "s_xel1": self.find_column("header", "NAXIS1"),
            "s_xel2": self.find_column("header", "NAXIS2"),
            "t_min": self.time_bound(-1, 0),
            "t_max": self.time_bound(1, 0),
            "t_exptime": to_constant(images.time.exposure) if images.time else None,
            "t_resolution": to_constant(images.time.span) if images.time else None,
            "t_xel": to_integer_constant(1),
            "em_min": self.band_value(lambda b: b.low, min),
            "em_max": self.band_value(lambda b: b.high, max),
            "em_res_power": self.band_value(lambda b: b.reference / (b.high - b.low), min),
            "em_xel": to_integer_constant(bands),
            "o_ucd": to_text(images.observable) if images.observable else None,
            "facility_name": to_text(images.facility),
            "instrument_name": to_text(images.instrument),
            "dataproduct_subtype": to_text(images.subtype) if images.subtype else None,
            "obs_title": self.title,
            "bib_reference": to_text(self.collection.origin.bibcode) if self.collection.origin.bibcode else None,
            "s_pixel_scale": _to_arcsec(self.find_column("header", "CDELT2")),
        }


# ------------------------------------------------------- values


def _choose_by_text(field: q.Value, values: Mapping[str, q.Value]) -> q.Value:
    """Return the value that belongs to a text."""
    branches = tuple((q.Comparison("=", field, to_text(name)), value) for name, value in values.items())
    return q.CaseExpression(branches, None, next(iter(values.values())).column)


def _to_region(polygon: q.ColumnRef) -> q.Value:
    return STC_S.call(polygon)


def _to_kilobytes(size: q.Value) -> q.Value:
    """Return a number of bytes in kB, rounded up."""
    long = Column("", types.BIGINT)
    return apply_operator("/", apply_operator("+", size, q.Constant(999, long)), q.Constant(1000, long))


def _to_arcsec(degrees: q.ColumnRef | None) -> q.Value | None:
    return None if degrees is None else apply_operator("*", degrees, to_constant(3600.0))
