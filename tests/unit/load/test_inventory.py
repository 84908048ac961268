"""The walk over images: headers of all formats, locations compared with astropy, rejected files, checkpoints."""

from __future__ import annotations

import gzip
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shipped import SHIPPED
from vo_server.catalogue.catalogue import Collection
from vo_server.catalogue.load import load_catalogue
from vo_server.engines.data_directory import DataDirectory
from vo_server.errors import Code, LoadError
from vo_server.load.inventory import checkpoint
from vo_server.load.inventory.fill import parse_date_time
from vo_server.load.inventory.header import ImageHeader, InventoryError, read_header
from vo_server.load.inventory.headers import InventoryEntry, LookupTable
from vo_server.load.inventory.sky import locate_image, locate_images
from vo_server.load.inventory.walk import Walk
from vo_server.load.load import LoadSummary, load

ARCSEC = 1 / 3600
WITHIN = 0.05 * ARCSEC
"""FK5 J2000 is taken for ICRS, from which it differs by half of this."""

SURVEY = """
id = "plates"
[schema]
name = "obs"
[table]
name = "plates"
identifier = "plate"
position = { ra = "ra", dec = "dec" }
reaches = { outline = 0.1 }
[columns.plate]
type = "VARCHAR(20)"
description = "Name of the plate"
nullable = false
[columns.ra]
type = "DOUBLE PRECISION"
description = "Right ascension"
nullable = false
[columns.dec]
type = "DOUBLE PRECISION"
description = "Declination"
nullable = false
[columns.number]
type = "SMALLINT"
description = "Number"
nullable = false
[columns.filter]
type = "CHAR(1)"
description = "Filter"
[columns.depth]
type = "REAL"
description = "Depth"
[columns.begun]
type = "TIMESTAMP"
description = "When it was begun"
[columns.mjd]
type = "DOUBLE PRECISION"
description = "The same as a number"
[columns.observer]
type = "VARCHAR(*)"
description = "Who took it"
[columns.outline]
type = "POLYGON"
description = "Outline"
[columns.path]
type = "VARCHAR(*)"
description = "Path"
nullable = false
[columns.size]
type = "BIGINT"
description = "Size"
[images]
collection = "Plates"
product = "image"
calibration = 1
title = "Plate {number}"
facility = "Here"
instrument = "Camera"
band = "filter"
names = ['plate(?P<number>\\d+)\\.']
[images.bands.V]
low = 5e-7
reference = 5.5e-7
high = 6e-7
[images.fill]
plate = { text = "{filter}-{number:04}" }
ra = { sky = "ra" }
dec = { sky = "dec" }
outline = { sky = "footprint" }
filter = { header = "FILTER", values = { Vee = "V", Bee = "B" } }
depth = { header = "DEPTH", scale = 2, offset = 1 }
begun = { header = "DATE-OBS TIME-OBS" }
mjd = { header = "DATE-OBS TIME-OBS", clock = "mjd" }
path = { file = "path" }
size = { file = "size" }
[[images.lookups]]
table = "obs.plates"
match = { number = "number" }
take = { observer = "observer" }
[origin]
title = "Plates"
publisher = "Nobody"
"""


@pytest.fixture
def plates(tmp_path: Path) -> Collection:
    (tmp_path / "plates.toml").write_text(SURVEY)
    return load_catalogue([tmp_path / "plates.toml"]).get_collection("plates")


def sky_header(**more: Any) -> fits.Header:
    header = fits.Header()
    cards: dict[str, Any] = {
        "CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRPIX1": 4.5, "CRPIX2": 3.5, "CRVAL1": 10.0, "CRVAL2": 20.0,
        "CDELT1": -0.01, "CDELT2": 0.01, "CROTA2": 3.0, "EQUINOX": 2000.0, "FILTER": "Vee", "DEPTH": 10.25,
        "DATE-OBS": "31/12/99", "TIME-OBS": "06:00:00.5",
    }  # fmt: skip
    header.update({key: value for key, value in (cards | more).items() if value is not None})
    return header


def image(**more: Any) -> fits.PrimaryHDU:
    return fits.PrimaryHDU(np.arange(48, dtype=np.float32).reshape(6, 8), sky_header(**more))


def encode(*units: Any) -> bytes:
    out = io.BytesIO()
    fits.HDUList(list(units)).writeto(out)
    return out.getvalue()


