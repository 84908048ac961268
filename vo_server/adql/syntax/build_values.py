"""Values and conditions: the part of the tree builder that has a method for each rule of expressions.

Both come through the same rules of grammar.lark, and so do the numeric, character and geometry expressions of the
standard's grammar: each piece carries a letter for its kind (words.py), and a method asks for the kind that the
standard has at that place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vo_server.adql.syntax import operand_errors, tree, words
from vo_server.adql.syntax.extensions import extension
from vo_server.adql.syntax.lexer import Word
from vo_server.adql.syntax.partial import (
    MAX_NAMES,
    Expression,
    Piece,
    above,
    at_most,
    condition_in,
    tested,
    value_in,
    whole_number,
)
from vo_server.errors import QueryError, TextSpan

MAX_OPTIONS = 100_000
"""Values in the list of an IN."""


class Values:
    """A method for each rule. What is beyond the standard is taken, and noted as the fault that it is to the strict."""

    def __init__(self) -> None:
        self.extensions: list[QueryError] = []

    def _extension(self, what: str, start: int, end: int) -> None:
        self.extensions.append(extension(what, TextSpan(start, end)))

    # ------------------------------------------------------------------------------------------- conditions

    def disjunction(self, *operands: Expression) -> Expression:
        return self._several(tree.Or, operands)

    def conjunction(self, *operands: Expression) -> Expression:
        return self._several(tree.And, operands)

    def _several(self, node: type[tree.Or] | type[tree.And], operands: Sequence[Expression]) -> Expression:
        start, end = operands[0].start, operands[-1].end
        conditions = tuple(condition_in(operand) for operand in operands)
        depths = (operand.depth for operand in operands)
        return above(node(conditions, TextSpan(start, end)), start, end, words.CONDITION, *depths)

    def negation(self, word: Word, operand: Expression) -> Expression:
        return tested(tree.Not(condition_in(operand), TextSpan(word.start, operand.end)), operand)

    def compare(self, left: Expression, operator: Word, right: Expression) -> Expression:
        if isinstance(right.node, tree.Null) or isinstance(left.node, tree.Null):
            raise operand_errors.compared_with_null(operator.text, TextSpan(left.start, right.end))
        written = "<>" if operator.text == "!=" else operator.text
        place = TextSpan(left.start, right.end)
        return tested(tree.Compare(written, value_in(left), value_in(right), place), left, right)

    def between(self, value: Expression, negated: Word | None, low: Expression, high: Expression) -> Expression:
        place = TextSpan(value.start, high.end)
        node = tree.Between(value_in(value), value_in(low), value_in(high), negated is not None, place)
        return tested(node, value, low, high)

    def in_list(self, value: Expression, negated: Word | None, options: list[Expression], closing: Word) -> Expression:
        place = TextSpan(value.start, closing.end)
        if len(options) > MAX_OPTIONS:
            said = f"the list of this IN has {len(options):,} values; at most {MAX_OPTIONS:,} are taken"
            raise QueryError(said, span=place, hint="upload them as a table, and join it")
        node = tree.In(value_in(value), tuple(map(value_in, options)), negated is not None, place)
        return tested(node, value, *options)

    def in_query(self, value: Expression, negated: Word | None, query: Piece[tree.Query]) -> Expression:
        place = TextSpan(value.start, query.end)
        return tested(tree.In(value_in(value), query.node, negated is not None, place), value, query)

    def like(self, value: Expression, negated: Word | None, word: Word, pattern: Expression) -> Expression:
        node = tree.Like(
            value=value_in(value, "t", f"before {word.type}"),
            pattern=value_in(pattern, "t", f"after {word.type}"),
            negated=negated is not None,
            fold=word.type == "ILIKE",
            place=TextSpan(value.start, pattern.end),
        )
        return tested(node, value, pattern)

    def is_null(self, value: Expression, negated: Word | None, null: Word) -> Expression:
        if value.kind != words.COLUMN:
            self._extension("IS NULL of anything but a column", value.start, null.end)
        return tested(tree.IsNull(value_in(value), negated is not None, TextSpan(value.start, null.end)), value)

    def exists(self, word: Word, query: Piece[tree.Query]) -> Expression:
        return tested(tree.Exists(query.node, TextSpan(word.start, query.end)), query)

    # ----------------------------------------------------------------------------------------------- values

    def values(self, *values: Expression) -> list[Expression]:
        return list(values)

    def binary(self, left: Expression, operator: Word, right: Expression) -> Expression:
        if operator.type in ("PIPE", "CARET", "AMPERSAND"):
            self._extension("a bitwise operator", operator.start, operator.end)
        formal, kind = ("t", words.TEXT) if operator.text == "||" else ("n", words.NUMERIC)
        values = value_in(left, formal, f"before {operator.text}"), value_in(right, formal, f"after {operator.text}")
        node = tree.Binary(operator.text, *values, TextSpan(left.start, right.end))
        return above(node, left.start, right.end, kind, left.depth, right.depth)

    def unary(self, operator: Word, operand: Expression) -> Expression:
        if operator.type == "TILDE":
            self._extension("a bitwise operator", operator.start, operator.end)
        signed = operand.kind == words.INTEGER and operator.type != "TILDE"
        start, end = operator.start, operand.end
        node = tree.Unary(operator.text, value_in(operand, "n", f"after {operator.text}"), TextSpan(start, end))
        return above(node, start, end, words.SIGNED if signed else words.NUMERIC, operand.depth)

    def column(self, names: list[tree.Name]) -> Expression:
        start, end = names[0].place.start, names[-1].place.end
        return Piece(tree.ColumnName(tuple(names), TextSpan(start, end)), start, end, words.COLUMN, 1)

    def number(self, token: Word) -> Expression:
        start, end = token.start, token.end
        if token.type == "HEXADECIMAL":
            self._extension("a hexadecimal literal", start, end)
        kind = words.INTEGER if token.type == "INTEGER" else words.NUMBER
        return Piece(tree.Number(token.text, TextSpan(start, end)), start, end, kind, 1)

    def string(self, token: Word) -> Expression:
        start, end = token.start, token.end
        value = token.text[1:-1].replace("''", "'")
        return Piece(tree.String(value, TextSpan(start, end)), start, end, words.STRING, 1)

    def null(self, token: Word) -> Expression:
        start, end = token.start, token.end
        return Piece(tree.Null(TextSpan(start, end)), start, end, words.NULL, 1)

    def truth(self, token: Word) -> Expression:
        start, end = token.start, token.end
        self._extension("TRUE or FALSE as a value", start, end)
        return Piece(tree.Truth(token.type == "TRUE", TextSpan(start, end)), start, end, words.ANY, 1)

    def function(self, word: Word, arguments: list[Expression] | None, closing: Word) -> Expression:
        name, arguments = word.text.upper(), arguments or []
        if name == "NULLIF":
            self._extension("NULLIF", word.start, closing.end)
        syntax = words.FUNCTIONS[name]
        if not syntax.pattern.fullmatch("".join(argument.kind for argument in arguments)):
            raise operand_errors.wrong_arguments(name, syntax.usage, TextSpan(word.start, closing.end))
        return self._call(name, syntax.gives, word, arguments, closing)

    def _call(self, name: str, kind: str, word: Word, arguments: Sequence[Expression], closing: Word) -> Expression:
        start, end = word.start, closing.end
        node = tree.Call(name, tuple(map(value_in, arguments)), TextSpan(start, end))
        return above(node, start, end, kind, *(argument.depth for argument in arguments))

    def count_all(self, word: Word, _: Word, closing: Word) -> Expression:
        name, start, end = word.text.upper(), word.start, closing.end
        if name != "COUNT":
            raise operand_errors.wrong_arguments(name, "one value; only COUNT takes *", TextSpan(start, end))
        return Piece(tree.Call(name, (), TextSpan(start, end), star=True), start, end, words.ANY, 1)

    def aggregate(self, word: Word, quantifier: Word | None, arguments: list[Expression], closing: Word) -> Expression:
        name = word.text.upper()
        if len(arguments) != 1:
            raise operand_errors.wrong_arguments(name, "one value", TextSpan(word.start, closing.end))
        called = self._call(name, words.ANY, word, arguments, closing)
        distinct = quantifier is not None and quantifier.type == "DISTINCT"
        return called._replace(node=replace(called.node, distinct=distinct))

    def user_function(self, word: Word, arguments: list[Expression] | None, closing: Word) -> Expression:
        return self._call(word.text, words.USER, word, arguments or [], closing)

    def cast(self, word: Word, value: Expression, target: tuple[str, int | None], closing: Word) -> Expression:
        start, end = word.start, closing.end
        node = tree.Cast(value_in(value), *target, TextSpan(start, end))
        return above(node, start, end, words.ANY, value.depth)

    def cast_type(
        self, first: Word, second: Word | None, length: Word | None, closing: Word | None
    ) -> tuple[str, int | None]:
        name = " ".join(word.text.upper() for word in (first, second) if word is not None)
        last = closing if closing is not None else second if second is not None else first
        place = TextSpan(first.start, last.end)
        if name not in words.CAST_TYPES:
            raise operand_errors.unknown_type(name, place)
        if name in words.OUR_TYPES:
            self._extension(f"CAST AS {name}", place.start, place.end)
        if length is not None and name not in words.SIZED_TYPES:
            raise QueryError(f"{name} takes no length", span=place)
        return name, whole_number(length) if length is not None else None

    def case(self, word: Word, operand: Expression | None, *rest: Any) -> Expression:
        *branches, otherwise, closing = rest
        start, end = word.start, closing.end
        self._extension("CASE", start, end)
        whens = tuple(
            (condition_in(when) if operand is None else value_in(when), value_in(then)) for when, then in branches
        )
        node = tree.Case(
            operand=value_in(operand) if operand else None,
            branches=whens,
            otherwise=value_in(otherwise) if otherwise else None,
            place=TextSpan(start, end),
        )
        parts = [*(piece for pair in branches for piece in pair), *(p for p in (operand, otherwise) if p)]
        return above(node, start, end, words.ANY, *(part.depth for part in parts))

    def branch(self, when: Expression, then: Expression) -> tuple[Expression, Expression]:
        return when, then

    def scalar(self, query: Piece[tree.Query]) -> Expression:
        self._extension("a sub-query as a value", query.start, query.end)
        return above(tree.ScalarQuery(query.node, query.place), *query[1:3], words.ANY, query.depth)

    def parentheses(self, opening: Word, inner: Expression, closing: Word) -> Expression:
        kind = words.CONDITION if inner.kind == words.CONDITION else words.ANY
        return above(inner.node, opening.start, closing.end, kind, inner.depth)

    def names(self, *names: Any) -> list[tree.Name]:
        """Left recursive: the first name, or a list and one more. Refused early, for the lists are copied."""
        if len(names) == 1:
            return [names[0]]
        longer = [*names[0], names[1]]
        at_most(longer, MAX_NAMES, "column")
        return longer

    def name(self, token: Word) -> tree.Name:
        return tree.Name(token.text, False, TextSpan(token.start, token.end))

    def delimited(self, token: Word) -> tree.Name:
        return tree.Name(token.text[1:-1].replace('""', '"'), True, TextSpan(token.start, token.end))
