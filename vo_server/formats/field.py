"""FIELDs of VOTables and the columns that they declare (VOTable 1.4 sections 4.1 and 6, DALI 1.1 section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

from vo_server.errors import Code, UsageError
from vo_server.model import types
from vo_server.model.column import Column

SCALAR_TYPES = {
    "boolean": types.BOOLEAN,
    "bit": types.BOOLEAN,
    "unsignedByte": types.BYTE,
    "short": types.SMALLINT,
    "int": types.INTEGER,
    "long": types.BIGINT,
    "float": types.REAL,
    "double": types.DOUBLE,
}

ARRAY_TYPES = {t.votable: t for t in types.ARRAYS} | {"bit": types.ARRAYS[0], "unsignedByte": types.BLOB}

DTYPES = {
    "boolean": "u1",
    "unsignedByte": "u1",
    "short": ">i2",
    "int": ">i4",
    "long": ">i8",
    "float": ">f4",
    "double": ">f8",
}
"""NumPy types of VOTable's datatypes, big-endian as in BINARY, BINARY2 and FITS."""

SHAPE_TYPES = {("double", t.xtype): t for t in (types.POINT, types.CIRCLE, types.POLYGON)}

COMPLEX_HINT = "send their real and imaginary parts as two columns"
"""The hint where a column holds complex numbers."""

MAX_FIELDS = 5_000
"""Columns that an upload may have."""

TIME_XTYPES = ("timestamp", "adql:timestamp")
"""xtypes, in lower case, of texts that hold times."""


@dataclass(frozen=True, slots=True)
class Field:
    """The attributes of a FIELD; `null` is the value that its VALUES declare for missing ones."""

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
    def dimensions(self) -> list[str]:
        """The sizes of the dimensions as written; none for a scalar, which old documents give arraysize="1"."""
        size = (self.arraysize or "").strip()
        return [] if size in ("", "1") else size.split("x")

    @property
    def is_time(self) -> bool:
        """Whether the texts may be times."""
        return self.datatype == "char" and (self.xtype or "").lower() in TIME_XTYPES

    @property
    def column(self) -> Column:
        """The column that holds the values.

        Raises UsageError (UPLOAD.UNSUPPORTED_TYPE) for a datatype that no column can have.
        """
        if self.datatype in ("char", "unicodeChar"):
            return self._text_column()
        known = SCALAR_TYPES if not self.dimensions else ARRAY_TYPES
        kind = SHAPE_TYPES.get((self.datatype, self.xtype)) or known.get(self.datatype)
        if self.datatype in ("floatComplex", "doubleComplex"):
            raise unsupported_type(f"column {self.name} holds complex numbers, which are not supported", COMPLEX_HINT)
        if kind is None:
            raise unsupported_type(f"column {self.name} has the datatype {self.datatype!r}, which is not supported")
        arraysize = self.arraysize if self.dimensions and self.arraysize != kind.arraysize else None
        return self._with_metadata(Column(self.name, kind, arraysize_override=arraysize))

    def _text_column(self) -> Column:
        kind = types.UNICODE if self.datatype == "unicodeChar" else types.VARCHAR
        kind = types.CLOB if (self.xtype or "") == types.CLOB.xtype and kind is types.VARCHAR else kind
        kind = types.refine_by_xtype(kind, self.xtype)
        match (self.arraysize or "1").strip():
            case size if size.isdigit() and kind.is_geometric:
                return self._with_metadata(Column(self.name, kind, int(size), arraysize_override=size))
            case size if size.isdigit():
                fixed = types.CHAR if kind is types.VARCHAR else kind
                return self._with_metadata(Column(self.name, fixed, int(size)))
            case size if size.removesuffix("*").isdigit():
                return self._with_metadata(Column(self.name, kind, int(size.removesuffix("*"))))
            case "*":
                return self._with_metadata(Column(self.name, kind))
            case size:
                return self._with_metadata(Column(self.name, kind, arraysize_override=size))

    def _with_metadata(self, column: Column) -> Column:
        xtype = self.xtype if self.xtype != column.type.xtype else None
        metadata = {"unit": self.unit, "ucd": self.ucd, "utype": self.utype, "description": self.description}
        return column.replace(xtype_override=xtype, **metadata)


def unsupported_type(message: str, hint: str | None = None) -> UsageError:
    """Return the error for a column of an upload whose type is not supported."""
    return UsageError(message, hint=hint, code=Code.UPLOAD_UNSUPPORTED_TYPE)


def malformed_upload(message: str, hint: str | None = None) -> UsageError:
    """Return the error for an upload that is damaged or contradicts itself."""
    return UsageError(message, hint=hint, code=Code.UPLOAD_MALFORMED)


def too_many_columns(count: int) -> UsageError:
    """Return the error for an upload of more than MAX_FIELDS columns."""
    message = f"the upload has at least {count:,} columns, more than the limit of {MAX_FIELDS:,}"
    return UsageError(message, code=Code.UPLOAD_TOO_LARGE)
