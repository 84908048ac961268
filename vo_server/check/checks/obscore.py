"""ivoa.obscore, where it exists: its columns, their metadata and their values."""

from __future__ import annotations

from collections.abc import Iterator

from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe
from vo_server.check.response import CheckSkipped
from vo_server.check.tables import DeclaredTable, normalise_name

COLUMNS = """
dataproduct_type text - meta.code.class ObsDataset.dataProductType
calib_level int - meta.code;obs.calib ObsDataset.calibLevel
obs_collection text - meta.id DataID.Collection
obs_id text - meta.id DataID.observationID
obs_publisher_did text - meta.ref.ivoid Curation.PublisherDID
access_url text - meta.ref.url Access.Reference
access_format text - meta.code.mime Access.Format
access_estsize int kbyte phys.size;meta.file Access.Size
target_name text - meta.id;src Target.Name
s_ra real deg pos.eq.ra Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1
s_dec real deg pos.eq.dec Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2
s_fov real deg phys.angSize;instr.fov Char.SpatialAxis.Coverage.Bounds.Extent.diameter
s_region region - pos.outline;obs.field Char.SpatialAxis.Coverage.Support.Area
s_resolution real arcsec pos.angResolution Char.SpatialAxis.Resolution.Refval.value
s_xel1 int - meta.number Char.SpatialAxis.numBins1
s_xel2 int - meta.number Char.SpatialAxis.numBins2
t_min real d time.start;obs.exposure Char.TimeAxis.Coverage.Bounds.Limits.StartTime
t_max real d time.end;obs.exposure Char.TimeAxis.Coverage.Bounds.Limits.StopTime
t_exptime real s time.duration;obs.exposure Char.TimeAxis.Coverage.Support.Extent
t_resolution real s time.resolution Char.TimeAxis.Resolution.Refval.value
t_xel int - meta.number Char.TimeAxis.numBins
em_min real m em.wl;stat.min Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit
em_max real m em.wl;stat.max Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit
em_res_power real - spect.resolution Char.SpectralAxis.Resolution.ResolPower.refVal
em_xel int - meta.number Char.SpectralAxis.numBins
o_ucd text - meta.ucd Char.ObservableAxis.ucd
pol_states text - meta.code;phys.polarization Char.PolarizationAxis.stateList
pol_xel int - meta.number Char.PolarizationAxis.numBins
facility_name text - meta.id;instr.tel Provenance.ObsConfig.facility.name
instrument_name text - meta.id;instr Provenance.ObsConfig.instrument.name
"""
"""The mandatory columns (ObsCore 1.1 section 4 with erratum 1): name, type, unit, UCD, utype."""

MANDATORY = tuple(tuple(line.split()) for line in COLUMNS.split("\n") if line)
PRODUCT_TYPES = {
    "text": ("char", "unicodeChar"),
    "int": ("short", "int", "long"),
    "real": ("float", "double"),
    "region": ("char", "unicodeChar", "double", "float"),
}
PRODUCTS = "image cube spectrum sed timeseries visibility event measurements".split()
NEVER_NULL = ("calib_level", "obs_collection", "obs_id", "obs_publisher_did")


def find_obscore(probe: Probe) -> DeclaredTable:
    """Return the declared table ivoa.obscore.

    Raises CheckSkipped where it does not exist or has no rows.
    """
    for table in probe.queryable_tables:
        if normalise_name(table.name) == "ivoa.obscore":
            return table
    raise CheckSkipped("the table ivoa.obscore does not exist")


def check_columns(probe: Probe) -> Iterator[Problem]:
    """Require that mandatory columns exist."""
    table = find_obscore(probe)
    for name, *_ in MANDATORY:
        if table.find_column(name) is None:
            yield f"{table.name}.{name}", "the column is missing"


