"""FITS headers (FITS 4.0 section 4): cards of 80 characters in blocks of 2880 bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from textwrap import wrap

BLOCK_BYTES = 2880
CARD_TEXT_CHARACTERS = 68
"""Characters of a text in one card; a longer text continues in the next (section 4.2.1.2)."""

Card = tuple[str, str | int | bool, str]
"""Keyword, value and comment."""


def write_header(cards: Sequence[Card], comments: bytes) -> bytes:
    """Return the cards, the comments, END, and blanks up to a whole block."""
    data = b"".join(line for card in cards for line in _write_card(*card)) + comments + _pad_card("END")
    return data + b" " * (-len(data) % BLOCK_BYTES)


def comment_cards(text: str) -> bytes:
    """Return a text as COMMENT cards."""
    lines = (part for line in text.splitlines() for part in wrap(_to_ascii(line), 72))
    return b"".join(_pad_card(f"COMMENT {line}") for line in lines)


def _write_card(keyword: str, value: str | int | bool, comment: str) -> Iterator[bytes]:
    match value:
        case bool():
            formatted = f"{'T' if value else 'F':>20}"
        case int():
            formatted = f"{value:>20}"
        case str():
            yield from _write_text_card(keyword, value, comment)
            return
    yield _pad_card(f"{keyword:8}= {formatted}{f' / {comment}' if comment else ''}")


def _write_text_card(keyword: str, value: str, comment: str) -> Iterator[bytes]:
    pieces = _split_text(_to_ascii(value))
    for n, piece in enumerate(pieces):
        more = "&" if n + 1 < len(pieces) else ""
        begin = f"{keyword:8}= " if n == 0 else "CONTINUE  "
        line = f"{begin}'{f'{piece}{more}':8}'"
        fits = comment and len(pieces) == 1 and len(line) + len(comment) + 3 <= 80
        yield _pad_card(f"{line} / {comment}" if fits else line)


def _split_text(value: str) -> list[str]:
    """Split a text so that each part leaves room for the continuation mark; quotes are doubled and stay together."""
    pieces = [""]
    for character in value:
        written = "''" if character == "'" else character
        if len(pieces[-1]) + len(written) > CARD_TEXT_CHARACTERS - 1:
            pieces.append("")
        pieces[-1] += written
    return pieces


def _to_ascii(text: str) -> str:
    return re.sub("[^ -~]", "?", re.sub(r"\s", " ", text))


def _pad_card(text: str) -> bytes:
    return f"{text[:80]:80}".encode("ascii")
