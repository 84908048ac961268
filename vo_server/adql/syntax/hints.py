"""Common mistakes and what to say about them, in the words of the language.

`explain` tries its RULES in order. Most sentences are rows of a table: characters.py for text that is no word of the
language, sentences.py for a word in the wrong place, misfits.py for what is of the wrong kind.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from vo_server.adql.syntax.expected import (
    CLAUSES,
    SAID,
    SET_OPERATORS,
    STARTERS,
    TESTS,
    expectation,
)
from vo_server.adql.syntax.lexer import END
from vo_server.adql.syntax.operand_errors import reserved
from vo_server.adql.syntax.other_dialects import INSTEAD
from vo_server.adql.syntax.syntax_error import Trouble
from vo_server.adql.syntax.syntax_hints import SENTENCES
from vo_server.catalogue.similar import similar
from vo_server.errors import QueryError, TextSpan
from vo_server.model.words import RESERVED

_SENTENCES = tuple((re.compile(rf"(?:^| )(?:{row.pattern})$"), row) for row in SENTENCES)

FIRST_WORDS = frozenset(
    """
    INSERT UPDATE DELETE DROP CREATE ALTER TRUNCATE GRANT REVOKE MERGE REPLACE COPY SET EXPLAIN EXEC EXECUTE CALL BEGIN
    COMMIT ROLLBACK USE SHOW DESCRIBE ANALYZE VACUUM ATTACH PRAGMA DECLARE VALUES
    """.split()
)
"""Words with which other statements of SQL begin."""


def explain(trouble: Trouble) -> QueryError:
    """The best that can be said of a word in the wrong place."""
    for rule in RULES:
        fault = rule(trouble)
        if fault is not None:
            return fault
    return _plainly(trouble)


def _no_query(trouble: Trouble) -> QueryError | None:
    first = trouble.words[0]
    if first.type == END:
        return trouble.fault("the query is empty", first, "as in SELECT TOP 10 * FROM t")
    if first.text.upper() in FIRST_WORDS:
        return trouble.fault("ADQL only reads: a query begins with SELECT or WITH", first)
    if first.type not in ("SELECT", "WITH", "LPAR"):
        said = f"a query begins with SELECT or WITH, not with `{_short(first.text)}`"
        return trouble.fault(said, first, similar(first.text, ("SELECT", "WITH")))
    return None


def _tabled(trouble: Trouble) -> QueryError | None:
    signs = " ".join(word.sign for word in trouble.words[max(0, trouble.at - 3) : trouble.at + 1])
    for pattern, row in _SENTENCES:
        if pattern.search(signs) and _as_needed(row.needs, trouble.expected):
            first = trouble.words[max(0, trouble.at - row.back)]
            said = (trouble.word.text.upper(), trouble.before.text.upper() if trouble.before else "")
            place = TextSpan(first.start, trouble.word.end)
            return QueryError(row.message.format(*said), text=trouble.text, span=place, hint=row.hint)
    return None


def _as_needed(needs: str, expected: frozenset[str]) -> bool:
    return all((need.removeprefix("!") in expected) != need.startswith("!") for need in needs.split())


def _encoded(trouble: Trouble) -> QueryError | None:
    if not re.match(r"\s*(?:SELECT|WITH)\+\S+\s*$", trouble.text, re.IGNORECASE):
        return None
    plus = next(word for word in trouble.words if word.text == "+")
    return trouble.fault("the query is encoded as in a URL, where + stands for a blank", plus, "send it decoded")


def _foreign_comment(trouble: Trouble) -> QueryError | None:
    if not trouble.text.startswith(("/*", "//"), trouble.word.start):
        return None
    return trouble.fault("a comment begins with -- and ends with the line")


def _quote_inside(trouble: Trouble) -> QueryError | None:
    """A string that has ended before its author thought."""
    before = trouble.before
    if before is None or before.type != "STRING" or before.end != trouble.word.start or trouble.word.type == END:
        return None
    hint = "a quote inside a string is written twice, as in 'O''Neill'"
    return trouble.fault("the string before this has ended", hint=hint)


def _misspelt(trouble: Trouble) -> QueryError | None:
    """A name here, or the alias before, that is nearly a word of the language."""
    for word in (trouble.before, trouble.word):
        if word is None or word.type != "NAME" or len(word.text) < MIN_MISSPELT:
            continue
        close = get_close_matches(word.text.upper(), MEANT, n=1, cutoff=0.74)
        if close:
            return trouble.fault(f"`{word.text}` may be meant to be {close[0]}", word)
    return None


MEANT = ("FROM", "WHERE", "GROUP", "ORDER", "HAVING", "OFFSET", "JOIN", "INNER", "LEFT", "BETWEEN", "LIKE", "UNION")
"""Words that are often misspelt."""

MIN_MISSPELT = 4


def _function_as_name(trouble: Trouble) -> QueryError | None:
    """A word such as DISTANCE or COUNT that no parenthesis follows."""
    before = trouble.before
    if before is None or before.type not in ("FUNCTION", "AGGREGATE", "CAST") or trouble.expected != {"LPAR"}:
        return None
    if trouble.word.type in ("STRING", "NUMBER", "INTEGER"):
        return trouble.fault(f"{before.text} is followed by its arguments in parentheses", before)
    return trouble.fault(reserved(before.text), before)


def _reserved_as_name(trouble: Trouble) -> QueryError | None:
    word = trouble.word
    after = trouble.after.type if trouble.after else END
    follows = after == "LPAR"
    if word.text.upper() in ("DATE", "TIME", "TIMESTAMP") and after == "STRING":
        return trouble.fault("a time is written as a plain string", hint="as in '2016-01-01T00:00:00'")
    if word.type in ("RESERVED", "TYPE") and follows and not (trouble.before and trouble.before.type == "AS"):
        return trouble.fault(f"{word.text} is not a function of ADQL", hint=INSTEAD.get(word.text.upper()))
    if word.text.upper() not in RESERVED or "NAME" not in trouble.expected:
        return None
    plain = word.type in ("RESERVED", "TYPE") or (word.type in ("FUNCTION", "AGGREGATE") and not follows)
    placed = trouble.before is not None and trouble.before.type in ("AS", "DOT")
    used = after in ("COMMA", "DOT", "AS", "COMPARE", "FROM") and word.type not in ("FROM", "SELECT")
    return trouble.fault(reserved(word.text)) if plain or placed or used else None


def _parentheses(trouble: Trouble) -> QueryError | None:
    opened = trouble.opened
    if trouble.word.type == "RPAR" and not opened:
        return trouble.fault("there is no open parenthesis to close here")
    if opened and "RPAR" in trouble.expected and trouble.word.type in (END, "SEMICOLON", "SELECT", *CLAUSES):
        where = "the query ends" if trouble.word.type == END else f"{trouble.word.text.upper()} comes"
        return trouble.fault("this parenthesis is never closed", opened[-1], f"{where} before it is")
    return None


def _join_without_condition(trouble: Trouble) -> QueryError | None:
    if not {"ON", "USING"} <= trouble.expected or trouble.word.type in ("NAME", "DELIMITED"):
        return None
    hint = "as in a JOIN b ON a.id = b.id, or a JOIN b USING (id); every pair of rows is FROM a, b"
    return trouble.fault("JOIN needs ON or USING, or NATURAL before it", trouble.last("JOIN"), hint)


def _join_with_too_much(trouble: Trouble) -> QueryError | None:
    kind = trouble.last("NATURAL", "CROSS")
    if trouble.word.type not in ("ON", "USING") or kind is None:
        return None
    return trouble.fault(f"{kind.text.upper()} JOIN takes no {trouble.word.text.upper()}")


def _between_without_and(trouble: Trouble) -> QueryError | None:
    if "AND" not in trouble.expected or "OR" in trouble.expected:
        return None
    return trouble.fault("BETWEEN needs AND", trouble.last("BETWEEN"), "as in x BETWEEN 1 AND 2")


def _derived_without_alias(trouble: Trouble) -> QueryError | None:
    closed = trouble.before is not None and trouble.before.type == "RPAR"
    if not closed or trouble.expected != {"AS", "NAME", "DELIMITED"}:
        return None
    return trouble.fault("a sub-query in FROM needs a name", trouble.before, "as in FROM (SELECT ...) AS q")


def _no_from(trouble: Trouble) -> QueryError | None:
    if "FROM" not in trouble.expected or trouble.word.type not in (END, "RPAR", "SEMICOLON", *CLAUSES, *SET_OPERATORS):
        return None
    return trouble.fault("FROM is missing: every query reads from a table", hint="as in SELECT a FROM t")


def _wrong_order(trouble: Trouble) -> QueryError | None:
    """A clause after one that it should stand before, in the same query."""
    kind = trouble.word.type
    depth, seen = 0, []
    for word in reversed(trouble.words[: trouble.at]):
        depth += {"RPAR": 1, "LPAR": -1}.get(word.type, 0)
        if depth < 0 or (depth == 0 and word.type == "SELECT"):
            break
        if depth == 0 and word.type in CLAUSES:
            seen.append(word.type)
    if kind in SET_OPERATORS and {"ORDER", "OFFSET"} & set(seen):
        hint = "put the query before it in parentheses to give it an ORDER BY or OFFSET of its own"
        return trouble.fault(f"{kind} cannot follow ORDER BY or OFFSET", hint=hint)
    if kind in seen:
        return trouble.fault(f"a second {SAID.get(kind, kind)}; a query has one")
    later = [other for other in seen if kind in CLAUSES and CLAUSES.index(other) > CLAUSES.index(kind)]
    return trouble.fault(f"{SAID.get(kind, kind)} stands before {SAID.get(later[-1], later[-1])}") if later else None


def _condition_as_value(trouble: Trouble) -> QueryError | None:
    """A comparison where the grammar has a value, or after another comparison."""
    ends = (*STARTERS, "RPAR", "STAR")
    if trouble.word.type not in TESTS or trouble.before is None or trouble.before.type not in ends:
        return None
    if trouble.last("SELECT", "WHERE", "ON", "HAVING", "BY", "WHEN") in (
        None,
        trouble.last("WHERE", "ON", "HAVING", "WHEN"),
    ):
        if trouble.word.type == "COMPARE" and not trouble.opened:
            return trouble.fault("comparisons do not follow one another: join two of them with AND")
        return None
    return trouble.fault("a condition is not a value: it stands only after WHERE, ON and HAVING")


def _plainly(trouble: Trouble) -> QueryError:
    """What was expected, and what was found."""
    word, wanted = trouble.word, expectation(trouble.expected)
    if word.type == END:
        return trouble.fault(f"the query ends where {wanted} was expected")
    hint = None
    if word.type in STARTERS and "COMMA" in trouble.expected and trouble.expected & {"FROM", "RPAR"}:
        hint = f"a comma may be missing before `{_short(word.text)}`"
    return trouble.fault(f"expected {wanted}, found `{_short(word.text)}`", hint=hint)


RULES = (
    _encoded,
    _foreign_comment,
    _no_query,
    _quote_inside,
    _function_as_name,
    _join_with_too_much,
    _tabled,
    _reserved_as_name,
    _misspelt,
    _parentheses,
    _join_without_condition,
    _between_without_and,
    _derived_without_alias,
    _no_from,
    _wrong_order,
    _condition_as_value,
)
"""Tried in this order."""


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
