"""What is published: columns, tables and the keys between them.

The attributes are those of VODataService 1.2 section 3.3 and TAP 1.1 section 4.3, under their standard names.
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

    `length` is the number of characters of a text (of at most so many, for VARCHAR), None where there is no bound.
    `shape` and `label` are an arraysize and an xtype in the place of the type's own: uploads say them ("2x3", "moc").
    `nullable` says whether a value may be missing. `indexed`, `principal` and `std` are TAP_SCHEMA's flags.
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
    shape: str | None = None
    label: str | None = None

    @override
    def __hash__(self) -> int:
        """Cheap, as queries of many columns are keys of the statement cache; equality looks at all."""
        return hash((self.name, self.unit))

    @property
    def datatype(self) -> str:
        """The VOTable datatype."""
        return self.type.votable

    @property
    def arraysize(self) -> str | None:
        """The VOTable arraysize; None for a scalar, and a single character is one (VOTable 1.4 section 4.1)."""
        if self.shape is not None or self.type.family != "text":
            return self.shape or self.type.arraysize
        if self.type is CHAR and self.length == 1:
            return None
        if self.length is None:
            return "*"
        return str(self.length) if self.type is CHAR else f"{self.length}*"

    @property
    def spelt(self) -> str:
        """The type as ADQL calls it, with the length of a text and the size of an array."""
        size = self.length if self.type.family == "text" else self.shape
        return f"{self.type.name}({size})" if size else self.type.name

    @property
    def xtype(self) -> str | None:
        """The DALI xtype."""
        return self.label or self.type.xtype

    @property
    def count(self) -> int | None:
        """How many values an array has, all its dimensions together; None for a scalar and where it may differ."""
        sides = (self.arraysize or "").split("x")
        return prod(map(int, sides)) if all(s.isdigit() for s in sides) else None

    @property
    def size(self) -> int | None:
        """TAP_SCHEMA's deprecated "size": the number in a one-dimensional arraysize."""
        digits = (self.arraysize or "").rstrip("*")
        return int(digits) if digits.isdigit() else None

    def replace(self, **changes: Any) -> Self:
        """A copy with some attributes changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Key:
    """A foreign key: pairs of (column here, column there)."""

    target: str
    columns: tuple[tuple[str, str], ...]
    description: str | None = None
    utype: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """The two columns that say where a row lies on the sky (ICRS, degrees) and the index made from them.

    `healpix` is the hidden 64-bit column of nested order-29 HEALPix numbers by which the rows are sorted.
    `reaches` says of columns with regions how far (degrees) a region is all within from this position.
    """

    ra: str
    dec: str
    healpix: str = "_healpix"
    reaches: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table that can be queried: `schema.name`, found by ADQL's rules for names.

    A view names in `base` the table that it shows, and in `source` the column of that table behind each of its own. A
    table has in `source` what its rows call a column where that is another name, as of uploads whose names differ in
    case alone.
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
        """By name: equality looks at all."""
        return hash((self.schema, self.name))

    @property
    def qualified(self) -> str:
        """The name with its schema."""
        return f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column:
        """The column of exactly this name.

        Raises KeyError where there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
