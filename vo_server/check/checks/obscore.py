"""ivoa.obscore, where it is: its columns, what they mean, and what is in them."""

from __future__ import annotations

from collections.abc import Iterator

from vo_server.check.finding import Check, Said
from vo_server.check.probe import Probe
from vo_server.check.response import Skipped
from vo_server.check.tables import Said as TableSaid
from vo_server.check.tables import bare

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
"""The columns that must be there (ObsCore 1.1 section 4 with erratum 1): name, type, unit, UCD, utype."""

MANDATORY = tuple(tuple(line.split()) for line in COLUMNS.split("\n") if line)
KINDS = {
    "text": ("char", "unicodeChar"),
    "int": ("short", "int", "long"),
    "real": ("float", "double"),
    "region": ("char", "unicodeChar", "double", "float"),
}
PRODUCTS = "image cube spectrum sed timeseries visibility event measurements".split()
NEVER_NULL = ("calib_level", "obs_collection", "obs_id", "obs_publisher_did")


def obscore(probe: Probe) -> TableSaid:
    """The table.

    Raises Skipped where it is not, or not filled.
    """
    for table in probe.filled:
        if bare(table.name) == "ivoa.obscore":
            return table
    raise Skipped("there is no ivoa.obscore")


def columns(probe: Probe) -> Iterator[Said]:
    table = obscore(probe)
    for name, *_ in MANDATORY:
        if table.column(name) is None:
            yield f"{table.name}.{name}", "the column is missing"


def meaning(probe: Probe) -> Iterator[Said]:
    table = obscore(probe)
    for name, kind, unit, ucd, utype in MANDATORY:
        column = table.column(name)
        if column is None:
            continue
        where = f"{table.name}.{name}"
        if column.datatype not in KINDS[kind]:
            yield where, f"its datatype is {column.datatype}, not {KINDS[kind][-1]}"
        if column.unit != unit.replace("-", ""):
            yield where, f"its unit is {column.unit or 'none'}, not {unit}"
        if column.ucd.lower() != ucd.lower():
            yield where, f"its UCD is {column.ucd or 'none'}, not {ucd}"
        if column.utype.lower().removeprefix("obscore:") != utype.lower():
            yield where, f"its utype is {column.utype or 'none'}, not obscore:{utype}"


def values(probe: Probe) -> Iterator[Said]:
    name = obscore(probe).name
    products = ", ".join(f"'{word}'" for word in PRODUCTS)
    wrong = {
        **{f"{column} is null": f"{column} IS NULL" for column in NEVER_NULL},
        "calib_level is not 0 to 4": "calib_level < 0 OR calib_level > 4",
        "dataproduct_type is none of the words": f"dataproduct_type NOT IN ({products})",
        "s_ra or s_dec is not on the sky": "s_ra < 0 OR s_ra > 360 OR s_dec < -90 OR s_dec > 90",
        "t_min is after t_max": "t_min > t_max",
        "em_min is above em_max": "em_min > em_max",
    }
    for what, condition in wrong.items():
        found = probe.rows(f"SELECT TOP 1 obs_id FROM {name} WHERE {condition}").rows
        if found:
            yield f"{name}, obs_id {found[0][0]}", what


def access(probe: Probe) -> Iterator[Said]:
    """The data set of each collection that comes first is where access_url says, as access_format says."""
    name = obscore(probe).name
    for (collection,) in probe.rows(f"SELECT DISTINCT obs_collection FROM {name}").rows[:20]:
        quoted = str(collection).replace("'", "''")
        query = f"SELECT TOP 1 access_url, access_format FROM {name} WHERE obs_collection = '{quoted}'"
        for url, format in probe.rows(query).rows:
            if not url or not probe.own(url):
                continue
            answer = probe.get(url)
            if answer.status != 200:
                yield url, f"the access_url of {collection} gives status {answer.status}: {answer.gist}"
            elif answer.type.replace(" ", "").lower() != str(format).lower() and answer.essence != str(format).lower():
                yield url, f"its Content-Type is {answer.type}, where access_format is {format}"


def identifiers(probe: Probe) -> Iterator[Said]:
    name = obscore(probe).name
    (total,) = probe.rows(f"SELECT COUNT(*) AS n FROM {name}").rows[0]
    if total > 1_000_000:
        raise Skipped(f"{total:,} identifiers are too many to compare")
    (different,) = probe.rows(f"SELECT COUNT(DISTINCT obs_publisher_did) AS n FROM {name}").rows[0]
    if different != total:
        yield name, f"{total:,} rows have {different:,} different obs_publisher_did"
    for (did,) in probe.rows(f"SELECT TOP 1 obs_publisher_did FROM {name}").rows:
        if not str(did).startswith("ivo://"):
            yield name, f"obs_publisher_did {did} is no IVOA identifier"


_OBS = "ObsCore 1.1 section 4"
CHECKS = (
    Check("OBS-COLUMN-1", "error", "the columns that must be there are", _OBS, columns),
    Check("OBS-COLUMN-2", "error", "they have their types, units, UCDs and utypes", _OBS, meaning),
    Check("OBS-VALUE-1", "error", "values are within what they may be", _OBS, values),
    Check("OBS-ID-1", "error", "identifiers of data sets are their own", "ObsCore 1.1 section 3.3", identifiers),
    Check("OBS-ACCESS-1", "error", "data sets are where access_url says", "ObsCore 1.1 section 3.3", access),
)
