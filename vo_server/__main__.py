"""The command line.

Exit codes: 0 done; 1 failed, with a message; 2 invalid command line or settings; 3 loaded, but rows were rejected.
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
from typing import NoReturn

from typing_extensions import override

from vo_server import __version__
from vo_server.commands import COMMANDS
from vo_server.commands.command import add_command, setting_help
from vo_server.commands.terminal import configure_logs, say
from vo_server.errors import Code, ServiceError, UsageError
from vo_server.settings import PREFIX, Settings, describe_settings, read_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    try:
        words = _join_command_name(sys.argv[1:] if arguments is None else arguments)
        parsed = _build_parser(words[0] if words else "").parse_args(words)
        signal.signal(signal.SIGTERM, _exit_on_sigterm)
        settings = _read_settings(parsed)
        configure_logs(settings)
        code: int = parsed.run(parsed, settings)
        return code
    except UsageError as error:
        say(f"vo-server: {error} [{error.code}]", "red")
        return 2
    except ServiceError as error:
        say(f"vo-server: {error} [{error.code}]", "red")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    except OSError as error:  # such as a folder that cannot be written, or a full disk
        where = f"{error.filename}: " if error.filename else ""
        say(f"vo-server: {where}{error.strerror or error}", "red")
        return 1


def _join_command_name(arguments: Sequence[str]) -> Sequence[str]:
    """Join the name of a command of two words, such as `adql check`, into one argument."""
    first = " ".join(arguments[:2])
    return [first, *arguments[2:]] if any(c.name == first for c in COMMANDS) and " " in first else arguments


def _exit_on_sigterm(*_: object) -> NoReturn:
    """End the command as Ctrl-C does, so that its unfinished files are removed."""
    sys.exit(128 + signal.SIGTERM)


def _read_settings(parsed: argparse.Namespace) -> Settings:
    names = {f.name for f in fields(Settings)}
    flags = {name: value for name, value in vars(parsed).items() if name in names}
    config = parsed.config or os.environ.get(f"{PREFIX}CONFIG")
    return read_settings(flags, os.environ, Path(config) if config else None)


class _Parser(argparse.ArgumentParser):
    """An argument parser that reports a mistake in one line, without a page of usage."""

    @override
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"see {self.prog} --help", code=Code.SETTINGS_INVALID)


def _build_parser(command_name: str) -> argparse.ArgumentParser:
    """Build the parser; only the named command gets its own arguments, as these import its libraries."""
    parser = _Parser(
        prog="vo-server",
        description="A Virtual Observatory server: TAP, cone search, images, registry.",
        epilog=_build_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vo-server {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        add_command(commands, command, load=command.name == command_name)
    return parser


def _build_epilog() -> str:
    width = min(shutil.get_terminal_size().columns, 110)
    rows = "\n".join(
        textwrap.fill(
            f"{PREFIX}{name.upper():12} {setting_help(name)}", width, initial_indent="  ", subsequent_indent=" " * 25
        )
        for name, _, _ in describe_settings()
    )
    return (
        "settings:\n"
        "  Flags come first, then these variables, then the TOML file that --config or\n"
        f"  {PREFIX}CONFIG names (names there in lower case, without {PREFIX}).\n\n"
        f"{rows}\n\n"
        "exit codes:\n  0 done, 1 failed, 2 invalid command or settings, 3 loaded, rows rejected"
    )


if __name__ == "__main__":
    sys.exit(main())
