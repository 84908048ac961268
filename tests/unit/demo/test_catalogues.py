"""The synthetic sky against the rules of the release, recomputed here from the printed values."""

import csv
import gzip
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from vo_server.demo import (
    PSC_SCHEMA,
    XSC_SCHEMA,
    count_xsc_rows,
    generate_psc,
    generate_xsc,
    write_all,
    write_psc,
    write_xsc,
)
from vo_server.demo.bulk_files import generate_file_names
from vo_server.demo.designations import make_designations
from vo_server.demo.survey import TILES, count_tiles_per_zone, make_survey

ROWS = 20_000
GALAXIES = 2_000
SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "facts"
BANDS = "jhk"
ZERO_POINT_ERROR = {"j": 0.011, "h": 0.007, "k": 0.007}


@pytest.fixture(scope="session")
def psc() -> pa.Table:
    return pa.Table.from_batches(generate_psc(ROWS, xsc_rows=GALAXIES))


@pytest.fixture(scope="session")
def xsc() -> pa.Table:
    return pa.Table.from_batches(generate_xsc(GALAXIES, psc_rows=ROWS))


@pytest.fixture(scope="session")
def large_psc() -> pa.Table:
    """Return a catalogue of several batches."""
    return pa.Table.from_batches(generate_psc(250_000))


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_all(tmp_path_factory.mktemp("bulk"), ROWS, rows_per_file=5_000)


def read_lines(paths: list[Path]) -> Iterator[list[str]]:
    for path in paths:
        with gzip.open(path, "rt", encoding="ascii", newline="") as file:
            for line in file:
                assert line.endswith("\n")
                yield line[:-1].split("|")


def to_floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    """Return a column as floats, shape (rows,), NaN for null."""
    return pc.fill_null(table[name].cast(pa.float64()), np.nan).to_numpy()


def to_list(table: pa.Table, name: str) -> list[str]:
    return list(table[name].to_pylist())


def to_vectors(table: pa.Table) -> NDArray[np.float64]:
    ra, dec = np.radians(to_floats(table, "ra")), np.radians(to_floats(table, "decl"))
    return np.stack((np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)), axis=1)


def read_facts(name: str) -> list[dict[str, str]]:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the facts about the release are not beside the repository: {name}")
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# Rows, columns, determinism


@pytest.mark.parametrize("rows", [0, 1, 2, 1_000])
def test_number_of_rows(rows: int) -> None:
    assert sum(batch.num_rows for batch in generate_psc(rows)) == rows
    assert sum(batch.num_rows for batch in generate_xsc(rows, psc_rows=rows)) == rows


def test_batches_are_bounded(large_psc: pa.Table) -> None:
    sizes = [batch.num_rows for batch in large_psc.to_batches()]
    assert sum(sizes) == 250_000
    assert len(sizes) > 1
    assert max(sizes) < 150_000


def test_rejects_negative_rows() -> None:
    with pytest.raises(ValueError, match="negative"):
        generate_psc(-1)


def test_schemas(psc: pa.Table, xsc: pa.Table) -> None:
    assert (len(PSC_SCHEMA), len(XSC_SCHEMA)) == (60, 389)
    assert psc.schema.equals(PSC_SCHEMA)
    assert xsc.schema.equals(XSC_SCHEMA)
    assert (psc.num_rows, xsc.num_rows) == (ROWS, GALAXIES)


@pytest.mark.parametrize("catalogue", ["psc", "xsc"])
def test_columns_agree_with_release(catalogue: str) -> None:
    schema = PSC_SCHEMA if catalogue == "psc" else XSC_SCHEMA
    types = {
        "double precision": pa.float64(),
        "real": pa.float32(),
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "date": pa.date32(),
    }
    expected = [
        pa.field(row["name"], types.get(row["sql_type"], pa.string()), row["nullable"] == "yes")
        for row in read_facts(f"{catalogue}_columns.csv")
    ]
    assert list(schema) == expected


