"""What a FIELD of any VOTable says, as one of our columns (VOTable 1.4 sections 4.1 and 6, DALI 1.1 section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

from vo_server.errors import UsageError
from vo_server.model import types
from vo_server.model.column import Column

SCALARS = {
    "boolean": types.BOOLEAN,
    "bit": types.BOOLEAN,
    "unsignedByte": types.BYTE,
    "short": types.SMALLINT,
    "int": types.INTEGER,
    "long": types.BIGINT,
    "float": types.REAL,
    "double": types.DOUBLE,
}

ARRAYS = {t.votable: t for t in types.ARRAYS} | {"bit": types.ARRAYS[0], "unsignedByte": types.BLOB}

SHAPES = {("double", t.xtype): t for t in (types.POINT, types.CIRCLE, types.POLYGON)}

COMPLEX = "send their real and imaginary parts as two columns"
"""What is proposed where numbers are complex."""

MOST_FIELDS = 5_000
"""Columns that a table may have."""

TIMES = ("timestamp", "adql:timestamp")
"""xtypes, in lower case, of texts that are times."""


@dataclass(frozen=True, slots=True)
class Field:
    """The attributes of a FIELD; `null` is what its VALUES say stands for a missing one."""

    name: str
    datatype: str
    arraysize: str | None = None
    xtype: str | None = None
    unit: str | None = None
    ucd: str | None = None
    utype: str | None = None
    description: str | None = None
    null: str | None = None

    @property
    def sides(self) -> list[str]:
        """The sizes of its dimensions; none for a scalar. Old documents write arraysize="1" for one (1.4 erratum)."""
        size = (self.arraysize or "").strip()
        return [] if size in ("", "1") else size.split("x")

    @property
    def is_time(self) -> bool:
        """May its texts be times?"""
        return self.datatype == "char" and (self.xtype or "").lower() in TIMES

    @property
    def column(self) -> Column:
        """The column that keeps its values.

        Raises UsageError for a datatype that no column can have.
        """
        if self.datatype in ("char", "unicodeChar"):
            return self._text()
        known = SCALARS if not self.sides else ARRAYS
        kind = SHAPES.get((self.datatype, self.xtype)) or known.get(self.datatype)
        if self.datatype in ("floatComplex", "doubleComplex"):
            raise UsageError(f"the column {self.name} holds complex numbers, which are not taken here", hint=COMPLEX)
        if kind is None:
            raise UsageError(f"the column {self.name} is of the datatype {self.datatype!r}, which is not taken here")
        shape = self.arraysize if self.sides and self.arraysize != kind.arraysize else None
        return self._made(Column(self.name, kind, shape=shape))

    def _text(self) -> Column:
        kind = types.UNICODE if self.datatype == "unicodeChar" else types.VARCHAR
        kind = types.CLOB if (self.xtype or "") == types.CLOB.xtype and kind is types.VARCHAR else kind
        kind = types.of_xtype(kind, self.xtype)
        match (self.arraysize or "1").strip():
            case size if size.isdigit() and kind.geometric:
                return self._made(Column(self.name, kind, int(size), shape=size))
            case size if size.isdigit():
                fixed = types.CHAR if kind is types.VARCHAR else kind
                return self._made(Column(self.name, fixed, int(size)))
            case size if size.removesuffix("*").isdigit():
                return self._made(Column(self.name, kind, int(size.removesuffix("*"))))
            case "*":
                return self._made(Column(self.name, kind))
            case size:
                return self._made(Column(self.name, kind, shape=size))

    def _made(self, column: Column) -> Column:
        label = self.xtype if self.xtype != column.type.xtype else None
        said = {"unit": self.unit, "ucd": self.ucd, "utype": self.utype, "description": self.description}
        return column.replace(label=label, **said)
