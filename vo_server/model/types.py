"""The type table: the name of each ADQL type in VOTable, Arrow, SQL and FITS.

ADQL 2.1 section 3 (types and their VOTable forms), DALI 1.1 section 3.3 (xtypes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import sqlalchemy as sa
from typing_extensions import override

Family = Literal["boolean", "integer", "real", "text", "time", "geometry", "binary", "array"]


@dataclass(frozen=True, slots=True)
class Type:
    """One row of the table.

    `arraysize` is None for a scalar and for the text types, whose columns have a length.
    `rank` orders the numeric types by width: the wider of two is the type of their sum.
    """

    name: str
    family: Family
    votable: str
    arrow: pa.DataType
    sql: sa.types.TypeEngine[Any]
    fits: str
    arraysize: str | None = None
    xtype: str | None = None
    rank: int = 0

    @property
    def is_numeric(self) -> bool:
        """Tell whether values can be added, ordered as numbers and averaged."""
        return self.family in ("integer", "real")

    @property
    def is_geometric(self) -> bool:
        """Tell whether values are positions or regions, as are REGION and MOC, whose values are texts."""
        return self.family == "geometry" or self in (REGION, MOC)

    @override
    def __str__(self) -> str:
        return self.name


class NumberList(sa.types.TypeDecorator[Any]):
    """A list of numbers: the form of arrays and (as doubles) geometries in SQL and Arrow (DALI 1.1 section 3.3)."""

    impl = sa.types.NullType
    cache_ok = True


_DOUBLES = pa.list_(pa.float64())

BOOLEAN = Type("BOOLEAN", "boolean", "boolean", pa.bool_(), sa.Boolean(), "L")
BYTE = Type("UNSIGNED BYTE", "integer", "unsignedByte", pa.uint8(), sa.SmallInteger(), "B", rank=1)
SMALLINT = Type("SMALLINT", "integer", "short", pa.int16(), sa.SmallInteger(), "I", rank=2)
INTEGER = Type("INTEGER", "integer", "int", pa.int32(), sa.Integer(), "J", rank=3)
BIGINT = Type("BIGINT", "integer", "long", pa.int64(), sa.BigInteger(), "K", rank=4)
REAL = Type("REAL", "real", "float", pa.float32(), sa.REAL(), "E", rank=5)
DOUBLE = Type("DOUBLE PRECISION", "real", "double", pa.float64(), sa.Double(), "D", rank=6)
CHAR = Type("CHAR", "text", "char", pa.string(), sa.String(), "A")
VARCHAR = Type("VARCHAR", "text", "char", pa.string(), sa.String(), "A")
UNICODE = Type("UNICODE", "text", "unicodeChar", pa.string(), sa.String(), "A")
CLOB = Type("CLOB", "text", "char", pa.string(), sa.String(), "A", xtype="adql:CLOB")
REGION = Type("REGION", "text", "char", pa.string(), sa.String(), "A", xtype="adql:REGION")
MOC = Type("MOC", "text", "char", pa.string(), sa.String(), "A", xtype="moc")
DATE = Type("DATE", "time", "char", pa.date32(), sa.Date(), "A", arraysize="10", xtype="timestamp")
TIMESTAMP = Type("TIMESTAMP", "time", "char", pa.timestamp("us"), sa.DateTime(), "A", arraysize="*", xtype="timestamp")
BLOB = Type("BLOB", "binary", "unsignedByte", pa.binary(), sa.LargeBinary(), "B", arraysize="*")
POINT = Type("POINT", "geometry", "double", _DOUBLES, NumberList(), "D", arraysize="2", xtype="point")
CIRCLE = Type("CIRCLE", "geometry", "double", _DOUBLES, NumberList(), "D", arraysize="3", xtype="circle")
POLYGON = Type("POLYGON", "geometry", "double", _DOUBLES, NumberList(), "D", arraysize="*", xtype="polygon")

ARRAYS = tuple(
    Type(f"{of.name} ARRAY", "array", of.votable, pa.list_(of.arrow), NumberList(), of.fits, arraysize="*")
    for of in (BOOLEAN, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE)
)
"""Types of arrays, for uploads; an array of unsigned bytes is a BLOB. ADQL only passes them through."""

TYPES = (
    BOOLEAN,
    BYTE,
    SMALLINT,
    INTEGER,
    BIGINT,
    REAL,
    DOUBLE,
    CHAR,
    VARCHAR,
    UNICODE,
    CLOB,
    REGION,
    MOC,
    DATE,
    TIMESTAMP,
    BLOB,
    POINT,
    CIRCLE,
    POLYGON,
    *ARRAYS,
)  # fmt: skip

_TYPES_BY_NAME = {t.name: t for t in TYPES}


def find_type(name: str) -> Type:
    """Return the type with an ADQL name, in any case.

    Raises KeyError for a name that is not in the table.
    """
    return _TYPES_BY_NAME[name.upper()]


_TYPES_BY_XTYPE = dict.fromkeys(("adql:region", "region", "shape", "multishape"), REGION) | {"moc": MOC}
"""Types of texts that describe regions, by xtype: STC-S as in ObsCore, DALI 1.2, ASCII MOC."""


def refine_by_xtype(type: Type, xtype: str | None) -> Type:
    """Return REGION or MOC for a VARCHAR with such an xtype, and any other type unchanged."""
    return _TYPES_BY_XTYPE.get((xtype or "").lower(), type) if type is VARCHAR else type


def pick_wider(a: Type, b: Type) -> Type:
    """Return the wider of two numeric types, which holds the values of both (ADQL 2.1 section 3.1)."""
    return a if a.rank >= b.rank else b
