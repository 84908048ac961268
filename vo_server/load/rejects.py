"""Where the rows go that could not be loaded."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Literal

from typing_extensions import override

from vo_server.errors import LoadError
from vo_server.load.pieces import Bad

OnError = Literal["stop", "skip"]


class Rejects(AbstractContextManager["Rejects"]):
    """Stops at the first bad row, or writes each to DATA/rejects/<id>-<time>.txt: why, and the row itself below."""

    def __init__(self, data: Path, id: str, on_error: OnError) -> None:
        self.count = 0
        self.path: Path | None = None
        self._stop = on_error == "stop"
        self._folder, self._id = data / "rejects", id
        self._out: IO[str] | None = None

    def take(self, bad: Iterable[Bad]) -> None:
        """Reject these.

        Raises LoadError for the first when the load is to stop.
        """
        for row in bad:
            if self._stop:
                raise LoadError(str(row), hint="--on-error skip loads the other rows and lists the bad ones in a file")
            self._open().write(f"{row}\n{row.text}\n")
            self.count += 1

    @override
    def __exit__(self, *_: object) -> None:
        if self._out is not None:
            self._out.close()

    def _open(self) -> IO[str]:
        if self._out is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self.path = self._folder / f"{self._id}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}.txt"
            self._out = self.path.open("a", encoding="utf-8")
        return self._out
