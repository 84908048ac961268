"""Common mistakes and what to say about them, in the words of the language.

parse.py calls in here with what it knows of a query that is none; the resolver may too (`quoted_column`). Nothing here
raises: each function returns the fault, or None where it has nothing to say. Most sentences are rows of a table:
CHARACTERS for text that is no word of the language, SENTENCES for a word in the wrong place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from vo_server.adql import tree, words
from vo_server.errors import Place, QueryFault
from vo_server.model.words import RESERVED

END = "$END"


class Word(NamedTuple):
    """A token: its terminal without a leading underscore, its text, and where it stands."""

    type: str
    text: str
    start: int
    end: int

    @property
    def sign(self) -> str:
        """How the tables here write a word: its text in upper case, with its class for names and their like."""
        match self.type:
            case "NAME" | "FUNCTION" | "AGGREGATE" | "RESERVED" | "TYPE":
                return f"{self.type.lower()}:{self.text.upper()}"
            case "STRING" | "DELIMITED" | "NUMBER" | "INTEGER" | "HEXADECIMAL":
                return self.type.lower()
            case "$END":
                return "end"
            case _:
                return self.text.upper()


@dataclass(frozen=True)
class Trouble:
    """A query that does not parse: its words, the last of them the end of the text, and which was not expected."""

    text: str
    words: tuple[Word, ...]
    at: int
    expected: frozenset[str]

    @property
    def word(self) -> Word:
        return self.words[self.at]

    @property
    def before(self) -> Word | None:
        return self.words[self.at - 1] if self.at else None

    @property
    def after(self) -> Word | None:
        return self.words[self.at + 1] if self.at + 1 < len(self.words) else None

    @property
    def opened(self) -> list[Word]:
        """The parentheses that are open before the word."""
        stack: list[Word] = []
        for word in self.words[: self.at]:
            if word.type == "LPAR":
                stack.append(word)
            elif word.type == "RPAR" and stack:
                stack.pop()
        return stack

    def last(self, *types: str) -> Word | None:
        """The last word of these types before the wrong one."""
        return next((word for word in reversed(self.words[: self.at]) if word.type in types), None)

    def fault(self, message: str, word: Word | None = None, hint: str | None = None) -> QueryFault:
        word = word or self.word
        return QueryFault(message, text=self.text, place=Place(word.start, word.end), hint=hint)


# --------------------------------------------------------------------------------------- what is no word at all

_NUMBERS = "numbers look like 12, 0.5, .5 or 1.5E-3"

CHARACTERS: tuple[tuple[str, str, str | None], ...] = (
    (r"''?$|'", "the string that begins here is never closed", "a quote inside a string is written twice: ''"),
    (r'""', "a name in double quotes cannot be empty", None),
    (r'"', "the name in double quotes that begins here is never closed", None),
    ("[‘’‚“”„«»´]", "typographic quotes are no quotes in ADQL", 'strings stand in \'...\', names in "..."'),
    ("`[^`]*`?", "back quotes do not quote names in ADQL", 'write "..." instead'),
    (r"\[[^\]]*\]?", "ADQL has neither names in square brackets nor arrays", 'names stand in "..."'),
    (r"\]", "ADQL has no square brackets", None),
    (r"%\(\w*\)s?|\{\w*\}|:[A-Za-z_]\w*|\?|\$\w*", "a parameter has been left unfilled here", None),
    ("%", "ADQL has no % operator", "the remainder is MOD(a, b)"),
    (r"::\s*\w*", "ADQL has no :: operator", "a type is changed by CAST(value AS type)"),
    (r"!&&|!?<@|!?@>?|!?~", "ADQL has no such operator", "shapes are compared as in 1 = INTERSECTS(a, b)"),
    ("!", "! is no operator of ADQL", "write NOT before a condition, != or <> between values"),
    (r"0[xX]\w+|[0-9][0-9.]*[eE][+-]?[0-9]*(?![A-Za-z_])", "this number cannot be read", _NUMBERS),
    (r"[0-9]+[A-Za-z_]\w*", "a name begins with a letter, and a blank follows a number", 'other names stand in "..."'),
    (r"[0-9.]+", "this number cannot be read", _NUMBERS),
    (r"_\w*", "a name begins with a letter", 'write other names in double quotes, as in "_name"'),
    (r"#\w*", "a name begins with a letter, and a comment with --", None),
    (r"[\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\u200b-\u200d]", "here stands a blank that is no "
     "ordinary one", "it may have come in by copying: type it anew"),
    (r"\\\S?", "a backslash means nothing in ADQL", None),
    (r"[^\W\d_]\w*", "a name without quotes has only letters without accents, digits and _", 'write it in "..."'),
)  # fmt: skip
"""Text at which no word begins: what it looks like, what is said, and the hint."""


def strange_character(text: str, at: int) -> QueryFault:
    """What stands at a place where no word of the language begins."""
    for pattern, message, hint in CHARACTERS:
        match = re.compile(pattern).match(text, at, at + 100)
        if match and match.end() > at:
            end = at + 1 if text[at] in "'\"" else match.end()
            return QueryFault(message, text=text, place=Place(at, end), hint=hint)
    message = f"the character {text[at]!r} has no meaning in ADQL outside of quotes"
    return QueryFault(message, text=text, place=Place(at, at + 1))


# ------------------------------------------------------------------------------------- a word in the wrong place


class Sentence(NamedTuple):
    """A row of SENTENCES: the signs of the last words up to the wrong one, as a pattern, and what is said.

    `back` is how many words before the wrong one the place begins; in a message `{0}` is the wrong word, `{1}` the one
    before it.
    """

    pattern: str
    message: str
    hint: str | None = None
    back: int = 0
    needs: str = ""


_CLAUSE = "(?:FROM|WHERE|GROUP|HAVING|ORDER|OFFSET|LIMIT|UNION|EXCEPT|INTERSECT|JOIN|ON|USING)"
_NAME = r"(?:name:\S+|delimited)"
_TOP = "as in SELECT TOP 10 * FROM t"
_QUOTES = "'...' is a string; a name stands in \"...\" or bare"

SENTENCES: tuple[Sentence, ...] = (
    Sentence(r"= =", "ADQL compares with a single =", back=1),
    Sentence(r"& &", "ADQL has no && operator", "write AND, or 1 = INTERSECTS(a, b) for shapes", 1),
    Sentence(r"\| \|", "the two bars of || stand together", None, 1),
    Sentence(r"([<>]) \1", "ADQL does not shift bits", None, 1),
    Sentence(r"[<>] [=>]", "no blank may stand inside an operator", "write <=, >= or <>", 1),
    Sentence(r"/ \*", "a value is missing between / and *", "a comment begins with -- and ends with the line", 1),
    Sentence(r"; \S+", "one query at a time: text follows the semicolon"),
    Sentence(r"TOP \(", "TOP takes its number without parentheses", _TOP),
    Sentence(r"TOP \S+", "TOP takes an unsigned whole number", _TOP),
    Sentence(r"TOP integer (?:DISTINCT|ALL)", "{0} stands before TOP", "as in SELECT DISTINCT TOP 10 a FROM t"),
    Sentence(r"(?!AS |\. )\S+ TOP", "TOP stands before the select list", _TOP),
    Sentence(r"SELECT name:TOP\d+ \S+", "a blank stands between TOP and its number", _TOP, 1),
    Sentence(r"SELECT name:TOP\d+ \* \S+", "a blank stands between TOP and its number", _TOP, 2),
    Sentence(r"OFFSET \S+", "OFFSET takes an unsigned whole number", "as in OFFSET 100"),
    Sentence(
        r"LIMIT integer ,", "LIMIT takes one number", "write LIMIT 10 OFFSET 20, in ADQL itself TOP 10 ... OFFSET 20"
    ),
    Sentence(r"name:LIMIT \S+", "LIMIT takes a whole number", "in ADQL itself it is TOP", 1),
    Sentence(r"name:NULLS", "ADQL has no NULLS FIRST or LAST"),
    Sentence(r"reserved:FETCH", "ADQL has no FETCH", f"write TOP, {_TOP}"),
    Sentence(r"OFFSET integer reserved:ROWS?", "OFFSET takes a number and nothing more", "as in OFFSET 100"),
    Sentence(r"GROUP \S+", "GROUP is followed by BY", None, 1),
    Sentence(r"ORDER \S+", "ORDER is followed by BY", None, 1),
    Sentence(r"name:GROUPBY", "GROUP BY is two words"),
    Sentence(r"name:ORDERBY", "ORDER BY is two words"),
    Sentence(r"name:GROUPBY \S+", "GROUP BY is two words", None, 1),
    Sentence(r"name:ORDERBY \S+", "ORDER BY is two words", None, 1),
    Sentence(r"IS NOT \S+|IS \S+", "IS is followed by NULL or NOT NULL"),
    Sentence(r"IN \S+", "IN is followed by a list or a sub-query in parentheses", "as in x IN (1, 2)"),
    Sentence(r"IN \( \)", "the list of IN is empty", None, 1),
    Sentence(r"EXISTS \S+", "EXISTS is followed by a sub-query in parentheses", "as in EXISTS (SELECT 1 FROM t)"),
    Sentence(r"NOT NOT", "NOT stands once before a condition; use parentheses for a second"),
    Sentence(r"reserved:ESCAPE", "LIKE has no ESCAPE in ADQL"),
    Sentence(r"SELECT FROM", "nothing is selected: name columns, or write *"),
    Sentence(r"(?:DISTINCT|ALL|TOP integer) FROM", "nothing is selected: name columns, or write *"),
    Sentence(r", ,", "one comma is enough"),
    Sentence(rf", (?:{_CLAUSE}|\)|end)", "something is missing after the comma, or the comma is one too many", None, 1),
    Sentence(r"(SELECT|FROM|WHERE|BY|HAVING|JOIN|ON|AS|AND|OR|WITH|UNION|EXCEPT|INTERSECT) \1", "{0} is written twice"),
    Sentence(r"(?:JOIN|LEFT|INNER|OUTER|RIGHT|FULL|NATURAL) end", "a table is missing after {1}", None, 1),
    Sentence(r"ON", "ON stands after JOIN and its table", needs="JOIN"),
    Sentence(rf"AS {_NAME} \.", "an alias is one name, without dots"),
    Sentence(r"\* AS", "* takes no alias"),
    Sentence(r"OUTER", "OUTER stands between LEFT, RIGHT or FULL and JOIN"),
    Sentence(r"name:\S+ JOIN ON", "a table is missing between JOIN and ON", None, 1),
    Sentence(rf"(?:AS|\)|{_NAME}) string", "a name is not written in single quotes", _QUOTES, needs="NAME"),
    Sentence(r"(?:FROM|JOIN) string", "a table is not written in single quotes", _QUOTES),
    Sentence(r"name:OVER \(", "ADQL has no window functions (OVER)", None, 1),
    Sentence(rf"\. {_NAME} \(", "a function has no schema before its name", None, 1),
    Sentence(rf"(?:FROM|JOIN) {_NAME} \(", "a function gives no table in ADQL", None, 1),
    Sentence(
        rf"WITH {_NAME} \(", "the queries of WITH take no list of columns", "as in WITH t AS (SELECT a AS b FROM s)"
    ),
    Sentence(r"AS SELECT", "the queries of WITH stand in parentheses", "as in WITH t AS (SELECT a FROM s)"),
    Sentence(r"(?:[<>]?=|!=|<>?|>) (?:ALL|reserved:ANY|reserved:SOME)", "ADQL has no {0} before a sub-query"),
    Sentence(rf"\( {_NAME} \)", "a single table stands without parentheses", None, 2, "JOIN"),
    Sentence(r",", "ADQL compares no lists of values: compare them one by one", needs="RPAR !COMMA"),
    Sentence(r"WITH reserved:RECURSIVE|WITH name:RECURSIVE \S+", "WITH is not recursive in ADQL"),
    Sentence(r"WITH", "WITH stands once, at the very beginning of the query"),
    Sentence(r"delimited \(", "the name of a function is not quoted", None, 1),
    Sentence(r"(?:SELECT|,) \. ?\S*", "a name is missing before the dot"),
    Sentence(r"\. (?:\.|,|\)|=|FROM|WHERE|end)", "a name is missing after the dot", None, 1),
    Sentence(
        r"\. (?:string|integer|number)", "after a dot stands a name", 'names with other characters stand in "..."'
    ),
    Sentence(r"USING (?:name:\S+|delimited)", "USING takes its columns in parentheses", "as in USING (source_id)"),
    Sentence(r"\( (?:integer|string|number)", "USING takes names of columns", None, needs="NAME DELIMITED !STRING"),
    Sentence(r"reserved:INTO", "ADQL only reads: it has no INTO"),
    Sentence(r"reserved:CURRENT_\w+|reserved:INTERVAL", "ADQL has no {0}", "compare with a time as a string"),
)
"""Tried in this order; `needs` lists terminals that must be expected, with ! those that must not."""

_SENTENCES = tuple((re.compile(rf"(?:^| )(?:{row.pattern})$"), row) for row in SENTENCES)

FIRST_WORDS = frozenset(
    """
    INSERT UPDATE DELETE DROP CREATE ALTER TRUNCATE GRANT REVOKE MERGE REPLACE COPY SET EXPLAIN EXEC EXECUTE CALL BEGIN
    COMMIT ROLLBACK USE SHOW DESCRIBE ANALYZE VACUUM ATTACH PRAGMA DECLARE VALUES
    """.split()
)
"""Words with which other statements of SQL begin."""

CLAUSES = ("FROM", "WHERE", "GROUP", "HAVING", "ORDER", "OFFSET")
SAID = {"GROUP": "GROUP BY", "ORDER": "ORDER BY"}
SET_OPERATORS = frozenset({"UNION", "EXCEPT", "INTERSECT"})
STARTERS = frozenset(
    "NAME DELIMITED INTEGER NUMBER HEXADECIMAL STRING FUNCTION AGGREGATE CAST CASE NULL TRUE FALSE".split()
)
"""Words with which a value begins."""
JOINS = frozenset({"JOIN", "INNER", "LEFT", "RIGHT", "FULL", "NATURAL", "CROSS", "OUTER"})
TESTS = frozenset({"COMPARE", "BETWEEN", "LIKE", "ILIKE", "IS", "IN", "AND", "OR", "NOT"})


def explain(trouble: Trouble) -> QueryFault:
    """The best that can be said of a word in the wrong place."""
    for rule in RULES:
        fault = rule(trouble)
        if fault is not None:
            return fault
    return _plainly(trouble)


def _no_query(trouble: Trouble) -> QueryFault | None:
    first = trouble.words[0]
    if first.type == END:
        return trouble.fault("the query is empty", first, "as in SELECT TOP 10 * FROM t")
    if first.text.upper() in FIRST_WORDS:
        return trouble.fault("ADQL only reads: a query begins with SELECT or WITH", first)
    if first.type not in ("SELECT", "WITH", "LPAR"):
        return trouble.fault(f"a query begins with SELECT or WITH, not with `{first.text}`", first)
    return None


def _tabled(trouble: Trouble) -> QueryFault | None:
    signs = " ".join(word.sign for word in trouble.words[max(0, trouble.at - 3) : trouble.at + 1])
    for pattern, row in _SENTENCES:
        if pattern.search(signs) and _as_needed(row.needs, trouble.expected):
            first = trouble.words[max(0, trouble.at - row.back)]
            said = (trouble.word.text.upper(), trouble.before.text.upper() if trouble.before else "")
            place = Place(first.start, trouble.word.end)
            return QueryFault(row.message.format(*said), text=trouble.text, place=place, hint=row.hint)
    return None


def _as_needed(needs: str, expected: frozenset[str]) -> bool:
    return all((need.removeprefix("!") in expected) != need.startswith("!") for need in needs.split())


def _foreign_comment(trouble: Trouble) -> QueryFault | None:
    if not trouble.text.startswith("/*", trouble.word.start):
        return None
    return trouble.fault("a comment begins with -- and ends with the line")


def _function_as_name(trouble: Trouble) -> QueryFault | None:
    """A word such as DISTANCE or COUNT that no parenthesis follows."""
    before = trouble.before
    if before is None or before.type not in ("FUNCTION", "AGGREGATE", "CAST") or trouble.expected != {"LPAR"}:
        return None
    if trouble.word.type in ("STRING", "NUMBER", "INTEGER"):
        return trouble.fault(f"{before.text} is followed by its arguments in parentheses", before)
    return trouble.fault(reserved(before.text), before)


def _reserved_as_name(trouble: Trouble) -> QueryFault | None:
    word = trouble.word
    after = trouble.after.type if trouble.after else END
    follows = after == "LPAR"
    if word.text.upper() in ("DATE", "TIME", "TIMESTAMP") and after == "STRING":
        return trouble.fault("a time is written as a plain string", hint="as in '2016-01-01T00:00:00'")
    if word.type in ("RESERVED", "TYPE") and follows and not (trouble.before and trouble.before.type == "AS"):
        return trouble.fault(f"{word.text} is not a function of ADQL")
    if word.text.upper() not in RESERVED or "NAME" not in trouble.expected:
        return None
    plain = word.type in ("RESERVED", "TYPE") or (word.type in ("FUNCTION", "AGGREGATE") and not follows)
    placed = trouble.before is not None and trouble.before.type in ("AS", "DOT")
    used = after in ("COMMA", "DOT", "AS", "COMPARE", "FROM") and word.type not in ("FROM", "SELECT")
    return trouble.fault(reserved(word.text)) if plain or placed or used else None


def _parentheses(trouble: Trouble) -> QueryFault | None:
    opened = trouble.opened
    if trouble.word.type == "RPAR" and not opened:
        return trouble.fault("there is no open parenthesis to close here")
    if opened and "RPAR" in trouble.expected and trouble.word.type in (END, "SEMICOLON", "SELECT", *CLAUSES):
        where = "the query ends" if trouble.word.type == END else f"{trouble.word.text.upper()} comes"
        return trouble.fault("this parenthesis is never closed", opened[-1], f"{where} before it is")
    return None


def _join_without_condition(trouble: Trouble) -> QueryFault | None:
    if not {"ON", "USING"} <= trouble.expected or trouble.word.type in ("NAME", "DELIMITED"):
        return None
    hint = "as in a JOIN b ON a.id = b.id, or a JOIN b USING (id); every pair of rows is FROM a, b"
    return trouble.fault("JOIN needs ON or USING, or NATURAL before it", trouble.last("JOIN"), hint)


def _join_with_too_much(trouble: Trouble) -> QueryFault | None:
    kind = trouble.last("NATURAL", "CROSS")
    if trouble.word.type not in ("ON", "USING") or kind is None:
        return None
    return trouble.fault(f"{kind.text.upper()} JOIN takes no {trouble.word.text.upper()}")


def _between_without_and(trouble: Trouble) -> QueryFault | None:
    if "AND" not in trouble.expected or "OR" in trouble.expected:
        return None
    return trouble.fault("BETWEEN needs AND", trouble.last("BETWEEN"), "as in x BETWEEN 1 AND 2")


def _derived_without_alias(trouble: Trouble) -> QueryFault | None:
    closed = trouble.before is not None and trouble.before.type == "RPAR"
    if not closed or trouble.expected != {"AS", "NAME", "DELIMITED"}:
        return None
    return trouble.fault("a sub-query in FROM needs a name", trouble.before, "as in FROM (SELECT ...) AS q")


def _no_from(trouble: Trouble) -> QueryFault | None:
    if "FROM" not in trouble.expected or trouble.word.type not in (END, "RPAR", "SEMICOLON", *CLAUSES, *SET_OPERATORS):
        return None
    return trouble.fault("FROM is missing: every query reads from a table", hint="as in SELECT a FROM t")


def _wrong_order(trouble: Trouble) -> QueryFault | None:
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


def _condition_as_value(trouble: Trouble) -> QueryFault | None:
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


def _plainly(trouble: Trouble) -> QueryFault:
    """What was expected, and what was found."""
    word, wanted = trouble.word, expectation(trouble.expected)
    if word.type == END:
        return trouble.fault(f"the query ends where {wanted} was expected")
    hint = None
    if word.type in STARTERS and "COMMA" in trouble.expected and trouble.expected & {"FROM", "RPAR"}:
        hint = f"a comma may be missing before `{_short(word.text)}`"
    return trouble.fault(f"expected {wanted}, found `{_short(word.text)}`", hint=hint)


RULES = (
    _no_query,
    _function_as_name,
    _foreign_comment,
    _join_with_too_much,
    _tabled,
    _reserved_as_name,
    _parentheses,
    _join_without_condition,
    _between_without_and,
    _derived_without_alias,
    _no_from,
    _wrong_order,
    _condition_as_value,
)
"""Tried in this order."""

_VALUE = STARTERS | {"LPAR", "PLUS", "MINUS", "TILDE"}

EXPECTATIONS: tuple[tuple[frozenset[str], str, frozenset[str]], ...] = (
    (frozenset({"STAR", "STRING"}), "a column, a value or *", _VALUE | {"STAR", "DISTINCT", "ALL", "TOP"}),
    (frozenset({"STRING", "NOT"}), "a condition", _VALUE | {"NOT", "EXISTS", "SELECT"}),
    (frozenset({"STRING"}), "a value", _VALUE | {"DISTINCT", "ALL", "SELECT"}),
    (frozenset({"COMPARE"}), "a comparison", TESTS | SET_OPERATORS | {*CLAUSES, "LIMIT", "SEMICOLON", END}),
    (frozenset({"COMMA"}), "a comma", frozenset({"COMMA", "DOT"})),
    (frozenset({"FROM"}), "FROM", frozenset({"FROM"})),
    (frozenset({"AS", "NAME"}), "an alias", frozenset({"AS", "NAME", "DELIMITED", "LPAR"})),
    (frozenset({"NAME", "LPAR"}), "a table or a sub-query", frozenset({"NAME", "DELIMITED", "SELECT"})),
    (frozenset({"NAME"}), "a name", frozenset({"NAME", "DELIMITED"})),
    (frozenset({"AND", "OR"}), "AND, OR", frozenset({"AND", "OR"})),
    (frozenset({"INTEGER"}), "a whole number", frozenset({"INTEGER"})),
    (frozenset({"JOIN", "LEFT"}), "JOIN", JOINS),
    (frozenset({"RPAR"}), "a closing parenthesis", frozenset({"RPAR"})),
    (frozenset({"LPAR", "SELECT"}), "a query", frozenset({"SELECT", "WITH", "ALL", "DISTINCT"})),
    (frozenset({"WHERE"}), "WHERE", frozenset({"WHERE"})),
    (frozenset({"GROUP"}), "GROUP BY", frozenset({"GROUP", "HAVING"})),
    (frozenset({"ORDER"}), "ORDER BY", frozenset({"ORDER"})),
    (frozenset({"OFFSET"}), "OFFSET", frozenset({"OFFSET", "LIMIT"})),
    (SET_OPERATORS, "UNION", SET_OPERATORS),
    (frozenset({"ASC"}), "ASC, DESC", frozenset({"ASC", "DESC"})),
    (frozenset({END}), "the end of the query", frozenset({END, "SEMICOLON"})),
)  # fmt: skip
"""Which terminals, expected together, are told by which words, and all the terminals that these words cover."""

OPERATORS = frozenset({"LPAR", "PLUS", "MINUS", "STAR", "SLASH", "CONCAT", "PIPE", "CARET", "AMPERSAND", "DOT"})
MAX_EXPECTATIONS = 6


def expectation(expected: frozenset[str]) -> str:
    """The expected terminals in words; operators, and ( after a name, are left out where anything else will do."""
    said = []
    left = expected if "STRING" in expected else expected - OPERATORS
    for marks, label, covered in EXPECTATIONS:
        if marks <= expected and marks & left:
            said.append(label)
            left -= covered
    said += sorted(left)
    if not said:
        return "an opening parenthesis" if "LPAR" in expected else "an operator"
    *most, last = said[:MAX_EXPECTATIONS]
    return f"{', '.join(most)} or {last}" if most else last


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


# --------------------------------------------------------------------- what parses, but is of the wrong kind


KINDS = {
    **dict.fromkeys((words.NUMERIC, words.SIGNED, words.INTEGER, words.NUMBER), "a number"),
    words.TEXT: "a string",
    words.STRING: "a string",
    words.POINT: "a geometry",
    words.GEOMETRY: "a geometry",
}
WANTED = {"n": "a number", "t": "a string"}


def reserved(word: str) -> str:
    """A reserved word where a name should be."""
    return f"`{word}` is a reserved word of ADQL; write it in double quotes to use it as a name"


def quoted_column(name: tree.Name) -> str:
    """For the resolver: a name in double quotes that is no column, where a value is compared."""
    return f"\"...\" names a column; a string stands in single quotes: '{name.text}'"


def wrong_kind(kind: str, formal: str, where: str, place: Place) -> QueryFault:
    """A piece of one kind where the grammar has another."""
    if kind == words.CONDITION:
        return QueryFault("a condition is not a value: it stands only after WHERE, ON and HAVING", place=place)
    said = f"{KINDS.get(kind, 'this')} cannot stand {where}, where {WANTED.get(formal, 'another value')} belongs"
    hint = None
    if formal == "t" and kind in (words.NUMERIC, words.SIGNED):
        hint = "CAST(value AS VARCHAR) makes it a string"
    elif formal == "n" and kind == words.TEXT:
        hint = "put what || joins in parentheses, if it is a number" if where.endswith("||") else None
    return QueryFault(said, place=place, hint=hint)


def bare_value(node: tree.Value, place: Place) -> QueryFault:
    """A value where a condition is needed."""
    match node:
        case tree.Call(name=("CONTAINS" | "INTERSECTS") as name):
            return QueryFault(f"{name}(...) yields 0 or 1: compare it, as in 1 = {name}(...)", place=place)
        case tree.Call(name=name):
            return QueryFault(f"{name}(...) is a value, no condition: compare it, as in 1 = {name}(...)", place=place)
        case tree.ColumnName(names=names):
            name = names[-1].text
            hint = f"compare it, as in {name} = 1 or {name} IS NOT NULL"
            return QueryFault(f"`{name}` is a column, no condition", place=place, hint=hint)
        case _:
            return QueryFault(
                "a condition is needed here, and this is a value", place=place, hint="compare it with another"
            )


def compared_with_null(operator: str, place: Place) -> QueryFault:
    """Legal by the grammar, but true of no row: no one can mean it."""
    negated = "" if operator == "=" else "NOT "
    return QueryFault(f"nothing is {operator} NULL, not even NULL", place=place, hint=f"write IS {negated}NULL")


def wrong_arguments(name: str, usage: str, place: Place) -> QueryFault:
    return QueryFault(f"{name} takes {usage}", place=place)


CLOSEST_TYPES = {
    **dict.fromkeys(("FLOAT", "DOUBLE", "FLOAT8", "NUMERIC", "DECIMAL", "NUMBER"), "DOUBLE PRECISION"),
    "FLOAT4": "REAL",
    **dict.fromkeys(("INT", "INT4"), "INTEGER"),
    **dict.fromkeys(("LONG", "INT8"), "BIGINT"),
    **dict.fromkeys(("SHORT", "INT2"), "SMALLINT"),
    **dict.fromkeys(("TEXT", "STRING", "VARCHAR2", "CLOB"), "VARCHAR"),
    "CHARACTER": "CHAR",
    **dict.fromkeys(("DATE", "DATETIME"), "TIMESTAMP"),
}


def unknown_type(name: str, place: Place) -> QueryFault:
    closest = CLOSEST_TYPES.get(name)
    hint = f"write {closest}" if closest else f"the types are {', '.join(sorted(words.CAST_TYPES))}"
    return QueryFault(f"CAST has no type {name} in ADQL", place=place, hint=hint)
