"""Errors for characters with which no word of ADQL begins."""

from __future__ import annotations

import re

from vo_server.errors import Code, QueryError, TextSpan

_BAD_NUMBER = "this number cannot be read"
_NUMBER_HINT = "numbers look like 12, 0.5, .5 or 1.5E-3"

CHARACTER_HINTS: tuple[tuple[str, str, str | None], ...] = (
    (r"''?$|'", "the string that begins here is never closed", "a quote inside a string is written twice: ''"),
    (r'""', "a name in double quotes cannot be empty", None),
    (r'"', "the name in double quotes that begins here is never closed", None),
    ("[‘’‚“”„«»´]", "typographic quotes are no quotes in ADQL", 'strings stand in \'...\', names in "..."'),
    ("`[^`]*`?", "back quotes do not quote names in ADQL", 'write "..." instead'),
    (r"\[[^\]]*\]?", "ADQL has neither names in square brackets nor arrays", 'names stand in "..."'),
    (r"\]", "ADQL has no square brackets", None),
    (r"&\w+;|&#[0-9]+;", "this is how a character is written in HTML",
     "write the character itself: < for &lt; > for &gt; & for &amp; ' for &apos;"),
    (r"%(?:2[0-9A-Fa-f]|3[C-Ec-e])", "ADQL has no % operator, and no characters encoded as in a URL",
     "the remainder is MOD(a, b); what reads %20 or %3C was encoded twice"),
    (r"%\(\w*\)s?|\{\w*\}|:[A-Za-z_]\w*|\?|\$\w*", "a parameter has been left unfilled here", None),
    ("%", "ADQL has no % operator", "the remainder is MOD(a, b)"),
    (r"::\s*\w*", "ADQL has no :: operator", "a type is changed by CAST(value AS type)"),
    (r"!&&|!?<@|!?@>?|!?~", "ADQL has no such operator", "shapes are compared as in 1 = INTERSECTS(a, b)"),
    ("!", "! is no operator of ADQL", "write NOT before a condition, != or <> between values"),
    (r"[0-9]+[hHdD][0-9]+[mM']?\w*|:[0-9][0-9:.]*", "an angle is one number here",
     "in degrees, as in 157.625; hours are degrees / 15"),
    (r"0[xX]\w+|[0-9][0-9.]*[eE][+-]?[0-9]*(?![A-Za-z_])", _BAD_NUMBER, _NUMBER_HINT),
    (r"[0-9]+[A-Za-z_]\w*", "a name begins with a letter, and a blank follows a number", 'other names stand in "..."'),
    (r"[0-9.]+", _BAD_NUMBER, _NUMBER_HINT),
    (r"_\w*", "a name begins with a letter", 'write other names in double quotes, as in "_name"'),
    (r"#\w*", "a name begins with a letter, and a comment with --", None),
    (r"[\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\u200b-\u200d]",
     "this blank is not an ordinary space", "it may have come in by copying: type it anew"),
    (r"[\uff01-\uff5e]", "this is a wide character", "type it anew with an English keyboard"),
    ("[‐‑‒–—−]", "this dash is no minus sign", "the minus sign is -"),
    ("[≤≥≠]", "this sign is not one of ADQL's", "write <=, >= or <>"),
    ("[×·⋅÷]", "this sign is not one of ADQL's", "write * or /"),
    ("[°′″]", "numbers have no unit", "angles are in degrees, without a sign"),
    ("[²³√]", "this sign is not one of ADQL's", "write POWER(a, 2) or SQRT(a)"),
    (r"\\\S?", "a backslash means nothing in ADQL", None),
    (r"[^\W\d_]\w*", "a name without quotes has only letters without accents, digits and _", 'write it in "..."'),
)  # fmt: skip
"""Patterns of text at which no word begins, each with its message and hint; the first that matches counts."""


def explain_characters(text: str, start: int) -> QueryError:
    """Return the error for the text at `start`, where no word of ADQL begins."""
    for pattern, message, hint in CHARACTER_HINTS:
        match = re.compile(pattern).match(text, start, start + 100)
        if match and match.end() > start:
            end = start + 1 if text[start] in "'\"" else match.end()
            code = Code.ADQL_BAD_LITERAL if message == _BAD_NUMBER else Code.ADQL_SYNTAX
            return QueryError(message, text=text, span=TextSpan(start, end), hint=hint, code=code)
    message = f"the character {text[start]!r} has no meaning in ADQL outside of quotes"
    return QueryError(message, text=text, span=TextSpan(start, start + 1), code=Code.ADQL_SYNTAX)
