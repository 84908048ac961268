"""Names of columns and tables that can stand in a query as they are (ADQL 2.1 section 2.1.4).

Names are kept where they can: letters, digits and underscores, the first a letter. Else accents go, Greek letters are
spelt out, all other characters become underscores, what begins with none of the letters gets c_ in front, a reserved
word an underscore behind, and the second of two names that differ in case alone a number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from vo_server.catalogue.names import regular
from vo_server.model.words import RESERVED

LONGEST = 60
"""Characters of a name: PostgreSQL has 63."""

_GREEK = re.compile(r"GREEK (?:SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)")


def named(names: Sequence[str]) -> list[str]:
    """The names of columns that are called so in a file, in their order; no two differ in case alone.

    What is a good name already is kept before others become one like it.
    """
    made: dict[int, str] = {}
    taken: set[str] = set()
    firsts = {name.lower(): place for place, name in reversed(list(enumerate(names))) if plainly(name) == name}
    for place in sorted(range(len(names)), key=lambda n: firsts.get(names[n].lower()) != n):
        plain = plainly(names[place])
        best = next(n for n in (plain, *(f"{plain}_{i}" for i in range(2, 10_000))) if n.lower() not in taken)
        taken.add(best.lower())
        made[place] = best
    return [made[place] for place in range(len(names))]


def plainly(name: str) -> str:
    """The name as a regular identifier."""
    if regular(name) and len(name) <= LONGEST:
        return name
    spelt = "".join(map(_spelt, unicodedata.normalize("NFKD", name.replace("ß", "ss"))))
    plain = re.sub(r"_*[^A-Za-z0-9_]+_*", "_", spelt)[:LONGEST].rstrip("_")
    if not re.match(r"[A-Za-z]", plain):
        plain = f"c_{plain.lstrip('_')}".rstrip("_")
    return f"{plain}_" if plain.upper() in RESERVED else plain


def _spelt(character: str) -> str:
    if unicodedata.combining(character):
        return ""
    greek = _GREEK.match(unicodedata.name(character, ""))
    return greek[1].lower() if greek else character


def stem(file: str) -> str:
    """A name for the table of a file: what is left of the file's without the endings."""
    return plainly(re.sub(r"(\.[A-Za-z]\w{1,8})+$", "", file)).lower()
