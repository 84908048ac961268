"""pyvo as a client: what a Python user sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pyvo
from pyvo.dal import DALQueryError, SCSService, TAPService
from pyvo.dal.exceptions import DALOverflowWarning

from vo_server.settings import Settings


@pytest.fixture(scope="module")
def tap(server: Any) -> TAPService:
    return TAPService(f"{server.url}/tap")


@pytest.fixture(scope="module")
def cone(server: Any) -> SCSService:
    return SCSService(f"{server.url}/cone/psc?")


def test_query(tap: TAPService) -> None:
    result = tap.run_sync("SELECT TOP 7 designation, ra AS lon, j_m, j_m - k_m AS jk FROM twomass.psc WHERE j_m < 14")
    assert len(result) == 7
    assert result.fieldnames == ("designation", "lon", "j_m", "jk")
    assert all(row["j_m"] < 14 for row in result)
    table = result.to_table()
    assert str(table["j_m"].unit) == "mag"
    assert table["lon"].dtype == "float64"
    assert table["j_m"].dtype == "float32"


def test_aliases_keep_metadata(tap: TAPService) -> None:
    result = tap.run_sync("SELECT TOP 1 ra AS lon, designation AS name, t.j_m FROM twomass.psc AS t")
    lon, name, magnitude = (result.getdesc(field) for field in ("lon", "name", "j_m"))
    assert (lon.unit, lon.ucd) == ("deg", "pos.eq.ra;meta.main")
    assert lon.description.startswith("Right ascension")
    assert name.ucd == "meta.id;meta.main"
    assert magnitude.ucd == "phot.mag;em.IR.J"


def test_search_is_run_sync(tap: TAPService) -> None:
    query = "SELECT TOP 3 pts_key FROM psc ORDER BY pts_key"
    assert list(tap.search(query)["pts_key"]) == list(tap.run_sync(query)["pts_key"])


def test_nulls_are_masked(tap: TAPService) -> None:
    table = tap.run_sync("SELECT TOP 5 ext_key FROM psc WHERE ext_key IS NULL").to_table()
    assert table["ext_key"].mask.all()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT TOP 1 raa FROM psc", "Line 1, column 14: .*raa"),
        ("SELECT FROM psc", "Line 1, column 8"),
        ("SELECT * FROM nowhere", "Line 1, column 15: .*nowhere"),
        ("DROP TABLE psc", "Line 1, column 1"),
    ],
)
def test_errors(tap: TAPService, query: str, message: str) -> None:
    with pytest.raises(DALQueryError, match=message):
        tap.run_sync(query)


def test_error_amid_rows(tap: TAPService) -> None:
    with pytest.raises(DALQueryError, match=r"UsageFault: .*CAST"):
        tap.run_sync("SELECT CAST(pts_key AS SMALLINT) AS small FROM psc")


def test_overflow(tap: TAPService) -> None:
    """Overflow of the user's own limit is reported without a warning."""
    result = tap.run_sync("SELECT ra FROM psc", maxrec=12)
    assert len(result) == 12
    assert result.status[0] == "OVERFLOW"


def test_warns_of_service_limit(sky: Path, listening: Any, tmp_path: Path) -> None:
    with listening(Settings(data=sky, job_results=str(tmp_path), maxrec=12, maxrec_hard=30)) as url:
        service = TAPService(f"{url}/tap")
        with pytest.warns(DALOverflowWarning, match="server limits"):
            assert len(service.run_sync("SELECT ra FROM psc")) == 12
        with pytest.warns(DALOverflowWarning, match="30 records"):
            assert len(service.run_sync("SELECT ra FROM psc", maxrec=100)) == 30


def test_maxrec_of_all_rows_is_no_overflow(tap: TAPService) -> None:
    result = tap.run_sync("SELECT TOP 12 ra FROM psc", maxrec=12)
    assert (len(result), result.status[0]) == (12, "OK")


def test_tables(tap: TAPService) -> None:
    tables = {table.name: table for table in tap.tables}
    assert set(tables) == {
        *(f"twomass.{name}" for name in ("psc", "xsc", "fp_psc", "fp_xsc", "atlas", "quicklook", "stamps")),
        "ivoa.obscore",
        *(f"tap_schema.{name}" for name in ("schemas", "tables", "columns", "keys", "key_columns")),
    }
    psc = tables["twomass.psc"]
    assert [c.name for c in psc.columns][:3] == ["ra", "dec", "err_maj"]
    assert '"date"' in [c.name for c in psc.columns]
    assert len(psc.columns) == 60
    assert "Point sources" in psc.description
    assert [key.targettable for key in psc.foreignkeys] == ["twomass.xsc"]


def test_capabilities(tap: TAPService) -> None:
    assert tap.maxrec == 1_000_000
    assert tap.hardlimit == 100_000_000
    languages = {v.content for c in tap.capabilities for lang in getattr(c, "languages", ()) for v in lang.versions}
    assert languages == {"2.0", "2.1"}


def test_cone(cone: SCSService) -> None:
    result = cone.search(pos=(266.4, -29.0), radius=2.0)
    assert len(result) > 3
    assert result[0].id
    assert abs(result[0].pos.dec.deg + 29) < 2
    assert list(result["dist"]) == sorted(result["dist"])


def test_verbosity(cone: SCSService) -> None:
    widths = [len(cone.search(pos=(10.0, 10.0), radius=1.0, verbosity=verb).fieldnames) for verb in (1, 2, 3)]
    assert widths == sorted(set(widths))
    assert widths[2] == 61


def test_rejects_invalid_cone(cone: SCSService) -> None:
    with pytest.raises(DALQueryError, match=r"SR .*200"):
        cone.search(pos=(10.0, 10.0), radius=200.0)


def test_conesearch_function(server: Any) -> None:
    assert len(pyvo.conesearch(f"{server.url}/cone/xsc?", pos=(0.0, 0.0), radius=60.0)) > 5
