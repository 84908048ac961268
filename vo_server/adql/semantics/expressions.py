"""Values and conditions: from the syntax tree to typed ones. Type errors are found here, before the database runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import assert_never

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.casts import convert_geometry
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
from vo_server.adql.semantics.geometry import BUILDERS, find_frame, to_predicate_test
from vo_server.adql.semantics.mocs import build_moc, rewrite_predicate
from vo_server.adql.semantics.scope import Scope
from vo_server.adql.semantics.udfs import NOT_OFFERED, UDFS
from vo_server.adql.semantics.units import without_main
from vo_server.adql.semantics.values import (
    ARGUMENT_KIND_NAMES,
    aggregate_column,
    apply_operator,
    as_tuple,
    can_cast,
    can_compare,
    coerce_to_common,
    coerce_to_comparable,
    common_column,
    constant_fold,
    convert_unit,
    describe,
    is_kind,
    is_null,
    parse_number,
    parse_time,
    set_null_type,
    suggest_conversion,
)
from vo_server.adql.syntax import tree, words
from vo_server.adql.syntax.error_list import ErrorCollector
from vo_server.adql.syntax.other_dialects import ADQL_EQUIVALENTS
from vo_server.adql.syntax.words import FUNCTION_SYNTAX
from vo_server.catalogue.suggestions import suggest_similar
from vo_server.errors import Code, QueryError, TextSpan
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.sky.units import UnitError

MIRRORED_OPERATORS = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}

MAX_INLINE_OPTIONS = 100
"""A longer list after IN is one array parameter, which databases answer several times as quickly."""

GEOMETRY_FUNCTIONS = frozenset(
    name for name, made in FUNCTION_SYNTAX.items() if made.result in (words.POINT, words.GEOMETRY)
)
"""The functions that make geometries."""

MAX_GEOMETRY_DEPTH = 8

RADIAN_FUNCTIONS = frozenset({"SIN", "COS", "TAN", "COT"})
"""Functions of an angle in radians (ADQL 2.1 section 2.3)."""

_NULL_TYPES = {"number": types.INTEGER, "integer": types.INTEGER}
"""The type of NULL where a number is needed."""

_UNORDERED_FAMILIES = {"geometry": "a geometry", "array": "an array", "binary": "an array"}

_EXAMPLES_OF_UNITS = "units are those of VOUnits, such as 'deg', 'mas/yr', 'km.s**-1'"


@dataclass(slots=True)
class ExpressionResolver:
    """The resolver of the expressions of one SELECT.

    `resolve_query` resolves a query inside this one. `aggregate_ban` names the clause if aggregates may not stand here,
    such as "in WHERE". `warnings` collects notes on a query that runs, `collector` the errors of several conditions.
    """

    text: str
    scope: Scope
    resolve_query: Callable[[tree.Query, Scope], q.Query]
    warnings: list[str] = field(default_factory=list)
    aggregate_ban: str | None = None
    in_aggregate: bool = False
    collector: ErrorCollector = field(default_factory=ErrorCollector)
    geometry_depth: int = 0

    # ------------------------------------------------------------ values

    def resolve_value(self, node: tree.Value) -> q.Value:
        """Resolve a value and its type."""
        match node:
            case tree.ColumnName():
                return self.scope.resolve_column(node)
            case tree.Number():
                return parse_number(node)
            case tree.String():
                return q.Constant(node.value, Column("", types.VARCHAR, length=len(node.value)))
            case tree.Null():
                return q.Constant(None, Column("", types.VARCHAR))
            case tree.Boolean():
                return q.Constant(node.value, Column("", types.BOOLEAN))
            case tree.UnaryOperation():
                return self._resolve_unary(node)
            case tree.BinaryOperation():
                return self._resolve_binary(node)
            case tree.Call():
                return self._resolve_call(node)
            case tree.Cast():
                return self._resolve_cast(node)
            case tree.Case():
                return self._resolve_case(node)
            case tree.ScalarQuery():
                return self._resolve_scalar(node)
            case _:
                assert_never(node)

    def _resolve_unary(self, node: tree.UnaryOperation) -> q.Value:
        operand = self._resolve_kind(
            node.operand, "integer" if node.operator == "~" else "number", f"after {node.operator}"
        )
        if node.operator == "+":
            return operand
        function = COMPLEMENT if node.operator == "~" else NEGATION
        return constant_fold(function.call(operand))

    def _resolve_binary(self, node: tree.BinaryOperation) -> q.Value:
        if node.operator == "||":
            sides = tuple(self._resolve_kind(x, "text", "beside ||") for x in (node.left, node.right))
            return constant_fold(q.FunctionCall(OPERATORS["||"], sides, Column("", types.VARCHAR)))
        kind = "integer" if node.operator in "&|^" else "number"
        left, right = (self._resolve_kind(x, kind, f"beside {node.operator}") for x in (node.left, node.right))
        return apply_operator(node.operator, left, right)

    def _resolve_call(self, node: tree.Call) -> q.Value:
        name = node.name.upper()
        if name in AGGREGATES:
            return self._resolve_aggregate(node, name)
        if name == "COALESCE":
            return self._resolve_coalesce(node)
        if name == "NULLIF":
            return self._resolve_nullif(node)
        if name == "IN_UNIT":
            return self._resolve_in_unit(node)
        function = FUNCTIONS.get(name)
        if name == "RAND" and node.arguments:
            self.warnings.append("the number in RAND(n) has no effect: the random numbers are others each time")
        if name in GEOMETRY_FUNCTIONS or name == "MOC":
            return self._resolve_geometry(node, name)
        if name in BUILDERS:
            return BUILDERS[name](node, [self.resolve_value(a) for a in node.arguments], self.warnings.append)
        return self._resolve_function(function or self._find_udf(node), node)

    def _resolve_geometry(self, node: tree.Call, name: str) -> q.Value:
        """Resolve a geometry constructor, nested to a limited depth.

        A geometry made of others repeats each coordinate, so that its length doubles with each level.
        """
        if self.geometry_depth == MAX_GEOMETRY_DEPTH:
            raise QueryError(
                f"geometries are nested more than {MAX_GEOMETRY_DEPTH} levels deep",
                span=node.span,
                code=Code.ADQL_TOO_COMPLEX,
            )
        for argument in node.arguments:
            if isinstance(argument, tree.Call) and argument.name == "RADIANS":
                self.warnings.append(f"{name} takes degrees, and RADIANS(...) gives radians")
        nested = replace(self, geometry_depth=self.geometry_depth + 1)
        if name in BUILDERS or name == "MOC":
            values = [nested.resolve_value(a) for a in node.arguments]
            shape = BUILDERS.get(name, build_moc)(node, values, self.warnings.append)
            return _rotate_to_icrs(shape, find_frame(values)) if name in FRAME_FUNCTIONS else shape
        return nested._resolve_function(FUNCTIONS[name], node)

    def _find_udf(self, node: tree.Call) -> Function:
        """Return a user-defined function, in the form that takes as many arguments."""
        name = node.name.lower()
        if name in NOT_OFFERED:
            raise QueryError(
                f"{node.name} is not offered here",
                span=node.span,
                hint=NOT_OFFERED[name],
                code=Code.ADQL_UNKNOWN_FUNCTION,
            )
        forms = UDFS.get(name)
        if forms is None:
            hint = ADQL_EQUIVALENTS.get(name.upper()) or suggest_similar(
                node.name, (*FUNCTION_SYNTAX, *AGGREGATES, *UDFS)
            )
            raise QueryError(f"no function {node.name}", span=node.span, hint=hint, code=Code.ADQL_UNKNOWN_FUNCTION)
        return next((f for f in forms if len(f.parameters) == len(node.arguments)), forms[0])

    def _resolve_function(self, function: Function, node: tree.Call) -> q.Value:
        self._check_argument_count(function, node)
        if function.is_aggregate:
            self._check_aggregate_allowed(node.name, node)
            return self._resolve_user_aggregate(function, node)
        arguments = self._resolve_arguments(function, node)
        self._check_angles(node, arguments)
        rewritten = rewrite_predicate(function, arguments) if function.rewrite is None else function.rewrite(arguments)
        return rewritten or constant_fold(function.call(*arguments))

    def _check_angles(self, node: tree.Call, arguments: tuple[q.Value, ...]) -> None:
        """Warn about degrees where radians are taken: it runs, but hardly anybody means it."""
        for value in arguments if node.name in RADIAN_FUNCTIONS else ():
            if value.column.unit == "deg":
                self.warnings.append(
                    f"{node.name} takes radians, and {describe(value)} is in degrees: use RADIANS(...)"
                )

    def _resolve_arguments(self, function: Function, node: tree.Call) -> tuple[q.Value, ...]:
        arguments = tuple(
            self._resolve_argument(a, function.parameter(n), function) for n, a in enumerate(node.arguments)
        )
        message = None if function.check is None else function.check(arguments)
        if message is not None:
            raise QueryError(
                f"{node.name}: {message}",
                span=node.span,
                hint=f"it is {function.signature}",
                code=Code.ADQL_WRONG_ARGUMENTS,
            )
        return arguments

    def _resolve_user_aggregate(self, function: Function, node: tree.Call) -> q.Value:
        value, *rest = replace(self, in_aggregate=True)._resolve_arguments(function, node)
        self._check_aggregate_columns(value, node.name, node)
        column = function.result((value, *rest))
        return q.AggregateCall(function.name, value, False, column, function, tuple(rest))

    def _check_argument_count(self, function: Function, node: tree.Call) -> None:
        count, limit = len(node.arguments), function.max_arguments
        if node.star or node.distinct:
            raise QueryError(f"{node.name} takes no * and no DISTINCT", span=node.span, code=Code.ADQL_WRONG_ARGUMENTS)
        if count < function.min_arguments or (limit is not None and count > limit):
            raise QueryError(
                f"wrong number of arguments for {node.name}: {count}",
                span=node.span,
                hint=f"it is {function.signature}",
                code=Code.ADQL_WRONG_ARGUMENTS,
            )

    def _resolve_argument(self, node: tree.Value, parameter: Parameter, function: Function) -> q.Value:
        return self._resolve_kind(
            node, parameter.kind, f"as {parameter.name} of {function.name}", Code.ADQL_WRONG_ARGUMENTS
        )

    def _resolve_kind(self, node: tree.Value, kind: str, where: str, code: Code = Code.ADQL_TYPE_MISMATCH) -> q.Value:
        """Resolve a value that must be of a kind; `where` describes its place in error messages, such as "after -"."""
        value = self.resolve_value(node)
        if is_kind(value, kind):
            if kind == "time":
                return _to_timestamp(value, node.span)
            return set_null_type(value, _NULL_TYPES.get(kind, types.VARCHAR))
        raise QueryError(
            f"{describe(value)} {where}, where {ARGUMENT_KIND_NAMES[kind]} is needed",
            span=node.span,
            hint=suggest_conversion(value, kind),
            code=code,
        )

    def _resolve_coalesce(self, node: tree.Call) -> q.Value:
        self._check_argument_count(COALESCE, node)
        arguments = [self.resolve_value(a) for a in node.arguments]
        values = coerce_to_common(arguments, node.arguments, node.span, "the arguments of COALESCE")
        return q.FunctionCall(COALESCE, tuple(values), common_column(values))

    def _resolve_nullif(self, node: tree.Call) -> q.Value:
        self._check_argument_count(NULLIF, node)
        first, second = coerce_to_comparable([self.resolve_value(a) for a in node.arguments], node.arguments, node.span)
        return NULLIF.call(first, second)

    def _resolve_in_unit(self, node: tree.Call) -> q.Value:
        """Resolve IN_UNIT (ADQL 2.1 section 4.9). A number without a unit cannot be converted."""
        self._check_argument_count(IN_UNIT, node)
        value, unit = (self._resolve_argument(a, IN_UNIT.parameter(n), IN_UNIT) for n, a in enumerate(node.arguments))
        if value.column.unit is None:
            raise QueryError(
                f"{describe(value)} in IN_UNIT has no unit", span=node.arguments[0].span, code=Code.ADQL_WRONG_ARGUMENTS
            )
        if not isinstance(unit, q.Constant) or not unit.value:
            raise QueryError(
                "the unit of IN_UNIT must be a text in single quotes",
                span=node.arguments[1].span,
                code=Code.ADQL_WRONG_ARGUMENTS,
            )
        try:
            return convert_unit(value, unit.value)
        except UnitError as error:
            raise QueryError(
                str(error), span=node.arguments[1].span, hint=_EXAMPLES_OF_UNITS, code=Code.ADQL_BAD_LITERAL
            ) from None

    def _check_aggregate_allowed(self, name: str, node: tree.Call) -> None:
        """Check that an aggregate may stand here."""
        if self.aggregate_ban is not None:
            hint = "a condition on groups goes after HAVING" if self.aggregate_ban == "in WHERE" else None
            raise QueryError(
                f"{name} cannot stand {self.aggregate_ban}", span=node.span, hint=hint, code=Code.ADQL_BAD_AGGREGATION
            )
        if self.in_aggregate:
            raise QueryError(
                f"{name} cannot stand inside another aggregate",
                span=node.span,
                hint="use a sub-query for the inner one",
                code=Code.ADQL_BAD_AGGREGATION,
            )

    def _resolve_aggregate(self, node: tree.Call, name: str) -> q.Value:
        self._check_aggregate_allowed(name, node)
        if node.star:
            return q.AggregateCall(name, None, False, aggregate_column("COUNT", Column("", types.BIGINT)))
        if len(node.arguments) != 1:
            raise QueryError(f"{name} takes one argument", span=node.span, code=Code.ADQL_WRONG_ARGUMENTS)
        kind = "any" if name in ("COUNT", "MIN", "MAX") else "number"
        value = replace(self, in_aggregate=True)._resolve_kind(
            node.arguments[0], kind, f"in {name}", Code.ADQL_WRONG_ARGUMENTS
        )
        if name in ("MIN", "MAX") and value.column.type.family in _UNORDERED_FAMILIES:
            what = _UNORDERED_FAMILIES[value.column.type.family]
            raise QueryError(
                f"{name} cannot take {what}", span=node.span, hint="it has no order", code=Code.ADQL_WRONG_ARGUMENTS
            )
        self._check_aggregate_columns(value, name, node)
        return q.AggregateCall(name, value, node.distinct, aggregate_column(name, value.column))

    def _check_aggregate_columns(self, value: q.Value, name: str, node: tree.Call) -> None:
        """Reject an aggregate of outer columns alone: in SQL-92 it belongs to the outer query, which hardly anybody
        means."""
        used = q.find_sources(value)
        if used and not used & self.scope.namespace.source_names:
            raise QueryError(
                f"{name} cannot take columns of an outer query alone", span=node.span, code=Code.ADQL_BAD_AGGREGATION
            )

    def _resolve_cast(self, node: tree.Cast) -> q.Value:
        value = self.resolve_value(node.value)
        try:
            target = types.find_type(node.type)
        except KeyError:
            raise QueryError(
                f"CAST to the unknown type {node.type}",
                span=node.span,
                hint="the types are those of ADQL 2.1",
                code=Code.ADQL_TYPE_MISMATCH,
            ) from None
        if node.length == 0:
            raise QueryError(
                f"CAST to {target} needs a length of at least 1", span=node.span, code=Code.ADQL_BAD_LITERAL
            )
        text = isinstance(value, q.Constant) and isinstance(value.value, str)
        shaped = convert_geometry(value, target, node)
        if shaped is not None:
            return shaped
        if not can_cast(value.column.type, target):
            raise QueryError(
                f"{describe(value)} cannot be cast to {target}", span=node.span, code=Code.ADQL_TYPE_MISMATCH
            )
        if text and target.family == "time":
            return parse_time(value, target, node.span)  # type: ignore[arg-type]
        unit = value.column.unit if target.is_numeric and value.column.type.is_numeric else None
        return q.TypeCast(value, Column("", target, length=node.length, unit=unit, ucd=without_main(value.column.ucd)))

    def _resolve_case(self, node: tree.Case) -> q.Value:
        conditions = [self._resolve_branch(node, when) for when, _ in node.branches]
        nodes = [then for _, then in node.branches] + ([] if node.default is None else [node.default])
        values = coerce_to_common([self.resolve_value(n) for n in nodes], nodes, node.span, "the branches of CASE")
        branches = tuple(zip(conditions, values[: len(conditions)], strict=True))
        return q.CaseExpression(branches, None if node.default is None else values[-1], common_column(values))

    def _resolve_branch(self, node: tree.Case, when: tree.Condition | tree.Value) -> q.Condition:
        if node.operand is not None:
            return self._resolve_comparison(tree.Compare("=", node.operand, when, node.span))  # type: ignore[arg-type]
        return self.resolve_condition(when)  # type: ignore[arg-type]

    def _resolve_scalar(self, node: tree.ScalarQuery) -> q.Value:
        inner = self.resolve_query(node.query, self.scope)
        if len(inner.columns) != 1:
            raise QueryError(
                f"a scalar sub-query must return one column, not {len(inner.columns)}",
                span=node.span,
                code=Code.ADQL_COLUMN_COUNT,
            )
        return q.ScalarSubquery(inner, inner.columns[0])

    # -------------------------------------------------------- conditions

    def resolve_condition(self, node: tree.Condition) -> q.Condition:
        """Resolve a condition."""
        match node:
            case tree.Compare():
                return self._resolve_comparison(node)
            case tree.Between():
                value, low, high = self._resolve_comparable((node.value, node.low, node.high), node.span)
                return q.RangeTest(value, low, high, node.negated)
            case tree.In():
                return self._resolve_in(node)
            case tree.Like():
                value, pattern = (
                    self._resolve_text(x, "ILIKE" if node.is_case_insensitive else "LIKE")
                    for x in (node.value, node.pattern)
                )
                return q.LikeTest(value, pattern, node.negated, node.is_case_insensitive)
            case tree.IsNull():
                return q.NullTest(self.resolve_value(node.value), node.negated)
            case tree.Exists():
                return q.ExistsTest(self.resolve_query(node.query, self.scope))
            case tree.Not():
                return q.Negation(self.resolve_condition(node.operand))
            case tree.And():
                return q.Conjunction(self._resolve_conditions(node.operands))
            case tree.Or():
                return q.Disjunction(self._resolve_conditions(node.operands))
            case _:
                assert_never(node)

    def _resolve_conditions(self, nodes: tuple[tree.Condition, ...]) -> tuple[q.Condition, ...]:
        """Resolve operands independently, so that each reports its own errors."""
        before, resolved = self.collector.count, list[q.Condition]()
        for node in nodes:
            with self.collector:
                resolved.append(self.resolve_condition(node))
        self.collector.raise_if_new(before)
        return tuple(resolved)

    def _resolve_comparison(self, node: tree.Compare) -> q.Condition:
        left, right = self.resolve_value(node.left), self.resolve_value(node.right)
        self._check_quoted(node.left, right)
        self._check_quoted(node.right, left)
        test = to_predicate_test(node.operator, left, right) or to_predicate_test(
            MIRRORED_OPERATORS[node.operator], right, left
        )
        if test is not None:
            return test
        left, right = coerce_to_comparable((left, right), (node.left, node.right), node.span)
        return q.Comparison(node.operator, left, right)

    def _check_quoted(self, node: tree.Value, other: q.Value) -> None:
        """Reject a column's name in single quotes beside a number: the column is meant."""
        if isinstance(node, tree.String) and other.column.type.is_numeric:
            name = tree.Identifier(node.value, False, node.span)
            if self.scope.namespace.find(name):
                message = f"'{node.value}' is a string; the column {node.value} is written without quotes"
                raise QueryError(message, span=node.span, code=Code.ADQL_TYPE_MISMATCH)

    def _resolve_comparable(self, nodes: tuple[tree.Value, ...], span: TextSpan) -> list[q.Value]:
        return coerce_to_comparable([self.resolve_value(n) for n in nodes], nodes, span)

    def _resolve_in(self, node: tree.In) -> q.Condition:
        if isinstance(node.options, tuple):
            value, *options = self._resolve_comparable((node.value, *node.options), node.span)
            listed = as_tuple(options) if len(options) > MAX_INLINE_OPTIONS else None
            if listed is not None:
                return q.InConstants(value, listed, node.negated)
            return q.InTest(value, tuple(options), node.negated)
        value = self.resolve_value(node.value)
        inner = self.resolve_query(node.options, self.scope)
        if len(inner.columns) != 1:
            raise QueryError(
                f"the sub-query after IN must return one column, not {len(inner.columns)}",
                span=node.span,
                hint="select one",
                code=Code.ADQL_COLUMN_COUNT,
            )
        column = inner.columns[0]
        if not is_null(value) and not can_compare(value.column.type, column.type):
            raise QueryError(
                f"cannot compare {describe(value)} with {column.name} ({column.type}) of the sub-query",
                span=node.span,
                code=Code.ADQL_TYPE_MISMATCH,
            )
        return q.InTest(set_null_type(value, column.type), inner, node.negated)

    def _resolve_text(self, node: tree.Value, word: str) -> q.Value:
        value = self.resolve_value(node)
        if value.column.type.family == "time":
            return q.TypeCast(value, Column("", types.VARCHAR))
        if value.column.type.family == "text":
            return value
        raise QueryError(
            f"{describe(value)} beside {word}, where a text is needed", span=node.span, code=Code.ADQL_TYPE_MISMATCH
        )


FRAME_FUNCTIONS = ("POINT", "CIRCLE", "BOX", "POLYGON")
"""The functions whose first argument may be a coordinate system."""


def _rotate_to_icrs(shape: q.Value, source: str | None) -> q.Value:
    """Return a geometry of another frame in ICRS."""
    if source is None:
        return shape
    (transform,) = UDFS["ivo_geom_transform"]
    names = (q.Constant(name, Column("", types.VARCHAR, length=len(name))) for name in (source, "ICRS"))
    return constant_fold(q.FunctionCall(transform, (*names, shape), shape.column))


def _to_timestamp(value: q.Value, span: TextSpan) -> q.Value:
    """Return a time, or the text of one, as a TIMESTAMP."""
    if isinstance(value, q.Constant) and isinstance(value.value, str):
        return parse_time(value, types.TIMESTAMP, span)
    if is_null(value) or value.column.type is types.TIMESTAMP:
        return set_null_type(value, types.TIMESTAMP)
    return q.TypeCast(value, value.column.replace(name="", description=None, type=types.TIMESTAMP, length=None))
