"""Common mistakes and what to say about them, in the words of the language.

`explain` tries its RULES in order. Most sentences are rows of a table: characters.py for text that is no word of the
language, sentences.py for a word in the wrong place, misfits.py for what is of the wrong kind.
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
from vo_server.catalogue.similar import similar
from vo_server.errors import QueryError, TextSpan
from vo_server.model.words import RESERVED

_PATTERNS = tuple((re.compile(rf"(?:^| )(?:{row.pattern})$"), row) for row in SYNTAX_HINTS)

OTHER_STATEMENTS = frozenset(
    """
    INSERT UPDATE DELETE DROP CREATE ALTER TRUNCATE GRANT REVOKE MERGE REPLACE COPY SET EXPLAIN EXEC EXECUTE CALL BEGIN
    COMMIT ROLLBACK USE SHOW DESCRIBE ANALYZE VACUUM ATTACH PRAGMA DECLARE VALUES
    """.split()
)
"""Words with which other statements of SQL begin."""


def explain(trouble: SyntaxErrorContext) -> QueryError:
    """The best that can be said of a word in the wrong place."""
    for rule in RULES:
        fault = rule(trouble)
        if fault is not None:
            return fault
    return _explain_by_expectation(trouble)


def _explain_first_word(trouble: SyntaxErrorContext) -> QueryError | None:
    first = trouble.words[0]
    if first.type == END:
        return trouble.create_error("the query is empty", first, "as in SELECT TOP 10 * FROM t")
    if first.text.upper() in OTHER_STATEMENTS:
        return trouble.create_error("ADQL only reads: a query begins with SELECT or WITH", first)
    if first.type not in ("SELECT", "WITH", "LPAR"):
        said = f"a query begins with SELECT or WITH, not with `{_shorten(first.text)}`"
        return trouble.create_error(said, first, similar(first.text, ("SELECT", "WITH")))
    return None


def _find_hint(trouble: SyntaxErrorContext) -> QueryError | None:
    signs = " ".join(word.symbol for word in trouble.words[max(0, trouble.index - 3) : trouble.index + 1])
    for pattern, row in _PATTERNS:
        if pattern.search(signs) and _is_applicable(row.expected, trouble.expected):
            first = trouble.words[max(0, trouble.index - row.words_before)]
            said = (trouble.word.text.upper(), trouble.previous.text.upper() if trouble.previous else "")
            place = TextSpan(first.start, trouble.word.end)
            return QueryError(row.message.format(*said), text=trouble.text, span=place, hint=row.hint)
    return None


def _is_applicable(needs: str, expected: frozenset[str]) -> bool:
    return all((need.removeprefix("!") in expected) != need.startswith("!") for need in needs.split())


def _explain_url_encoding(trouble: SyntaxErrorContext) -> QueryError | None:
    if not re.match(r"\s*(?:SELECT|WITH)\+\S+\s*$", trouble.text, re.IGNORECASE):
        return None
    plus = next(word for word in trouble.words if word.text == "+")
    return trouble.create_error("the query is encoded as in a URL, where + stands for a blank", plus, "send it decoded")


def _explain_comment(trouble: SyntaxErrorContext) -> QueryError | None:
    if not trouble.text.startswith(("/*", "//"), trouble.word.start):
        return None
    return trouble.create_error("a comment begins with -- and ends with the line")


def _explain_inner_quote(trouble: SyntaxErrorContext) -> QueryError | None:
    """A string that has ended before its author thought."""
    before = trouble.previous
    if before is None or before.type != "STRING" or before.end != trouble.word.start or trouble.word.type == END:
        return None
    hint = "a quote inside a string is written twice, as in 'O''Neill'"
    return trouble.create_error("the string before this has ended", hint=hint)


def _explain_misspelling(trouble: SyntaxErrorContext) -> QueryError | None:
    """A name here, or the alias before, that is nearly a word of the language."""
    for word in (trouble.previous, trouble.word):
        if word is None or word.type != "NAME" or len(word.text) < MIN_MISSPELT_CHARACTERS:
            continue
        close = get_close_matches(word.text.upper(), MISSPELT_KEYWORDS, n=1, cutoff=0.74)
        if close:
            return trouble.create_error(f"`{word.text}` may be meant to be {close[0]}", word)
    return None


MISSPELT_KEYWORDS = (
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "OFFSET",
    "JOIN",
    "INNER",
    "LEFT",
    "BETWEEN",
    "LIKE",
    "UNION",
)
"""Words that are often misspelt."""

MIN_MISSPELT_CHARACTERS = 4


def _explain_function_name(trouble: SyntaxErrorContext) -> QueryError | None:
    """A word such as DISTANCE or COUNT that no parenthesis follows."""
    before = trouble.previous
    if before is None or before.type not in ("FUNCTION", "AGGREGATE", "CAST") or trouble.expected != {"LPAR"}:
        return None
    if trouble.word.type in ("STRING", "NUMBER", "INTEGER"):
        return trouble.create_error(f"{before.text} is followed by its arguments in parentheses", before)
    return trouble.create_error(describe_reserved_word(before.text), before)


def _explain_reserved_word(trouble: SyntaxErrorContext) -> QueryError | None:
    word = trouble.word
    after = trouble.following.type if trouble.following else END
    follows = after == "LPAR"
    if word.text.upper() in ("DATE", "TIME", "TIMESTAMP") and after == "STRING":
        return trouble.create_error("a time is written as a plain string", hint="as in '2016-01-01T00:00:00'")
    if word.type in ("RESERVED", "TYPE") and follows and not (trouble.previous and trouble.previous.type == "AS"):
        return trouble.create_error(
            f"{word.text} is not a function of ADQL", hint=ADQL_EQUIVALENTS.get(word.text.upper())
        )
    if word.text.upper() not in RESERVED or "NAME" not in trouble.expected:
        return None
    plain = word.type in ("RESERVED", "TYPE") or (word.type in ("FUNCTION", "AGGREGATE") and not follows)
    placed = trouble.previous is not None and trouble.previous.type in ("AS", "DOT")
    used = after in ("COMMA", "DOT", "AS", "COMPARE", "FROM") and word.type not in ("FROM", "SELECT")
    return trouble.create_error(describe_reserved_word(word.text)) if plain or placed or used else None


def _explain_parentheses(trouble: SyntaxErrorContext) -> QueryError | None:
    opened = trouble.open_parentheses
    if trouble.word.type == "RPAR" and not opened:
        return trouble.create_error("there is no open parenthesis to close here")
    if opened and "RPAR" in trouble.expected and trouble.word.type in (END, "SEMICOLON", "SELECT", *CLAUSES):
        where = "the query ends" if trouble.word.type == END else f"{trouble.word.text.upper()} comes"
        return trouble.create_error("this parenthesis is never closed", opened[-1], f"{where} before it is")
    return None


def _explain_missing_join_condition(trouble: SyntaxErrorContext) -> QueryError | None:
    if not {"ON", "USING"} <= trouble.expected or trouble.word.type in ("NAME", "DELIMITED"):
        return None
    hint = "as in a JOIN b ON a.id = b.id, or a JOIN b USING (id); every pair of rows is FROM a, b"
    return trouble.create_error("JOIN needs ON or USING, or NATURAL before it", trouble.find_last("JOIN"), hint)


def _explain_extra_join_condition(trouble: SyntaxErrorContext) -> QueryError | None:
    kind = trouble.find_last("NATURAL", "CROSS")
    if trouble.word.type not in ("ON", "USING") or kind is None:
        return None
    return trouble.create_error(f"{kind.text.upper()} JOIN takes no {trouble.word.text.upper()}")


def _explain_between(trouble: SyntaxErrorContext) -> QueryError | None:
    if "AND" not in trouble.expected or "OR" in trouble.expected:
        return None
    return trouble.create_error("BETWEEN needs AND", trouble.find_last("BETWEEN"), "as in x BETWEEN 1 AND 2")


def _explain_missing_alias(trouble: SyntaxErrorContext) -> QueryError | None:
    closed = trouble.previous is not None and trouble.previous.type == "RPAR"
    if not closed or trouble.expected != {"AS", "NAME", "DELIMITED"}:
        return None
    return trouble.create_error("a sub-query in FROM needs a name", trouble.previous, "as in FROM (SELECT ...) AS q")


def _explain_missing_from(trouble: SyntaxErrorContext) -> QueryError | None:
    if "FROM" not in trouble.expected or trouble.word.type not in (END, "RPAR", "SEMICOLON", *CLAUSES, *SET_OPERATORS):
        return None
    return trouble.create_error("FROM is missing: every query reads from a table", hint="as in SELECT a FROM t")


def _explain_clause_order(trouble: SyntaxErrorContext) -> QueryError | None:
    """A clause after one that it should stand before, in the same query."""
    kind = trouble.word.type
    depth, seen = 0, []
    for word in reversed(trouble.words[: trouble.index]):
        depth += {"RPAR": 1, "LPAR": -1}.get(word.type, 0)
        if depth < 0 or (depth == 0 and word.type == "SELECT"):
            break
        if depth == 0 and word.type in CLAUSES:
            seen.append(word.type)
    if kind in SET_OPERATORS and {"ORDER", "OFFSET"} & set(seen):
        hint = "put the query before it in parentheses to give it an ORDER BY or OFFSET of its own"
        return trouble.create_error(f"{kind} cannot follow ORDER BY or OFFSET", hint=hint)
    if kind in seen:
        return trouble.create_error(f"a second {CLAUSE_NAMES.get(kind, kind)}; a query has one")
    later = [other for other in seen if kind in CLAUSES and CLAUSES.index(other) > CLAUSES.index(kind)]
    return (
        trouble.create_error(f"{CLAUSE_NAMES.get(kind, kind)} stands before {CLAUSE_NAMES.get(later[-1], later[-1])}")
        if later
        else None
    )


def _explain_misplaced_condition(trouble: SyntaxErrorContext) -> QueryError | None:
    """A comparison where the grammar has a value, or after another comparison."""
    ends = (*VALUE_STARTS, "RPAR", "STAR")
    if trouble.word.type not in CONDITION_WORDS or trouble.previous is None or trouble.previous.type not in ends:
        return None
    if trouble.find_last("SELECT", "WHERE", "ON", "HAVING", "BY", "WHEN") in (
        None,
        trouble.find_last("WHERE", "ON", "HAVING", "WHEN"),
    ):
        if trouble.word.type == "COMPARE" and not trouble.open_parentheses:
            return trouble.create_error("comparisons do not follow one another: join two of them with AND")
        return None
    return trouble.create_error("a condition is not a value: it stands only after WHERE, ON and HAVING")


def _explain_by_expectation(trouble: SyntaxErrorContext) -> QueryError:
    """What was expected, and what was found."""
    word, wanted = trouble.word, describe_expected(trouble.expected)
    if word.type == END:
        return trouble.create_error(f"the query ends where {wanted} was expected")
    hint = None
    if word.type in VALUE_STARTS and "COMMA" in trouble.expected and trouble.expected & {"FROM", "RPAR"}:
        hint = f"a comma may be missing before `{_shorten(word.text)}`"
    return trouble.create_error(f"expected {wanted}, found `{_shorten(word.text)}`", hint=hint)


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
"""Tried in this order."""


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
