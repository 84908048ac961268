"""The command line.

Exit codes: 0 done; 1 it failed and said why; 2 the command was not understood; 3 loaded, but lines were rejected.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from typing_extensions import override

from vo_server import __version__
from vo_server.commands import COMMANDS, Command
from vo_server.commands.command import explained
from vo_server.commands.terminal import log_as, say
from vo_server.errors import ServiceError, UsageError
from vo_server.settings import PREFIX, Settings, described, read


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the result is its exit code."""
    try:
        parsed = _parser().parse_args(_worded(sys.argv[1:] if arguments is None else arguments))
        signal.signal(signal.SIGTERM, _terminated)
        settings = _settings(parsed)
        log_as(settings)
        done: int = parsed.run(parsed, settings)
        return done
    except UsageError as fault:
        say(f"vo-server: {fault}", "red")
        return 2
    except ServiceError as fault:
        say(f"vo-server: {fault}", "red")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    except OSError as error:  # a folder that cannot be written, a disk that is full
        where = f"{error.filename}: " if error.filename else ""
        say(f"vo-server: {where}{error.strerror or error}", "red")
        return 1


def _worded(arguments: Sequence[str]) -> Sequence[str]:
    """The arguments with a command of two words as one."""
    first = " ".join(arguments[:2])
    return [first, *arguments[2:]] if any(c.name == first for c in COMMANDS) and " " in first else arguments


def _terminated(*_: object) -> NoReturn:
    """SIGTERM ends a command as Ctrl-C does: what it has begun is tidied up."""
    sys.exit(128 + signal.SIGTERM)


def _settings(parsed: argparse.Namespace) -> Settings:
    names = {f.name for f in fields(Settings)}
    flags = {name: value for name, value in vars(parsed).items() if name in names}
    config = parsed.config or os.environ.get(f"{PREFIX}CONFIG")
    return read(flags, os.environ, Path(config) if config else None)


class _Parser(argparse.ArgumentParser):
    """A parser that tells a mistake in one line and not below a page of usage."""

    @override
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"{self.prog} --help tells more")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="vo-server",
        description="A Virtual Observatory server: TAP, cone search and VOSI over your catalogues.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vo-server {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        _add(commands, command)
    return parser


def _epilog() -> str:
    wide = min(shutil.get_terminal_size().columns, 110)
    rows = "\n".join(
        textwrap.fill(
            f"{PREFIX}{name.upper():12} {explained(name)}", wide, initial_indent="  ", subsequent_indent=" " * 25
        )
        for name, _, _ in described()
    )
    return (
        "settings:\n"
        "  Flags come first, then these variables, then the TOML file that --config or\n"
        f"  {PREFIX}CONFIG names (names there in lower case, without {PREFIX}).\n\n"
        f"{rows}\n\n"
        "exit codes:\n  0 done, 1 failed, 2 not understood, 3 loaded but lines were rejected"
    )


def _add(commands: Any, command: Command) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        command.name,
        help=command.help,
        description=f"{command.help[0].upper()}{command.help[1:]}.",
        epilog=command.epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=command.run)
    parser.add_argument("--data", metavar="DIR", help=explained("data"))
    parser.add_argument("--engine", metavar="URL", help=explained("engine"))
    parser.add_argument("--schemas", metavar="DIR[:DIR]", help=explained("schemas"))
    parser.add_argument("--config", metavar="FILE", help="a TOML file of settings")
    parser.add_argument("--log-level", metavar="LEVEL", help=explained("log_level"))
    command.arguments(parser)


if __name__ == "__main__":
    sys.exit(main())
