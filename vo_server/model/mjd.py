"""Modified Julian dates: days from 1858-11-17T00:00, without regard to leap seconds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

MJD_EPOCH = date(1858, 11, 17)
"""The day of MJD 0."""

MJD_AT_1970 = 40_587
"""The MJD of 1970-01-01, the epoch of POSIX times."""

JD_AT_MJD_0 = 2_400_000.5
"""The Julian date of MJD 0."""


def to_mjd(moment: datetime) -> float:
    """Return the MJD of a time in UTC, with or without its time zone."""
    return moment.replace(tzinfo=UTC).timestamp() / 86_400 + MJD_AT_1970


def day_to_mjd(day: date) -> int:
    """Return the MJD of the beginning of a day."""
    return (day - MJD_EPOCH).days


def day_of_mjd(mjd: float) -> date:
    """Return the day of an MJD."""
    return MJD_EPOCH + timedelta(days=int(mjd))
