"""The three image collections of the synthetic sky: made one of the other, loaded, and true to the catalogues."""

from __future__ import annotations

import csv
import io
import shutil
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import httpx
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from scipy.ndimage import maximum_filter

from tests.atlas import atlas_header
from tests.conftest import Listening
from vo_server.__main__ import main
from vo_server.assembly import load_site_catalogue
from vo_server.commands import quicklook as command
from vo_server.commands import stamp_batches
from vo_server.commands.query_client import QueryClient
from vo_server.images import image
from vo_server.images.quicklook import restore
from vo_server.load import process_pool
from vo_server.settings import Settings
from vo_server.storage import files

pytestmark = pytest.mark.slow

ROWS = 20_000
NEAR = 0.3
"""Arcseconds within which a star of an image has its row."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sky of the demo, small."""
    data = tmp_path_factory.mktemp("demo") / "data"
    assert main(["demo", "--no-serve", "--rows", str(ROWS), "--data", str(data)]) == 0
    return data


@pytest.fixture
def ask(demo: Path) -> Iterator[QueryClient]:
    settings = Settings(data=demo)
    with QueryClient(settings, load_site_catalogue(settings)) as asking:
        yield asking


def test_the_demo_has_three_collections_that_join(ask: QueryClient) -> None:
    ((atlas, quicklook, stamps),) = ask.fetch_rows(
        "SELECT a.n, q.n, s.n FROM (SELECT COUNT(*) AS n FROM twomass.atlas) AS a,"
        " (SELECT COUNT(*) AS n FROM twomass.quicklook) AS q, (SELECT COUNT(*) AS n FROM twomass.stamps) AS s"
    )
    assert atlas == quicklook == 18
    assert stamps >= 1
    both = list(ask.fetch_rows("SELECT a.path, q.path FROM atlas AS a JOIN quicklook AS q USING (coadd_key, band)"))
    assert sorted(q for _, q in both) == sorted(a.removesuffix(".gz") + ".fz" for a, _ in both)
    assert len(both) == len(set(both)) >= 15
    joined = list(
        ask.fetch_rows("SELECT s.stamp, x.designation FROM stamps AS s JOIN xsc AS x ON x.ext_key = s.ext_key")
    )
    assert len(joined) == stamps


@cache
def sources(demo: Path) -> SkyCoord:
    settings = Settings(data=demo)
    with QueryClient(settings, load_site_catalogue(settings)) as asking:
        rows = list(asking.fetch_rows("SELECT ra, dec FROM psc WHERE ra BETWEEN 128 AND 131 AND dec BETWEEN 18 AND 22"))
        rows += list(
            asking.fetch_rows("SELECT ra, dec FROM xsc WHERE ra BETWEEN 128 AND 131 AND dec BETWEEN 18 AND 22")
        )
    return SkyCoord(*np.array(rows).T, unit="deg")