def write(folder: Path, name: str, *units: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = encode(*units)
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


# ---------------------------------------------------------------- headers


class CountingStream(io.BytesIO):
    """A stream that counts the bytes read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


@pytest.mark.parametrize("form", ["plain", "gzip", "extension", "tiles", "tiles-gzip", "after a table"])
def test_reads_header_of_every_format(form: str) -> None:
    pixels, header = np.zeros((60, 80), np.float32), sky_header(DEPTH=7.5)
    table = fits.BinTableHDU.from_columns([fits.Column("x", "D", array=np.zeros(5000))])
    units = {
        "extension": [fits.PrimaryHDU(), fits.ImageHDU(pixels, header)],
        "after a table": [fits.PrimaryHDU(), table, fits.ImageHDU(pixels, header)],
        "tiles": [fits.PrimaryHDU(), fits.CompImageHDU(pixels, header)],
        "tiles-gzip": [fits.PrimaryHDU(), fits.CompImageHDU(pixels, header, compression_type="HCOMPRESS_1")],
    }.get(form, [fits.PrimaryHDU(pixels, header)])
    data = encode(*units)
    found = read_header(io.BytesIO(gzip.compress(data) if "gzip" in form else data))
    assert found.sides == (80, 60)
    assert (found.get("NAXIS1"), found.get("DEPTH"), found.get("NOTHING")) == (80, 7.5, None)
    assert (locate_image(found)["ra"], locate_image(found)["fov"]) == pytest.approx((10 - 0.37, 1.0), rel=0.05)


def test_reads_no_pixels() -> None:
    big = np.random.default_rng(1).normal(size=(1000, 1000)).astype(np.float32)
    for data in (encode(fits.PrimaryHDU(big, sky_header())), gzip.compress(encode(fits.PrimaryHDU(big, sky_header())))):
        stream = CountingStream(data)
        assert read_header(stream).sides == (1000, 1000)
        assert stream.taken < 300_000 < len(data)


def test_extension_inherits_primary_keywords() -> None:
    primary = fits.PrimaryHDU()
    primary.header["OBSERVER"] = "Somebody"
    found = read_header(io.BytesIO(encode(primary, fits.ImageHDU(np.zeros((3, 3)), sky_header()))))
    assert found.get("OBSERVER") == "Somebody"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is not a FITS file"),
        (b"P6 8 8 255 ....", "it is not a FITS file"),
        (encode(image())[:1000], "it ends within a header"),
        (gzip.compress(encode(image()), mtime=0)[:60], "it cannot be read: Compressed file ended"),
        (b"\x1f\x8b" + b"nonsense" * 9, "it cannot be read: "),
        (encode(fits.PrimaryHDU()), "it has no image"),
        (encode(fits.PrimaryHDU(np.zeros(9))), "it has no image"),
        (b"SIMPLE  =".ljust(2880) * 2001, "its header has no end"),
    ],
)
def test_rejects_invalid_image(data: bytes, reason: str) -> None:
    with pytest.raises(InventoryError, match=f"^{reason}"):
        read_header(io.BytesIO(data))


# -------------------------------------------------------------------- sky


def make_header(header: fits.Header, sides: tuple[int, ...] = (8, 6)) -> ImageHeader:
    whole = fits.Header({"NAXIS": len(sides), **{f"NAXIS{n + 1}": side for n, side in enumerate(sides)}})
    whole.update(header)
    text = whole.tostring(padding=False).encode()
    return ImageHeader(text, text)


def compute_with_astropy(header: fits.Header, sides: tuple[int, int]) -> tuple[SkyCoord, SkyCoord]:
    """Return the centre and the outer corners."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wcs = WCS(header).celestial
    width, height = sides
    x, y = np.array([[0, 0], [width, 0], [width, height], [0, height]]).T - 0.5
    return wcs.pixel_to_world((width - 1) / 2, (height - 1) / 2).icrs, wcs.pixel_to_world(x, y).icrs


def check_location(found: dict[str, Any], header: fits.Header, sides: tuple[int, int], within: float) -> None:
    centre, corners = compute_with_astropy(header, sides)
    assert SkyCoord(found["ra"], found["dec"], unit="deg").separation(centre).deg < within
    ours = SkyCoord([found[f"ra{n}"] for n in range(1, 5)], [found[f"dec{n}"] for n in range(1, 5)], unit="deg")
    assert ours.separation(corners).deg.max() < within
    assert found["fov"] == pytest.approx(2 * corners.separation(centre).deg.max(), abs=2 * within)
    around = SkyCoord(found["footprint"][::2], found["footprint"][1::2], unit="deg")
    assert sorted(around.ra.deg) == sorted(ours.ra.deg) and 0 <= min(around.ra.deg) <= max(around.ra.deg) < 360
    angles = centre.position_angle(around).deg
    assert ((np.diff([*angles, angles[0]]) % 360) < 180).all(), "counterclockwise as seen from inside: north to east"


@settings(max_examples=60, deadline=None)
@given(
    projection=st.sampled_from(["SIN", "TAN", "ZEA", "STG"]),
    ra=st.sampled_from([0.0, 1e-7, 359.999999, 83.8, 180.0]) | st.floats(0, 360, exclude_max=True),
    dec=st.sampled_from([90.0, -90.0, 89.9999, -89.95, 0.0]) | st.floats(-90, 90),
    turn=st.floats(-180, 180),
    mirrored=st.booleans(),
    step=st.sampled_from([1, 4, 100]),
)
def test_locations_agree_with_astropy(
    projection: str, ra: float, dec: float, turn: float, mirrored: bool, step: int
) -> None:
    header = sky_header(
        CTYPE1=f"RA---{projection}", CTYPE2=f"DEC--{projection}", CRVAL1=ra, CRVAL2=dec, CROTA2=turn,
        RADESYS="ICRS",
        CDELT1=(1 if mirrored else -1) * step * ARCSEC, CDELT2=step * ARCSEC, CRPIX1=256.5, CRPIX2=512.5,
    )  # fmt: skip
    check_location(locate_image(make_header(header, (512, 1024))), header, (512, 1024), 1e-9)


@pytest.mark.parametrize(
    "more",
    [
        {"RADESYS": "ICRS"},
        {"RADESYS": "FK4", "EQUINOX": 1950.0},
        {"EQUINOX": 1950.0},
        {"RADESYS": "FK5", "EQUINOX": 1975.0},
        {"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR", "CRVAL1": 100.0, "CRVAL2": 0.0},
        {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 20.0, "CRVAL2": 10.0, "CROTA2": None},
        {"CDELT1": None, "CDELT2": None, "CROTA2": None, "CD1_1": -0.01, "CD1_2": 2e-3, "CD2_1": 2e-3, "CD2_2": 0.01},
        {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 0.05, "B_0_2": 0.03},
    ],
)
def test_other_frames_and_distortions(more: dict[str, Any]) -> None:
    header = sky_header(**more)
    check_location(locate_image(make_header(header)), header, (8, 6), WITHIN)


def test_cube_has_location_of_its_planes() -> None:
    header = sky_header(CTYPE3="WAVE", CRVAL3=1.2e-6, CRPIX3=1, CDELT3=1e-7)
    cube, plane = locate_image(make_header(header, (8, 6, 3))), locate_image(make_header(sky_header()))
    assert cube.pop("footprint") == pytest.approx(plane.pop("footprint"))
    assert cube == pytest.approx(plane)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"CTYPE1": None, "CTYPE2": None}, "it has no celestial WCS"),
        ({"CTYPE1": "RA---XYZ", "CTYPE2": "DEC--XYZ"}, "its WCS cannot be used: "),
        ({"CDELT1": 0.0}, "its WCS cannot be used: "),
        ({"CDELT1": -30.0, "CDELT2": 30.0}, "(parts of it lie outside|its WCS cannot be used)"),
    ],
)
def test_rejects_unusable_wcs(more: dict[str, Any], reason: str) -> None:
    with pytest.raises(InventoryError, match=f"^{reason}"):
        locate_image(make_header(sky_header(**more)))


