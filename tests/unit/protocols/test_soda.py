"""The words of SODA's errors (SODA 1.0 section 5.2), and jobs that are stopped."""

from __future__ import annotations

from typing import Any, cast

import pytest

from vo_server.errors import (
    BusyError,
    EngineError,
    ImageError,
    NoPixelsError,
    NotFoundError,
    QueryCancelledError,
    RepeatedParameterError,
    ServiceError,
    TooLargeError,
    UsageError,
)
from vo_server.http.dali import Parameters
from vo_server.model.urls import SiteUrls
from vo_server.obscore.query import ImageUrls
from vo_server.protocols.images import cutouts, soda

PATHS = {"images": "/images", "preview": "/preview", "datalink": "/datalink", "soda": "/soda"}
"""The paths of the services of images."""


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (UsageError("x"), "UsageError"),
        (NotFoundError("x"), "UsageError"),
        (NoPixelsError("x"), "UsageError"),
        (TooLargeError("x"), "UsageError"),
        (RepeatedParameterError("x"), "MultiValuedParamNotSupported"),
        (BusyError("x"), "ServiceUnavailable"),
        (ImageError("x"), "Error"),
        (EngineError("x"), "Error"),
    ],
)
def test_the_words_of_the_standard(fault: ServiceError, word: str) -> None:
    assert soda.describe_error(fault) == f"{word}: x"


def test_wishes_are_all_combinations_in_their_order() -> None:
    pairs = (("ID", "a"), ("id", "b"), ("BAND", "1 2"), ("band", "3 4"), ("POS", "CIRCLE 1 2 3"), ("ID", "a"))
    found = cutouts.parse_requests(Parameters(pairs))
    circle = ("circle", (1.0, 2.0, 3.0))
    assert list(found.combinations()) == [
        cutouts.CutoutRequest(i, circle, b) for i in "ab" for b in ((1.0, 2.0), (3.0, 4.0))
    ]
    assert found.count == 4
    assert list(cutouts.parse_requests(Parameters((("ID", "a"),))).combinations()) == [cutouts.CutoutRequest("a")]


def test_a_job_that_is_stopped_makes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = cutouts.parse_requests(Parameters((("ID", "a"), ("ID", "b"), ("ID", "c"))))
    monkeypatch.setattr(cutouts, "cut", lambda wish, *_: cutouts.Cutout(wish.id.encode(), "image/fits", "x.fits"))
    task = soda.CutoutTask(
        asked, cutouts.parse_format(Parameters(())), cast(Any, None), ImageUrls(SiteUrls("http://x", PATHS))
    )
    outputs = task.produce_outputs()
    assert next(outputs).chunks == [b"a"]
    assert task.progress() == 0
    assert next(outputs).chunks == [b"b"]
    assert task.progress() == pytest.approx(1 / 3)
    task.stop()
    with pytest.raises(QueryCancelledError):
        next(outputs)