def test_seed_determines_files(tmp_path: Path) -> None:
    def read_files(folder: str, seed: int) -> list[bytes]:
        paths = write_psc(tmp_path / folder, 2_000, seed)
        paths += write_xsc(tmp_path / folder, 300, seed, psc_rows=2_000)
        return [path.read_bytes() for path in paths]

    first = read_files("a", 1)
    assert first == read_files("b", 1)
    assert first != read_files("c", 2)


# Nulls


def test_nulls_only_in_nullable_columns(psc: pa.Table, xsc: pa.Table) -> None:
    for table in (psc, xsc):
        for field in table.schema:
            assert field.nullable or table[field.name].null_count == 0, field.name


@pytest.mark.parametrize("band", BANDS)
def test_nulls_of_a_band_follow_its_flags(psc: pa.Table, band: str) -> None:
    position = BANDS.index(band)
    quality = np.array([text[position] for text in to_list(psc, "ph_qual")])
    read = np.array([text[position] for text in to_list(psc, "rd_flg")])
    limit = np.isin(quality, ("U", "X"))
    for name in ("cmsig", "msigcom", "snr"):
        np.testing.assert_array_equal(np.isnan(to_floats(psc, f"{band}_{name}")), limit)
    np.testing.assert_array_equal(np.isnan(to_floats(psc, f"{band}_m")), read == "9")
    np.testing.assert_array_equal(np.isnan(to_floats(psc, f"{band}_psfchi")), read != "2")
    aperture = np.isnan(to_floats(psc, f"{band}_m_stdap"))
    np.testing.assert_array_equal(aperture, np.isnan(to_floats(psc, f"{band}_msig_stdap")))
    np.testing.assert_array_equal(aperture, ~np.isin(read, ("2", "4")))
    np.testing.assert_array_equal(quality == "U", np.isin(read, ("0", "6")))


def test_optical_columns_are_null_together(psc: pa.Table) -> None:
    without_match = np.array(to_list(psc, "a")) == "0"
    for name in ("dist_opt", "phi_opt", "b_m_opt", "vr_m_opt"):
        np.testing.assert_array_equal(np.isnan(to_floats(psc, name)), without_match)
    np.testing.assert_array_equal(to_floats(psc, "nopt_mchs") == 0, without_match)
    assert 0.03 < without_match.mean() < 0.3


# Names and keys


def test_designation_is_the_truncated_position(psc: pa.Table, xsc: pa.Table) -> None:
    for table in (psc, xsc):
        for ra, dec, name in zip(
            to_list(table, "ra"), to_list(table, "decl"), to_list(table, "designation"), strict=True
        ):
            time = round(ra * 1e6) * 24_000 // 10**6
            arc = abs(round(dec * 1e6)) * 36_000 // 10**6
            hours, minutes, seconds = time // 360_000, time // 6_000 % 60, time % 6_000
            degrees, arcmin, arcsec = arc // 36_000, arc // 600 % 60, arc % 600
            sign = "-" if dec < 0 else "+"
            expected = f"{hours:02}{minutes:02}{seconds:04}{sign}{degrees:02}{arcmin:02}{arcsec:03}"
            assert name[:16] == expected
            assert name[16:] in ("", "A", "B", "C")


def test_equal_designations_get_letters() -> None:
    ra = np.array([10_000_000, 10_000_001, 200_000_000, 10_000_002])
    dec = np.array([-5_000_000, -5_000_001, 5_000_000, -5_000_002])
    assert make_designations(ra, dec).tolist() == [
        b"00400000-0500000A",
        b"00400000-0500000B",
        b"13200000+0500000",
        b"00400000-0500000C",
    ]


def test_keys_are_unique_and_bounded(psc: pa.Table, xsc: pa.Table) -> None:
    for table, name, maximum in ((psc, "pts_key", 1_340_037_339), (xsc, "ext_key", 2_656_639)):
        keys = to_floats(table, name)
        assert np.unique(keys).size == keys.size
        assert keys.min() >= 1
        assert keys.max() <= maximum


def test_pts_key_runs_along_the_scan(psc: pa.Table) -> None:
    plan = make_survey()
    northward = dict(zip(plan.scan_key.tolist(), plan.northward.tolist(), strict=True))
    scan, key, dec = to_floats(psc, "scan_key"), to_floats(psc, "pts_key"), to_floats(psc, "decl")
    order = np.lexsort((key, scan))
    pairs = [(a, b) for a, b in pairwise(order) if scan[a] == scan[b]]
    assert len(pairs) > 2_000
    for first, second in pairs:
        assert (dec[second] >= dec[first]) == northward[int(scan[first])]


