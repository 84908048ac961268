"""Suggestions of similar names for error messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggest_similar(name: str, known: Iterable[str]) -> str | None:
    """Return `did you mean a or b?` with the known names similar to a name, or None if there are none."""
    spellings = {k.lower(): k for k in known}
    close = get_close_matches(name.lower(), spellings, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(spellings[c] for c in close)}?" if close else None
