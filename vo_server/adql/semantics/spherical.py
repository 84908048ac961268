"""The sky as SQL elements without a default spelling: each engine says them its own way.

Angles are in degrees. A geometry that is built from numbers keeps them, so that a test of a point against a circle
is arithmetic; one that comes out of a column is a list of doubles (DALI 1.1 section 3.3). A region is text in a column
and a list where it is worked with (shapes.parts); a MOC is ASCII throughout.
Compiling an element for a dialect that has no spelling for it raises sqlalchemy.exc.UnsupportedCompilationError.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

Element = sa.ColumnElement[Any]


class Distance(FunctionElement[float]):
    """The great-circle distance of (lon1, lat1) and (lon2, lat2)."""

    type = sa.Double()
    inherit_cache = True


class Near(FunctionElement[bool]):
    """Is (lon1, lat1) within `radius` of (lon2, lat2): Near(lon1, lat1, lon2, lat2, radius).

    The border counts, unless `strict` is set.
    """

    type = sa.Boolean()
    inherit_cache = True


class StrictlyNear(Near):
    """The same without the border."""

    inherit_cache = True


class Shape(FunctionElement[Any]):
    """A list of doubles made from numbers: the coordinates of a geometry."""

    inherit_cache = True


class Coordinate(FunctionElement[float]):
    """Coordinate(geometry, n): the nth number of a geometry, from 1."""

    type = sa.Double()
    inherit_cache = True


class Box(FunctionElement[Any]):
    """The corners of a box: Box(lon, lat, width, height)."""

    inherit_cache = True


class Area(FunctionElement[float]):
    """Area(kind, geometry) in square degrees; a kind is "point", "circle", "polygon" or "region"."""

    type = sa.Double()
    inherit_cache = True


class Centroid(FunctionElement[Any]):
    """Centroid(kind, geometry): the middle of a geometry, as a list of two doubles."""

    inherit_cache = True


class InPolygon(FunctionElement[bool]):
    """Does the polygon hold the point: InPolygon(lon, lat, polygon)."""

    type = sa.Boolean()
    inherit_cache = True


class Contains(FunctionElement[bool]):
    """Contains(outer kind, outer, inner kind, inner)."""

    type = sa.Boolean()
    inherit_cache = True


class Intersects(FunctionElement[bool]):
    """Intersects(kind, geometry, kind, geometry)."""

    type = sa.Boolean()
    inherit_cache = True


class Outline(FunctionElement[Any]):
    """Outline(kind, text): the numbers of a geometry in words (STC-S, DALI); null where it is none of this kind."""

    inherit_cache = True


class Worded(FunctionElement[str]):
    """Worded(kind, geometry): a geometry as the text that a region is in a column."""

    type = sa.String()
    inherit_cache = True


class Numbered(FunctionElement[str]):
    """The numbers of a geometry as a text, with blanks between them."""

    type = sa.String()
    inherit_cache = True


class InMoc(FunctionElement[bool]):
    """InMoc(lon, lat, moc): does a MOC hold a position?"""

    type = sa.Boolean()
    inherit_cache = True


class MocContains(FunctionElement[bool]):
    """MocContains(outer moc, inner moc)."""

    type = sa.Boolean()
    inherit_cache = True


class MocIntersects(FunctionElement[bool]):
    """MocIntersects(moc, moc)."""

    type = sa.Boolean()
    inherit_cache = True


class MocArea(FunctionElement[float]):
    """The area of a MOC in square degrees."""

    type = sa.Double()
    inherit_cache = True


class MocOf(FunctionElement[str]):
    """MocOf(order, kind, geometry): the cells that a geometry meets, as a MOC."""

    type = sa.String()
    inherit_cache = True


class MocTest(FunctionElement[bool]):
    """MocTest("contains", "meets" or "within", moc, kind, geometry): does the MOC hold, meet, lie in the geometry?"""

    type = sa.Boolean()
    inherit_cache = True


class Listed(FunctionElement[Any]):
    """Values as an array, which all engines say alike."""

    inherit_cache = True


@compiles(Listed)
def _listed(clause: Listed, compiler: SQLCompiler, **kw: Any) -> str:
    return f"ARRAY[{', '.join(compiler.process(c, **kw) for c in clause.clauses)}]"


class Cell(FunctionElement[int]):
    """Cell(lon, lat, order): the HEALPix number (nested) of the cell in which a position lies."""

    type = sa.BigInteger()
    inherit_cache = True


class Cells(FunctionElement[int]):
    """Cells(lon, lat, radius, order): the cells that a circle reaches into, a row each."""

    type = sa.BigInteger()
    inherit_cache = True


class Order(FunctionElement[int]):
    """Order(radius): the order in whose cells a circle of that radius is looked for; null if nothing is in it."""

    type = sa.Integer()
    inherit_cache = True


class Mark(FunctionElement[int]):
    """Mark(number, order): a number for a cell that no cell of another order has."""

    type = sa.BigInteger()
    inherit_cache = True


class Key(FunctionElement[int]):
    """Key(index, order): that number of the cell in which a HEALPix number of order 29 lies."""

    type = sa.BigInteger()
    inherit_cache = True


class InCell(FunctionElement[bool]):
    """InCell(index, number, bits): is the cell so many bits shorter than the index the one of this number?"""

    type = sa.Boolean()
    inherit_cache = True


class Ancestor(FunctionElement[int]):
    """Ancestor(number, bits): the number of a larger cell, so many bits shorter."""

    type = sa.BigInteger()
    inherit_cache = True


class LookUp(InCell):
    """The same for few numbers: by looking these up in the index."""

    inherit_cache = True


class CellCentre(FunctionElement[Any]):
    """CellCentre(order, number): the middle of a HEALPix cell (nested), as a list of two doubles."""

    inherit_cache = True


class Propagated(FunctionElement[Any]):
    """A position at another epoch, as a list of two doubles; the arguments are those of ivo_epoch_prop_pos."""

    inherit_cache = True


class Rotated(FunctionElement[Any]):
    """Rotated(frame, other frame, kind, geometry): the same place in another reference frame."""

    inherit_cache = True


class Sexagesimal(FunctionElement[float]):
    """Sexagesimal("hms" or "dms", text): the degrees of an angle that is written in three parts."""

    type = sa.Double()
    inherit_cache = True


class HasWords(FunctionElement[bool]):
    """HasWords(text, words): are all of these words in the text, whatever their case?"""

    type = sa.Boolean()
    inherit_cache = True


class Counts(FunctionElement[Any]):
    """Counts(number, n): how often each of 0 to n - 1 is the number in a group, as a list."""

    inherit_cache = True


class IntegerDivision(FunctionElement[int]):
    """The quotient of whole numbers, cut towards zero, as SQL has it."""

    type = sa.BigInteger()
    inherit_cache = True


class Quotient(FunctionElement[float]):
    """The quotient of numbers that are not both whole."""

    type = sa.Double()
    inherit_cache = True


class Xor(FunctionElement[Any]):
    """The bits that differ."""

    inherit_cache = True


class Complement(FunctionElement[Any]):
    """All bits turned over."""

    inherit_cache = True


class Digits(FunctionElement[str]):
    """A number that is not whole by type as a text: 2.0, 1e+16, nan, -inf."""

    type = sa.String()
    inherit_cache = True


class Moment(FunctionElement[Any]):
    """A text in the form of DALI (1.1 section 3.3.3) as a time: any other fails as a text that is none."""

    type = sa.DateTime()
    inherit_cache = True


MOMENT = (
    r"^\s*((?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,9})?)?)?)Z?\s*$"
)
"""That form; both databases read the expression so. They would take more, and not the same."""


class Parsed(FunctionElement[Any]):
    """The text of a decimal number, in blanks maybe: any other fails as a text that is none."""

    type = sa.String()
    inherit_cache = True


NUMBER = (
    r"^\s*([-+]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?:[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI]"
    r"[tT][yY])?))\s*$"
)


class Random(FunctionElement[float]):
    """A random number from 0 up to 1, another for each row."""

    type = sa.Double()
    inherit_cache = True


class Round(FunctionElement[float]):
    """Round(x, n): half away from zero; n may be negative."""

    type = sa.Double()
    inherit_cache = True


class Truncate(FunctionElement[float]):
    """Truncate(x, n): towards zero; n may be negative."""

    type = sa.Double()
    inherit_cache = True


class Remainder(FunctionElement[Any]):
    """The remainder, with the sign of the dividend (ADQL 2.1 section 2.3)."""

    inherit_cache = True


ELEMENTS: tuple[type[FunctionElement[Any]], ...] = (
    Distance, Near, StrictlyNear, Shape, Coordinate, Box, Area, Centroid, InPolygon, Contains, Intersects,
    IntegerDivision, Quotient, Remainder, Round, Truncate, Digits, Moment, Parsed, Random, Xor, Complement,
    CellCentre, Propagated, Rotated, Sexagesimal, HasWords, Counts,
    Outline, Worded, Numbered, InMoc, MocContains, MocIntersects, MocArea, MocOf, MocTest,
)  # fmt: skip


EXACT = (Distance, Area, MocArea)
"""Elements that are of the type they say on every engine, so that no cast need make sure of it."""


def spell(dialect: str, element: type[FunctionElement[Any]], template: str) -> None:
    """Teach a dialect an element: `{0}`, `{1}` ... stand for its arguments, `{all}` for their list."""

    @compiles(element, dialect)
    def _(clause: FunctionElement[Any], compiler: SQLCompiler, **kw: Any) -> str:
        said = [compiler.process(c, **kw) for c in clause.clauses]
        return template.format(*said, all=", ".join(said))


def fixed(value: str | float) -> Element:
    """A word or a number of ours in the SQL itself: as a parameter it would be another one each time it is said, and
    an expression that stands twice would be two for the database."""
    text = f"'{value}'" if isinstance(value, str) else repr(value)
    return sa.literal_column(text, sa.String() if isinstance(value, str) else sa.Double())


@dataclass(frozen=True, slots=True)
class Geometry:
    """A geometry on its way into SQL: its coordinates where they are known one by one, else one list of them.

    The whole of a MOC is its text.
    """

    kind: str
    coordinates: tuple[Element, ...] = ()
    whole: Element | None = None

    def coordinate(self, n: int) -> Element:
        """The nth coordinate, from 0."""
        return self.coordinates[n] if self.whole is None else Coordinate(self.whole, fixed(n + 1))

    @property
    def numbers(self) -> Element:
        """The list of coordinates."""
        return Shape(*self.coordinates) if self.whole is None else self.whole

    @property
    def element(self) -> Element:
        """What a column of such geometries holds."""
        return Worded(fixed(self.kind), self.numbers) if self.kind == "region" else self.numbers

    @property
    def centre(self) -> tuple[Element, Element]:
        """Longitude and latitude of a point or of a circle's centre."""
        return self.coordinate(0), self.coordinate(1)


