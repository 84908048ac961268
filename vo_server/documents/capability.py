"""Capabilities of services: VOResource 1.2 section 2.2.2, and their kinds in TAPRegExt 1.0 and SimpleDALRegExt 1.1.

A kind of capability is a record with its `xsi_type` and a method that writes its own children.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from typing_extensions import override

from vo_server.documents.elements import Element, add, add_known

UPLOAD_INLINE = "ivo://ivoa.net/std/TAPRegExt#upload-inline"
UPLOAD_HTTP = "ivo://ivoa.net/std/TAPRegExt#upload-http"
UPLOAD_HTTPS = "ivo://ivoa.net/std/TAPRegExt#upload-https"

FEATURE_IDS = {
    "udf": "ivo://ivoa.net/std/TAPRegExt#features-udf",
    "adqlgeo": "ivo://ivoa.net/std/TAPRegExt#features-adqlgeo",
    "string": "ivo://ivoa.net/std/tapregext#features-adql-string",
    "common-table": "ivo://ivoa.net/std/tapregext#features-adql-common-table",
    "sets": "ivo://ivoa.net/std/tapregext#features-adql-sets",
    "type": "ivo://ivoa.net/std/tapregext#features-adql-type",
    "conditional": "ivo://ivoa.net/std/tapregext#features-adql-conditional",
    "unit": "ivo://ivoa.net/std/tapregext#features-adql-unit",
    "offset": "ivo://ivoa.net/std/tapregext#features-adql-offset",
}
"""Kinds of optional features of ADQL 2.1 (section 4). The first two in the spelling of TAPRegExt 1.0, the only one that
clients know and compare with regard to case; the others as ADQL 2.1 writes them."""

ADQL_VERSIONS = (("2.0", "ivo://ivoa.net/std/ADQL#v2.0"), ("2.1", "ivo://ivoa.net/std/ADQL#v2.1"))


@dataclass(frozen=True, slots=True)
class Param:
    """An input parameter of an interface (VODataService 1.2 section 3.5.2)."""

    name: str
    datatype: str = "string"
    description: str | None = None
    unit: str | None = None
    ucd: str | None = None
    use: Literal["required", "optional", "ignored"] = "optional"
    std: bool = True


@dataclass(frozen=True, slots=True)
class Interface:
    """The URL of a capability and how it is called. `use` is whether the URL is complete or must be extended."""

    access_url: str
    use: Literal["full", "base", "dir"] = "full"
    type: str = "vs:ParamHTTP"
    role: str | None = None
    version: str | None = None
    query_types: tuple[Literal["GET", "POST"], ...] = ()
    result_type: str | None = None
    params: tuple[Param, ...] = ()
    test_query: str | None = None


class Details(Protocol):
    """The properties of a kind of capability, which follow its interfaces."""

    xsi_type: ClassVar[str]

    def write(self, capability: Element) -> None:
        """Write the children, in the order of the schema."""


@dataclass(frozen=True, slots=True)
class Capability:
    """A capability of a service, by the id of its standard."""

    standard_id: str | None
    interfaces: tuple[Interface, ...]
    details: Details | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Feature:
    """An optional feature of a language: a signature for a UDF, a name for the rest."""

    form: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Language:
    """A query language: versions as (number, id), features by the URI of their kind."""

    name: str
    versions: tuple[tuple[str, str | None], ...]
    description: str | None = None
    features: tuple[tuple[str, tuple[Feature, ...]], ...] = ()


def describe_adql(features: Mapping[str, Sequence[Feature]]) -> Language:
    """Return ADQL with the features of each kind, under the short names of FEATURE_IDS."""
    feature_lists = tuple((FEATURE_IDS[kind], tuple(entries)) for kind, entries in features.items() if entries)
    return Language("ADQL", ADQL_VERSIONS, "The Astronomical Data Query Language", feature_lists)


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """A format of results, with the names that RESPONSEFORMAT accepts for it."""

    mime: str
    aliases: tuple[str, ...] = ()
    ivo_id: str | None = None


@dataclass(frozen=True, slots=True)
class LimitPair:
    """The default of a limit, and its maximum."""

    default: int | None = None
    hard: int | None = None


@dataclass(frozen=True, slots=True)
class TableAccess(Details):
    """TAP (TAPRegExt 1.0 section 2): `models` are (label, id); times in seconds, output in rows, uploads in bytes."""

    xsi_type: ClassVar[str] = "tr:TableAccess"

    languages: tuple[Language, ...]
    formats: tuple[OutputFormat, ...]
    models: tuple[tuple[str, str], ...] = ()
    upload_methods: tuple[str, ...] = ()
    retention: LimitPair | None = None
    duration: LimitPair | None = None
    output_limit: LimitPair | None = None
    upload_limit: LimitPair | None = None

    @override
    def write(self, capability: Element) -> None:
        for label, id in self.models:
            add(capability, "dataModel", label, ivo_id=id)
        for language in self.languages:
            _write_language(capability, language)
        for format in self.formats:
            entry = add(capability, "outputFormat", ivo_id=format.ivo_id)
            add(entry, "mime", format.mime)
            for alias in format.aliases:
                add(entry, "alias", alias)
        for method in self.upload_methods:
            add(capability, "uploadMethod", ivo_id=method)
        _write_limits(capability, "retentionPeriod", self.retention)
        _write_limits(capability, "executionDuration", self.duration)
        _write_limits(capability, "outputLimit", self.output_limit, unit="row")
        _write_limits(capability, "uploadLimit", self.upload_limit, unit="byte")


@dataclass(frozen=True, slots=True)
class SampleCone:
    """A cone that finds rows, in degrees."""

    ra: float
    dec: float
    sr: float
    verb: int | None = None
    catalog: str | None = None
    extras: str | None = None


@dataclass(frozen=True, slots=True)
class ConeSearch(Details):
    """Cone search (SimpleDALRegExt 1.1 section 3.1); a maximum radius of 180 degrees is no limit and is not written."""

    xsi_type: ClassVar[str] = "cs:ConeSearch"

    verbosity: bool
    max_sr: float | None = None
    max_records: int | None = None
    test: SampleCone | None = None

    @override
    def write(self, capability: Element) -> None:
        bounded = self.max_sr is not None and self.max_sr < 180
        add_known(
            capability,
            maxSR=self.max_sr if bounded else None,
            maxRecords=self.max_records,
            verbosity=self.verbosity,
        )
        if (test := self.test) is not None:
            entry = add(capability, "testQuery")
            add_known(entry, ra=test.ra, dec=test.dec, sr=test.sr)
            add_known(entry, verb=test.verb, catalog=test.catalog, extras=test.extras)


@dataclass(frozen=True, slots=True)
class ImageAccess(Details):
    """SIA 1.0 (SimpleDALRegExt 1.1 section 3.2): the largest region in degrees, and the centre of one that finds
    images; of cutouts, the maximum degrees and pixels of a side."""

    xsi_type: ClassVar[str] = "sia:SimpleImageAccess"

    service_type: Literal["Atlas", "Cutout", "Mosaic", "Pointed"]
    max_region: tuple[float, float]
    max_records: int | None = None
    test: tuple[float, float] | None = None
    max_extent: tuple[float, float] | None = None
    max_size: int | None = None

    @override
    def write(self, capability: Element) -> None:
        add(capability, "imageServiceType", self.service_type)
        _write_pair(capability, "maxQueryRegionSize", self.max_region)
        if self.max_extent is not None:
            _write_pair(capability, "maxImageExtent", self.max_extent)
        add_known(capability, maxImageSize=self.max_size, maxRecords=self.max_records)
        if self.test is not None:
            entry = add(capability, "testQuery")
            _write_pair(entry, "pos", self.test)
            _write_pair(entry, "size", (0.1, 0.1))


def _write_pair(parent: Element, name: str, pair: tuple[float, float]) -> None:
    entry = add(parent, name)
    add(entry, "long", pair[0])
    add(entry, "lat", pair[1])


def add_capability(parent: Element, capability: Capability) -> None:
    """Add a capability as a child: of VOSI's list or of a registry record."""
    kind = None if capability.details is None else capability.details.xsi_type
    entry = add(parent, "capability", type=kind, standardID=capability.standard_id)
    add_known(entry, description=capability.description)
    for interface in capability.interfaces:
        _write_interface(entry, interface)
    if capability.details is not None:
        capability.details.write(entry)


