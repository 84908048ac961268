"""Counts in messages."""

from __future__ import annotations


def format_count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, in the plural unless the number is 1: "1 row", "1,000 rows".

    The plural is the noun with an s unless it is given.
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"
