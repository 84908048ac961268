"""Unique names: a name that is taken gets a number, as in ra_2."""

from __future__ import annotations

from collections.abc import Iterable


class UniqueNames:
    """An assigner of names that differ from each other, without regard to case unless `ignore_case` is false.

    A name is kept if it is free; otherwise it gets the first free number from 2. Many equal names take linear time.
    """

    def __init__(self, taken: Iterable[str] = (), *, ignore_case: bool = True) -> None:
        self._ignore_case = ignore_case
        self._last_numbers = {self._to_key(name): 1 for name in taken}

    def assign(self, name: str) -> str:
        """Return the name, or the name with a number if it is taken, and mark the result as taken."""
        key = self._to_key(name)
        unique, number = name, self._last_numbers.get(key, 1)
        while self._to_key(unique) in self._last_numbers:
            number += 1
            unique = f"{name}_{number}"
        self._last_numbers[key] = number
        self._last_numbers.setdefault(self._to_key(unique), 1)
        return unique

    def _to_key(self, name: str) -> str:
        return name.lower() if self._ignore_case else name


def make_unique(names: Iterable[str], *, taken: Iterable[str] = (), ignore_case: bool = True) -> list[str]:
    """Return the names, each unique: a repeated or taken name gets a number."""
    assigner = UniqueNames(taken, ignore_case=ignore_case)
    return [assigner.assign(name) for name in names]