# ------------------------------------------------------------------- rows


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("990502", datetime(1999, 5, 2)),
        ("010215", datetime(2001, 2, 15)),
        ("2001-02-15", datetime(2001, 2, 15)),
        ("31/12/99", datetime(1999, 12, 31)),
        ("001022T04:08:48.54", datetime(2000, 10, 22, 4, 8, 48, 540000)),
        ("2000-10-22T04:08", datetime(2000, 10, 22, 4, 8)),
        ("2000-10-22 04:08:48Z", datetime(2000, 10, 22, 4, 8, 48)),
    ],
)
def test_dates_of_headers(text: str, said: datetime) -> None:
    assert parse_date_time(text) == said


@pytest.mark.parametrize("text", ["", "0005", "000231", "2000-13-01", "soon", "20000101"])
def test_rejects_invalid_date(text: str) -> None:
    with pytest.raises(ValueError):
        parse_date_time(text)


Walked = Callable[..., tuple[LoadSummary, list[dict[str, Any]]]]


@pytest.fixture
def walked(plates: Collection, tmp_path: Path) -> Walked:
    """Return a function that loads the folder `files` and returns the result and the served rows."""

    def walked(walk: Walk | None = None, **options: Any) -> tuple[LoadSummary, list[dict[str, Any]]]:
        root = str(tmp_path / "files")
        store = DataDirectory(tmp_path / "data")
        loaded = load(plates, walk or Walk(root, [root]), store, **({"on_error": "skip"} | options))
        path = store.find_current_file("plates")
        assert path is not None
        with duckdb.connect(str(path), read_only=True) as connection:
            found = connection.sql("SELECT * FROM rows ORDER BY number").to_arrow_table().to_pylist()
        return loaded, found

    return walked