def check_column_metadata(probe: Probe) -> Iterator[Problem]:
    """Require that columns have their types, units, UCDs and utypes."""
    table = find_obscore(probe)
    for name, kind, unit, ucd, utype in MANDATORY:
        column = table.find_column(name)
        if column is None:
            continue
        where = f"{table.name}.{name}"
        if column.datatype not in PRODUCT_TYPES[kind]:
            yield where, f"expected datatype {PRODUCT_TYPES[kind][-1]!r}, got {column.datatype!r}"
        if column.unit != (expected := unit.replace("-", "")):
            yield where, f"expected unit {expected!r}, got {column.unit!r}"
        if column.ucd.lower() != ucd.lower():
            yield where, f"expected UCD {ucd!r}, got {column.ucd!r}"
        if column.utype.lower().removeprefix("obscore:") != utype.lower():
            yield where, f"expected utype 'obscore:{utype}', got {column.utype!r}"


def check_values(probe: Probe) -> Iterator[Problem]:
    """Require that values are within their bounds."""
    name = find_obscore(probe).name
    products = ", ".join(f"'{word}'" for word in PRODUCTS)
    conditions = {
        **{f"{column} is null": f"{column} IS NULL" for column in NEVER_NULL},
        "calib_level is not 0 to 4": "calib_level < 0 OR calib_level > 4",
        "dataproduct_type is not in the vocabulary": f"dataproduct_type NOT IN ({products})",
        "s_ra or s_dec is out of bounds": "s_ra < 0 OR s_ra > 360 OR s_dec < -90 OR s_dec > 90",
        "t_min is after t_max": "t_min > t_max",
        "em_min is above em_max": "em_min > em_max",
    }
    for what, condition in conditions.items():
        rows = probe.query_table(f"SELECT TOP 1 obs_id FROM {name} WHERE {condition}").rows
        if rows:
            yield f"{name}, obs_id {rows[0][0]}", what


def check_access_urls(probe: Probe) -> Iterator[Problem]:
    """Request the first data set of each collection and compare its type with access_format."""
    name = find_obscore(probe).name
    for (collection,) in probe.query_table(f"SELECT DISTINCT obs_collection FROM {name}").rows[:20]:
        quoted = str(collection).replace("'", "''")
        query = f"SELECT TOP 1 access_url, access_format FROM {name} WHERE obs_collection = '{quoted}'"
        for url, format in probe.query_table(query).rows:
            if not url or not probe.is_own_url(url):
                continue
            response = probe.get(url)
            if response.status != 200:
                yield url, f"the access_url of {collection} gives status {response.status}: {response.summary}"
            elif (
                response.content_type.replace(" ", "").lower() != str(format).lower()
                and response.media_type != str(format).lower()
            ):
                yield url, f"access_format is {format}, but Content-Type is {response.content_type}"


def check_identifiers(probe: Probe) -> Iterator[Problem]:
    """Require that data set identifiers are unique."""
    name = find_obscore(probe).name
    (total,) = probe.query_table(f"SELECT COUNT(*) AS n FROM {name}").rows[0]
    if total > 1_000_000:
        raise CheckSkipped(f"{total:,} identifiers are too many to compare")
    (distinct,) = probe.query_table(f"SELECT COUNT(DISTINCT obs_publisher_did) AS n FROM {name}").rows[0]
    if distinct != total:
        yield name, f"{total:,} rows have only {distinct:,} distinct values of obs_publisher_did"
    for (did,) in probe.query_table(f"SELECT TOP 1 obs_publisher_did FROM {name}").rows:
        if not str(did).startswith("ivo://"):
            yield name, f"obs_publisher_did {did} is not an IVOA identifier"


_OBS = "ObsCore 1.1 section 4"
CHECKS = (
    Check("OBS-COLUMN-1", "error", "mandatory columns exist", _OBS, check_columns),
    Check("OBS-COLUMN-2", "error", "columns have their types, units, UCDs and utypes", _OBS, check_column_metadata),
    Check("OBS-VALUE-1", "error", "values are within their bounds", _OBS, check_values),
    Check("OBS-ID-1", "error", "data set identifiers are unique", "ObsCore 1.1 section 3.3", check_identifiers),
    Check("OBS-ACCESS-1", "error", "data sets exist at access_url", "ObsCore 1.1 section 3.3", check_access_urls),
)