def test_keys_of_the_two_catalogues_agree(psc: pa.Table, xsc: pa.Table) -> None:
    points = {row["pts_key"]: row for row in psc.select(["pts_key", "ext_key", "ra", "decl"]).to_pylist()}
    galaxies = {row["ext_key"]: row for row in xsc.select(["pts_key", "ext_key", "ra", "decl"]).to_pylist()}
    linked = [row for row in points.values() if row["ext_key"] is not None]
    assert len(linked) == round(0.9 * GALAXIES)
    assert {row["ext_key"] for row in linked} == {
        row["ext_key"] for row in galaxies.values() if row["pts_key"] is not None
    }
    for row in linked:
        other = galaxies[row["ext_key"]]
        assert other["pts_key"] == row["pts_key"]
        east = (row["ra"] - other["ra"]) * np.cos(np.radians(row["decl"]))
        assert np.hypot(east, row["decl"] - other["decl"]) * 3600 < 2


def test_gal_contam_marks_large_galaxies(psc: pa.Table, xsc: pa.Table) -> None:
    radius = dict(zip(to_list(xsc, "ext_key"), to_list(xsc, "r_k20fe"), strict=True))
    large = [key is not None and (radius[key] or 0) > 10 for key in to_list(psc, "ext_key")]
    flagged = to_floats(psc, "gal_contam")
    assert sum(large) > 50
    # Without a measured aperture there is no radius to compare.
    assert np.all(flagged[np.array(large)] == 1)
    assert np.sum((flagged == 1) & ~np.array(large)) <= 3


# The survey


def test_tiling() -> None:
    assert count_tiles_per_zone().sum() == TILES == 59_731
    plan = make_survey()
    assert np.unique(plan.scan_key).size == TILES
    assert plan.scan_key.min() == 1
    assert plan.scan_key.max() <= 72_392
    night = plan.night * 1000 + plan.scan * 2 + plan.south
    assert np.unique(night).size == TILES


@pytest.mark.parametrize("name", ["psc", "xsc"])
def test_coadd_key(name: str, request: pytest.FixtureRequest) -> None:
    table = request.getfixturevalue(name)
    image = to_floats(table, "coadd_key") - 23 * (to_floats(table, "scan_key") - 1)
    assert image.min() == 1
    assert image.max() == 23
    usual = {int(row["k"]): int(row["coadd_usual"]) for row in read_facts("image_numbering.csv")}
    assert [usual[int(k)] for k in image] == to_list(table, "coadd")


def test_position_in_scan(psc: pa.Table) -> None:
    x_scan, edge = to_floats(psc, "x_scan"), to_floats(psc, "dist_edge_ew")
    assert np.abs(x_scan).max() <= 249.8
    np.testing.assert_allclose(edge, 252.5 - np.abs(x_scan), atol=1)
    flags = np.array(to_list(psc, "dist_edge_flg"))
    away = np.abs(x_scan) > 0.1
    np.testing.assert_array_equal(np.array([flag[1] for flag in flags])[away], np.where(x_scan > 0, "w", "e")[away])
    dec = to_floats(psc, "decl")
    south_edge = np.floor(dec / 6) * 6 - 219 / 3600
    from_south = (dec - south_edge) * 3600
    expected = np.minimum(from_south, 22_038 - from_south)
    np.testing.assert_allclose(to_floats(psc, "dist_edge_ns"), expected, atol=1)
    away = np.abs(from_south - 11_019) > 2
    north = np.array([flag[0] for flag in flags]) == "n"
    np.testing.assert_array_equal(north[away], (from_south > 11_019)[away])


def test_use_src_agrees_with_dup_src(psc: pa.Table, xsc: pa.Table) -> None:
    for table in (psc, xsc):
        use, dup = to_floats(table, "use_src"), to_floats(table, "dup_src")
        assert np.all(dup[use == 0] == 0)
        assert 0 < np.mean(use == 0) < 0.03


