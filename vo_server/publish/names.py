"""Normalisation of names of columns and tables to regular identifiers (ADQL 2.1 section 2.1.4).

Valid names are kept: letters, digits and underscores, the first a letter. Otherwise accents are removed, Greek letters
are spelt out, and all other characters become underscores; a name without an initial letter gets the prefix c_, and a
reserved word the suffix _. The second of two names that differ only in case gets a number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from vo_server.catalogue.names import is_regular
from vo_server.model.reserved_words import RESERVED
from vo_server.model.unique_names import UniqueNames

MAX_NAME_LENGTH = 60
"""Maximum number of characters of a name; PostgreSQL allows 63."""

_GREEK = re.compile(r"GREEK (?:SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)")


def normalise_names(names: Sequence[str]) -> list[str]:
    """Return regular names for the columns of a file, in order; no two differ only in case.

    A name that is valid already has precedence over one that is changed.
    """
    normalised: dict[int, str] = {}
    assigner = UniqueNames()
    firsts = {name.lower(): place for place, name in reversed(list(enumerate(names))) if normalise_name(name) == name}
    for place in sorted(range(len(names)), key=lambda n: firsts.get(names[n].lower()) != n):
        normalised[place] = assigner.assign(normalise_name(names[place]))
    return [normalised[place] for place in range(len(names))]


def normalise_name(name: str) -> str:
    """Return the name as a regular identifier."""
    if is_regular(name) and len(name) <= MAX_NAME_LENGTH:
        return name
    ascii_name = "".join(map(_transliterate, unicodedata.normalize("NFKD", name.replace("ß", "ss"))))
    regular_name = re.sub(r"_*[^A-Za-z0-9_]+_*", "_", ascii_name)[:MAX_NAME_LENGTH].rstrip("_")
    if not re.match(r"[A-Za-z]", regular_name):
        regular_name = f"c_{regular_name.lstrip('_')}".rstrip("_")
    return f"{regular_name}_" if regular_name.upper() in RESERVED else regular_name


def _transliterate(character: str) -> str:
    if unicodedata.combining(character):
        return ""
    greek = _GREEK.match(unicodedata.name(character, ""))
    return greek[1].lower() if greek else character


def derive_table_name(file: str) -> str:
    """Return a table name for a file: its name without the extensions."""
    return normalise_name(re.sub(r"(\.[A-Za-z]\w{1,8})+$", "", file)).lower()
