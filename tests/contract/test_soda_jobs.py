"""Cutouts by jobs: SODA 1.0 section 6 over UWS 1.1."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
import pytest
from lxml import etree

from tests.contract.test_images import ATLAS, CIRCLE, search_sia2
from tests.contract.test_uws import HREF, UWS, read_text, wait_for_end
from vo_server.errors import Code

CIRCLES = ("129.04 19.68 0.004", "129.05 19.66 0.002", "12 13 0.1")
BANDS = ("1e-6 1.3e-6", "2e-6 2.2e-6")


@pytest.fixture
def http(server: Any) -> Iterator[httpx.Client]:
    """Return a client with separate cookies."""
    with httpx.Client(base_url=f"{server.url}/soda", timeout=90) as client:
        yield client


@pytest.fixture(scope="module")
def schema(shared: Any) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(shared / "standards" / "xsd" / "local" / "UWS-v1.1.xsd"))


@pytest.fixture(scope="module")
def ids(client: httpx.Client) -> list[str]:
    """Return the identifiers of the images of a position in J, H and Ks."""
    records = search_sia2(client, ("POS", CIRCLE), ("COLLECTION", ATLAS))
    return [row["obs_publisher_did"] for row in sorted(records, key=lambda row: row["em_min"])]


def create(http: httpx.Client, *parameters: tuple[str, str], run: bool = True) -> str:
    pairs = [*parameters, ("PHASE", "RUN")] if run else list(parameters)
    form = {name: [value for n, value in pairs if n == name] for name, _ in pairs}
    response = http.post("async", data=form)
    assert response.status_code == 303, response.text
    return str(response.headers["location"])


def list_results(http: httpx.Client, job: str) -> list[etree._Element]:
    document = wait_for_end(http, job)
    assert read_text(document, "phase") == "COMPLETED", etree.tostring(document)
    return list(document.iter(f"{UWS}result"))


def test_each_combination_is_a_result(http: httpx.Client, ids: list[str], schema: etree.XMLSchema) -> None:
    chosen = (ids[0], ids[2], "ivo://elsewhere/x")
    parameters = (
        [("ID", id) for id in chosen] + [("CIRCLE", c) for c in CIRCLES[:2]] + [("POS", f"CIRCLE {CIRCLES[2]}")]
    )
    job = create(http, *parameters, *(("BAND", band) for band in BANDS))
    results = list_results(http, job)
    schema.assertValid(etree.fromstring(http.get(job).content))
    schema.assertValid(etree.fromstring(http.get(f"{job}/results").content))
    expected = list(product(chosen, (CIRCLES[2], *CIRCLES[:2]), BANDS))
    assert len(results) == len(expected) == 18
    assert len({result.get("id") for result in results}) == 18
    kinds = []
    for result, (id, circle, band) in zip(results, expected, strict=True):
        url = result.get(HREF)
        assert url == f"{job}/results/{result.get('id')}"
        response = http.get(url)
        assert response.headers["content-type"] == result.get("mime-type")
        assert len(response.content) == int(result.get("size"))
        single = http.get("sync", params={"ID": id, "CIRCLE": circle, "BAND": band})
        kinds.append(single.status_code)
        if single.status_code == 200:
            assert response.content == single.content
            assert response.headers["content-disposition"].endswith('_cut.fits"')
        else:
            assert response.text.startswith("UsageError: ")
            assert result.get("mime-type").startswith("text/plain")
    assert kinds.count(200) == 4
    assert kinds.count(204) == 8
    assert http.get(f"{job}/results/cutout19").status_code == 404


def test_job_returns_pictures(http: httpx.Client, ids: list[str]) -> None:
    job = create(http, ("ID", ids[0]), ("circle", CIRCLES[0]), ("RESPONSEFORMAT", "png"))
    (result,) = list_results(http, job)
    assert result.get("mime-type") == "image/png"
    assert http.get(result.get(HREF)).content.startswith(b"\x89PNG")


def test_sets_parameters_one_by_one(http: httpx.Client, ids: list[str]) -> None:
    job = create(http, ("ID", ids[1]), run=False)
    assert http.get(f"{job}/phase").text == "PENDING"
    assert http.post(f"{job}/parameters", data={"CIRCLE": CIRCLES[0]}).status_code == 303
    assert http.post(f"{job}/phase", data={"PHASE": "RUN"}).status_code == 303
    (result,) = list_results(http, job)
    single = http.get("sync", params={"ID": ids[1], "CIRCLE": CIRCLES[0]})
    assert http.get(result.get(HREF)).content == single.content


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ([], Code.REQUEST_MISSING_PARAMETER),
        ([("ID", "ivo://a/b"), ("CIRCLE", "1 2")], Code.REQUEST_BAD_REGION),
        ([("ID", "ivo://a/b"), ("BAND", "K")], Code.REQUEST_BAD_PARAMETER),
        ([("ID", "ivo://a/b"), ("RESPONSEFORMAT", "gif")], Code.REQUEST_UNSUPPORTED_FORMAT),
        (
            [("ID", f"ivo://a/{n}") for n in range(51)] + [("CIRCLE", f"{n} 2 1") for n in range(20)],
            Code.REQUEST_TOO_LARGE,
        ),
    ],
)
def test_invalid_parameters_fail_job(http: httpx.Client, parameters: list[tuple[str, str]], code: Code) -> None:
    job = create(http, *parameters)
    document = wait_for_end(http, job)
    assert read_text(document, "phase") == "ERROR"
    assert list(document.iter(f"{UWS}result")) == []
    response = http.get(f"{job}/error")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert response.text.startswith("UsageError: ")
    assert response.headers["vo-error-code"] == code


def test_services_have_separate_jobs(http: httpx.Client, server: Any, ids: list[str]) -> None:
    job = create(http, ("ID", ids[0]), run=False)
    assert [entry.get("id") for entry in etree.fromstring(http.get("async").content)] == [job.rpartition("/")[2]]
    assert httpx.get(job.replace("/soda/", "/tap/")).status_code == 404
    assert http.post(f"{job}/phase", data={"PHASE": "ABORT"}).status_code == 303
    assert http.get(f"{job}/phase").text == "ABORTED"
    assert http.delete(job).headers["location"] == f"{server.url}/soda/async"
    assert http.get(job).status_code == 404
