"""Spherical geometry as SQL elements without a default form: each engine registers its own templates.

Angles are in degrees. A geometry that is built from numbers keeps them, so that a test of a point against a circle is
arithmetic; one that comes out of a column is a list of doubles (DALI 1.1 section 3.3). A region is text in a column and
a list in expressions (shapes.parts); a MOC is ASCII throughout. Compiling an element for a dialect that has no template
for it raises sqlalchemy.exc.UnsupportedCompilationError.
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
    """Near(lon1, lat1, lon2, lat2, radius): whether the positions are within the radius, its border included."""

    type = sa.Boolean()
    inherit_cache = True


class StrictlyNear(Near):
    """StrictlyNear(lon1, lat1, lon2, lat2, radius): the same without the border."""

    inherit_cache = True


class CoordinateList(FunctionElement[Any]):
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
    """InPolygon(lon, lat, polygon): whether the polygon contains the position."""

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


class ParsedGeometry(FunctionElement[Any]):
    """ParsedGeometry(kind, text): the numbers of a geometry in STC-S or DALI; null for any other text."""

    inherit_cache = True


class RegionText(FunctionElement[str]):
    """RegionText(kind, geometry): a geometry as the text that a region column holds."""

    type = sa.String()
    inherit_cache = True


class NumbersText(FunctionElement[str]):
    """The numbers of a geometry as a text, with blanks between them."""

    type = sa.String()
    inherit_cache = True


class InMoc(FunctionElement[bool]):
    """InMoc(lon, lat, moc): whether a MOC contains a position."""

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
    """MocTest("contains", "meets" or "within", moc, kind, geometry): whether the MOC contains, meets or lies in it."""

    type = sa.Boolean()
    inherit_cache = True


class ArrayLiteral(FunctionElement[Any]):
    """Values as an array, in a form that all engines share."""

    inherit_cache = True


@compiles(ArrayLiteral)
def _compile_array(clause: ArrayLiteral, compiler: SQLCompiler, **kw: Any) -> str:
    return f"ARRAY[{', '.join(compiler.process(c, **kw) for c in clause.clauses)}]"


class HealpixCell(FunctionElement[int]):
    """Cell(lon, lat, order): the HEALPix number (nested) of the cell in which a position lies."""

    type = sa.BigInteger()
    inherit_cache = True


class CellsInCircle(FunctionElement[int]):
    """CellsInCircle(lon, lat, radius, order): the cells that a circle overlaps, a row each."""

    type = sa.BigInteger()
    inherit_cache = True


class CellOrder(FunctionElement[int]):
    """CellOrder(radius): the order of the cells that cover a circle of that radius; null for a negative or null
    radius."""

    type = sa.Integer()
    inherit_cache = True


class CellKey(FunctionElement[int]):
    """CellKey(number, order): a number for a cell that no cell of another order has."""

    type = sa.BigInteger()
    inherit_cache = True


class AncestorKey(FunctionElement[int]):
    """AncestorKey(index, order): the key of the cell that contains a HEALPix number of order 29."""

    type = sa.BigInteger()
    inherit_cache = True


class InCell(FunctionElement[bool]):
    """InCell(index, number, bits): whether the cell `bits` shorter than the index is the one of this number."""

    type = sa.Boolean()
    inherit_cache = True


class AncestorCell(FunctionElement[int]):
    """AncestorCell(number, bits): the number of a larger cell, `bits` shorter."""

    type = sa.BigInteger()
    inherit_cache = True


class IndexLookup(InCell):
    """IndexLookup(index, number, bits): InCell for few numbers, which are looked up in the index."""

    inherit_cache = True


class CellCentre(FunctionElement[Any]):
    """CellCentre(order, number): the centre of a HEALPix cell (nested), as a list of two doubles."""

    inherit_cache = True


class PropagatedPosition(FunctionElement[Any]):
    """A position at another epoch, as a list of two doubles; the arguments are those of ivo_epoch_prop_pos."""

    inherit_cache = True


class RotatedGeometry(FunctionElement[Any]):
    """RotatedGeometry(frame, other frame, kind, geometry): the geometry in another reference frame."""

    inherit_cache = True


class SexagesimalAngle(FunctionElement[float]):
    """SexagesimalAngle("hms" or "dms", text): the degrees of an angle in three parts; null for any other text."""

    type = sa.Double()
    inherit_cache = True


class HasWords(FunctionElement[bool]):
    """HasWords(text, words): whether the text contains all of these words, whatever their case."""

    type = sa.Boolean()
    inherit_cache = True


class HistogramCounts(FunctionElement[Any]):
    """HistogramCounts(number, n): how often each of 0 to n - 1 occurs in a group, as a list."""

    inherit_cache = True


class IntegerDivision(FunctionElement[int]):
    """The quotient of integers, truncated towards zero as in SQL."""

    type = sa.BigInteger()
    inherit_cache = True


class Quotient(FunctionElement[float]):
    """The quotient of numbers that are not both integers."""

    type = sa.Double()
    inherit_cache = True


class Xor(FunctionElement[Any]):
    """The bitwise exclusive or."""

    inherit_cache = True


class Complement(FunctionElement[Any]):
    """The bitwise complement."""

    inherit_cache = True


class FloatText(FunctionElement[str]):
    """A floating-point number as a text: 2.0, 1e+16, nan, -inf."""

    type = sa.String()
    inherit_cache = True


class ParsedTime(FunctionElement[Any]):
    """A text in the form of DALI (1.1 section 3.3.3) as a time; any other text is an error."""

    type = sa.DateTime()
    inherit_cache = True


TIME_PATTERN = (
    r"^\s*((?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,9})?)?)?)Z?\s*$"
)
"""The regular expression of that form, which both databases read alike: by themselves they accept more, and not the
same."""


class ParsedNumber(FunctionElement[Any]):
    """The text of a decimal number, with blanks around it or not; any other text is an error."""

    type = sa.String()
    inherit_cache = True


NUMBER_PATTERN = (
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


EXACTLY_TYPED = (Distance, Area, MocArea)
"""Elements whose type is the declared one on every engine, so that they need no cast."""


def register_template(dialect: str, element: type[FunctionElement[Any]], template: str) -> None:
    """Register the SQL of an element in a dialect: `{0}`, `{1}` ... stand for its arguments, `{all}` for their list."""

    @compiles(element, dialect)
    def _(clause: FunctionElement[Any], compiler: SQLCompiler, **kw: Any) -> str:
        arguments = [compiler.process(c, **kw) for c in clause.clauses]
        return template.format(*arguments, all=", ".join(arguments))


def to_literal(value: str | float) -> Element:
    """Return a text or number as a literal in the SQL: a parameter would be another one at each occurrence, and an
    expression that stands twice would be two for the database."""
    text = f"'{value}'" if isinstance(value, str) else repr(value)
    return sa.literal_column(text, sa.String() if isinstance(value, str) else sa.Double())


@dataclass(frozen=True, slots=True)
class Geometry:
    """A geometry on its way into SQL: its coordinates where they are known one by one, else a list of them as one
    value.

    The value of a MOC is its text.
    """

    kind: str
    coordinates: tuple[Element, ...] = ()
    value: Element | None = None

    def coordinate(self, n: int) -> Element:
        """Return the nth coordinate, from 0."""
        return self.coordinates[n] if self.value is None else Coordinate(self.value, to_literal(n + 1))

    @property
    def numbers(self) -> Element:
        """The list of coordinates."""
        return CoordinateList(*self.coordinates) if self.value is None else self.value

    @property
    def element(self) -> Element:
        """The value that a column of such geometries holds."""
        return RegionText(to_literal(self.kind), self.numbers) if self.kind == "region" else self.numbers

    @property
    def centre(self) -> tuple[Element, Element]:
        """Longitude and latitude of a point or of a circle's centre."""
        return self.coordinate(0), self.coordinate(1)


