"""Metadata of columns: units, UCDs, utypes, datatypes, xtypes and names."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import cache

from astropy import units
from astropy.io.votable.ucd import parse_ucd

from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe
from vo_server.check.tables import DeclaredColumn

DATATYPES = frozenset(
    "boolean bit unsignedByte short int long char unicodeChar float double floatComplex doubleComplex".split()
)
_ARRAYSIZE = re.compile(r"([0-9]+x)*([0-9]+\*?|\*)")
_UTYPE = re.compile(r"([A-Za-z_][\w.-]*:)?[A-Za-z_][\w.:-]*|ivo://\S+")
_REGULAR = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DELIMITED = re.compile(r'"([^"]|"")+"')

_TEXT = ("char", "unicodeChar")
_REAL = ("float", "double")
_NUMBER = (*_REAL, "short", "int", "long", "unsignedByte")

XTYPES: dict[str, tuple[tuple[str, ...], str]] = {
    "timestamp": (_TEXT, r"\d+\*?|\*"),
    "adql:TIMESTAMP": (_TEXT, r"\d+\*?|\*"),
    "interval": (_NUMBER, r"2"),
    "multiinterval": (_NUMBER, r"\*|2x(\d+|\*)|\d+\*?"),
    "point": (_REAL, r"2"),
    "circle": (_REAL, r"3"),
    "range": (_REAL, r"4"),
    "polygon": (_REAL, r"\*|\d+\*?"),
    **dict.fromkeys(("region", "shape", "multishape", "moc", "hms", "dms", "uri", "uuid"), (_TEXT, r"\d+\*?|\*")),
    **{f"adql:{name}": (_TEXT, r"\d+\*?|\*") for name in ("REGION", "POINT", "CIRCLE", "POLYGON", "CLOB", "VARCHAR")},
    "json": (_TEXT, r"\d+\*?|\*"),
}
"""The xtypes of DALI 1.1 and 1.2 and of TAP 1.0, with their datatypes and a pattern of their arraysizes."""


def _iterate_columns(probe: Probe) -> Iterator[tuple[str, DeclaredColumn]]:
    for table in probe.tap_schema:
        for column in table.columns:
            yield f"{table.name}.{column.name}", column


@cache
def unit_error(unit: str) -> tuple[bool, str] | None:
    """Return whether a unit is invalid (True) or deprecated (False), and the reason; None for a valid one.

    % is a unit of VOUnits 1.1 (section 2.4) that astropy does not support.
    """
    if unit in ("", "%"):
        return None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            units.Unit(unit, format="vounit", parse_strict="raise")
        except (ValueError, TypeError) as error:
            return True, str(error).split("\n")[0][:160]
    return (False, str(caught[0].message).split("\n")[0][:160]) if caught else None


def check_units(probe: Probe) -> Iterator[Problem]:
    """Require that units are valid VOUnits."""
    for where, column in _iterate_columns(probe):
        if (problem := unit_error(column.unit)) and problem[0]:
            yield where, f"the unit {column.unit!r} is invalid: {problem[1]}"


def check_deprecated_units(probe: Probe) -> Iterator[Problem]:
    """Require that units are not deprecated."""
    for where, column in _iterate_columns(probe):
        if (problem := unit_error(column.unit)) and not problem[0]:
            yield where, f"the unit {column.unit!r} is deprecated: {problem[1]}"


def ucd_error(ucd: str) -> str | None:
    """Return the reason why a UCD is not valid UCD1+; None for a valid one."""
    try:
        parse_ucd(ucd, check_controlled_vocabulary=True, has_colon=True)
    except ValueError as error:
        return str(error)
    return None


def check_ucds(probe: Probe) -> Iterator[Problem]:
    """Require that UCDs are valid UCD1+."""
    for where, column in _iterate_columns(probe):
        if column.ucd and (reason := ucd_error(column.ucd)):
            yield where, f"the UCD {column.ucd!r} is invalid: {reason}"


def check_utypes(probe: Probe) -> Iterator[Problem]:
    """Require that utypes are valid."""
    for where, column in _iterate_columns(probe):
        if column.utype and not _UTYPE.fullmatch(column.utype):
            yield where, f"the utype {column.utype!r} is invalid"


def check_datatypes(probe: Probe) -> Iterator[Problem]:
    """Require that datatypes and arraysizes are valid in VOTable."""
    for where, column in _iterate_columns(probe):
        if column.datatype not in DATATYPES:
            yield where, f"the datatype {column.datatype!r} does not exist in VOTable"
        if column.arraysize and not _ARRAYSIZE.fullmatch(column.arraysize):
            yield where, f"the arraysize {column.arraysize!r} is invalid"
        if column.arraysize == "1":
            yield where, "the arraysize 1 declares an array of one element; a scalar has no arraysize"


def check_xtypes(probe: Probe) -> Iterator[Problem]:
    """Require that xtypes match their datatypes."""
    for where, column in _iterate_columns(probe):
        allowed = XTYPES.get(column.xtype) or XTYPES.get(column.xtype.lower())
        if allowed is None:
            if column.xtype and ":" not in column.xtype:
                yield where, f"the xtype {column.xtype!r} does not exist in DALI"
        elif column.datatype not in allowed[0] or not re.fullmatch(allowed[1], column.arraysize):
            shape = f"{column.datatype}[{column.arraysize}]"
            yield where, f"the xtype {column.xtype!r} does not fit the type {shape}"


def check_names(probe: Probe) -> Iterator[Problem]:
    """Require that names are written as in a query."""
    for table in probe.tap_schema:
        for name in (*_split_name(table.name), *(column.name for column in table.columns)):
            if not _REGULAR.fullmatch(name) and not _DELIMITED.fullmatch(name):
                yield table.name, f"the name {name} needs double quotes in a query, but is declared without them"


def _split_name(name: str) -> list[str]:
    return re.findall(r'"(?:[^"]|"")+"|[^."]+', name)


_UNITS = "VOUnits 1.1 section 2"
CHECKS = (
    Check("META-UNIT-1", "error", "units are valid VOUnits", _UNITS, check_units),
    Check("META-UNIT-2", "warning", "units are not deprecated", _UNITS, check_deprecated_units),
    Check("META-UCD-1", "error", "UCDs are valid UCD1+", "UCD 1.23 section 3, UCD List 1.6", check_ucds),
    Check("META-UTYPE-1", "warning", "utypes are valid", "VOTable 1.4 section 4.6", check_utypes),
    Check(
        "META-TYPE-1", "error", "datatypes and arraysizes are valid in VOTable", "TAP 1.1 section 4.3", check_datatypes
    ),
    Check("META-XTYPE-1", "error", "xtypes match their datatypes", "DALI 1.1 section 3.3", check_xtypes),
    Check("META-NAME-1", "error", "names are written as in a query", "TAP 1.1 section 4", check_names),
)