def peaks(pixels: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """The centres of light of what stands far above the noise and alone, as any program finds them: pixels from 0."""
    pixels = np.where(np.isfinite(pixels), pixels, np.nanmedian(pixels))
    row, column = np.nonzero(
        (pixels == maximum_filter(pixels, 31)) & (pixels > np.median(pixels) + 60 * noise) & (pixels < 20_000)
    )
    inside = (row > 20) & (row < pixels.shape[0] - 20) & (column > 20) & (column < pixels.shape[1] - 20)
    x, y = column[inside].astype(float), row[inside].astype(float)
    for _ in range(3):
        for n in range(len(x)):
            dy, dx = np.indices(pixels.shape)[:, int(y[n]) - 8 : int(y[n]) + 9, int(x[n]) - 8 : int(x[n]) + 9]
            cut = pixels[dy, dx]
            weight = np.exp(-((dx - x[n]) ** 2 + (dy - y[n]) ** 2) / 6) * (cut - np.median(cut))
            x[n] += 2 * (weight * (dx - x[n])).sum() / weight.sum()
            y[n] += 2 * (weight * (dy - y[n])).sum() / weight.sum()
    return x, y


def apart(demo: Path, pixels: np.ndarray, header: fits.Header) -> np.ndarray:
    """How far each of the stars of an image is from the next row of the catalogues, arcsec."""
    x, y = peaks(pixels.astype(float), header["SKYSIG"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seen = WCS(header).pixel_to_world(x, y)
    return np.asarray(SkyCoord(seen.ra, seen.dec).match_to_catalog_sky(sources(demo))[1].arcsec)


def test_the_catalogue_lies_on_the_stars(demo: Path) -> None:
    found = []
    for path in sorted((demo / "images" / "atlas").rglob("*.fits.gz")):
        with fits.open(path) as units:
            found.append(apart(demo, units[0].data, units[0].header))
    off = np.concatenate(found)
    assert len(off) > 40
    assert np.mean(off < NEAR) > 0.95, np.sort(off)[-10:]
    assert np.median(off) < NEAR / 3


def test_the_catalogue_lies_on_the_stars_of_quicklook_images(demo: Path) -> None:
    found = []
    for path in sorted((demo / "images" / "quicklook").rglob("ki*.fz")):
        with image.open_image(str(path)) as opened:
            plain = restore(opened)
        with fits.open(files.MemoryFile(plain).open_stream()) as units:
            found.append(apart(demo, units[0].data, units[0].header))
    off = np.concatenate(found)
    assert len(off) > 10
    assert np.mean(off < NEAR) > 0.95, np.sort(off)[-10:]


def test_stamps_show_their_galaxies(demo: Path, ask: QueryClient) -> None:
    for ra, dec, path in ask.fetch_rows(
        "SELECT x.ra, x.dec, s.path FROM stamps AS s JOIN xsc AS x ON x.ext_key = s.ext_key WHERE x.k_m_k20fe < 13.5"
    ):
        with fits.open(demo / "images" / "stamps" / path) as units:
            header, cube = units[0].header, units[0].data
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x, y = WCS(header).celestial.world_to_pixel(SkyCoord(ra, dec, unit="deg", frame="fk5"))
        row, column = round(float(y)), round(float(x))
        middle = cube[:3, row - 2 : row + 3, column - 2 : column + 3].mean(axis=(1, 2))
        assert (middle > 3 * np.array([header[f"{band}SKYSIG"] for band in "JHK"])).all()


def test_quicklook_images_are_served_as_plain_fits(demo: Path, ask: QueryClient, listening: Listening) -> None:
    ((name, path, columns, rows),) = ask.fetch_rows(
        "SELECT TOP 1 image, path, naxis1, naxis2 FROM quicklook ORDER BY image"
    )
    with image.open_image(str(demo / "images" / "quicklook" / path)) as opened:
        expected, values = restore(opened), opened.read_all()[0]
    with listening(Settings(data=demo)) as url, httpx.Client(base_url=url) as client:
        answer = client.get(f"/images/quicklook/{name}")
        assert answer.content == expected
        assert answer.headers["content-type"] == "image/fits"
        assert answer.headers["content-disposition"].endswith('.fits"')
        with fits.open(io.BytesIO(answer.content)) as units:
            assert (units[0].header["NAXIS1"], units[0].header["NAXIS2"]) == (columns, rows)
            assert units[0].header["BITPIX"] == 16
            step = units[0].header["BSCALE"]
            assert np.abs(units[0].data - values).max() <= 0.5 * step + 1e-3
        part = client.get(f"/images/quicklook/{name}", headers={"Range": "bytes=2880-5759"})
        assert (part.status_code, part.content) == (206, expected[2880:5760])
        assert part.headers["content-range"] == f"bytes 2880-5759/{len(expected)}"
        same = client.get(f"/images/quicklook/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert same.status_code == 304
        head = client.head(f"/images/quicklook/{name}")
        assert int(head.headers["content-length"]) == len(expected)
        row, *_ = csv.DictReader(
            client.get(
                "/sia1/quicklook", params={"POS": "129.1,19.6", "SIZE": "0", "VERB": 3, "RESPONSEFORMAT": "csv"}
            ).text.split("\n")
        )
        assert int(row["filesize"]) == 2 * columns * rows
        (stored,) = (demo / "images" / "quicklook").rglob(Path(path).name)
        gone = stored.rename(stored.with_suffix(".away"))
        assert client.get(f"/images/quicklook/{name}").status_code == 404
        gone.rename(stored)


# ------------------------------------------------------------ vo-server quicklook


@pytest.fixture
def data(demo: Path, tmp_path: Path) -> Path:
    """Three of the Atlas images, and what is none."""
    atlas = tmp_path / "data" / "images" / "atlas"
    atlas.mkdir(parents=True)
    for path in sorted((demo / "images" / "atlas").rglob("*.fits.gz"))[:3]:
        shutil.copy(path, atlas)
    return tmp_path / "data"


def made(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data / "images" / "quicklook").rglob("*.*")}


def test_a_run_that_was_broken_off_goes_on(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quicklook", "--data", str(data)]) == 0
    first, said = made(data), capsys.readouterr().err
    assert "3 written" in said and " to 1" in said
    assert {name[-8:] for name in first} == {".fits.fz"}
    (one, *others) = sorted((data / "images" / "quicklook").rglob("*.fz"))
    one.rename(one.with_name(f"{one.name}.part"))  # as a run leaves it that is killed while it writes
    others[0].write_bytes(b"kept")
    assert main(["quicklook", "--data", str(data)]) == 0
    assert "1 written" in capsys.readouterr().err
    assert made(data) == first | {others[0].name: b"kept"}
    assert main(["quicklook", "--again", "--data", str(data)]) == 0
    assert made(data) == first


def test_several_processes_make_the_same(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data=data)
    assert command.make_quicklook_images(settings).written == 3
    alone = made(data)
    monkeypatch.setattr(command, "_CHUNK_IMAGES", 1)
    monkeypatch.setattr(process_pool, "MIN_TASKS_PER_PROCESS", 1)
    assert command.make_quicklook_images(settings, again=True, processes=2).written == 3
    assert made(data) == alone


def test_what_cannot_be_made_is_listed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    atlas = data / "images" / "atlas"
    (atlas / "notes.fits").write_text("no image")
    fits.writeto(atlas / "cube.fits", np.zeros((2, 3, 4), np.float32), atlas_header())
    torn = sorted(atlas.glob("*.gz"))[0]
    torn.write_bytes(torn.read_bytes()[:100_000])
    assert main(["quicklook", "--data", str(data)]) == 3
    said = capsys.readouterr().err
    assert "2 written" in said and "3 failed" in said
    (report,) = (data / "rejects").iterdir()
    assert str(report) in said.replace("\n", "")
    text = report.read_text()
    assert all(name in text for name in ("notes.fits", "cube.fits", torn.name))
    assert "two-dimensional" in text and "not FITS" in text
    assert len(made(data)) == 2


@pytest.mark.parametrize(
    ("roots", "folders", "words"),
    [
        ("quicklook=memory://looks", [], "cannot be written to memory://looks"),
        ("", ["/proc"], "does not lie in the folder of the collection"),
        ("atlas=/nowhere/at/all", [], "there is no folder /nowhere/at/all"),
    ],
)
def test_where_it_cannot_be_done(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], roots: str, folders: list[str],
    words: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("VO_SERVER_IMAGE_ROOTS", roots)
    assert main(["quicklook", *folders, "--data", str(data)]) in (1, 2)
    assert words in capsys.readouterr().err.replace("\n", " ")


# --------------------------------------------------------------- vo-server stamps


@pytest.fixture
def copied(demo: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo, tmp_path / "data"))


def cubes(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data / "images" / "stamps").rglob("*.*")}


def test_several_processes_make_the_same_stamps(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cubes(copied)
    monkeypatch.setattr(stamp_batches, "_CHUNK_STAMPS", 1)
    monkeypatch.setattr(process_pool, "MIN_TASKS_PER_PROCESS", 1)
    report = stamp_batches.make_stamps(Settings(data=copied), again=True, processes=2)
    assert (report.written, report.skipped, report.failed) == (len(before), 0, 0)
    assert cubes(copied) == before
    assert stamp_batches.make_stamps(Settings(data=copied), processes=2).skipped == len(before)


def test_stamps_that_cannot_be_made_are_listed(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (copied / "images" / "atlas").rglob("h*.gz"):
        path.unlink()
    assert main(["stamps", "--again", "--data", str(copied)]) == 3
    assert f"{len(cubes(copied))} failed" in capsys.readouterr().err
    (report,) = (copied / "rejects").iterdir()
    assert "not where the inventory says" in report.read_text()
