"""The files of a load: patterns expanded, gzip taken off, bytes counted, and each told by its content what it is."""

from __future__ import annotations

import glob
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from typing_extensions import Buffer, override

from vo_server.errors import LoadError

try:  # isal is three times as fast as zlib: 0.4 s against 1.4 s for a million rows of the point source catalogue
    from isal.igzip import IGzipFile
    from isal.isal_zlib import error as _isal_error
except ImportError:  # pragma: no cover
    _gunzipped: Callable[..., Any] = gzip.GzipFile
    _DAMAGED: tuple[type[Exception], ...] = (gzip.BadGzipFile, zlib.error)
else:
    _gunzipped = IGzipFile
    _DAMAGED = (gzip.BadGzipFile, zlib.error, cast(type[Exception], _isal_error))

STDIN = "-"
_HEAD = 1 << 16
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"


@dataclass(slots=True)
class Meter:
    """How many bytes of the files have been read, of how many; no total where standard input is among them."""

    total: int | None
    read: int = 0


@dataclass(frozen=True, slots=True)
class Input:
    """An open file: what it is called in messages, its bytes after gzip, and where they lie when they can be mapped."""

    name: str
    stream: BinaryIO
    head: bytes
    path: Path | None = field(default=None)


def expand(files: Sequence[str | Path]) -> list[str]:
    """The files that these names and patterns mean, in order.

    Raises LoadError where one means nothing.
    """
    found = [path for file in files for path in _expanded(str(file))]
    if not found:
        raise LoadError("no file to load is named")
    return found


def _expanded(name: str) -> list[str]:
    if name == STDIN or Path(name).is_file():
        return [name]
    if Path(name).is_dir():
        raise LoadError(f"{name} is a folder", hint=f"name its files: {name.rstrip('/')}/*")
    if not glob.has_magic(name):
        raise LoadError(f"there is no file {name}")
    found = sorted(path for path in glob.glob(name, recursive=True) if Path(path).is_file())
    if not found:
        raise LoadError(f"no file matches {name}")
    return found


def meter(names: Sequence[str]) -> Meter:
    """A meter for these files."""
    return Meter(None if STDIN in names else sum(Path(n).stat().st_size for n in names))


@contextmanager
def opened(name: str, meter: Meter) -> Iterator[Input]:
    """A file or standard input, gzip taken off, its first bytes looked at.

    Raises LoadError for one that cannot be read, that is empty, or whose gzip is cut short or damaged.
    """
    called = "standard input" if name == STDIN else Path(name).name
    with _reading(called), nullcontext(sys.stdin.buffer) if name == STDIN else Path(name).open("rb") as source:
        raw = io.BufferedReader(_Counted(source, meter), _CHUNK)
        packed = raw.peek(2)[:2] == _GZIP
        stream = io.BufferedReader(_gunzipped(fileobj=raw, mode="rb"), _HEAD) if packed else raw
        head = stream.peek(_HEAD)[:_HEAD]
        if not head:
            raise LoadError(f"{called} is empty")
        yield Input(called, cast(BinaryIO, stream), head, None if packed or name == STDIN else Path(name))


@contextmanager
def _reading(called: str) -> Iterator[None]:
    try:
        yield
    except EOFError:
        raise LoadError(f"{called} is truncated: its gzip stream ends too early") from None
    except _DAMAGED as error:
        raise LoadError(f"{called} is damaged: {error}") from None
    except OSError as error:
        raise LoadError(f"{called}: {error.strerror or error}") from None


class _Counted(io.RawIOBase):
    """A stream that tells a meter what passes through it."""

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
