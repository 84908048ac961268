"""The type table: what each ADQL type is called in VOTable, Arrow, SQL and FITS.

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

    `arraysize` is None for a scalar and for the text types, whose size is that of their column.
    `rank` orders the numbers by width, so that the wider of two is the type of their sum.
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
    def numeric(self) -> bool:
        """Can be added, compared by size and averaged."""
        return self.family in ("integer", "real")

    @property
    def geometric(self) -> bool:
        """Is it a place or a part of the sky? Regions and MOCs are, though their values are texts."""
        return self.family == "geometry" or self in (REGION, MOC)

    @override
    def __str__(self) -> str:
        return self.name


class Floats(sa.types.TypeDecorator[Any]):
    """A list of numbers: how arrays and, as doubles, geometries travel through SQL and Arrow (DALI 1.1 section 3.3)."""

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
POINT = Type("POINT", "geometry", "double", _DOUBLES, Floats(), "D", arraysize="2", xtype="point")
CIRCLE = Type("CIRCLE", "geometry", "double", _DOUBLES, Floats(), "D", arraysize="3", xtype="circle")
POLYGON = Type("POLYGON", "geometry", "double", _DOUBLES, Floats(), "D", arraysize="*", xtype="polygon")

ARRAYS = tuple(
    Type(f"{of.name} ARRAY", "array", of.votable, pa.list_(of.arrow), Floats(), of.fits, arraysize="*")
    for of in (BOOLEAN, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE)
)
"""Arrays, which uploads have; one of unsigned bytes is a BLOB. The language only passes them on."""

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

_BY_NAME = {t.name: t for t in TYPES}


def named(name: str) -> Type:
    """The type of this ADQL name.

    Raises KeyError for a name that is not in the table.
    """
    return _BY_NAME[name.upper()]


_OF_XTYPE = dict.fromkeys(("adql:region", "region", "shape", "multishape"), REGION) | {"moc": MOC}
"""Which texts are parts of the sky: STC-S as in ObsCore, DALI 1.2, ASCII MOC."""


def of_xtype(type: Type, xtype: str | None) -> Type:
    """The type of a text that its xtype says more of; any other as it is."""
    return _OF_XTYPE.get((xtype or "").lower(), type) if type is VARCHAR else type


def wider(a: Type, b: Type) -> Type:
    """The type that holds the values of both numbers (ADQL 2.1 section 3.1)."""
    return a if a.rank >= b.rank else b
