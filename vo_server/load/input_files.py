"""The input files of a load: patterns are expanded, gzip is decompressed, and bytes are counted."""

from __future__ import annotations

import glob
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, cast

from typing_extensions import Buffer, override

from vo_server.errors import Code, LoadError
from vo_server.formats.read.detect import GZIP_MAGIC
from vo_server.storage.gzip import GZIP_ERRORS, open_gzip

STDIN = "-"
_HEAD_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 20


@dataclass(slots=True)
class Meter:
    """The bytes read so far and in total; the total is None if standard input is among the files."""

    total: int | None
    read: int = 0


@dataclass(frozen=True, slots=True)
class InputFile:
    """An open file: its name for messages, its decompressed bytes, and its path if it can be memory-mapped."""

    name: str
    stream: BinaryIO
    head: bytes
    path: Path | None = field(default=None)


def expand_paths(files: Sequence[str | Path]) -> list[str]:
    """Return the files of these names and patterns, in order.

    Raises LoadError for one without a file.
    """
    paths = [path for file in files for path in _expand_pattern(str(file))]
    if not paths:
        raise LoadError("no file to load is given", code=Code.LOAD_UNREADABLE)
    return paths


def _expand_pattern(name: str) -> list[str]:
    if name == STDIN or Path(name).is_file():
        return [name]
    if Path(name).is_dir():
        raise LoadError(f"{name} is a folder", hint=f"name its files: {name.rstrip('/')}/*", code=Code.LOAD_UNREADABLE)
    if not glob.has_magic(name):
        raise LoadError(f"there is no file {name}", code=Code.LOAD_UNREADABLE)
    paths = sorted(path for path in glob.glob(name, recursive=True) if Path(path).is_file())
    if not paths:
        raise LoadError(f"no file matches {name}", code=Code.LOAD_UNREADABLE)
    return paths


def create_meter(names: Sequence[str]) -> Meter:
    """Return a meter for these files."""
    return Meter(None if STDIN in names else sum(Path(n).stat().st_size for n in names))


@contextmanager
def open_input(name: str, meter: Meter) -> Iterator[InputFile]:
    """Open a file or standard input, decompress gzip, and read ahead the first bytes.

    Raises LoadError for a file that cannot be read or is empty, and for a truncated or damaged gzip stream.
    """
    display_name = "standard input" if name == STDIN else Path(name).name
    with (
        _translate_errors(display_name),
        nullcontext(sys.stdin.buffer) if name == STDIN else Path(name).open("rb") as source,
    ):
        raw = io.BufferedReader(_MeteredStream(source, meter), _BUFFER_BYTES)
        is_gzip = raw.peek(2)[:2] == GZIP_MAGIC
        stream = io.BufferedReader(cast(io.RawIOBase, open_gzip(raw)), _HEAD_BYTES) if is_gzip else raw
        head = stream.peek(_HEAD_BYTES)[:_HEAD_BYTES]
        if not head:
            raise LoadError(f"{display_name} is empty", code=Code.LOAD_UNREADABLE)
        yield InputFile(display_name, cast(BinaryIO, stream), head, None if is_gzip or name == STDIN else Path(name))


@contextmanager
def _translate_errors(display_name: str) -> Iterator[None]:
    try:
        yield
    except EOFError:
        raise LoadError(
            f"{display_name} is truncated: its gzip stream ends too early", code=Code.LOAD_UNREADABLE
        ) from None
    except GZIP_ERRORS as error:
        raise LoadError(f"{display_name} is damaged: {error}", code=Code.LOAD_UNREADABLE) from None
    except OSError as error:
        raise LoadError(f"{display_name}: {error.strerror or error}", code=Code.LOAD_UNREADABLE) from None


class _MeteredStream(io.RawIOBase):
    """A stream that counts the bytes read from it."""

    def __init__(self, source: IO[bytes], meter: Meter) -> None:
        self._source = source
        self._meter = meter

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        data = self._source.read(len(view))
        view[: len(data)] = data
        self._meter.read += len(data)
        return len(data)
