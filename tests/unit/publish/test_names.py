"""The normalisation and the guesses of names, units and UCDs: tables of inputs and results."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vo_server.catalogue.names import is_regular
from vo_server.model import types
from vo_server.model.types import Type
from vo_server.publish.known_names import BANDS, MEANINGS, UCD1
from vo_server.publish.names import MAX_NAME_LENGTH, derive_table_name, normalise_name, normalise_names
from vo_server.publish.ucds import guess_ucd, is_valid_ucd, normalise_ucd, set_main
from vo_server.publish.units import normalise_unit
from vo_server.sky.units import parse_unit


@pytest.mark.parametrize(
    ("written", "called"),
    [
        ("RAJ2000", "RAJ2000"),
        ("_RAJ2000", "c_RAJ2000"),
        ("2MASS", "c_2MASS"),
        ("date", "date_"),
        ("SIZE", "SIZE_"),
        ("K.ext", "K_ext"),
        ("B-V", "B_V"),
        ("  two  words ", "c_two_words"),
        ("coord.ra", "coord_ra"),
        ("α (J2000)", "alpha_J2000"),
        ("Größe", "Grosse"),
        ("[Fe/H]", "c_Fe_H"),
        ("日本", "c"),
        ("", "c"),
    ],
)
def test_normalises_name(written: str, called: str) -> None:
    assert normalise_name(written) == called


@given(st.lists(st.text(max_size=80)))
def test_any_names_become_distinct_regular_names(written: list[str]) -> None:
    made = normalise_names(written)
    assert len({name.lower() for name in made}) == len(written)
    assert all(is_regular(name) and len(name) <= MAX_NAME_LENGTH + 12 for name in made)


def test_numbers_names_that_differ_only_in_case() -> None:
    assert normalise_names(["ra", "RA", "Ra", "x y", "x-y", "RA_2"]) == ["ra", "RA_3", "Ra_4", "x_y", "x_y_2", "RA_2"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("stars.fits", "stars"),
        ("II_246-out.fits.gz", "ii_246_out"),
        ("2mass.vot", "c_2mass"),
        ("my stars v1.2.csv", "my_stars_v1_2"),
        ("table.csv", "table_"),
    ],
)
def test_derives_table_name_from_file(file: str, name: str) -> None:
    assert derive_table_name(file) == name


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("deg", "deg"),
        ("degrees", "deg"),
        ("Degree", "deg"),
        ("arcseconds", "arcsec"),
        ("km s-1", "km/s"),
        ("km/s", "km/s"),
        ("mas / yr", "mas/yr"),
        ("mas.yr-1", "mas/yr"),
        ("mas.yr**-1", "mas.yr**-1"),
        ("erg/s/cm^2", "erg/(s.cm**2)"),
        ("erg / (s cm2)", "erg/(s.cm**2)"),
        ("W m-2 Hz-1", "W/(Hz.m**2)"),
        ("Angstrom", "Angstrom"),
        ("Angstroms", "Angstrom"),
        ("µm", "um"),
        ("Msun", "solMass"),
        ("counts", "count"),
        ("days", "d"),
        ("mag(AB)", "mag"),
        ("", None),
        (None, None),
        ("--", None),
        ("unitless", None),
        ('"h:m:s"', None),
    ],
)
def test_normalises_unit(written: str | None, made: str | None) -> None:
    found, why = normalise_unit(written)
    assert found == made
    assert (why is None) == (found is None or found == written)
    if found is not None:
        parse_unit(found)


@pytest.mark.parametrize("written", ["foo", "jdate", "km per second", "log(cm.s**-2)"])
def test_rejects_unknown_unit(written: str) -> None:
    assert normalise_unit(written)[0] is None
    assert repr(written) in str(normalise_unit(written)[1])


@given(st.text(max_size=30))
def test_any_text_gives_unit_or_none(written: str) -> None:
    found, _ = normalise_unit(written)
    if found is not None:
        parse_unit(found)


def test_guessed_ucds_are_valid() -> None:
    bands = (f"phot.mag;{band}" for band in BANDS.values())
    wrong = [u for u in (*(m.ucd for m in MEANINGS), *UCD1.values(), *bands) if not is_valid_ucd(u)]
    assert wrong == []


NUMBER, WHOLE, TEXT = types.REAL, types.BIGINT, types.VARCHAR


@pytest.mark.parametrize(
    ("name", "unit", "kind", "ucd"),
    [
        ("RAJ2000", "deg", NUMBER, "pos.eq.ra"),
        ("_DEJ2000", "deg", NUMBER, "pos.eq.dec"),
        ("coord_ra", "deg", NUMBER, "pos.eq.ra"),
        ("ra", None, TEXT, None),
        ("glon", "deg", NUMBER, "pos.galactic.lon"),
        ("pmRA", "mas/yr", NUMBER, "pos.pm;pos.eq.ra"),
        ("pmra_error", "mas/yr", NUMBER, "stat.error;pos.pm;pos.eq.ra"),
        ("parallax", "mas", NUMBER, "pos.parallax.trig"),
        ("snr_err", None, NUMBER, "stat.error"),
        ("ra_error", "deg", NUMBER, "stat.error;pos.eq.ra"),
        ("err_maj", "arcsec", NUMBER, "phys.angSize.smajAxis;pos.errorEllipse"),
        ("e_Plx", "mas", NUMBER, "stat.error;pos.parallax.trig"),
        ("Vmag", None, NUMBER, "phot.mag;em.opt.V"),
        ("e_Vmag", "mag", NUMBER, "stat.error;phot.mag;em.opt.V"),
        ("j_m", "mag", NUMBER, "phot.mag;em.IR.J"),
        ("j_m", None, NUMBER, None),
        ("W1mag", "mag", NUMBER, "phot.mag;em.IR.3-4um"),
        ("phot_g_mean_mag", "mag", NUMBER, "phot.mag;em.opt"),
        ("MAGERR_AUTO", "mag", NUMBER, "stat.error;phot.mag"),
        ("anything", "mag", NUMBER, "phot.mag"),
        ("F160W", "mJy", NUMBER, "phot.flux.density"),
        ("z", None, NUMBER, "src.redshift"),
        ("z", "mag", NUMBER, "phot.mag;em.opt.I"),
        ("zphot", None, NUMBER, "src.redshift.phot"),
        ("RV", "km/s", NUMBER, "spect.dopplerVeloc"),
        ("Teff", "K", NUMBER, "phys.temperature.effective"),
        ("source_id", None, WHOLE, "meta.id"),
        ("Name", None, TEXT, "meta.id"),
        ("Qflg", None, TEXT, "meta.code.qual"),
        ("SpType", None, TEXT, "src.spType"),
        ("MJD", "d", NUMBER, "time.epoch"),
        ("density", None, NUMBER, None),
        ("design", None, TEXT, None),
        ("decision", None, NUMBER, None),
        ("spectrum", "Jy", types.ARRAYS[0], None),
    ],
)
def test_guesses_ucd_of_name(name: str, unit: str | None, kind: Type, ucd: str | None) -> None:
    assert guess_ucd(name, unit, kind)[0] == ucd


@pytest.mark.parametrize(
    ("written", "ucd", "said"),
    [
        ("pos.eq.ra;meta.main", "pos.eq.ra;meta.main", None),
        ("POS_EQ_RA_MAIN", "pos.eq.ra;meta.main", "the file says 'POS_EQ_RA_MAIN', a UCD1"),
        ("PHOT_JHN_K", "phot.mag;em.IR.K", "the file says 'PHOT_JHN_K', a UCD1"),
        ("pos.eq.nonsense", None, "the file says 'pos.eq.nonsense', which is not UCD1+"),
        ("", None, None),
        (None, None, None),
    ],
)
def test_normalises_ucd(written: str | None, ucd: str | None, said: str | None) -> None:
    assert normalise_ucd(written) == (ucd, said)


def test_sets_main_ucd() -> None:
    assert set_main("pos.eq.ra", True) == set_main("pos.eq.ra;meta.main", True) == "pos.eq.ra;meta.main"
    assert set_main("pos.eq.ra;meta.main", False) == "pos.eq.ra"
    assert set_main(None, True) is None
