"""The image services over PostgreSQL: the same responses as with DuckDB, and errors without pgSphere."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import Listening
from vo_server.__main__ import main
from vo_server.engines import postgres_generations
from vo_server.errors import Code
from vo_server.settings import Settings

pytestmark = pytest.mark.slow

BY_PLACE = [
    "/sia1/atlas?POS=129.1,19.6&SIZE=0",
    "/sia1/atlas?POS=129.1,19.6&SIZE=0.1&FORMAT=image/fits",
    "/sia1/atlas?POS=129.1,19.6&SIZE=1&INTERSECT=ENCLOSED&FORMAT=image/fits",
    "/sia1/atlas?POS=129.1,19.6&SIZE=0.05&INTERSECT=COVERS&FORMAT=image/fits",
    "/sia1/quicklook?POS=129.1,19.6&SIZE=0.2&INTERSECT=CENTER&band=K",
    "/sia2/query?POS=CIRCLE+129.1+19.6+0.1",
    "/sia2/query?POS=RANGE+129+129.2+19.5+19.7&POS=CIRCLE+10+10+1",
    "/sia2/query?POS=POLYGON+129+19.5+129.2+19.5+129.2+19.7&BAND=2.15e-6",
]
OTHERWISE = [
    "/sia1/atlas?band=K&date=980128&FORMAT=image/fits",
    "/sia2/query?COLLECTION=2MASS+All-Sky+Atlas&BAND=1.2e-6&TIME=50841+50843",
    "/sia2/query?FOV=0.3+0.4&SPATRES=1+5&EXPTIME=7+8",
]
FORMAT = "&RESPONSEFORMAT=csv&MAXREC=1000"


@pytest.fixture(scope="module")
def engines(postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Settings]:
    """Load the same small sky into both databases, with the same files."""
    duckdb_folder, postgresql_folder = (tmp_path_factory.mktemp(name) for name in ("duckdb", "postgresql"))
    assert main(["demo", "--no-serve", "--rows", "2000", "--data", str(duckdb_folder)]) == 0
    shutil.copytree(duckdb_folder / "images", postgresql_folder / "images")
    assert main(["demo", "--no-serve", "--rows", "2000", "--data", str(postgresql_folder), "--engine", postgresql]) == 0
    return Settings(data=duckdb_folder), Settings(data=postgresql_folder, engine=postgresql)


@pytest.fixture(scope="module")
def both(engines: tuple[Settings, Settings], listening: Listening) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    with (
        listening(engines[0]) as duckdb_url,
        listening(engines[1]) as postgresql_url,
        httpx.Client(base_url=duckdb_url, timeout=60) as one,
        httpx.Client(base_url=postgresql_url, timeout=60) as other,
    ):
        yield one, other


def rows(client: httpx.Client, url: str) -> list[dict[str, str]]:
    response = client.get(url + FORMAT)
    assert response.status_code == 200, response.text
    text = response.text.replace(str(client.base_url).rstrip("/"), "")
    return sorted(csv.DictReader(text.splitlines()), key=lambda row: sorted(row.items()))


def assert_same(a: str, b: str) -> bool:
    """Assert the same text, or the same numbers to the last digits."""
    one, other = a.replace(",", " ").split(), b.replace(",", " ").split()
    return len(one) == len(other) and all(x == y or _assert_close(x, y) for x, y in zip(one, other, strict=True))


def _assert_close(a: str, b: str) -> bool:
    try:
        return float(a) == pytest.approx(float(b), rel=1e-12, abs=1e-12)
    except ValueError:
        return False


@pytest.mark.parametrize("url", [*BY_PLACE, *OTHERWISE])
def test_engines_give_same_responses(both: tuple[httpx.Client, httpx.Client], url: str) -> None:
    if generations_lack_pgsphere(both[1]):
        pytest.skip("pgSphere is not installed (Debian: apt install postgresql-15-pgsphere, or of another version)")
    duckdb_rows, postgresql_rows = (rows(client, url) for client in both)
    assert len(duckdb_rows) == len(postgresql_rows) and (duckdb_rows or "COVERS" in url)
    for one, other in zip(duckdb_rows, postgresql_rows, strict=True):
        assert one.keys() == other.keys()
        assert [name for name in one if not assert_same(one[name], other[name])] == []


@pytest.fixture(scope="module")
def without_pgsphere(engines: tuple[Settings, Settings], listening: Listening) -> Iterator[httpx.Client]:
    """Return a client of a server over PostgreSQL without pgSphere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_generations, "_find_pgsphere", lambda link: None)
        with listening(engines[1]) as base, httpx.Client(base_url=base, timeout=60, follow_redirects=True) as client:
            assert generations_lack_pgsphere(client)
            patch.undo()
            yield client


def generations_lack_pgsphere(client: httpx.Client) -> bool:
    return "POLYGON" not in client.get("/tap/capabilities").text


@pytest.mark.parametrize("url", [*BY_PLACE, "/preview?POS=129.1,19.6&SIZE=0.02", "/images/?pos=129.1,19.6&size=0.1"])
def test_rejects_regions_without_pgsphere(without_pgsphere: httpx.Client, url: str) -> None:
    response = without_pgsphere.get(url)
    assert response.status_code in (200, 400)  # SIA 1.0 reports its errors with 200
    assert response.status_code == 400 or 'value="ERROR"' in response.text
    assert response.headers["vo-error-code"] == Code.ADQL_UNKNOWN_FUNCTION
    assert "pgSphere" in response.text


@pytest.mark.parametrize("url", OTHERWISE)
def test_other_searches_work_without_pgsphere(without_pgsphere: httpx.Client, url: str) -> None:
    assert rows(without_pgsphere, url)


def test_stamps_need_pgsphere(
    engines: tuple[Settings, Settings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(postgres_generations, "_find_pgsphere", lambda link: None)
    settings = engines[1]
    assert main(["stamps", "--again", "--data", str(settings.data), "--engine", settings.engine]) != 0
    assert "pgSphere" in capsys.readouterr().err
