"""What a command is: its name, what it takes, and what runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from vo_server.settings import Settings, described


def _none(_: argparse.ArgumentParser) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Command:
    """A command; its name may have two words. `run` gives the exit code.

    `arguments` adds its own to those that all commands take; `epilog` stands below its help.
    """

    name: str
    help: str
    run: Callable[[argparse.Namespace, Settings], int]
    arguments: Callable[[argparse.ArgumentParser], None] = _none
    epilog: str | None = None


def explained(name: str) -> str:
    """The help of a setting's flag."""
    help, default = next((help, default) for n, default, help in described() if n == name)
    return f"{help} (default: {default})" if default not in ("", None, False) else help


def address(parser: argparse.ArgumentParser) -> None:
    """The flags that say where to listen."""
    parser.add_argument("--host", metavar="H", help=explained("host"))
    parser.add_argument("--port", metavar="N", help=explained("port"))


def strictly(parser: argparse.ArgumentParser) -> None:
    """The flag that takes the standard's ADQL alone."""
    parser.add_argument("--strict", action="store_true", default=None, help=explained("strict"))


def count(text: str) -> int:
    """A whole number from 1, as an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)