# Photometry


@pytest.mark.parametrize("band", BANDS)
def test_msigcom_formula(psc: pa.Table, band: str) -> None:
    short = np.array([text[BANDS.index(band)] == "1" for text in to_list(psc, "rd_flg")])
    cmsig = to_floats(psc, f"{band}_cmsig")
    total = np.sqrt(cmsig**2 + ZERO_POINT_ERROR[band] ** 2 + 0.005**2 + short * 0.012**2)
    assert short.sum() > 10
    np.testing.assert_allclose(to_floats(psc, f"{band}_msigcom"), np.minimum(total, 9.999), atol=6e-4)


@pytest.mark.parametrize("band", BANDS)
def test_one_limit_for_each_scan_and_band(psc: pa.Table, band: str) -> None:
    snr, mag = to_floats(psc, f"{band}_snr"), to_floats(psc, f"{band}_m")
    good = (snr > 20) & (snr < 1e6)
    limit = (mag + 2.5 * np.log10(snr / 10))[good]
    scan = to_floats(psc, "scan_key")[good]
    np.testing.assert_allclose(limit / 0.0375, np.rint(limit / 0.0375), atol=0.004 / 0.0375)
    order = np.argsort(scan, kind="stable")
    same = np.diff(scan[order]) == 0
    assert same.sum() > 200
    assert np.abs(np.diff(limit[order])[same]).max() <= 0.008


def test_selection(psc: pa.Table) -> None:
    snr = np.nan_to_num(np.stack([to_floats(psc, f"{band}_snr") for band in BANDS]))
    assert np.all((snr.max(axis=0) >= 7) | (snr.min(axis=0) >= 5))


def grade_quality(read: str, snr: float, cmsig: float, chi: float) -> str:
    if read == "9":
        return "X"
    if read in "06":
        return "U"
    if cmsig > 8 and read in "13":
        return "F"
    if (read == "2" and chi > 10) or read == "4":
        return "E"
    for letter, min_snr, max_cmsig in (("A", 10, 0.10857), ("B", 7, 0.15510), ("C", 5, 0.21714)):
        if snr > min_snr and cmsig < max_cmsig:
            return letter
    return "D"


def test_ph_qual_rule(psc: pa.Table) -> None:
    at_threshold = compared = 0
    for position, band in enumerate(BANDS):
        columns = [to_floats(psc, f"{band}_{name}") for name in ("snr", "cmsig", "psfchi")]
        for snr, cmsig, chi, read, letters in zip(
            *columns, to_list(psc, "rd_flg"), to_list(psc, "ph_qual"), strict=True
        ):
            near_snr = any(abs(snr - edge) < 0.051 for edge in (5, 7, 10))
            near_error = any(abs(cmsig - edge) < 0.00051 for edge in (0.10857, 0.15510, 0.21714))
            if near_snr or near_error:
                at_threshold += 1
                continue
            compared += 1
            assert letters[position] == grade_quality(read[position], snr, cmsig, chi)
    assert compared > 50_000
    assert at_threshold < 0.05 * compared


def test_flags_agree_with_each_other(psc: pa.Table) -> None:
    columns = [to_list(psc, name) for name in ("rd_flg", "bl_flg", "cc_flg", "ndet")]
    for read, blend, contamination, ndet in zip(*columns, strict=True):
        for position in range(3):
            found, possible = int(ndet[2 * position]), int(ndet[2 * position + 1])
            if read[position] in "06":
                assert (blend[position], contamination[position]) == ("0", "0")
                assert (found, possible) == (0, 0)
            else:
                assert 1 <= int(blend[position]) <= 7
                assert contamination[position] in "pcdsb0"
                assert found <= possible
                assert 2 <= possible <= 8


@pytest.mark.parametrize(("band", "all_saturated"), [("j", 8.5), ("h", 8.4), ("k", 8.0)])
def test_bright_stars_saturate(psc: pa.Table, band: str, all_saturated: float) -> None:
    read = np.array([text[BANDS.index(band)] for text in to_list(psc, "rd_flg")])
    bright = to_floats(psc, f"{band}_m") < all_saturated
    assert bright.sum() > 20
    assert set(read[bright]) <= {"1", "3"}