def contains(inner: Geometry, outer: Geometry) -> Element:
    """Test whether the first geometry lies in the second."""
    match outer.kind, inner.kind:
        case "circle", "point":
            return Near(*inner.centre, *outer.centre, outer.coordinate(2))
        case "circle", "circle":
            within = Distance(*inner.centre, *outer.centre) + inner.coordinate(2) <= outer.coordinate(2)
            return sa.or_(within, outer.coordinate(2) >= to_literal(180.0))
        case "point", "point":
            return Near(*inner.centre, *outer.centre, to_literal(0.0))
        case "polygon", "point":
            return InPolygon(*inner.centre, outer.numbers)
        case _:
            return Contains(to_literal(outer.kind), outer.numbers, to_literal(inner.kind), inner.numbers)


def intersects(a: Geometry, b: Geometry) -> Element:
    """Test whether two geometries have a point in common."""
    if a.kind == "point":
        return contains(a, b)
    if b.kind == "point":
        return contains(b, a)
    if a.kind == b.kind == "circle":
        return Near(*a.centre, *b.centre, a.coordinate(2) + b.coordinate(2))
    return Intersects(to_literal(a.kind), a.numbers, to_literal(b.kind), b.numbers)


def area(shape: Geometry) -> Element:
    """Compute the area of a geometry in square degrees."""
    return MocArea(shape.numbers) if shape.kind == "moc" else Area(to_literal(shape.kind), shape.numbers)


def centroid(shape: Geometry) -> Geometry:
    """Compute the centre of a geometry."""
    if shape.kind in ("polygon", "region"):
        return Geometry("point", value=Centroid(to_literal(shape.kind), shape.numbers))
    return Geometry("point", shape.centre)
