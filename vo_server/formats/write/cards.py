"""Headers of FITS (FITS 4.0 section 4): cards of 80 characters in blocks of 2880."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from textwrap import wrap

BLOCK = 2880
ROOM = 68
"""Characters of a text in one card; a longer one goes on in the next (section 4.2.1.2)."""

Card = tuple[str, str | int | bool, str]
"""Keyword, value and comment."""


def header(cards: Sequence[Card], comments: bytes) -> bytes:
    """All cards, the end, and the blanks that fill the block."""
    data = b"".join(line for card in cards for line in _lines(*card)) + comments + _card("END")
    return data + b" " * (-len(data) % BLOCK)


def comment(text: str) -> bytes:
    """A text as COMMENT cards."""
    lines = (part for line in text.splitlines() for part in wrap(_ascii(line), 72))
    return b"".join(_card(f"COMMENT {line}") for line in lines)


def _lines(keyword: str, value: str | int | bool, said: str) -> Iterator[bytes]:
    match value:
        case bool():
            shown = f"{'T' if value else 'F':>20}"
        case int():
            shown = f"{value:>20}"
        case str():
            yield from _text(keyword, value, said)
            return
    yield _card(f"{keyword:8}= {shown}{f' / {said}' if said else ''}")


def _text(keyword: str, value: str, said: str) -> Iterator[bytes]:
    pieces = _pieces(_ascii(value))
    for n, piece in enumerate(pieces):
        more = "&" if n + 1 < len(pieces) else ""
        begin = f"{keyword:8}= " if n == 0 else "CONTINUE  "
        line = f"{begin}'{f'{piece}{more}':8}'"
        fits = said and len(pieces) == 1 and len(line) + len(said) + 3 <= 80
        yield _card(f"{line} / {said}" if fits else line)


def _pieces(value: str) -> list[str]:
    """The text in parts that each leave room for a mark that it goes on; a quote is doubled and not torn apart."""
    pieces = [""]
    for character in value:
        written = "''" if character == "'" else character
        if len(pieces[-1]) + len(written) > ROOM - 1:
            pieces.append("")
        pieces[-1] += written
    return pieces


def _ascii(text: str) -> str:
    return re.sub("[^ -~]", "?", re.sub(r"\s", " ", text))


def _card(text: str) -> bytes:
    return f"{text[:80]:80}".encode("ascii")
