"""Where the rows of a load come from: files of tables (files.py), or a walk over images (inventory)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from vo_server.catalogue.catalogue import Collection
from vo_server.load.inputs import Meter
from vo_server.load.pieces import Piece
from vo_server.load.shape import Warn


class Source(Protocol):
    """Rows to come. `names` say where from, for those who look at what serves; `gauge` tells how far it is."""

    @property
    def names(self) -> Sequence[str]:
        """What the rows come from."""

    @property
    def gauge(self) -> Meter:
        """The bytes read so far."""

    def said(self, publication: Collection) -> Collection:
        """The publication as the rows speak of it: they are checked by this."""

    def pieces(self, publication: Collection, folder: Path, warn: Warn) -> Iterator[Piece]:
        """The rows. What must outlive a load that is broken off may be kept in folders of `folder`.

        Raises LoadError.
        """

    def done(self) -> None:
        """The rows serve now: what was kept for a second attempt is not needed any more."""
