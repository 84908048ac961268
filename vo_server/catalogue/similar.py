"""The nearest names to one that is not known, for messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def similar(name: str, known: Iterable[str]) -> str | None:
    """`did you mean a or b?`, or None where nothing is near."""
    spelt = {k.lower(): k for k in known}
    close = get_close_matches(name.lower(), spelt, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(spelt[c] for c in close)}?" if close else None
