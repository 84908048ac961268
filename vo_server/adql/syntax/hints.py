"""Errors for words that the grammar does not allow where they stand, in the terms of ADQL.

`explain` tries its RULES in order; the first that applies gives the error. Most errors are rows of tables: those of
syntax_hints.py for a word in the wrong place, those of characters.py for text that is no word of ADQL. Operands of the
wrong kind have their errors in operand_errors.py.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from vo_server.adql.syntax.expected import (
    CLAUSE_NAMES,
    CLAUSES,
    CONDITION_WORDS,
    SET_OPERATORS,
    VALUE_STARTS,
    describe_expected,
)
from vo_server.adql.syntax.lexer import END
from vo_server.adql.syntax.operand_errors import describe_reserved_word
from vo_server.adql.syntax.other_dialects import ADQL_EQUIVALENTS
from vo_server.adql.syntax.syntax_error import SyntaxErrorContext
from vo_server.adql.syntax.syntax_hints import SYNTAX_HINTS
from vo_server.catalogue.suggestions import suggest_similar
from vo_server.errors import Code, QueryError, TextSpan
from vo_server.model.reserved_words import RESERVED

_PATTERNS = tuple((re.compile(rf"(?:^| )(?:{row.pattern})$"), row) for row in SYNTAX_HINTS)

OTHER_STATEMENTS = frozenset(
    """
    INSERT UPDATE DELETE DROP CREATE ALTER TRUNCATE GRANT REVOKE MERGE REPLACE COPY SET EXPLAIN EXEC EXECUTE CALL BEGIN
    COMMIT ROLLBACK USE SHOW DESCRIBE ANALYZE VACUUM ATTACH PRAGMA DECLARE VALUES
    """.split()
)
"""Keywords with which SQL statements other than queries begin."""


def explain(context: SyntaxErrorContext) -> QueryError:
    """Return the most specific error for a word in the wrong place."""
    for rule in RULES:
        error = rule(context)
        if error is not None:
            return error
    return _explain_by_expectation(context)


def _explain_first_word(context: SyntaxErrorContext) -> QueryError | None:
    """Explain a text that is empty or begins with another word than SELECT or WITH."""
    first = context.words[0]
    if first.type == END:
        return context.create_error("the query is empty", first, "as in SELECT TOP 10 * FROM t")
    if first.text.upper() in OTHER_STATEMENTS:
        return context.create_error("ADQL only reads: a query begins with SELECT or WITH", first)
    if first.type not in ("SELECT", "WITH", "LPAR"):
        message = f"a query begins with SELECT or WITH, not with `{_shorten(first.text)}`"
        return context.create_error(message, first, suggest_similar(first.text, ("SELECT", "WITH")))
    return None


def _find_hint(context: SyntaxErrorContext) -> QueryError | None:
    """Return the error of the first row of SYNTAX_HINTS that applies to the last four words."""
    symbols = " ".join(word.symbol for word in context.words[max(0, context.index - 3) : context.index + 1])
    for pattern, row in _PATTERNS:
        if pattern.search(symbols) and _is_applicable(row.expected, context.expected):
            first = context.words[max(0, context.index - row.words_before)]
            texts = (context.word.text.upper(), context.previous.text.upper() if context.previous else "")
            span = TextSpan(first.start, context.word.end)
            message = row.message.format(*texts)
            return QueryError(message, text=context.text, span=span, hint=row.hint, code=Code.ADQL_SYNTAX)
    return None


def _is_applicable(terminals: str, expected: frozenset[str]) -> bool:
    """Return whether all of the terminals are expected, and none of those with ! before them."""
    return all((name.removeprefix("!") in expected) != name.startswith("!") for name in terminals.split())


def _explain_url_encoding(context: SyntaxErrorContext) -> QueryError | None:
    """Explain a query in which every blank is a +, as in SELECT+ra+FROM+t."""
    if not re.match(r"\s*(?:SELECT|WITH)\+\S+\s*$", context.text, re.IGNORECASE):
        return None
    plus = next(word for word in context.words if word.text == "+")
    return context.create_error("the query is encoded as in a URL, where + stands for a blank", plus, "send it decoded")


def _explain_comment(context: SyntaxErrorContext) -> QueryError | None:
    """Explain a comment in the syntax of another language."""
    if not context.text.startswith(("/*", "//"), context.word.start):
        return None
    return context.create_error("a comment begins with -- and ends with the line")


def _explain_inner_quote(context: SyntaxErrorContext) -> QueryError | None:
    """Explain a string that ends at a quote which is not doubled."""
    before = context.previous
    if before is None or before.type != "STRING" or before.end != context.word.start or context.word.type == END:
        return None
    hint = "a quote inside a string is written twice, as in 'O''Neill'"
    return context.create_error("the string before this has ended", hint=hint)


def _explain_misspelling(context: SyntaxErrorContext) -> QueryError | None:
    """Explain a name here, or an alias before, that is similar to a keyword."""
    for word in (context.previous, context.word):
        if word is None or word.type != "NAME" or len(word.text) < MIN_MISSPELT_CHARACTERS:
            continue
        close = get_close_matches(word.text.upper(), MISSPELT_KEYWORDS, n=1, cutoff=0.74)
        if close:
            return context.create_error(f"`{word.text}` may be meant to be {close[0]}", word)
    return None


MISSPELT_KEYWORDS = tuple("FROM WHERE GROUP ORDER HAVING OFFSET JOIN INNER LEFT BETWEEN LIKE UNION".split())
"""Keywords that are often misspelt."""

MIN_MISSPELT_CHARACTERS = 4
"""Characters of a name that is compared with keywords: shorter ones are similar to too many."""


def _explain_function_name(context: SyntaxErrorContext) -> QueryError | None:
    """Explain a function name, such as DISTANCE or COUNT, without a parenthesis after it."""
    before = context.previous
    if before is None or before.type not in ("FUNCTION", "AGGREGATE", "CAST") or context.expected != {"LPAR"}:
        return None
    if context.word.type in ("STRING", "NUMBER", "INTEGER"):
        return context.create_error(f"{before.text} is followed by its arguments in parentheses", before)
    return context.create_error(describe_reserved_word(before.text), before)


def _explain_reserved_word(context: SyntaxErrorContext) -> QueryError | None:
    """Explain a reserved word as a name, as a function, or before a string (TIMESTAMP '...')."""
    word = context.word
    after = context.following.type if context.following else END
    is_called = after == "LPAR"
    if word.text.upper() in ("DATE", "TIME", "TIMESTAMP") and after == "STRING":
        return context.create_error("a time is written as a plain string", hint="as in '2016-01-01T00:00:00'")
    is_after_as = context.previous is not None and context.previous.type == "AS"
    if word.type in ("RESERVED", "TYPE") and is_called and not is_after_as:
        message, hint = f"{word.text} is not a function of ADQL", ADQL_EQUIVALENTS.get(word.text.upper())
        return context.create_error(message, hint=hint, code=Code.ADQL_UNKNOWN_FUNCTION)
    if word.text.upper() not in RESERVED or "NAME" not in context.expected:
        return None
    is_bare = word.type in ("RESERVED", "TYPE") or (word.type in ("FUNCTION", "AGGREGATE") and not is_called)
    follows_as_or_dot = context.previous is not None and context.previous.type in ("AS", "DOT")
    precedes_separator = after in ("COMMA", "DOT", "AS", "COMPARE", "FROM") and word.type not in ("FROM", "SELECT")
    is_name = is_bare or follows_as_or_dot or precedes_separator
    return context.create_error(describe_reserved_word(word.text)) if is_name else None


def _explain_parentheses(context: SyntaxErrorContext) -> QueryError | None:
    """Explain a parenthesis that is not opened or not closed."""
    parentheses = context.open_parentheses
    if context.word.type == "RPAR" and not parentheses:
        return context.create_error("there is no open parenthesis to close here")
    if parentheses and "RPAR" in context.expected and context.word.type in (END, "SEMICOLON", "SELECT", *CLAUSES):
        where = "the query ends" if context.word.type == END else f"{context.word.text.upper()} comes"
        return context.create_error("this parenthesis is never closed", parentheses[-1], f"{where} before it is")
    return None


def _explain_missing_join_condition(context: SyntaxErrorContext) -> QueryError | None:
    """Explain a JOIN without ON and USING."""
    if not {"ON", "USING"} <= context.expected or context.word.type in ("NAME", "DELIMITED"):
        return None
    hint = "as in a JOIN b ON a.id = b.id, or a JOIN b USING (id); every pair of rows is FROM a, b"
    return context.create_error("JOIN needs ON or USING, or NATURAL before it", context.find_last("JOIN"), hint)


def _explain_extra_join_condition(context: SyntaxErrorContext) -> QueryError | None:
    """Explain an ON or USING after NATURAL or CROSS JOIN."""
    kind = context.find_last("NATURAL", "CROSS")
    if context.word.type not in ("ON", "USING") or kind is None:
        return None
    return context.create_error(f"{kind.text.upper()} JOIN takes no {context.word.text.upper()}")


def _explain_between(context: SyntaxErrorContext) -> QueryError | None:
    """Explain a BETWEEN without its AND: no OR is expected before it."""
    if "AND" not in context.expected or "OR" in context.expected:
        return None
    return context.create_error("BETWEEN needs AND", context.find_last("BETWEEN"), "as in x BETWEEN 1 AND 2")


def _explain_missing_alias(context: SyntaxErrorContext) -> QueryError | None:
    """Explain a sub-query in FROM without an alias."""
    is_closed = context.previous is not None and context.previous.type == "RPAR"
    if not is_closed or context.expected != {"AS", "NAME", "DELIMITED"}:
        return None
    return context.create_error("a sub-query in FROM needs a name", context.previous, "as in FROM (SELECT ...) AS q")


def _explain_missing_from(context: SyntaxErrorContext) -> QueryError | None:
    """Explain a SELECT that ends, or goes on with another clause, before its FROM."""
    if "FROM" not in context.expected or context.word.type not in (END, "RPAR", "SEMICOLON", *CLAUSES, *SET_OPERATORS):
        return None
    return context.create_error("FROM is missing: every query reads from a table", hint="as in SELECT a FROM t")


def _explain_clause_order(context: SyntaxErrorContext) -> QueryError | None:
    """Explain a clause after one that it belongs before, or a clause that stands twice in one query."""
    kind, name = context.word.type, CLAUSE_NAMES.get(context.word.type, context.word.type)
    clauses = _find_clauses_before(context)
    if kind in SET_OPERATORS and {"ORDER", "OFFSET"} & set(clauses):
        hint = "put the query before it in parentheses to give it an ORDER BY or OFFSET of its own"
        return context.create_error(f"{kind} cannot follow ORDER BY or OFFSET", hint=hint)
    if kind in clauses:
        return context.create_error(f"a second {name}; a query has one")
    later = [other for other in clauses if kind in CLAUSES and CLAUSES.index(other) > CLAUSES.index(kind)]
    return context.create_error(f"{name} stands before {CLAUSE_NAMES.get(later[-1], later[-1])}") if later else None


def _find_clauses_before(context: SyntaxErrorContext) -> list[str]:
    """Return the clauses of the same query before the wrong word, the last first, without those in parentheses."""
    depth, clauses = 0, []
    for word in reversed(context.words[: context.index]):
        depth += {"RPAR": 1, "LPAR": -1}.get(word.type, 0)
        if depth < 0 or (depth == 0 and word.type == "SELECT"):
            break
        if depth == 0 and word.type in CLAUSES:
            clauses.append(word.type)
    return clauses


def _explain_misplaced_condition(context: SyntaxErrorContext) -> QueryError | None:
    """Explain a comparison where the grammar has a value, or after another comparison."""
    ends = (*VALUE_STARTS, "RPAR", "STAR")
    if context.word.type not in CONDITION_WORDS or context.previous is None or context.previous.type not in ends:
        return None
    if context.find_last("SELECT", "WHERE", "ON", "HAVING", "BY", "WHEN") in (
        None,
        context.find_last("WHERE", "ON", "HAVING", "WHEN"),
    ):
        if context.word.type == "COMPARE" and not context.open_parentheses:
            return context.create_error("comparisons do not follow one another: join two of them with AND")
        return None
    return context.create_error("a condition is not a value: it stands only after WHERE, ON and HAVING")


def _explain_by_expectation(context: SyntaxErrorContext) -> QueryError:
    """Name what was expected, and the word that was found."""
    word, expected = context.word, describe_expected(context.expected)
    if word.type == END:
        return context.create_error(f"the query ends where {expected} was expected")
    hint = None
    if word.type in VALUE_STARTS and "COMMA" in context.expected and context.expected & {"FROM", "RPAR"}:
        hint = f"a comma may be missing before `{_shorten(word.text)}`"
    return context.create_error(f"expected {expected}, found `{_shorten(word.text)}`", hint=hint)


RULES = (
    _explain_url_encoding,
    _explain_comment,
    _explain_first_word,
    _explain_inner_quote,
    _explain_function_name,
    _explain_extra_join_condition,
    _find_hint,
    _explain_reserved_word,
    _explain_misspelling,
    _explain_parentheses,
    _explain_missing_join_condition,
    _explain_between,
    _explain_missing_alias,
    _explain_missing_from,
    _explain_clause_order,
    _explain_misplaced_condition,
)
"""The explanations in the order in which they are tried."""


MAX_SHOWN_CHARACTERS = 40
"""Characters of a word that a message repeats."""


def _shorten(text: str) -> str:
    """Return the text, with an ellipsis for what exceeds MAX_SHOWN_CHARACTERS."""
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[: MAX_SHOWN_CHARACTERS - 3]}..."
