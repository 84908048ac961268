"""A value, and why it is thought so where nobody has said it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value", covariant=True)


@dataclass(frozen=True, slots=True)
class Guess(Generic[Value]):
    """A value; `why` is None where the file says it."""

    value: Value
    why: str | None = None
