"""The part of the tree builder for values and conditions.

Both come through the same rules of grammar.lark, and so do the numeric, character and geometry expressions of the
standard's grammar: each node carries a letter for its kind (words.py), and a method requires the kind that the grammar
of the standard has there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vo_server.adql.syntax import operand_errors, tree, words
from vo_server.adql.syntax.extensions import explain_extension
from vo_server.adql.syntax.lexer import Word
from vo_server.adql.syntax.partial import (
    MAX_COLUMN_NAMES,
    Expression,
    ParseNode,
    check_name_parts,
    condition_node,
    parent_of,
    parse_whole_number,
    require_condition,
    require_value,
)
from vo_server.errors import Code, QueryError, TextSpan

MAX_IN_VALUES = 100_000
"""Values in the list of an IN."""


class ValueBuilder:
    """A method for each rule of values and conditions, named as the rule is; it takes the rule's symbols as arguments.

    Extensions to the standard are accepted, and noted as the errors that they are in strict mode.
    """

    def __init__(self) -> None:
        self.extensions: list[QueryError] = []

    def _note_extension(self, what: str, start: int, end: int) -> None:
        """Note an extension as the error that it is in strict mode."""
        self.extensions.append(explain_extension(what, TextSpan(start, end)))

    # ------------------------------------------------------------------------------------------- conditions

    def disjunction(self, *operands: Expression) -> Expression:
        """Return a condition whose operands are joined by OR."""
        return self._build_chain(tree.Or, operands)

    def conjunction(self, *operands: Expression) -> Expression:
        """Return a condition whose operands are joined by AND."""
        return self._build_chain(tree.And, operands)

    def _build_chain(self, node: type[tree.Or] | type[tree.And], operands: Sequence[Expression]) -> Expression:
        """Return a condition whose operands are joined by AND or OR."""
        start, end = operands[0].start, operands[-1].end
        conditions = tuple(require_condition(operand) for operand in operands)
        depths = (operand.depth for operand in operands)
        return parent_of(node(conditions, TextSpan(start, end)), start, end, words.CONDITION, *depths)

    def negation(self, word: Word, operand: Expression) -> Expression:
        """Return the negation of a condition."""
        return condition_node(tree.Not(require_condition(operand), TextSpan(word.start, operand.end)), operand)

    def compare(self, left: Expression, operator: Word, right: Expression) -> Expression:
        """Return a comparison; raises QueryError if an operand is NULL."""
        if isinstance(right.node, tree.Null) or isinstance(left.node, tree.Null):
            raise operand_errors.explain_null_comparison(operator.text, TextSpan(left.start, right.end))
        sign = "<>" if operator.text == "!=" else operator.text
        span = TextSpan(left.start, right.end)
        return condition_node(tree.Compare(sign, require_value(left), require_value(right), span), left, right)

    def between(self, value: Expression, negated: Word | None, low: Expression, high: Expression) -> Expression:
        """Return a BETWEEN."""
        span = TextSpan(value.start, high.end)
        node = tree.Between(require_value(value), require_value(low), require_value(high), negated is not None, span)
        return condition_node(node, value, low, high)

    def in_list(self, value: Expression, negated: Word | None, options: list[Expression], closing: Word) -> Expression:
        """Return an IN with a list of values; raises QueryError if they are more than MAX_IN_VALUES."""
        span = TextSpan(value.start, closing.end)
        if len(options) > MAX_IN_VALUES:
            message = f"the list of this IN has {len(options):,} values; at most {MAX_IN_VALUES:,} are allowed"
            hint = "upload them as a table, and join it"
            raise QueryError(message, span=span, hint=hint, code=Code.ADQL_TOO_COMPLEX)
        node = tree.In(require_value(value), tuple(map(require_value, options)), negated is not None, span)
        return condition_node(node, value, *options)

    def in_query(self, value: Expression, negated: Word | None, query: ParseNode[tree.Query]) -> Expression:
        """Return an IN with a sub-query."""
        span = TextSpan(value.start, query.end)
        return condition_node(tree.In(require_value(value), query.node, negated is not None, span), value, query)

    def like(self, value: Expression, negated: Word | None, word: Word, pattern: Expression) -> Expression:
        """Return a LIKE or ILIKE."""
        node = tree.Like(
            value=require_value(value, "t", f"before {word.type}"),
            pattern=require_value(pattern, "t", f"after {word.type}"),
            negated=negated is not None,
            is_case_insensitive=word.type == "ILIKE",
            span=TextSpan(value.start, pattern.end),
        )
        return condition_node(node, value, pattern)

    def is_null(self, value: Expression, negated: Word | None, null: Word) -> Expression:
        """Return an IS NULL."""
        if value.kind != words.COLUMN:
            self._note_extension("IS NULL of anything but a column", value.start, null.end)
        return condition_node(
            tree.IsNull(require_value(value), negated is not None, TextSpan(value.start, null.end)), value
        )

    def exists(self, word: Word, query: ParseNode[tree.Query]) -> Expression:
        """Return an EXISTS."""
        return condition_node(tree.Exists(query.node, TextSpan(word.start, query.end)), query)

    # ----------------------------------------------------------------------------------------------- values

    def values(self, *values: Expression) -> list[Expression]:
        """Return a list of values."""
        return list(values)

    def binary(self, left: Expression, operator: Word, right: Expression) -> Expression:
        """Return an operation with two operands, which must be numbers or, of ||, strings."""
        if operator.type in ("PIPE", "CARET", "AMPERSAND"):
            self._note_extension("a bitwise operator", operator.start, operator.end)
        formal, kind = ("t", words.TEXT) if operator.text == "||" else ("n", words.NUMERIC)
        values = (
            require_value(left, formal, f"before {operator.text}"),
            require_value(right, formal, f"after {operator.text}"),
        )
        node = tree.BinaryOperation(operator.text, *values, TextSpan(left.start, right.end))
        return parent_of(node, left.start, right.end, kind, left.depth, right.depth)

    def unary(self, operator: Word, operand: Expression) -> Expression:
        """Return a number with its sign or ~."""
        if operator.type == "TILDE":
            self._note_extension("a bitwise operator", operator.start, operator.end)
        signed = operand.kind == words.INTEGER and operator.type != "TILDE"
        start, end = operator.start, operand.end
        value = require_value(operand, "n", f"after {operator.text}")
        node = tree.UnaryOperation(operator.text, value, TextSpan(start, end))
        return parent_of(node, start, end, words.SIGNED if signed else words.NUMERIC, operand.depth)

    def column(self, names: list[tree.Identifier]) -> Expression:
        """Return a column reference."""
        start, end = names[0].span.start, names[-1].span.end
        return ParseNode(tree.ColumnName(tuple(names), TextSpan(start, end)), start, end, words.COLUMN, 1)

    def number(self, token: Word) -> Expression:
        """Return a numeric literal."""
        start, end = token.start, token.end
        if token.type == "HEXADECIMAL":
            self._note_extension("a hexadecimal literal", start, end)
        kind = words.INTEGER if token.type == "INTEGER" else words.NUMBER
        return ParseNode(tree.Number(token.text, TextSpan(start, end)), start, end, kind, 1)

    def string(self, token: Word) -> Expression:
        """Return a string literal."""
        start, end = token.start, token.end
        value = token.text[1:-1].replace("''", "'")
        return ParseNode(tree.String(value, TextSpan(start, end)), start, end, words.STRING, 1)

    def null(self, token: Word) -> Expression:
        """Return NULL."""
        start, end = token.start, token.end
        return ParseNode(tree.Null(TextSpan(start, end)), start, end, words.NULL, 1)

    def truth(self, token: Word) -> Expression:
        """Return TRUE or FALSE."""
        start, end = token.start, token.end
        self._note_extension("TRUE or FALSE as a value", start, end)
        return ParseNode(tree.Boolean(token.type == "TRUE", TextSpan(start, end)), start, end, words.ANY, 1)

    def function(self, word: Word, arguments: list[Expression] | None, closing: Word) -> Expression:
        """Return a call of a function of ADQL; raises QueryError if the arguments do not fit."""
        name, arguments = word.text.upper(), arguments or []
        if name == "NULLIF":
            self._note_extension("NULLIF", word.start, closing.end)
        syntax = words.FUNCTION_SYNTAX[name]
        if not syntax.pattern.fullmatch("".join(argument.kind for argument in arguments)):
            raise operand_errors.explain_arguments(name, syntax.usage, TextSpan(word.start, closing.end))
        return self._build_call(name, syntax.result, word, arguments, closing)

    def _build_call(
        self, name: str, kind: str, word: Word, arguments: Sequence[Expression], closing: Word
    ) -> Expression:
        """Return a function call whose result has this kind."""
        start, end = word.start, closing.end
        node = tree.Call(name, tuple(map(require_value, arguments)), TextSpan(start, end))
        return parent_of(node, start, end, kind, *(argument.depth for argument in arguments))

    def count_all(self, word: Word, _: Word, closing: Word) -> Expression:
        """Return COUNT(*); raises QueryError for other aggregates with *."""
        name, start, end = word.text.upper(), word.start, closing.end
        if name != "COUNT":
            raise operand_errors.explain_arguments(name, "one value; only COUNT takes *", TextSpan(start, end))
        return ParseNode(tree.Call(name, (), TextSpan(start, end), star=True), start, end, words.ANY, 1)

    def aggregate(self, word: Word, quantifier: Word | None, arguments: list[Expression], closing: Word) -> Expression:
        """Return a call of an aggregate function; raises QueryError if it has not one argument."""
        name = word.text.upper()
        if len(arguments) != 1:
            raise operand_errors.explain_arguments(name, "one value", TextSpan(word.start, closing.end))
        call = self._build_call(name, words.ANY, word, arguments, closing)
        distinct = quantifier is not None and quantifier.type == "DISTINCT"
        return call._replace(node=replace(call.node, distinct=distinct))

    def user_function(self, word: Word, arguments: list[Expression] | None, closing: Word) -> Expression:
        """Return a call of a user-defined function."""
        return self._build_call(word.text, words.USER, word, arguments or [], closing)

    def cast(self, word: Word, value: Expression, target: tuple[str, int | None], closing: Word) -> Expression:
        """Return a CAST."""
        start, end = word.start, closing.end
        node = tree.Cast(require_value(value), *target, TextSpan(start, end))
        return parent_of(node, start, end, words.ANY, value.depth)

    def cast_type(
        self, first: Word, second: Word | None, length: Word | None, closing: Word | None
    ) -> tuple[str, int | None]:
        """Return the name and the length of a type of CAST; raises QueryError if there is no such type."""
        name = " ".join(word.text.upper() for word in (first, second) if word is not None)
        last = closing if closing is not None else second if second is not None else first
        span = TextSpan(first.start, last.end)
        if name not in words.CAST_TYPES:
            raise operand_errors.explain_unknown_type(name, span)
        if name in words.EXTENSION_TYPES:
            self._note_extension(f"CAST AS {name}", span.start, span.end)
        if length is not None and name not in words.SIZED_TYPES:
            raise QueryError(f"{name} takes no length", span=span, code=Code.ADQL_SYNTAX)
        return name, parse_whole_number(length) if length is not None else None

    def case(self, word: Word, operand: Expression | None, *rest: Any) -> Expression:
        """Return a CASE; the last two children are the value of ELSE and the word END."""
        *branches, otherwise, closing = rest
        start, end = word.start, closing.end
        self._note_extension("CASE", start, end)
        whens = tuple(
            (require_condition(when) if operand is None else require_value(when), require_value(then))
            for when, then in branches
        )
        node = tree.Case(
            operand=require_value(operand) if operand else None,
            branches=whens,
            default=require_value(otherwise) if otherwise else None,
            span=TextSpan(start, end),
        )
        parts = [*(part for pair in branches for part in pair), *(p for p in (operand, otherwise) if p)]
        return parent_of(node, start, end, words.ANY, *(part.depth for part in parts))

    def branch(self, when: Expression, then: Expression) -> tuple[Expression, Expression]:
        """Return the WHEN and the THEN of a CASE."""
        return when, then

    def scalar(self, query: ParseNode[tree.Query]) -> Expression:
        """Return a sub-query as a value."""
        self._note_extension("a sub-query as a value", query.start, query.end)
        return parent_of(tree.ScalarQuery(query.node, query.span), *query[1:3], words.ANY, query.depth)

    def parentheses(self, opening: Word, inner: Expression, closing: Word) -> Expression:
        """Return a value or condition in parentheses."""
        kind = words.CONDITION if inner.kind == words.CONDITION else words.ANY
        return parent_of(inner.node, opening.start, closing.end, kind, inner.depth)

    def names(self, *names: Any) -> list[tree.Identifier]:
        """Return the names of a column or table: the first name alone, or a list of names and one more.

        Raises QueryError at once where they are too many: the lists are copied, so that long ones take long.
        """
        if len(names) == 1:
            return [names[0]]
        longer = [*names[0], names[1]]
        check_name_parts(longer, MAX_COLUMN_NAMES, "column")
        return longer

    def name(self, token: Word) -> tree.Identifier:
        """Return a regular identifier."""
        return tree.Identifier(token.text, False, TextSpan(token.start, token.end))

    def delimited_identifier(self, token: Word) -> tree.Identifier:
        """Return an identifier in double quotes."""
        return tree.Identifier(token.text[1:-1].replace('""', '"'), True, TextSpan(token.start, token.end))