def test_share_of_qualities_and_colours(psc: pa.Table) -> None:
    quality_letters = np.array(to_list(psc, "ph_qual"))
    assert 0.3 < np.mean(quality_letters == "AAA") < 0.65
    assert 0.7 < np.mean(np.array(to_list(psc, "rd_flg")) == "222") < 0.95
    clean = (np.abs(to_floats(psc, "glat")) > 30) & np.isnan(to_floats(psc, "ext_key"))
    colour = (to_floats(psc, "j_m") - to_floats(psc, "h_m"))[clean & (quality_letters == "AAA")]
    assert 0.37 < np.median(colour) < 0.62


# Positions


@pytest.mark.parametrize("name", ["psc", "xsc"])
def test_nearest_neighbour(name: str, request: pytest.FixtureRequest) -> None:
    table = request.getfixturevalue(name)
    keys = to_floats(table, "pts_key" if name == "psc" else "ext_key")
    vectors, rows = to_vectors(table), np.arange(0, table.num_rows, 20)
    cosine = vectors[rows] @ vectors.T
    cosine[np.arange(rows.size), rows] = -1
    nearest = cosine.argmax(axis=1)
    np.testing.assert_array_equal(to_floats(table, "pxcntr")[rows], keys[nearest])
    distance = 2 * np.arcsin(np.linalg.norm(vectors[rows] - vectors[nearest], axis=1) / 2)
    prox = to_floats(table, "prox")[rows]
    np.testing.assert_allclose(prox, np.degrees(distance) * 3600, atol=0.051, rtol=1e-6)
    sky = SkyCoord(to_floats(table, "ra"), to_floats(table, "decl"), unit="deg")
    angle = sky[rows].position_angle(sky[nearest]).deg
    difference = (to_floats(table, "pxpa")[rows] - angle + 180) % 360 - 180
    assert np.nanmax(np.abs(difference)) <= 0.51


def test_nearest_neighbours_reach_across_batches(large_psc: pa.Table) -> None:
    key, dec = to_floats(large_psc, "pts_key"), to_floats(large_psc, "decl")
    order = np.argsort(key)
    other = order[np.searchsorted(key, to_floats(large_psc, "pxcntr"), sorter=order)]
    vectors = to_vectors(large_psc)
    distance = 2 * np.degrees(np.arcsin(np.linalg.norm(vectors - vectors[other], axis=1) / 2)) * 3600
    np.testing.assert_allclose(to_floats(large_psc, "prox"), distance, atol=0.051, rtol=1e-6)
    rows = np.random.default_rng(0).choice(large_psc.num_rows, 400, replace=False)
    ends = np.cumsum([batch.num_rows for batch in large_psc.to_batches()])[:-1]
    rows = np.concatenate((rows, *(np.argsort(np.abs(dec - dec[end]))[:100] for end in ends)))
    rows = np.unique(rows)
    cosine = vectors[rows] @ vectors.T
    cosine[np.arange(rows.size), rows] = -1
    best = np.degrees(np.arccos(np.clip(cosine.max(axis=1), -1, 1))) * 3600
    np.testing.assert_allclose(to_floats(large_psc, "prox")[rows], best, atol=0.2, rtol=1e-4)


@pytest.mark.parametrize("name", ["psc", "xsc"])
def test_galactic_coordinates(name: str, request: pytest.FixtureRequest) -> None:
    table = request.getfixturevalue(name)
    sky = SkyCoord(to_floats(table, "ra"), to_floats(table, "decl"), unit="deg").galactic
    difference = (to_floats(table, "glon") - sky.l.deg + 180) % 360 - 180
    # Half of the last decimal, the step of a 32-bit float, and 0.01 arcsec between the frames.
    assert np.all(np.abs(difference) < 5e-4 + 2e-5 + 3e-6 / np.cos(sky.b.rad))
    assert np.abs(to_floats(table, "glat") - sky.b.deg).max() < 5.2e-4


def test_share_near_the_galactic_plane(psc: pa.Table) -> None:
    star = np.isnan(to_floats(psc, "ext_key"))
    assert 0.59 < np.mean(np.abs(to_floats(psc, "glat"))[star] < 10) < 0.625


