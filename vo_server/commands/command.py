"""The record of a command, and the arguments that several commands share."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any, Protocol, cast

from vo_server.extras import import_with_extra
from vo_server.settings import Settings, describe_settings


class CommandModule(Protocol):
    """The module of a command.

    It may also have `add_arguments(parser)`, which adds the command's own arguments, and EPILOG, the text below its
    help.
    """

    def run(self, parsed: argparse.Namespace, settings: Settings) -> int:
        """Run the command and return its exit code."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command; its name may have two words. `help` is one line in the imperative.

    `module` is the name of its module below vo_server.commands. It is imported only when the command is used, so that
    help and other commands do not import its libraries. `extra` is the extra of pyproject.toml that it needs, if any.
    """

    name: str
    help: str
    module: str
    extra: str = ""

    def load(self) -> CommandModule:
        """Import the module of the command.

        Raises UsageError where the packages of its extra are not installed.
        """
        return cast(CommandModule, import_with_extra(f"vo_server.commands.{self.module}", self.extra))


def add_command(commands: Any, command: Command, load: bool) -> None:
    """Add a command to the subparsers of the command line, with its own arguments only if `load`."""
    module = command.load() if load else None
    parser: argparse.ArgumentParser = commands.add_parser(
        command.name,
        help=command.help,
        description=f"{command.help[0].upper()}{command.help[1:]}.",
        epilog=getattr(module, "EPILOG", None),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", metavar="DIR", help=setting_help("data"))
    parser.add_argument("--engine", metavar="URL", help=setting_help("engine"))
    parser.add_argument("--schemas", metavar="DIR[:DIR]", help=setting_help("schemas"))
    parser.add_argument("--config", metavar="FILE", help="a TOML file of settings")
    parser.add_argument("--log-level", metavar="LEVEL", help=setting_help("log_level"))
    if module is not None:
        parser.set_defaults(run=module.run)
        getattr(module, "add_arguments", lambda _: None)(parser)


def setting_help(name: str) -> str:
    """Return the help of a setting's flag, with its default."""
    help, default = next((help, default) for n, default, help in describe_settings() if n == name)
    return f"{help} (default: {default})" if default not in ("", None, False) else help


def add_address_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the address to listen on."""
    parser.add_argument("--host", metavar="H", help=setting_help("host"))
    parser.add_argument("--port", metavar="N", help=setting_help("port"))


def add_strict_argument(parser: argparse.ArgumentParser) -> None:
    """Add the flag that rejects extensions to ADQL."""
    parser.add_argument("--strict", action="store_true", default=None, help=setting_help("strict"))


def parse_count(text: str) -> int:
    """Convert an argument to a positive integer."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)
