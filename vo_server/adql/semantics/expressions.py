"""Values and conditions: from the tree to typed ones. Type errors are found here, before a database is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import assert_never

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.casts import cast
from vo_server.adql.semantics.functions import (
    AGGREGATES,
    COALESCE,
    COMPLEMENT,
    FUNCTIONS,
    IN_UNIT,
    NEGATION,
    NULLIF,
    OPERATORS,
    Function,
    Parameter,
)
from vo_server.adql.semantics.geometry import BUILDERS, frame, spatial
from vo_server.adql.semantics.mocs import meant, moc
from vo_server.adql.semantics.scope import Scope
from vo_server.adql.semantics.udfs import ABSENT, UDFS
from vo_server.adql.semantics.units import computed_ucd
from vo_server.adql.semantics.values import (
    KINDS,
    aggregated,
    arithmetic,
    called,
    castable,
    common,
    comparable,
    comparable_types,
    converted,
    folded,
    is_kind,
    is_null,
    kind_hint,
    null_as,
    number,
    shared,
    time,
    together,
)
from vo_server.adql.syntax import tree, words
from vo_server.adql.syntax.error_list import Faults
from vo_server.adql.syntax.other_dialects import INSTEAD
from vo_server.adql.syntax.words import FUNCTIONS as SYNTAX
from vo_server.catalogue.similar import similar
from vo_server.errors import QueryError, TextSpan
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.sky.units import BadUnit

MIRROR = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}

LONG = 100
"""A longer list after IN is one parameter, for which a database is several times as quick."""

SHAPES = frozenset(name for name, made in SYNTAX.items() if made.gives in (words.POINT, words.GEOMETRY))
"""The functions that make geometries."""

MAX_SHAPES = 8

ANGULAR = frozenset({"SIN", "COS", "TAN", "COT"})
"""What takes an angle in radians (ADQL 2.1 section 2.3)."""

_NULLS = {"number": types.INTEGER, "integer": types.INTEGER}
"""What NULL is where a number is asked for."""

_UNORDERED = {"geometry": "a geometry", "array": "an array", "binary": "an array"}

_EXAMPLES_OF_UNITS = "units are those of VOUnits, such as 'deg', 'mas/yr', 'km.s**-1'"


@dataclass(slots=True)
class Expressions:
    """Resolves the expressions of one SELECT.

    `subquery` resolves a query inside this one. `aggregates` says whether COUNT and its kin may stand here, and if
    not, why. `warnings` collects what the user should hear of a query that runs, `faults` what is wrong with one of
    several conditions.
    """

    text: str
    scope: Scope
    subquery: Callable[[tree.Query, Scope], q.Query]
    warnings: list[str] = field(default_factory=list)
    aggregates: str | None = None
    inside: bool = False
    faults: Faults = field(default_factory=Faults)
    shapes: int = 0

    # ------------------------------------------------------------ values

    def value(self, node: tree.Value) -> q.Value:
        """A value with its type."""
        match node:
            case tree.ColumnName():
                return self.scope.column(node)
            case tree.Number():
                return number(node)
            case tree.String():
                return q.Constant(node.value, Column("", types.VARCHAR, length=len(node.value)))
            case tree.Null():
                return q.Constant(None, Column("", types.VARCHAR))
            case tree.Truth():
                return q.Constant(node.value, Column("", types.BOOLEAN))
            case tree.Unary():
                return self._unary(node)
            case tree.Binary():
                return self._binary(node)
            case tree.Call():
                return self._call(node)
            case tree.Cast():
                return self._cast(node)
            case tree.Case():
                return self._case(node)
            case tree.ScalarQuery():
                return self._scalar(node)
            case _:
                assert_never(node)

    def _unary(self, node: tree.Unary) -> q.Value:
        operand = self._of_kind(node.operand, "integer" if node.operator == "~" else "number", f"after {node.operator}")
        if node.operator == "+":
            return operand
        function = COMPLEMENT if node.operator == "~" else NEGATION
        return folded(q.Apply(function, (operand,), function.result((operand,))))

    def _binary(self, node: tree.Binary) -> q.Value:
        if node.operator == "||":
            sides = tuple(self._of_kind(x, "text", "beside ||") for x in (node.left, node.right))
            return folded(q.Apply(OPERATORS["||"], sides, Column("", types.VARCHAR)))
        kind = "integer" if node.operator in "&|^" else "number"
        left, right = (self._of_kind(x, kind, f"beside {node.operator}") for x in (node.left, node.right))
        return arithmetic(node.operator, left, right)

    def _call(self, node: tree.Call) -> q.Value:
        name = node.name.upper()
        if name in AGGREGATES:
            return self._aggregate(node, name)
        if name == "COALESCE":
            return self._coalesce(node)
        if name == "NULLIF":
            return self._nullif(node)
        if name == "IN_UNIT":
            return self._in_unit(node)
        function = FUNCTIONS.get(name)
        if name == "RAND" and node.arguments:
            self.warnings.append("the number in RAND(n) has no effect: the random numbers are others each time")
        if name in SHAPES or name == "MOC":
            return self._shape(node, name)
        if name in BUILDERS:
            return BUILDERS[name](node, [self.value(a) for a in node.arguments], self.warnings.append)
        return self._apply(function or self._own(node), node)

    def _shape(self, node: tree.Call, name: str) -> q.Value:
        """A geometry made of others says each coordinate anew, so that its length doubles with each level."""
        if self.shapes == MAX_SHAPES:
            raise QueryError(f"geometries are nested more than {MAX_SHAPES} levels deep here", span=node.place)
        for argument in node.arguments:
            if isinstance(argument, tree.Call) and argument.name == "RADIANS":
                self.warnings.append(f"{name} takes degrees, and RADIANS(...) gives radians")
        within = replace(self, shapes=self.shapes + 1)
        if name in BUILDERS or name == "MOC":
            values = [within.value(a) for a in node.arguments]
            made = BUILDERS.get(name, moc)(node, values, self.warnings.append)
            return _turned(made, frame(values)) if name in FRAMED else made
        return within._apply(FUNCTIONS[name], node)

    def _own(self, node: tree.Call) -> Function:
        """A user-defined function, in the form that takes as many arguments."""
        name = node.name.lower()
        if name in ABSENT:
            raise QueryError(f"{node.name} is not offered here", span=node.place, hint=ABSENT[name])
        forms = UDFS.get(name)
        if forms is None:
            hint = INSTEAD.get(name.upper()) or similar(node.name, (*SYNTAX, *AGGREGATES, *UDFS))
            raise QueryError(f"no function {node.name}", span=node.place, hint=hint)
        return next((f for f in forms if len(f.parameters) == len(node.arguments)), forms[0])

    def _apply(self, function: Function, node: tree.Call) -> q.Value:
        self._count(function, node)
        if function.aggregate:
            self._check_aggregate(node.name, node)
            return self._aggregate_of_ours(function, node)
        arguments = self._arguments(function, node)
        self._check_angles(node, arguments)
        said = meant(function, arguments) if function.means is None else function.means(arguments)
        return said or folded(q.Apply(function, arguments, function.result(arguments)))

    def _check_angles(self, node: tree.Call, arguments: tuple[q.Value, ...]) -> None:
        """Degrees where radians are taken: it runs, and hardly anybody means it."""
        for value in arguments if node.name in ANGULAR else ():
            if value.column.unit == "deg":
                self.warnings.append(f"{node.name} takes radians, and {called(value)} is in degrees: use RADIANS(...)")

    def _arguments(self, function: Function, node: tree.Call) -> tuple[q.Value, ...]:
        arguments = tuple(self._argument(a, function.parameter(n), function) for n, a in enumerate(node.arguments))
        wrong = None if function.check is None else function.check(arguments)
        if wrong is not None:
            raise QueryError(f"{node.name}: {wrong}", span=node.place, hint=f"it is {function.signature}")
        return arguments

    def _aggregate_of_ours(self, function: Function, node: tree.Call) -> q.Value:
        value, *rest = replace(self, inside=True)._arguments(function, node)
        self._check_own(value, node.name, node)
        column = function.result((value, *rest))
        return q.Aggregate(function.name, value, False, column, function, tuple(rest))

    def _count(self, function: Function, node: tree.Call) -> None:
        given, most = len(node.arguments), function.most
        if node.star or node.distinct:
            raise QueryError(f"{node.name} takes no * and no DISTINCT", span=node.place)
        if given < function.least or (most is not None and given > most):
            raise QueryError(
                f"{node.name} with {given} argument{'s' * (given != 1)}",
                span=node.place,
                hint=f"it is {function.signature}",
            )

    def _argument(self, node: tree.Value, parameter: Parameter, function: Function) -> q.Value:
        return self._of_kind(node, parameter.kind, f"as {parameter.name} of {function.name}")

    def _of_kind(self, node: tree.Value, kind: str, where: str) -> q.Value:
        """A value that must be of a kind; `where` ends the sentence of the fault."""
        value = self.value(node)
        if is_kind(value, kind):
            if kind == "time":
                return _moment(value, node.place)
            return null_as(value, _NULLS.get(kind, types.VARCHAR))
        raise QueryError(
            f"{called(value)} {where}, where {KINDS[kind]} is needed", span=node.place, hint=kind_hint(value, kind)
        )

    def _coalesce(self, node: tree.Call) -> q.Value:
        self._count(COALESCE, node)
        given = [self.value(a) for a in node.arguments]
        values = common(given, node.arguments, node.place, "the arguments of COALESCE")
        return q.Apply(COALESCE, tuple(values), shared(values))

    def _nullif(self, node: tree.Call) -> q.Value:
        self._count(NULLIF, node)
        first, second = comparable([self.value(a) for a in node.arguments], node.arguments, node.place)
        return q.Apply(NULLIF, (first, second), NULLIF.result((first, second)))

    def _in_unit(self, node: tree.Call) -> q.Value:
        """ADQL 2.1 section 4.9. A number without a unit has none to be converted from."""
        self._count(IN_UNIT, node)
        value, wanted = (self._argument(a, IN_UNIT.parameter(n), IN_UNIT) for n, a in enumerate(node.arguments))
        if value.column.unit is None:
            raise QueryError(f"{called(value)} in IN_UNIT has no unit", span=node.arguments[0].place)
        if not isinstance(wanted, q.Constant) or not wanted.value:
            raise QueryError("the unit in IN_UNIT is no text in single quotes", span=node.arguments[1].place)
        try:
            return converted(value, wanted.value)
        except BadUnit as error:
            raise QueryError(str(error), span=node.arguments[1].place, hint=_EXAMPLES_OF_UNITS) from None

    def _check_aggregate(self, name: str, node: tree.Call) -> None:
        """May an aggregate stand here?"""
        if self.aggregates is not None:
            hint = "a condition on groups goes after HAVING" if self.aggregates == "in WHERE" else None
            raise QueryError(f"{name} cannot stand {self.aggregates}", span=node.place, hint=hint)
        if self.inside:
            raise QueryError(
                f"{name} inside another aggregate", span=node.place, hint="use a sub-query for the inner one"
            )

    def _aggregate(self, node: tree.Call, name: str) -> q.Value:
        self._check_aggregate(name, node)
        if node.star:
            return q.Aggregate(name, None, False, aggregated("COUNT", Column("", types.BIGINT)))
        if len(node.arguments) != 1:
            raise QueryError(f"{name} takes one argument", span=node.place)
        kind = "any" if name in ("COUNT", "MIN", "MAX") else "number"
        value = replace(self, inside=True)._of_kind(node.arguments[0], kind, f"in {name}")
        if name in ("MIN", "MAX") and value.column.type.family in _UNORDERED:
            what = _UNORDERED[value.column.type.family]
            raise QueryError(f"{name} of {what}", span=node.place, hint="it has no order")
        self._check_own(value, name, node)
        return q.Aggregate(name, value, node.distinct, aggregated(name, value.column))

    def _check_own(self, value: q.Value, name: str, node: tree.Call) -> None:
        """In SQL-92 an aggregate of outer columns belongs to the outer query; hardly anybody means that."""
        used = {p.source for p in q.parts(value) if isinstance(p, q.Field)}
        if used and not used & self.scope.block.sources:
            raise QueryError(f"{name} of columns of the query around this one", span=node.place)

    def _cast(self, node: tree.Cast) -> q.Value:
        value = self.value(node.value)
        try:
            target = types.named(node.type)
        except KeyError:
            raise QueryError(f"CAST to {node.type}", span=node.place, hint="the types are those of ADQL 2.1") from None
        if node.length == 0:
            raise QueryError(f"CAST to {target} of no characters", span=node.place)
        text = isinstance(value, q.Constant) and isinstance(value.value, str)
        shaped = cast(value, target, node)
        if shaped is not None:
            return shaped
        if not castable(value.column.type, target):
            raise QueryError(f"{called(value)} cannot be cast to {target}", span=node.place)
        if text and target.family == "time":
            return time(value, target, node.place)  # type: ignore[arg-type]
        unit = value.column.unit if target.numeric and value.column.type.numeric else None
        return q.Cast(value, Column("", target, length=node.length, unit=unit, ucd=computed_ucd(value.column.ucd)))

    def _case(self, node: tree.Case) -> q.Value:
        conditions = [self._when(node, when) for when, _ in node.branches]
        nodes = [then for _, then in node.branches] + ([] if node.otherwise is None else [node.otherwise])
        values = common([self.value(n) for n in nodes], nodes, node.place, "the branches of CASE")
        branches = tuple(zip(conditions, values[: len(conditions)], strict=True))
        return q.Case(branches, None if node.otherwise is None else values[-1], shared(values))

    def _when(self, node: tree.Case, when: tree.Condition | tree.Value) -> q.Condition:
        if node.operand is not None:
            return self._compare(tree.Compare("=", node.operand, when, node.place))  # type: ignore[arg-type]
        return self.condition(when)  # type: ignore[arg-type]

    def _scalar(self, node: tree.ScalarQuery) -> q.Value:
        inner = self.subquery(node.query, self.scope)
        if len(inner.columns) != 1:
            raise QueryError(f"a sub-query as a value with {len(inner.columns)} columns", span=node.place)
        return q.Scalar(inner, inner.columns[0])

    # -------------------------------------------------------- conditions

    def condition(self, node: tree.Condition) -> q.Condition:
        """A condition of typed values."""
        match node:
            case tree.Compare():
                return self._compare(node)
            case tree.Between():
                value, low, high = self._comparable((node.value, node.low, node.high), node.place)
                return q.Between(value, low, high, node.negated)
            case tree.In():
                return self._in(node)
            case tree.Like():
                value, pattern = (self._text(x, "ILIKE" if node.fold else "LIKE") for x in (node.value, node.pattern))
                return q.Like(value, pattern, node.negated, node.fold)
            case tree.IsNull():
                return q.IsNull(self.value(node.value), node.negated)
            case tree.Exists():
                return q.Exists(self.subquery(node.query, self.scope))
            case tree.Not():
                return q.Not(self.condition(node.operand))
            case tree.And():
                return q.And(self._conditions(node.operands))
            case tree.Or():
                return q.Or(self._conditions(node.operands))
            case _:
                assert_never(node)

    def _conditions(self, nodes: tuple[tree.Condition, ...]) -> tuple[q.Condition, ...]:
        """Conditions side by side: what is wrong with one is no reason to be silent of another."""
        before, made = self.faults.count, list[q.Condition]()
        for node in nodes:
            with self.faults:
                made.append(self.condition(node))
        self.faults.since(before)
        return tuple(made)

    def _compare(self, node: tree.Compare) -> q.Condition:
        left, right = self.value(node.left), self.value(node.right)
        self._check_quoted(node.left, right)
        self._check_quoted(node.right, left)
        asked = spatial(node.operator, left, right) or spatial(MIRROR[node.operator], right, left)
        if asked is not None:
            return asked
        left, right = comparable((left, right), (node.left, node.right), node.place)
        return q.Compare(node.operator, left, right)

    def _check_quoted(self, node: tree.Value, other: q.Value) -> None:
        """A column's name in single quotes beside a number is meant to be the column."""
        if isinstance(node, tree.String) and other.column.type.numeric:
            name = tree.Name(node.value, False, node.place)
            if self.scope.block.find(name):
                said = f"'{node.value}' is a string; the column {node.value} is written without quotes"
                raise QueryError(said, span=node.place)

    def _comparable(self, nodes: tuple[tree.Value, ...], place: TextSpan) -> list[q.Value]:
        return comparable([self.value(n) for n in nodes], nodes, place)

    def _in(self, node: tree.In) -> q.Condition:
        if isinstance(node.options, tuple):
            value, *options = self._comparable((node.value, *node.options), node.place)
            listed = together(options) if len(options) > LONG else None
            if listed is not None:
                return q.Among(value, listed, node.negated)
            return q.In(value, tuple(options), node.negated)
        value = self.value(node.value)
        inner = self.subquery(node.options, self.scope)
        if len(inner.columns) != 1:
            raise QueryError(f"IN a sub-query of {len(inner.columns)} columns", span=node.place, hint="select one")
        theirs = inner.columns[0]
        if not is_null(value) and not comparable_types(value.column.type, theirs.type):
            raise QueryError(f"{called(value)} IN a sub-query of {theirs.name} ({theirs.type})", span=node.place)
        return q.In(null_as(value, theirs.type), inner, node.negated)

    def _text(self, node: tree.Value, word: str) -> q.Value:
        value = self.value(node)
        if value.column.type.family == "time":
            return q.Cast(value, Column("", types.VARCHAR))
        if value.column.type.family == "text":
            return value
        raise QueryError(f"{called(value)} beside {word}, where a text is needed", span=node.place)


FRAMED = ("POINT", "CIRCLE", "BOX", "POLYGON")
"""The functions whose first argument may be a coordinate system."""


def _turned(shape: q.Value, source: str | None) -> q.Value:
    """A geometry of another frame in ICRS."""
    if source is None:
        return shape
    (turn,) = UDFS["ivo_geom_transform"]
    names = (q.Constant(name, Column("", types.VARCHAR, length=len(name))) for name in (source, "ICRS"))
    return folded(q.Apply(turn, (*names, shape), shape.column))


def _moment(value: q.Value, place: TextSpan) -> q.Value:
    """A time, or the text of one, as a TIMESTAMP."""
    if isinstance(value, q.Constant) and isinstance(value.value, str):
        return time(value, types.TIMESTAMP, place)
    if is_null(value) or value.column.type is types.TIMESTAMP:
        return null_as(value, types.TIMESTAMP)
    return q.Cast(value, value.column.replace(name="", description=None, type=types.TIMESTAMP, length=None))