def test_distribution_of_declinations() -> None:
    dec = np.sort(np.concatenate([batch["decl"].to_numpy() for batch in generate_psc(ROWS)]))
    quantiles = read_facts("psc_dec_quantiles.csv")
    expected = np.array([float(row["rows_south_of"]) for row in quantiles]) / 470_992_970
    shares = np.searchsorted(dec, [float(row["dec_deg"]) for row in quantiles]) / dec.size
    # Two standard errors of a share of 20,000 rows.
    assert np.abs(shares - expected).max() < 2 * 0.5 / np.sqrt(ROWS) + 0.002


# Extended sources


def test_circular_apertures_grow(xsc: pa.Table) -> None:
    for band in BANDS:
        for small, large in pairwise((5, 7, 10, 15, 20, 25, 30, 40, 50, 60, 70)):
            inner, outer = (to_floats(xsc, f"{band}_m_{size}") for size in (small, large))
            positive = (inner < 50) & (outer < 50)
            assert np.all(outer[positive] <= inner[positive] + 1e-3)
            assert np.all(np.isnan(inner) <= np.isnan(outer))


def test_aperture_columns_are_null_together(xsc: pa.Table) -> None:
    names = set(xsc.column_names)
    for name in names:
        band, _, suffix = name.partition("_m_")
        if band in BANDS and f"{band}_flg_{suffix}" in names:
            null = np.isnan(to_floats(xsc, name))
            for other in ("msig", "flg"):
                np.testing.assert_array_equal(np.isnan(to_floats(xsc, f"{band}_{other}_{suffix}")), null)


def test_isophotes_not_reached_have_negative_radii(xsc: pa.Table) -> None:
    for suffix in ("i20e", "i20c", "i21e", "i21c"):
        for band in BANDS:
            radius = to_floats(xsc, f"{band}_r_{suffix}")
            np.testing.assert_array_equal(radius < 0, np.isnan(to_floats(xsc, f"{band}_m_{suffix}")))
            assert np.all((radius < 0) | (radius >= 5))


def test_shapes(xsc: pa.Table) -> None:
    for name in ("j", "h", "k", "sup", "j_5sig", "h_5sig", "k_5sig"):
        ratio, angle = to_floats(xsc, f"{name}_ba"), to_floats(xsc, f"{name}_phi")
        is_known = ~np.isnan(ratio)
        np.testing.assert_array_equal(is_known, ~np.isnan(angle))
        assert ratio[is_known].min() >= 0.1
        assert ratio[is_known].max() <= 1.0
        assert set(angle[is_known] % 5) == {0}
        assert angle[is_known].min() >= -85
        assert angle[is_known].max() <= 90
        assert np.all(angle[is_known & (ratio > 0.9999)] == 90)


def test_galaxies_are_plausible(xsc: pa.Table) -> None:
    radius = to_floats(xsc, "r_k20fe")
    assert np.nanmin(radius) >= 5.0
    assert 0.5 < np.nanmean(radius < 10) < 0.98
    assert np.all(to_floats(xsc, "im_nx") % 2 == 1)
    faint = to_floats(xsc, "k_m_k20fe") > 13
    assert 0.4 < np.nanmean(faint) < 0.95
    colour = to_floats(xsc, "j_m_k20fe") - to_floats(xsc, "k_m_k20fe")
    assert 0.9 < np.nanmedian(colour[np.abs(colour) < 5]) < 1.3
    assert set(to_list(xsc, "cc_flg")) <= set("0UCAazZ")
    assert set(to_list(xsc, "vc")) <= {-2, -1, 1, 2}
    assert set(to_list(xsc, "blk_fac")) <= {1, 2, 4, 8}
    for name in ("e_score", "g_score"):
        assert 1 <= to_floats(xsc, name).min() <= to_floats(xsc, name).max() <= 2
    named = [name is not None for name in to_list(xsc, "id_cat")]
    assert named == [flag == 1 for flag in to_list(xsc, "id_flg")]


# The files


