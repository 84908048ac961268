"""Drafts from the values of a file: positions, types, identifiers, nulls."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vo_server.__main__ import main
from vo_server.assembly import load_site_catalogue
from vo_server.catalogue.catalogue import Collection
from vo_server.errors import Code
from vo_server.publish.draft import Draft, draft_catalogue
from vo_server.publish.position import NoPosition, PositionColumns
from vo_server.publish.profile import profile_file
from vo_server.settings import Settings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Return a function that runs a command in an empty folder: exit code, output and error output."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("VO_SERVER_")]:
        monkeypatch.delenv(name)
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main([*arguments, *(["--no-check"] if arguments[0] == "publish" else [])])
        said = capsys.readouterr()
        return code, said.out, said.err

    yield run
    signal.signal(signal.SIGTERM, before)


def csv(text: str) -> Draft:
    Path("t.csv").write_text(text)
    return draft_catalogue(profile_file("t.csv"), "t", None)


def parquet(**columns: Any) -> Draft:
    units = {name: values[1] for name, values in columns.items() if isinstance(values, tuple)}
    arrays = {name: pa.array(values[0] if isinstance(values, tuple) else values) for name, values in columns.items()}
    fields = [pa.field(n, a.type, metadata={"unit": units[n]} if n in units else None) for n, a in arrays.items()]
    pq.write_table(pa.table(list(arrays.values()), schema=pa.schema(fields)), "t.parquet")
    return draft_catalogue(profile_file("t.parquet"), "t", None)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def types(draft: Draft) -> dict[str, str]:
    return {c.name: c.type.value for c in draft.columns}


# -------------------------------------------------------------- positions


@pytest.mark.parametrize(
    ("ra", "dec"),
    [
        ("ra", "dec"),
        ("RA", "DEC"),
        ("ra", "decl"),
        ("RAJ2000", "DEJ2000"),
        ("_RAJ2000", "_DEJ2000"),
        ("RA_ICRS", "DE_ICRS"),
        ("RAdeg", "DEdeg"),
        ("ALPHA_J2000", "DELTA_J2000"),
        ("coord_ra", "coord_dec"),
        ("s_ra", "s_dec"),
        ("Right Ascension", "Declination"),
        ("raMean", "decMean"),
    ],
)
def test_finds_position_by_common_names(ra: str, dec: str) -> None:
    draft = parquet(**{"n": [1, 2], ra: [10.5, 350.0], dec: [-89.0, 20.5]})
    shown = {c.source: c.name for c in draft.columns}
    assert isinstance(draft.position, PositionColumns)
    assert (draft.position.ra, draft.position.dec) == (shown[ra], shown[dec])
    by_name = {c.name: c for c in draft.columns}
    assert (by_name[shown[ra]].unit.value, by_name[shown[ra]].ucd.value) == ("deg", "pos.eq.ra;meta.main")
    assert draft.test_position == (10.5, -89.0)


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (
            {"ra": ["10:20:30.1"], "dec": ["-20:10:05"]},
            "ra is text",
        ),
        ({"ra": ([0.5], "rad"), "dec": ([0.1], "rad")}, "ra is in 'rad'"),
        ({"ra": ([5.5], "h"), "dec": ([0.1], "deg")}, "ra is in 'h'"),
        ({"ra": [-10.5], "dec": [0.1]}, "ra has values from -10.5 to -10.5"),
        ({"ra": [10.5], "dec": [90.1]}, "dec has values from 90.1 to 90.1"),
        ({"ra1950": [1.0], "ra": [1.0], "x": [2.0]}, "no two columns have names, UCDs and values of right"),
        ({"l": [1.0], "b": [2.0]}, "l and b are galactic: add columns of right ascension and declination"),
        ({"GLON": [1.0], "GLAT": [2.0], "m": [3.0]}, "GLON and GLAT are galactic"),
        ({"elon": [1.0], "elat": [2.0]}, "elon and elat are ecliptic"),
        ({"x": [1.0], "y": [2.0]}, "no two columns have names, UCDs and values of right ascension and declination"),
    ],
)
def test_explains_missing_position(columns: dict[str, Any], why: str) -> None:
    draft = parquet(**columns)
    assert isinstance(draft.position, NoPosition)
    assert draft.position.why.startswith(why)
    assert draft.test_position is None


def test_suspects_hours() -> None:
    draft = parquet(n=[1, 2, 3], ra=[0.5, 12.0, 23.9], dec=[1.0, 2.0, 3.0])
    assert isinstance(draft.position, PositionColumns)
    assert draft.position.why.endswith("is it in hours?")


def test_integer_position_becomes_double() -> None:
    assert types(csv("id,ra,dec\n1,10,20\n2,11,21\n")) == {
        "id": "INTEGER",
        "ra": "DOUBLE PRECISION",
        "dec": "DOUBLE PRECISION",
    }


# ------------------------------------------------------------------ types


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ("1 2 3", "INTEGER"),
        ("1 2 3000000000", "BIGINT"),
        ("1 2.5 3", "DOUBLE PRECISION"),
        ("1 null 3", "INTEGER"),
        ("1e3 NaN 3", "DOUBLE PRECISION"),
        ("007 012 100", "VARCHAR(*)"),
        ("1 x 3", "VARCHAR(*)"),
        ("10000000000000000000 1 2", "VARCHAR(*)"),
        ("2020-01-01 2021-12-31 2022-02-28", "DATE"),
        ("2020-01-01T10:00:00 2021-12-31T00:00:00.5 2022-02-28T01:02:03", "TIMESTAMP"),
        ("true false true", "BOOLEAN"),
        ("null null null", "VARCHAR(*)"),
        ("ä ö ü", "UNICODE"),
        ("1 2020-01-01 2", "VARCHAR(*)"),
    ],
)
def test_infers_type_of_values(values: str, kind: str) -> None:
    rows = [f"{n},{n + 0.5},{v}" for n, v in enumerate(values.split())]
    assert types(csv("\n".join(["ra,dec,it", *rows])))["it"] == kind


def test_infers_type_from_late_values() -> None:
    """The file is read in chunks of some megabytes: the deviating value is in a later one."""
    many = "".join(f"{n},10.5,{n % 90},0\n" for n in range(500_000))
    made = types(csv(f"id,ra,dec,it\n{many}500000,1.5,2.5,late\n"))
    assert made == {"id": "INTEGER", "ra": "DOUBLE PRECISION", "dec": "DOUBLE PRECISION", "it": "VARCHAR(*)"}


@pytest.mark.parametrize("null", ["-", "--", "N/A", "None"])
def test_infers_text_of_missing_numbers(run: Run, null: str) -> None:
    draft = csv(f"id,ra,dec,mag\n1,10,20,5.5\n2,11,21,{null}\n")
    assert types(draft)["mag"] == "DOUBLE PRECISION"
    assert draft.null is not None
    assert draft.null.value == null
    assert run("publish", "t.csv", "--name", "t")[0] == 0
    assert "missing" in run("catalogues", "t")[1].splitlines()[0]
    assert run("catalogues", "t")[1].splitlines()[4].split()[-2:] == ["5.5", "1"]


def test_explains_text_type() -> None:
    draft = csv("id,ra,dec,mag\n1,10,20,5.5\n2,11,21,5.5:\n")
    (mag,) = (c for c in draft.columns if c.name == "mag")
    assert "'5.5:'" in str(mag.type.why)


# ------------------------------------------------------- names of the rows


def test_finds_identifier() -> None:
    draft = parquet(ra=[1.0, 2.0], dec=[1.0, 2.0], flag=["a", "b"], name=["x", "y"], source_id=[7, 8])
    assert draft.identifier is not None
    assert (draft.identifier.value, draft.number) == ("source_id", None)


@pytest.mark.parametrize("names", [["x", "x"], ["x", None]])
def test_numbers_rows_without_identifier(names: list[str | None]) -> None:
    draft = parquet(ra=[1.0, 2.0], dec=[1.0, 2.0], name=names, recno=[1.5, 1.5])
    assert draft.identifier is not None
    assert (draft.identifier.value, draft.number) == ("recno_2", "recno_2")


def test_numbers_rows_in_file_order(run: Run) -> None:
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 50_000), rng.uniform(-90, 90, 50_000)
    pq.write_table(pa.table({"ra": ra, "dec": dec}), "t.parquet")
    assert run("publish", "t.parquet")[0] == 0
    assert run("load", "t", "t.parquet", "--append")[0] == 0
    _, out, _ = run("catalogues", "t")
    assert out.splitlines()[1].split() == ["recno", "BIGINT", "meta.id;meta.main", "1", "to", "100000", "0"]


# ------------------------------------------------------------ the command


def published(id: str) -> Collection:
    return load_site_catalogue(Settings()).get_collection(id)


STARS = "name,ra,dec,v_mag\nSirius,101.287155,-16.716116,-1.46\nCanopus,95.987958,-52.695661,-0.74\n"


def test_checks_service_afterwards(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    Path("stars.csv").write_text(STARS)
    assert main(["publish", "stars.csv"]) == 0
    assert "checked: no findings in" in capsys.readouterr().err


def test_dry_run_writes_nothing(run: Run) -> None:
    Path("stars.csv").write_text(STARS)
    code, out, _ = run("publish", "stars.csv", "--dry-run", "--title", 'Some "bright" stars')
    assert code == 0
    assert 'title = "Some \\"bright\\" stars"\n' in out
    assert not list(Path().glob("data/**/*.toml"))


def test_writes_into_folder_of_catalogue_files(run: Run, tmp_path: Path) -> None:
    Path("stars.csv").write_text(STARS)
    Path("mine").mkdir()
    code, _, said = run("publish", "stars.csv", "--schemas", "mine", "--no-load")
    assert code == 0
    assert "mine/stars.toml: 4 columns" in said
    assert Path("mine/stars.toml").exists()
    assert not Path("data/catalogues/stars").exists()


def test_keeps_existing_file_without_force(run: Run) -> None:
    Path("stars.csv").write_text(STARS)
    assert run("publish", "stars.csv")[0] == 0
    before = Path("data/catalogues/stars.toml").read_text()
    code, _, said = run("publish", "stars.csv", "--title", "Other")
    assert (code, Path("data/catalogues/stars.toml").read_text()) == (2, before)
    assert "stars.toml" in said
    assert f"[{Code.CATALOGUE_INVALID}]" in said
    assert "--force" in said
    assert run("publish", "stars.csv", "--title", "Other", "--force")[0] == 0
    assert published("stars").table.title == "Other"


def test_keeps_existing_table_if_file_is_unreadable(run: Run) -> None:
    Path("stars.csv").write_text(STARS)
    assert run("publish", "stars.csv")[0] == 0
    before = sorted(p.name for p in Path("data/catalogues").iterdir())
    Path("stars.csv").write_text("")
    assert run("publish", "stars.csv", "--force")[0] == 1
    assert sorted(p.name for p in Path("data/catalogues").iterdir()) == before


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("psc", "twomass.psc"),
        ("my stars", "'my stars'"),
        ("select", "'select'"),
    ],
)
def test_rejects_invalid_names(run: Run, name: str, fragment: str) -> None:
    Path("stars.csv").write_text(STARS)
    code, _, errors = run("publish", "stars.csv", "--name", name)
    assert code == 2
    assert fragment in errors


BAD: dict[str, tuple[bytes, str]] = {
    "empty.csv": (b"", "empty.csv "),
    "norows.csv": (b"ra,dec\n", "norows.csv "),
    "nonames.csv": (b"1.5,2.5\n3,4\n", "line 1 of nonames.csv "),
    "image.fits": (b"", "image.fits "),
    "cut.parquet": (b"PAR1 and no more", "cut.parquet "),
    "cut.vot": (b"<?xml version='1.0'?><VOTABLE><RESOURCE><TABLE>", "cut.vot: "),
    "cut.csv.gz": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "cut.csv.gz "),
    "noise": (bytes(range(256)), "noise "),
}


@pytest.mark.parametrize("name", BAD)
def test_reports_invalid_file_in_one_line(run: Run, name: str) -> None:
    content, fragment = BAD[name]
    if name == "image.fits":
        fits.PrimaryHDU(np.zeros((2, 2))).writeto(name)
    else:
        Path(name).write_bytes(content)
    code, out, errors = run("publish", name, "--name", "t")
    assert (code, out, len(errors.splitlines())) == (1, "", 1)
    assert errors.startswith("vo-server: ")
    assert fragment in errors
    assert not list(Path().glob("data/catalogues/t*"))


def test_names_and_skips_invalid_row(run: Run) -> None:
    Path("stars.csv").write_text(STARS + "Vega,,38.78,0.03\n")
    code, _, said = run("publish", "stars.csv")
    assert code == 1
    assert "stars.csv, line 4, column ra: " in said
    assert "vo-server load stars stars.csv" in said
    code, _, said = run("publish", "stars.csv", "--force", "--on-error", "skip")
    assert code == 3
    assert "2 rows loaded" in said


def test_publishes_table_without_position(run: Run) -> None:
    Path("t.csv").write_text("id,l,b\n1,2.5,3.5\n2,3.5,4.5\n")
    code, _, said = run("publish", "t.csv")
    assert code == 0
    assert "l and b are galactic" in said
    assert published("t").cone is None


def test_rejects_complex_numbers(run: Run) -> None:
    from astropy.table import Table

    Table({"ra": [1.0], "dec": [2.0], "amp": [1 + 2j]}).write("t.fits")
    code, _, said = run("publish", "t.fits")
    assert code == 1
    assert "column amp " in said
    assert "LOAD.UNREADABLE" in said


# ------------------------------------------------ any file gives a good draft


NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=6)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES, WORDS, WORDS, st.booleans())
@example(["0"], "\x07", "\x08", False)
def test_any_names_and_texts_give_valid_file(
    tmp_path: Path, names: list[str], unit: str, description: str, placed: bool
) -> None:
    """Any names, units and descriptions give a valid catalogue file."""
    told = {"unit": unit, "description": description, "ucd": description}
    plain = [n for n in dict.fromkeys(names) if n and "\0" not in n]
    fields = [pa.field(n, pa.float64(), metadata=told) for n in plain]
    if placed:
        fields += [pa.field(n, pa.float64()) for n in ("ra", "dec") if n not in plain]
    path = tmp_path / "t.parquet"
    if not fields:
        return
    pq.write_table(pa.table([[1.5, 2.5]] * len(fields), schema=pa.schema(fields)), path)
    data = tmp_path / "data"
    flags = ["--data", str(data), "--force", "--no-check", f"--title={unit or 't'}"]
    assert main(["publish", str(path), *flags]) == 0
    table = load_site_catalogue(Settings(data=data)).get_collection("t").table
    assert len(table.columns) - len(fields) in (0, 1)
