"""The metadata of published tables: columns, tables and foreign keys.

The attributes are those of VODataService 1.2 section 3.3 and TAP 1.1 section 4.3 and have their standard names.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Literal, Self

from typing_extensions import override

from vo_server.model.types import CHAR, Type


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a published table or of a result.

    `length` is the number of characters of a text (the maximum, for VARCHAR), None without a limit.
    `arraysize_override` and `xtype_override` replace the arraysize and the xtype of the type, as for uploads that
    declare "2x3" or "moc". `nullable` tells whether a value may be missing. `indexed`, `principal` and `std` are the
    flags of TAP_SCHEMA.
    """

    name: str
    type: Type
    length: int | None = None
    unit: str | None = None
    ucd: str | None = None
    utype: str | None = None
    description: str | None = None
    nullable: bool = True
    indexed: bool = False
    principal: bool = False
    std: bool = False
    arraysize_override: str | None = None
    xtype_override: str | None = None

    @override
    def __hash__(self) -> int:
        """Return a cheap hash, as queries of many columns are keys of the statement cache; equality compares all."""
        return hash((self.name, self.unit))

    @property
    def datatype(self) -> str:
        """Return the VOTable datatype."""
        return self.type.votable

    @property
    def arraysize(self) -> str | None:
        """Return the VOTable arraysize, None for a scalar; a single character is a scalar (VOTable 1.4 section 4.1)."""
        if self.arraysize_override is not None or self.type.family != "text":
            return self.arraysize_override or self.type.arraysize
        if self.type is CHAR and self.length == 1:
            return None
        if self.length is None:
            return "*"
        return str(self.length) if self.type is CHAR else f"{self.length}*"

    @property
    def adql_type(self) -> str:
        """Return the ADQL name of the type with the length of a text or the size of an array."""
        size = self.length if self.type.family == "text" else self.arraysize_override
        return f"{self.type.name}({size})" if size else self.type.name

    @property
    def xtype(self) -> str | None:
        """Return the DALI xtype."""
        return self.xtype_override or self.type.xtype

    @property
    def element_count(self) -> int | None:
        """Return the number of elements of an array over all dimensions; None for a scalar or a variable size."""
        sides = (self.arraysize or "").split("x")
        return prod(map(int, sides)) if all(s.isdigit() for s in sides) else None

    @property
    def size(self) -> int | None:
        """Return the deprecated "size" of TAP_SCHEMA: the number in a one-dimensional arraysize."""
        digits = (self.arraysize or "").rstrip("*")
        return int(digits) if digits.isdigit() else None

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some attributes changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Key:
    """A foreign key: pairs of (column of this table, column of the target)."""

    target: str
    columns: tuple[tuple[str, str], ...]
    description: str | None = None
    utype: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """The two columns of a row's position on the sky (ICRS, degrees) and the index computed from them.

    `healpix` is the hidden 64-bit column of nested order-29 HEALPix numbers by which the rows are sorted.
    `reaches` gives, for columns with regions, the maximum distance (degrees) of any point of a region from the
    position.
    """

    ra: str
    dec: str
    healpix: str = "_healpix"
    reaches: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table that can be queried: `schema.name`, found by the rules of ADQL for names.

    In a view, `base` is the name of its base table and `source` maps each column to the column of the base table. In a
    table, `source` maps a column to its name in the rows where that differs, as for uploads whose column names differ
    only in case.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    kind: Literal["table", "view"] = "table"
    title: str | None = None
    description: str | None = None
    utype: str | None = None
    position: Position | None = None
    identifier: str | None = None
    keys: tuple[Key, ...] = ()
    nrows: int | None = None
    base: str | None = None
    source: dict[str, str] = field(default_factory=dict)

    @override
    def __hash__(self) -> int:
        """Return the hash of the name; equality compares all fields."""
        return hash((self.schema, self.name))

    @property
    def qualified_name(self) -> str:
        """Return the name with its schema."""
        return f"{self.schema}.{self.name}"

    def get_column(self, name: str) -> Column:
        """Return the column of exactly this name.

        Raises KeyError if there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
