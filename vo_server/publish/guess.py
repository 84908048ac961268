"""A value with the reason for it if it is guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value", covariant=True)


@dataclass(frozen=True, slots=True)
class Guess(Generic[Value]):
    """A value; `why` is the reason of a guess, None if the file has the value."""

    value: Value
    why: str | None = None
