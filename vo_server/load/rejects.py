"""The file of rejected rows."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Literal

from typing_extensions import override

from vo_server.errors import Code, LoadError
from vo_server.load.chunks import RejectedRow

OnError = Literal["stop", "skip"]


class RejectFile(AbstractContextManager["RejectFile"]):
    """Rejected rows of a load: stops at the first, or writes each to DATA/rejects/<id>-<time>.txt with its error."""

    def __init__(self, data: Path, id: str, on_error: OnError) -> None:
        self.count = 0
        self.path: Path | None = None
        self._stop = on_error == "stop"
        self._folder, self._id = data / "rejects", id
        self._out: IO[str] | None = None

    def reject(self, rows: Iterable[RejectedRow]) -> None:
        """Write these rows to the file.

        Raises LoadError for the first row if the load must stop.
        """
        for row in rows:
            if self._stop:
                hint = "--on-error skip loads the other rows and lists the bad ones in a file"
                raise LoadError(str(row), hint=hint, code=Code.LOAD_BAD_ROW)
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
