"""vo-server stamps over the synthetic sky, and the inventory of what it made."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from tests.conftest import PSC_ROWS
from vo_server import demo
from vo_server.__main__ import main
from vo_server.assembly import load_site_catalogue
from vo_server.load.counts import format_count
from vo_server.settings import Settings


def _moved(images: Path, galaxy: dict[str, str]) -> None:
    """One coadd, in three bands, is now that of a galaxy, which lies in its middle; no other is left."""
    first, *_ = sorted({file.name[1:] for file in images.rglob("*.fits.gz")})
    for file in list(images.rglob("*.fits.gz")):
        if file.name[1:] == first:
            with fits.open(file) as hdus:
                header, data = hdus[0].header, hdus[0].data.copy()
            header["CRVAL1"], header["CRVAL2"] = float(galaxy["ra"]), float(galaxy["dec"])
            header["ORDATE"], header["SCANNO"] = galaxy["date"].replace("-", "")[-6:], int(galaxy["scan"])
            header["TELNAME"] = {"n": "Hopkins", "s": "CTIO"}[galaxy["hemis"].strip()]
            y, x = np.indices(data.shape)
            data += 50 * np.exp(-np.hypot(x + 1 - header["CRPIX1"], y + 1 - header["CRPIX2"]) / 4)
            name = f"{file.name[0]}i{int(galaxy['scan']):03}{int(galaxy['coadd']):04}.fits"
            fits.PrimaryHDU(data, header).writeto(images / name)
        file.unlink()


@pytest.fixture
def data(sky: Path, tmp_path: Path) -> Path:
    """The synthetic sky with an Atlas image about one of its galaxies: those it has lie where there is none."""
    folder = tmp_path / "data"
    shutil.copytree(sky, folder)
    shutil.rmtree(folder / "images" / "stamps")
    galaxies = demo.write_all(tmp_path, PSC_ROWS, compress=False)
    (xsc,) = (file for file in galaxies if file.name.startswith("xsc_aaa"))
    names = [column.name for column in load_site_catalogue(Settings()).get_collection("xsc").table.columns]
    _moved(folder / "images" / "atlas", dict(zip(names, xsc.read_text().splitlines()[0].split("|"), strict=False)))
    assert main(["load", "atlas", "--data", str(folder)]) == 0
    return folder


def test_stamps_are_made_loaded_and_found(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--data", str(data)]
    assert main(["stamps", *where]) == 0
    said = capsys.readouterr().err
    made = sorted((data / "images" / "stamps").rglob("*.fits"))
    assert made, said
    assert f"{len(made)} written" in said
    assert not list(data.rglob("*.part"))
    for file in made:
        with fits.open(file) as hdus:
            header, cube = hdus[0].header, hdus[0].data
        assert cube.shape[0] == 6
        place = SkyCoord(header["RA"], header["DEC"], unit="deg", frame="fk5")
        middle = (header["NAXIS1"] - 1) / 2
        assert WCS(header).celestial.world_to_pixel(place) == pytest.approx((middle, middle), abs=0.51)
        inner = slice(int(middle) - 2, int(middle) + 3)
        assert np.nanmean(cube[0, inner, inner]) > 10 * header["JSKYSIG"]
        assert header["EXT_KEY"] > 0
    assert main(["stamps", *where, "--where", "k_m_k20fe < 99"]) == 0
    assert "0 written" in capsys.readouterr().err
    assert main(["load", "stamps", *where]) == 0
    loaded = capsys.readouterr().err
    assert f"{format_count(len(made), 'row')} loaded" in loaded
    assert "no matching row" not in loaded  # each is known by the row that it was made for


def test_a_condition_that_is_no_adql_is_refused(sky: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stamps", "--data", str(sky), "--where", "k_m_k20fe <"]) != 0
    assert "line 1" in capsys.readouterr().err.lower()
