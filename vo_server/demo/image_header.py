"""The FITS header of an Atlas image: 112 cards with the keywords, order and kinds of values of the release."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from astropy.io import fits

from vo_server.demo.columns import BANDS
from vo_server.demo.image_field import Coadd
from vo_server.demo.survey import (
    EPOCH,
    IMAGE_COLUMNS,
    IMAGE_NUMBERS,
    IMAGE_STEP_ARCSEC,
    SCAN_ARCSEC_PER_SECOND,
    SCAN_LENGTH_ARCSEC,
    Floats,
    make_survey,
)

PIXEL_DEGREES = 0.0002777777845
"""The side of a pixel in degrees."""

PERCENTILES = (2.27, 6.68, 15.86, 30.85, 50.0, 69.14, 84.13, 93.31, 97.72)
FIRST_DAY = datetime(1997, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ObservingConditions:
    """The conditions of an exposure.

    `sky` and `noise` of a pixel in DN, `zero_point` in mag, the seeing `shape`, the `turn` of the columns from north to
    west in degrees, and the `airmass`.
    """

    sky: float
    noise: float
    zero_point: float
    shape: float
    turn: float
    airmass: float

    @property
    def width(self) -> float:
        """The full width at half maximum of a star, arcsec."""
        return 3.135 * self.shape - 0.464


def observation_time(coadd: Coadd) -> datetime:
    """Return the time (UTC) at which the middle of an image was observed."""
    along = IMAGE_STEP_ARCSEC * (coadd.number - 1) + coadd.rows / 2
    return _scan_time(coadd.tile, along / SCAN_ARCSEC_PER_SECOND)


def scan_night(coadd: Coadd) -> datetime:
    """Return the night of the scan of an image."""
    return datetime.combine(EPOCH, datetime.min.time(), UTC) + timedelta(int(make_survey().night[coadd.tile]))


def _scan_time(tile: int, seconds: float) -> datetime:
    julian = float(make_survey().start[tile]) - 2_440_587.5
    return datetime.fromtimestamp(0, UTC) + timedelta(days=julian, seconds=seconds)


def make_wcs_cards(coadd: Coadd, turn: float) -> list[tuple[str, object, str]]:
    """Return the cards of the coordinate system, without RADESYS, which old headers do not have."""
    return [
        ("CTYPE1", "RA---SIN", "Orthographic Projection"),
        ("CTYPE2", "DEC--SIN", "Orthographic Projection"),
        ("CRPIX1", (IMAGE_COLUMNS + 1) / 2, "Axis 1 Reference Pixel"),
        ("CRPIX2", (coadd.rows + 1) / 2, "Axis 2 Reference Pixel"),
        ("CRVAL1", round(coadd.ra, 8), "RA  at Frame Center, J2000 (deg)"),
        ("CRVAL2", round(coadd.dec, 8), "Dec at Frame Center, J2000 (deg)"),
        ("CROTA2", turn, "Image Twist +AXIS2 W of N, J2000 (deg)"),
        ("CDELT1", -PIXEL_DEGREES, "Axis 1 Pixel Size (degs)"),
        ("CDELT2", PIXEL_DEGREES, "Axis 2 Pixel Size (degs)"),
    ]


def make_header(coadd: Coadd, band: int, conditions: ObservingConditions, levels: Floats) -> fits.Header:
    """Return the header of an image in a band (0 to 2); `levels` (9,) are the PERCENTILES of its pixels in DN."""
    header = fits.Header()
    rows = [
        *_make_file_cards(coadd, band),
        *make_wcs_cards(coadd, conditions.turn),
        *_make_sky_cards(coadd, conditions, levels),
        *_make_camera_cards(coadd, band, conditions),
        *_make_state_cards(coadd, conditions),
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


Cards = list[tuple[str, object, str]]


def _make_file_cards(coadd: Coadd, band: int) -> Cards:
    tiling, tile = make_survey(), coadd.tile
    lower = 6 * int(tiling.zone[tile]) - 90
    edge = min(abs(lower), abs(lower + 6))
    hour, minute = divmod(int(coadd.ra * 4), 60)
    day = (scan_night(coadd) - FIRST_DAY).days + 1
    scan = int(tiling.scan[tile])
    return [
        ("SIMPLE", True, ""),
        ("BITPIX", -32, ""),
        ("NAXIS", 2, "# of Axes"),
        ("NAXIS1", IMAGE_COLUMNS, ""),
        ("NAXIS2", coadd.rows, ""),
        ("BLOCKED", True, "TAPE MAY BE BLOCKED IN MULTIPLES OF 2880"),
        ("EXTEND", True, "TAPE MAY HAVE STANDARD FITS EXTENSIONS"),
        ("ORDATE", f"{scan_night(coadd):%y%m%d}", "Observation Ref Date (yymmdd)"),
        ("DAYNUM", f"{day:04}", "Observation Day Num"),
        ("FN_PRFX", f"{BANDS[band]}{day:04}{scan:03}", ".rdo and .par filename prefix"),
        ("TYPE", "sci", "Scan type: dar flt sci cal tst"),
        ("SCANNO", scan, "Scan Number"),
        ("SCANDIR", "n" if tiling.northward[tile] else "s", "Scan Direction: n, s, -"),
        ("COMMENT", "                                 (OV)", ""),
        ("STRIP_ID", (300_000 if coadd.dec < 0 else 0) + tile % 100_000, "Strip ID (OV)"),
        ("POSITNID", f"{'n' if lower >= 0 else 's'}{edge:02}{hour:02}{minute:02}", "Position ID (OV)"),
        ("ORIGIN", "2MASS", "2MASS Survey Camera"),
    ]


def _make_sky_cards(coadd: Coadd, conditions: ObservingConditions, levels: Floats) -> Cards:
    step = IMAGE_STEP_ARCSEC * (coadd.number - 1)
    northward = bool(make_survey().northward[coadd.tile])
    return [
        ("USXREF", -256.5, "U-scan X at Grid (0,0)"),
        ("USYREF", 156.0 + step if northward else -1178.0 - step, "U-scan Y at Grid (0,0)"),
        ("SKYVAL", conditions.sky, "GFIND Sky Estimate"),
        ("SKYSIG", conditions.noise, "Grid  Noise Estimate"),
        ("MAGZP", conditions.zero_point, "Calibrated zero point from CALMAN"),
        ("CALID", "y pw 0 Jan 01 2002", "Calibration descriptors from CALMAN"),
        ("SEESH", conditions.shape, "Seeing shape parameter from SEEMAN"),
        ("DXFS", 0.1, "Cross-scan Frame Step (arcsec)"),
        ("DYFS", 82.4 if northward else -82.4, "In-scan Frame Step (arcsec)"),
        ("PIXNAM", "nl.pixphot - v 011003s", ""),
        *(
            (f"QT{round(100 * p):04}", round(float(level), 4), f"{p:.2f} Percentile")
            for p, level in zip(PERCENTILES, levels, strict=True)
        ),
    ]


def _make_camera_cards(coadd: Coadd, band: int, conditions: ObservingConditions) -> Cards:
    south = bool(make_survey().south[coadd.tile])
    time = observation_time(coadd)
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
        ("UT_DATE", f"{time:%y%m%d}", "UT Date of Frame (IC) (yymmdd)"),
        ("UT", f"{time:%H:%M:%S}.{time.microsecond // 10_000:02}", "Time of Frame (IC) (sxgsml)"),
        ("AMASS_FC", conditions.airmass, "Airmass (aprox) at this Frame (IC) (unitless)"),
    ]


def _make_state_cards(coadd: Coadd, conditions: ObservingConditions) -> Cards:
    """Return the cards of the observatory at the start (SOS) and the end (EOS) of the scan."""
    tiling, tile = make_survey(), coadd.tile
    north = 6.0 * int(tiling.zone[tile]) - 90 + SCAN_LENGTH_ARCSEC / 3600
    ends = (
        (north - SCAN_LENGTH_ARCSEC / 3600, north)
        if tiling.northward[tile]
        else (north, north - SCAN_LENGTH_ARCSEC / 3600)
    )
    rows: Cards = [("GRP2_SOS", "SOS", "Bgn Group#2 .par params at SOS")]
    for end, seconds, dec in (("SOS", 0.0, ends[0]), ("EOS", SCAN_LENGTH_ARCSEC / SCAN_ARCSEC_PER_SECOND, ends[1])):
        time = _scan_time(tile, seconds)
        if end == "EOS":
            rows.append(("GRP2_EOS", "EOS", "Bgn Group#2 .par params at EOS"))
        rows.append((f"DATE_{end}", f"{time:%y%m%d}", f"Date at {end} (yymmdd)"))
        if end == "SOS":
            rows.append(("EQUINOX", 2000.0, "Equinox at SOS"))
        rows += [
            (f"AM_{end}", conditions.airmass, f"Airmass at {end} (unitless)"),
            (f"ZD_{end}", round(float(np.degrees(np.arccos(1 / conditions.airmass))), 4), "Zenith Distance (degs)"),
            (f"HA_{end}", "+00:30:00.00", "Hour Angle (sxgsml)"),
            (f"UT_{end}", f"{time:%H:%M:%S}.00", f"UT at {end} (sxgsml)"),
            (f"ST_{end}", f"{_format_sexagesimal(coadd.ra / 15 + 0.5)}.00", f"ST at {end} (sxgsml)"),
            (f"RA_{end}", f"{_format_sexagesimal(coadd.ra / 15)}.00", f"RA at {end}, epoch 2000 (sxgsml)"),
            (
                f"DEC_{end}",
                f"{'-' if dec < 0 else '+'}{_format_sexagesimal(abs(dec))}.0",
                f"Dec at {end}, epoch 2000 (sxgsml)",
            ),
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


def _format_sexagesimal(hours: float) -> str:
    seconds = round(hours * 3600)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def release_path(coadd: Coadd, band: int) -> str:
    """Return the path of an image on the server of the release: night and hemisphere, scan, and file name."""
    tiling = make_survey()
    scan, number = int(tiling.scan[coadd.tile]), int(IMAGE_NUMBERS[coadd.number - 1])
    hemisphere = "s" if tiling.south[coadd.tile] else "n"
    folder = f"{scan_night(coadd):%y%m%d}{hemisphere}/s{scan:03}/image"
    return f"{folder}/{BANDS[band]}i{scan:03}{number:04}.fits.gz"
