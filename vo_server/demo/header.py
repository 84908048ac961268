"""The 112 cards of an Atlas image: the keywords, their order and their kinds of values are those of the release."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from astropy.io import fits

from vo_server.demo.columns import BANDS
from vo_server.demo.field import Coadd
from vo_server.demo.survey import (
    COLUMNS,
    EPOCH,
    IMAGE_NUMBERS,
    IMAGE_STEP,
    SCAN_LENGTH,
    SCAN_RATE,
    Floats,
    survey,
)

PIXEL = 0.0002777777845
"""Degrees on a side."""

PERCENTILES = (2.27, 6.68, 15.86, 30.85, 50.0, 69.14, 84.13, 93.31, 97.72)
FIRST_DAY = datetime(1997, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Conditions:
    """How an image was taken: the sky (DN), the noise of a pixel (DN), the zero point (mag), the seeing shape, the turn
    of its columns from north to west (deg) and the airmass."""

    sky: float
    noise: float
    zero_point: float
    shape: float
    turn: float
    airmass: float

    @property
    def width(self) -> float:
        """Width of a star at half its height, arcsec."""
        return 3.135 * self.shape - 0.464


def middle(coadd: Coadd) -> datetime:
    """When the middle of an image was observed (UTC)."""
    along = IMAGE_STEP * (coadd.number - 1) + coadd.rows / 2
    return _moment(coadd.tile, along / SCAN_RATE)


def night(coadd: Coadd) -> datetime:
    """The night of the scan."""
    return datetime.combine(EPOCH, datetime.min.time(), UTC) + timedelta(int(survey().night[coadd.tile]))


def _moment(tile: int, seconds: float) -> datetime:
    julian = float(survey().start[tile]) - 2_440_587.5
    return datetime.fromtimestamp(0, UTC) + timedelta(days=julian, seconds=seconds)


def wcs_cards(coadd: Coadd, turn: float) -> list[tuple[str, object, str]]:
    """The coordinate system, without the frame that old headers do not name."""
    return [
        ("CTYPE1", "RA---SIN", "Orthographic Projection"),
        ("CTYPE2", "DEC--SIN", "Orthographic Projection"),
        ("CRPIX1", (COLUMNS + 1) / 2, "Axis 1 Reference Pixel"),
        ("CRPIX2", (coadd.rows + 1) / 2, "Axis 2 Reference Pixel"),
        ("CRVAL1", round(coadd.ra, 8), "RA  at Frame Center, J2000 (deg)"),
        ("CRVAL2", round(coadd.dec, 8), "Dec at Frame Center, J2000 (deg)"),
        ("CROTA2", turn, "Image Twist +AXIS2 W of N, J2000 (deg)"),
        ("CDELT1", -PIXEL, "Axis 1 Pixel Size (degs)"),
        ("CDELT2", PIXEL, "Axis 2 Pixel Size (degs)"),
    ]


def cards(coadd: Coadd, band: int, seen: Conditions, levels: Floats) -> fits.Header:
    """The header of an image in a band (0 to 2) whose pixels have these percentiles."""
    header = fits.Header()
    rows = [
        *_file_cards(coadd, band),
        *wcs_cards(coadd, seen.turn),
        *_sky_cards(coadd, seen, levels),
        *_camera_cards(coadd, band, seen),
        *_ends(coadd, seen),
    ]
    for keyword, value, comment in rows:
        header.append((keyword, value, comment), end=True)
    for text in (
        "*** WARNING *** synthetic: no pixel of this image was observed",
        "src keys: (IK)=IPAC Konstant; (IC)=IPAC cmptd; (IN)=IPAC namelist",
        "          (OV)=Obsrvtry .par file variable",
        "  Group 2 parms are ALL from the Obs .par file",
        "  non-Group 2 parms w/o (xx) are usually fm Obs",
    ):
        header.add_comment(text, before=None)
    header.append(("RF_NLID", "norot sat s 980730", "Rdframe namelist version id"), end=True)
    for text in (
        "* Rdframe version= synthetic",
        "* DFlat  synthetic",
        "> Image Created by vo_server",
        ">   no data of 2MASS",
    ):
        header.append(("HISTORY", text), end=True)
    return header


Rows = list[tuple[str, object, str]]


def _file_cards(coadd: Coadd, band: int) -> Rows:
    plan, tile = survey(), coadd.tile
    lower = 6 * int(plan.zone[tile]) - 90
    edge = min(abs(lower), abs(lower + 6))
    hour, minute = divmod(int(coadd.ra * 4), 60)
    day = (night(coadd) - FIRST_DAY).days + 1
    scan = int(plan.scan[tile])
    return [
        ("SIMPLE", True, ""),
        ("BITPIX", -32, ""),
        ("NAXIS", 2, "# of Axes"),
        ("NAXIS1", COLUMNS, ""),
        ("NAXIS2", coadd.rows, ""),
        ("BLOCKED", True, "TAPE MAY BE BLOCKED IN MULTIPLES OF 2880"),
        ("EXTEND", True, "TAPE MAY HAVE STANDARD FITS EXTENSIONS"),
        ("ORDATE", f"{night(coadd):%y%m%d}", "Observation Ref Date (yymmdd)"),
        ("DAYNUM", f"{day:04}", "Observation Day Num"),
        ("FN_PRFX", f"{BANDS[band]}{day:04}{scan:03}", ".rdo and .par filename prefix"),
        ("TYPE", "sci", "Scan type: dar flt sci cal tst"),
        ("SCANNO", scan, "Scan Number"),
        ("SCANDIR", "n" if plan.northward[tile] else "s", "Scan Direction: n, s, -"),
        ("COMMENT", "                                 (OV)", ""),
        ("STRIP_ID", (300_000 if coadd.dec < 0 else 0) + tile % 100_000, "Strip ID (OV)"),
        ("POSITNID", f"{'n' if lower >= 0 else 's'}{edge:02}{hour:02}{minute:02}", "Position ID (OV)"),
        ("ORIGIN", "2MASS", "2MASS Survey Camera"),
    ]


def _sky_cards(coadd: Coadd, seen: Conditions, levels: Floats) -> Rows:
    step = IMAGE_STEP * (coadd.number - 1)
    northward = bool(survey().northward[coadd.tile])
    return [
        ("USXREF", -256.5, "U-scan X at Grid (0,0)"),
        ("USYREF", 156.0 + step if northward else -1178.0 - step, "U-scan Y at Grid (0,0)"),
        ("SKYVAL", seen.sky, "GFIND Sky Estimate"),
        ("SKYSIG", seen.noise, "Grid  Noise Estimate"),
        ("MAGZP", seen.zero_point, "Calibrated zero point from CALMAN"),
        ("CALID", "y pw 0 Jan 01 2002", "Calibration descriptors from CALMAN"),
        ("SEESH", seen.shape, "Seeing shape parameter from SEEMAN"),
        ("DXFS", 0.1, "Cross-scan Frame Step (arcsec)"),
        ("DYFS", 82.4 if northward else -82.4, "In-scan Frame Step (arcsec)"),
        ("PIXNAM", "nl.pixphot - v 011003s", ""),
        *(
            (f"QT{round(100 * p):04}", round(float(level), 4), f"{p:.2f} Percentile")
            for p, level in zip(PERCENTILES, levels, strict=True)
        ),
    ]


def _camera_cards(coadd: Coadd, band: int, seen: Conditions) -> Rows:
    south = bool(survey().south[coadd.tile])
    moment = middle(coadd)
    return [
        ("BASE", 6, "Pixel Dwell (microsec)"),
        ("WAVEF_P", "2masss.scn" if south else "2massn.scn", "Secondary waveform data file"),
        ("TIMER0", 52, "Read1 time (millisecs)"),
        ("TIMER1", 1298, "Read2-Read1 time (millisecs)"),
        ("TIMER2", 51, "Secondary settling time (millisecs)"),
        ("ICSVERSN", "980115", "ICS script pgm Version (yymmdd)"),
        ("SCHEDVER", "980122", "Scheduler pgm Version (yymmdd)"),
        ("SCRIPTFN", "survey.sct", "Script template filename"),
        ("SCRPTVER", "971101", "Script template filename Versn (yymmdd)"),
        ("UT_OFF1", 0.74, "UT Offset (IC),SOS to frm#1 Cntr (secs)"),
        ("XS_OFF1", 1.0, "X-Scan Offset (IN),SOS to f#1 RA Cntr (ASec)"),
        ("IS_OFF1", 0.0, "In-Scan Offset (IN),SOS to f#1 Dec Cntr(ASec)"),
        ("XS_OFF2", 1.0, "X-Scan Offset(IN),EOS to End Frm RA Ctr(ASec)"),
        ("IS_OFF2", 0.0, "In-Scan Offset(IN),EOS to End Frm Dec Ctr(AS)"),
        ("FOCUS", 0, "Focus Setting"),
        ("NUMFRMS", 274, "Total Number of Frames in this Scan"),
        ("SKIPRDOS", 0, "Total Number of SOS junk RDOs skipped (IC)"),
        ("TELNAME", "CTIO" if south else "Hopkins", "Telescope"),
        ("FILTER", BANDS[band], "Band: j, h, k"),
        ("UT_DATE", f"{moment:%y%m%d}", "UT Date of Frame (IC) (yymmdd)"),
        ("UT", f"{moment:%H:%M:%S}.{moment.microsecond // 10_000:02}", "Time of Frame (IC) (sxgsml)"),
        ("AMASS_FC", seen.airmass, "Airmass (aprox) at this Frame (IC) (unitless)"),
    ]


def _ends(coadd: Coadd, seen: Conditions) -> Rows:
    """The state of the observatory at the start (SOS) and the end (EOS) of the scan."""
    plan, tile = survey(), coadd.tile
    north = 6.0 * int(plan.zone[tile]) - 90 + SCAN_LENGTH / 3600
    ends = (north - SCAN_LENGTH / 3600, north) if plan.northward[tile] else (north, north - SCAN_LENGTH / 3600)
    rows: Rows = [("GRP2_SOS", "SOS", "Bgn Group#2 .par params at SOS")]
    for end, seconds, dec in (("SOS", 0.0, ends[0]), ("EOS", SCAN_LENGTH / SCAN_RATE, ends[1])):
        moment = _moment(tile, seconds)
        if end == "EOS":
            rows.append(("GRP2_EOS", "EOS", "Bgn Group#2 .par params at EOS"))
        rows.append((f"DATE_{end}", f"{moment:%y%m%d}", f"Date at {end} (yymmdd)"))
        if end == "SOS":
            rows.append(("EQUINOX", 2000.0, "Equinox at SOS"))
        rows += [
            (f"AM_{end}", seen.airmass, f"Airmass at {end} (unitless)"),
            (f"ZD_{end}", round(float(np.degrees(np.arccos(1 / seen.airmass))), 4), "Zenith Distance (degs)"),
            (f"HA_{end}", "+00:30:00.00", "Hour Angle (sxgsml)"),
            (f"UT_{end}", f"{moment:%H:%M:%S}.00", f"UT at {end} (sxgsml)"),
            (f"ST_{end}", f"{_clock(coadd.ra / 15 + 0.5)}.00", f"ST at {end} (sxgsml)"),
            (f"RA_{end}", f"{_clock(coadd.ra / 15)}.00", f"RA at {end}, epoch 2000 (sxgsml)"),
            (f"DEC_{end}", f"{'-' if dec < 0 else '+'}{_clock(abs(dec))}.0", f"Dec at {end}, epoch 2000 (sxgsml)"),
            (f"WSPD_{end}", 0, "Wind Speed, not measured"),
            (f"WDIR_{end}", 0, "Wind Direction, not measured"),
            (f"HUM_{end}", 40, "Humidity, 0-100%"),
            (f"SEE_{end}", 0.0, "Seeing, not measured"),
            (f"BAR_{end}", 30.0, "Barometer (inches of Hg)"),
            (f"AIRT_{end}", 10.0, "Air temperature, degs Celsius"),
            (f"TELT_{end}", 10.0, "Telescope Temp, degs Celsius"),
            (f"ARYT_{end}", -190.0, "Temperature of array, not measured"),
        ]
    return rows


def _clock(hours: float) -> str:
    seconds = round(hours * 3600)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def native_path(coadd: Coadd, band: int) -> str:
    """Where the release's image server keeps an image: night and hemisphere, scan, and the survey's own name."""
    plan = survey()
    scan, number = int(plan.scan[coadd.tile]), int(IMAGE_NUMBERS[coadd.number - 1])
    hemisphere = "s" if plan.south[coadd.tile] else "n"
    folder = f"{night(coadd):%y%m%d}{hemisphere}/s{scan:03}/image"
    return f"{folder}/{BANDS[band]}i{scan:03}{number:04}.fits.gz"