def test_row_has_values_of_file(walked: Walked, tmp_path: Path) -> None:
    path = write(tmp_path / "files", "1999/plate7.fits.gz", image())
    loaded, (row,) = walked()
    assert (loaded.rows, loaded.rejected) == (1, 0)
    outline = row.pop("outline")
    assert len(outline) == 8
    assert isinstance(row.pop("_healpix"), int)
    assert row.pop("mjd") == pytest.approx(51543.25 + 0.5 / 86400, abs=1e-9)
    assert (row.pop("ra"), row.pop("dec")) == pytest.approx((10.0, 20.0), abs=1e-9)
    assert row == {
        "plate": "V-0007", "number": 7, "filter": "V", "depth": 21.5, "observer": None,
        "begun": datetime(1999, 12, 31, 6, 0, 0, 500000), "path": "1999/plate7.fits.gz", "size": path.stat().st_size,
    }  # fmt: skip


def test_reports_each_rejected_file(walked: Walked, tmp_path: Path) -> None:
    files = tmp_path / "files"
    write(files, "plate1.fits", image())
    write(files, "plate2.fits", image(FILTER="Dee"))
    write(files, "plate3.fits", image(DEPTH="deep"))
    write(files, "plate4.fits", image(CTYPE1=None, CTYPE2=None))
    write(files, "other.fits", image())
    write(files, "plate99999.fits", image())
    write(files, "plate5.fits", image(FILTER=None))
    write(files, "plate6.fits", image(DEPTH=None))
    write(files, "plate7.fits", image(CDELT1=-0.1))
    (files / "plate8.fits").write_text("not at all")
    (files / "README.txt").write_text("not a FITS file")
    loaded, rows = walked()
    assert [row["number"] for row in rows] == [1, 6] and rows[1]["depth"] is None
    assert loaded.rejected == 8 and loaded.rejects is not None
    said = loaded.rejects.read_text().splitlines()
    assert said[1::2] == [re.split("[,:]", line)[0] for line in said[::2]]
    assert [line.rpartition(":")[2].strip() for line in said[::2]] == [
        "its name matches no pattern of the collection",
        "FILTER is 'Dee', not one of Vee, Bee",
        "DEPTH is 'deep', not a number",
        "it has no celestial WCS",
        "is empty, but must not be null",
        "it extends 0.401 deg from its centre; the limit is 0.1",
        "it is not a FITS file",
        "99999 is too large for SMALLINT",
    ]
    with pytest.raises(LoadError, match=r"other\.fits: .*--on-error skip") as raised:
        walked(on_error="stop")
    assert raised.value.code == Code.LOAD_BAD_ROW


def test_lookup_tables_fill_rows(walked: Walked, tmp_path: Path) -> None:
    root = str(tmp_path / "files")
    for n in (1, 2):
        write(tmp_path / "files", f"plate{n}.fits", image())
    told = LookupTable("obs.plates", ("number",), ("observer",), {(1,): ("A. Cannon",)})
    loaded, rows = walked(Walk(root, [root], [told]))
    assert [row["observer"] for row in rows] == ["A. Cannon", None]
    assert loaded.warnings == ("1 image without observer: obs.plates has no matching row",)