def _write_interface(capability: Element, interface: Interface) -> None:
    entry = add(capability, "interface", type=interface.type, role=interface.role, version=interface.version)
    add(entry, "accessURL", interface.access_url, use=interface.use)
    for method in interface.query_types:
        add(entry, "queryType", method)
    add_known(entry, resultType=interface.result_type)
    for param in interface.params:
        item = add(entry, "param", use=param.use, std=param.std)
        add_known(item, name=param.name, description=param.description, unit=param.unit, ucd=param.ucd)
        add(item, "dataType", param.datatype)
    add_known(entry, testQuery=interface.test_query)


def _write_language(capability: Element, language: Language) -> None:
    entry = add(capability, "language")
    add(entry, "name", language.name)
    for number, id in language.versions:
        add(entry, "version", number, ivo_id=id)
    add_known(entry, description=language.description)
    for kind, features in language.features:
        group = add(entry, "languageFeatures")
        group.set("type", kind)
        for feature in features:
            add_known(add(group, "feature"), form=feature.form, description=feature.description)


def _write_limits(capability: Element, name: str, limits: LimitPair | None, unit: str | None = None) -> None:
    if limits is None:
        return
    entry = add(capability, name)
    for which, number in (("default", limits.default), ("hard", limits.hard)):
        if number is not None:
            add(entry, which, number, unit=unit)