def contains(inner: Geometry, outer: Geometry) -> Element:
    """Is the first geometry all in the second?"""
    match outer.kind, inner.kind:
        case "circle", "point":
            return Near(*inner.centre, *outer.centre, outer.coordinate(2))
        case "circle", "circle":
            within = Distance(*inner.centre, *outer.centre) + inner.coordinate(2) <= outer.coordinate(2)
            return sa.or_(within, outer.coordinate(2) >= fixed(180.0))
        case "point", "point":
            return Near(*inner.centre, *outer.centre, fixed(0.0))
        case "polygon", "point":
            return InPolygon(*inner.centre, outer.numbers)
        case _:
            return Contains(fixed(outer.kind), outer.numbers, fixed(inner.kind), inner.numbers)


def intersects(a: Geometry, b: Geometry) -> Element:
    """Have two geometries a point in common?"""
    if a.kind == "point":
        return contains(a, b)
    if b.kind == "point":
        return contains(b, a)
    if a.kind == b.kind == "circle":
        return Near(*a.centre, *b.centre, a.coordinate(2) + b.coordinate(2))
    return Intersects(fixed(a.kind), a.numbers, fixed(b.kind), b.numbers)


def area(shape: Geometry) -> Element:
    """The area of a geometry in square degrees."""
    return MocArea(shape.numbers) if shape.kind == "moc" else Area(fixed(shape.kind), shape.numbers)


def centroid(shape: Geometry) -> Geometry:
    """The middle of a geometry."""
    if shape.kind in ("polygon", "region"):
        return Geometry("point", whole=Centroid(fixed(shape.kind), shape.numbers))
    return Geometry("point", shape.centre)