def test_processes_give_same_rows(walked: Walked, tmp_path: Path) -> None:
    for n in range(40):
        write(tmp_path / "files", f"n{n % 3}/plate{n}.fits", image(CRVAL1=float(n)))
    root = str(tmp_path / "files")
    one, alone = walked(Walk(root, [root]))
    two, together = walked(Walk(root, [root], processes=2, chunk_size=7))
    assert one.rows == two.rows == 40 and alone == together


def test_interrupted_walk_continues(walked: Walked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(tmp_path / "files")
    for n in range(1, 30):
        write(tmp_path / "files", f"plate{n:02}.fits", image())
    seen: list[str] = []
    read_all = checkpoint.read_headers

    def watched(images: Any, root: str, files: Any) -> list[InventoryEntry]:
        if len(seen) >= 20:
            raise KeyboardInterrupt
        seen.extend(f.path for f in files)
        return read_all(images, root, files)

    monkeypatch.setattr(checkpoint, "read_headers", watched)
    with pytest.raises(KeyboardInterrupt):
        walked(Walk(root, [root], chunk_size=10))
    assert len(seen) == 20
    first, seen[:] = list(seen), []
    write(tmp_path / "files", "plate15.fits", image(DEPTH=1.0, EXTRA="changed"))
    loaded, rows = walked(Walk(root, [root], chunk_size=10))
    assert loaded.rows == 29 and len(rows) == 29
    assert not set(seen) & set(first[:10]), "what had not changed was not read again"
    assert "plate15.fits" in seen and rows[14]["depth"] == 3.0
    assert loaded.warnings[-1].startswith("10 files already read")
    assert not list((tmp_path / "data" / "catalogues" / "plates").glob("headers-*")), "checkpoints are removed"


def test_ignores_checkpoints_of_other_description(
    walked: Walked, plates: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(tmp_path / "files")
    write(tmp_path / "files", "plate1.fits", image())
    assert plates.images is not None
    folder = tmp_path / "data" / "catalogues" / "plates"
    folder.mkdir(parents=True)
    changed = replace(plates, images=replace(plates.images, title="Another"))
    assert len(list(Walk(root, [root]).read_chunks(changed, folder, print))) == 1
    (old,) = folder.glob("headers-*")
    loaded, _ = walked(Walk(root, [root]))
    assert loaded.rows == 1
    assert not any("already read" in warning for warning in loaded.warnings)
    assert not old.exists()


def test_walks_remote_store(walked: Walked, tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    store.pipe("/sky/1999/plate3.fits", encode(image()))
    store.pipe("/sky/plate4.fits.gz", gzip.compress(encode(image())))
    try:
        loaded, rows = walked(Walk("memory://sky", ["memory://sky"]))
    finally:
        store.rm("/sky", recursive=True)
    assert loaded.rows == 2
    assert [row["path"] for row in rows] == ["1999/plate3.fits", "plate4.fits.gz"]
    assert rows[0]["size"] == len(encode(image()))


def test_rejects_unusable_folders(walked: Walked, plates: Collection, tmp_path: Path) -> None:
    root = str(tmp_path / "files")
    (tmp_path / "files" / "empty").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for folder, code in (
        (f"{root}/none", Code.LOAD_UNREADABLE),
        (f"{root}/empty", Code.LOAD_UNREADABLE),
        (str(tmp_path / "elsewhere"), Code.LOAD_FAILED),
        (f"{root}-more", Code.LOAD_FAILED),
        ("gopher://old/sky", Code.LOAD_UNREADABLE),
    ):
        with pytest.raises(LoadError, match=re.escape(folder)) as raised:
            walked(Walk(root, [folder]))
        assert raised.value.code == code
    no_images = replace(plates, images=None)
    with pytest.raises(LoadError) as raised:
        load(no_images, Walk(root, [root]), DataDirectory(tmp_path / "data"))
    assert raised.value.code == Code.LOAD_MISMATCH


KINDS = ("SIN", "TAN", "ARC", "STG", "ZEA")


@given(
    st.sampled_from(KINDS),
    st.lists(
        st.tuples(
            st.one_of(st.floats(0, 360), st.sampled_from([0.0, 359.9999999, 360.0])),
            st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, -89.95, 0.0, 89.99, 90.0])),
            st.floats(-180, 180), st.integers(1, 1024), st.integers(1, 1024), st.floats(-600, 600),
        ),
        min_size=1, max_size=8,
    ),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_batch_agrees_with_single_locations(kind: str, images: list[tuple[float, ...]]) -> None:
    ra, dec, turn, width, height, pixel = (np.array(each, dtype=float) for each in zip(*images, strict=True))
    step = np.full(len(ra), 1 / 3600)
    wcs = {"CRVAL1": ra, "CRVAL2": dec, "CROTA2": turn, "NAXIS1": width, "NAXIS2": height, "CRPIX1": pixel}
    wcs |= {"CRPIX2": 2 * pixel, "CDELT1": -step, "CDELT2": step}
    made, good = locate_images(kind, wcs)
    assert good.all()
    for n in range(len(ra)):
        cards = fits.Header({"NAXIS": 2, **{k: v[n] for k, v in wcs.items()}, "EQUINOX": 2000.0})
        cards["NAXIS1"], cards["NAXIS2"] = int(width[n]), int(height[n])
        cards["CTYPE1"], cards["CTYPE2"] = f"RA---{kind}", f"DEC--{kind}"
        text = cards.tostring(padding=False).encode()
        alone = locate_image(ImageHeader(text, text))
        mine, theirs = np.reshape(made["footprint"][n], (-1, 2)), np.reshape(alone["footprint"], (-1, 2))
        here, there = (SkyCoord(*pairs.T, unit="deg") for pairs in (mine, theirs))
        assert here.separation(there).arcsec.max() < 1e-5
        centres = (SkyCoord(sky["ra"], sky["dec"], unit="deg") for sky in ({k: v[n] for k, v in made.items()}, alone))
        assert next(centres).separation(next(centres)).arcsec < 1e-5
        assert made["fov"][n] == pytest.approx(alone["fov"], abs=1e-9)


def test_outside_projection_has_no_location() -> None:
    numbers = {"CRVAL1": 10.0, "CRVAL2": 20.0, "CROTA2": 0.0, "NAXIS1": 100.0, "NAXIS2": 100.0, "CRPIX1": 50.5}
    numbers |= {"CRPIX2": 50.5, "CDELT1": -1.0, "CDELT2": 1.0}
    many = {k: np.array([v, v, v]) for k, v in numbers.items()}
    many["CDELT1"] = np.array([-1.0, -2.0, np.nan])
    assert locate_images("SIN", many)[1].tolist() == [False, False, False]
    many["CDELT2"], many["CDELT1"] = np.full(3, 0.01), np.array([-0.01, -2.0, np.nan])
    assert locate_images("SIN", many)[1].tolist() == [True, False, False]


KEYWORDS = "NAXIS1 NAXIS2 CRVAL1 CRVAL2 CRPIX1 CRPIX2 CDELT1 CDELT2 CROTA2"


def test_loads_table_of_rows(shared: Path, tmp_path: Path) -> None:
    """A table of the headers of real images gives the same footprints as their files."""
    atlas = SHIPPED.get_collection("atlas")
    store, images = DataDirectory(tmp_path), shared / "data" / "images"

    def rows() -> list[dict[str, Any]]:
        with duckdb.connect(str(store.find_current_file("atlas")), read_only=True) as connection:
            return connection.sql("SELECT * FROM rows ORDER BY image").to_arrow_table().to_pylist()

    load(atlas, Walk(str(images), [str(images)]), store, on_error="skip")
    walked, lines = rows(), ["ra,dec,band,ordate,hemisphere,scanno,coadd,fname," + KEYWORDS.lower().replace(" ", ",")]
    for row in walked:
        with fits.open(images / row["path"]) as units:
            told = [row[n] for n in ("ra", "dec", "band", "date", "hemis", "scan", "coadd", "path")]
            lines.append(",".join(map(str, [*told, *(units[0].header[k] for k in KEYWORDS.split())])))
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    assert load(atlas, [tmp_path / "rows.csv"], store).rows == 10
    for mine, theirs in zip(rows(), walked, strict=True):
        assert mine["image"] == theirs["image"] and mine["media_type"] == "image/fits"
        assert mine["footprint"] == pytest.approx(theirs["footprint"], abs=1e-9)
        assert mine["fov"] == theirs["fov"] and mine["magzp"] is None


def test_rejects_table_without_footprints_or_wcs(plates: Collection, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("plate,ra,dec,number,path\nV-0001,1.5,2.5,1,a/plate1.fits\n")
    with pytest.raises(
        LoadError, match=r"image a/plate1.fits: it has no footprint, and its catalogue file names no pro"
    ):
        load(plates, [file], DataDirectory(tmp_path / "data"))


def test_loads_table_of_headers(shared: Path, tmp_path: Path) -> None:
    """An IPAC table whose columns are keywords of real headers, with the values that headers have, as IRSA's image
    server gives it, is the same as the walk over the files."""
    atlas = SHIPPED.get_collection("atlas")
    store, images = DataDirectory(tmp_path), shared / "data" / "images"

    def rows() -> list[dict[str, Any]]:
        with duckdb.connect(str(store.find_current_file("atlas")), read_only=True) as connection:
            return connection.sql("SELECT * FROM rows ORDER BY image").to_arrow_table().to_pylist()

    load(atlas, Walk(str(images), [str(images)]), store, on_error="skip")
    walked = rows()
    names = "fname ra dec ordate hemisphere scanno filter ut_date ut magzp skyval skysig seesh scandir amass_fc".split()
    names += [*"strip_id positnid usyref calid daynum".split(), *KEYWORDS.lower().split()]
    cells = []
    for row in walked:
        with fits.open(images / row["path"]) as units:
            header = units[0].header
        own = {"fname": row["path"], "ra": row["ra"], "dec": row["dec"], "hemisphere": row["hemis"]}
        cells.append([str(own.get(name, header.get(name, "null"))) for name in names])
    assert {line[6] for line in cells} == {"j", "h", "k"}
    bad = [*cells[0]]
    bad[0], bad[6] = "elsewhere/ji0010009.fits", "i"
    cells.append(bad)
    table = ["|" + "|".join(f"{name:44}" for name in names) + "|"]
    table += [" " + " ".join(f"{cell:44}" for cell in line) + " " for line in cells]
    (tmp_path / "headers.tbl").write_text("\n".join(table) + "\n")
    done = load(atlas, [tmp_path / "headers.tbl"], store, on_error="skip")
    assert (done.rows, done.rejected) == (10, 1)
    assert done.rejects is not None
    assert "image elsewhere/ji0010009.fits: FILTER is 'i', not one of j, h, k" in done.rejects.read_text()
    for mine, theirs in zip(rows(), walked, strict=True):
        assert mine.pop("f_size") is None and theirs.pop("f_size")
        for name, value in theirs.items():
            near = pytest.approx(value, rel=1e-6, abs=1e-9) if isinstance(value, float) else value
            near = pytest.approx(value, abs=1e-9) if isinstance(value, list) else near
            assert mine[name] == near, name


# ------------------------------------------------------------ real images


def test_real_images(shared: Path, tmp_path: Path) -> None:
    images = shared / "data" / "images"
    atlas = SHIPPED.get_collection("atlas")
    store = DataDirectory(tmp_path)
    loaded = load(atlas, Walk(str(images), [str(images)]), store, on_error="skip")
    assert (loaded.rows, loaded.rejected) == (10, 5)
    with duckdb.connect(str(store.find_current_file("atlas")), read_only=True) as connection:
        rows = connection.sql("SELECT * FROM rows").to_arrow_table().to_pylist()
    for row in rows:
        with fits.open(images / row["path"]) as units:
            header = units[0].header
        check_location(row, header, (512, 1024), WITHIN)
        assert (row["ra"], row["dec"]) == pytest.approx((header["CRVAL1"], header["CRVAL2"]), abs=1e-9)
        assert row["magzp"] == pytest.approx(header["MAGZP"], abs=1e-4)
    by_name = {row["image"]: row for row in rows}
    one = by_name["aJ_asky_001022s0620186"]
    assert (one["band"], one["date"], one["hemis"], one["scan"], one["coadd"]) == (
        "J",
        date(2000, 10, 22),
        "s",
        62,
        186,
    )
    assert one["jdate"] == pytest.approx(2451839.5 + (4 * 3600 + 8 * 60 + 48.54) / 86400, abs=1e-7)
    assert (one["naxis1"], one["naxis2"], one["media_type"]) == (512, 1024, "image/fits")
    assert by_name["aJ_asky_980321n1060021"]["hemis"] == "n"