def test_file_names() -> None:
    names = generate_file_names("psc", "a")
    first = [next(names) for _ in range(57)]
    assert (first[0], first[25], first[26], first[56]) == (
        "psc_aaa",
        "psc_aaz",
        "psc_aba",
        "psc_ace",
    )


def test_files_are_named_and_split_like_release(files: list[Path]) -> None:
    names = [path.name for path in files]
    assert names == [
        "psc_aaa.gz",
        "psc_aab.gz",
        "psc_aac.gz",
        "psc_baa.gz",
        "psc_bab.gz",
        "xsc_aaa.gz",
        "xsc_baa.gz",
    ]
    for path in files:
        south = path.name[4] == "a"
        position = 1 if path.name.startswith("psc") else 3
        rows = list(read_lines([path]))
        assert len(rows) <= 5_000
        assert all((float(row[position]) < 0) == south for row in rows)


def test_files_hold_the_batches(files: list[Path]) -> None:
    """Every field of every row, read back, is the value of the batch."""
    for start, rows, batches in (
        ("psc", ROWS, generate_psc(ROWS)),
        ("xsc", count_xsc_rows(ROWS), generate_xsc(count_xsc_rows(ROWS), psc_rows=ROWS)),
    ):
        table = pa.Table.from_batches(batches)
        written = list(read_lines([path for path in files if path.name.startswith(start)]))
        assert len(written) == rows
        assert {len(fields) for fields in written} == {len(table.schema)}
        assert not any("" in fields for fields in written)
        for field, texts_of in zip(table.schema, zip(*written, strict=True), strict=True):
            column = pa.array([None if text == "\\N" else text for text in texts_of])
            if field.name == "designation":
                assert {len(text) for text in texts_of} == {17}
                column = pc.utf8_rtrim_whitespace(column)
            assert column.cast(field.type).equals(table[field.name].combine_chunks()), field.name


def test_numbers_are_in_shortest_form(files: list[Path]) -> None:
    kinds = {"psc": PSC_SCHEMA, "xsc": XSC_SCHEMA}
    for start, schema in kinds.items():
        columns = zip(*read_lines([path for path in files if path.name.startswith(start)]), strict=True)
        for field, column in zip(schema, columns, strict=True):
            if pa.types.is_floating(field.type) or pa.types.is_integer(field.type):
                for text in set(column) - {"\\N"}:
                    assert text not in ("-0", "")
                    assert not ("." in text and text.endswith(("0", "."))), (field.name, text)
                    assert text.lstrip("-").replace(".", "", 1).isdigit(), (field.name, text)
                    assert not (text.lstrip("-").startswith("0") and text.lstrip("-")[1:2].isdigit())


def test_rows_are_in_bins_of_declination(files: list[Path]) -> None:
    rows = list(read_lines([path for path in files if path.name.startswith("psc")]))
    order = [(np.floor(float(row[1]) * 10), float(row[0])) for row in rows]
    falls = sum(later < earlier for earlier, later in pairwise(order))
    assert 1 <= falls < 0.004 * ROWS


def test_values_are_within_limits_of_release(files: list[Path]) -> None:
    written = list(read_lines([path for path in files if path.name.startswith("psc")]))
    for fact, column in zip(read_facts("psc_columns.csv"), zip(*written, strict=True), strict=True):
        # With so few rows, distances exceed the limits of the release.
        if fact["name"] == "prox":
            continue
        values = [text for text in column if text != "\\N"]
        assert max(map(len, values)) <= int(fact["text_width_max_all_rows"]), fact["name"]
        if len(values) == len(column):
            assert min(map(len, values)) >= int(fact["text_width_min_all_rows"]), fact["name"]
        if fact["abs_max_all_rows"]:
            largest = max(abs(float(text)) for text in values)
            assert largest <= float(fact["abs_max_all_rows"]), fact["name"]


def test_uncompressed_files_and_progress(tmp_path: Path) -> None:
    progress: list[int] = []
    paths = write_psc(tmp_path, 3_000, compress=False, progress=progress.append)
    assert [path.name for path in paths] == ["psc_aaa", "psc_baa"]
    assert progress[-1] == 3_000
    assert sum(path.read_bytes().count(b"\n") for path in paths) == 3_000
