"""Cutouts by jobs: SODA 1.0 section 6 over UWS 1.1."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
import pytest
from lxml import etree

from tests.contract.test_images import ATLAS, CIRCLE, sia2
from tests.contract.test_uws import HREF, UWS, read_text, wait_for_end

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
    found = sia2(client, ("POS", CIRCLE), ("COLLECTION", ATLAS))
    return [row["obs_publisher_did"] for row in sorted(found, key=lambda row: row["em_min"])]


def create(http: httpx.Client, *given: tuple[str, str], run: bool = True) -> str:
    pairs = [*given, ("PHASE", "RUN")] if run else list(given)
    form = {name: [value for n, value in pairs if n == name] for name, _ in pairs}
    answer = http.post("async", data=form)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def results(http: httpx.Client, job: str) -> list[etree._Element]:
    found = wait_for_end(http, job)
    assert read_text(found, "phase") == "COMPLETED", etree.tostring(found)
    return list(found.iter(f"{UWS}result"))


def test_each_combination_is_a_result(http: httpx.Client, ids: list[str], schema: etree.XMLSchema) -> None:
    chosen = (ids[0], ids[2], "ivo://elsewhere/x")
    given = [("ID", id) for id in chosen] + [("CIRCLE", c) for c in CIRCLES[:2]] + [("POS", f"CIRCLE {CIRCLES[2]}")]
    job = create(http, *given, *(("BAND", band) for band in BANDS))
    made = results(http, job)
    schema.assertValid(etree.fromstring(http.get(job).content))
    schema.assertValid(etree.fromstring(http.get(f"{job}/results").content))
    wanted = list(product(chosen, (CIRCLES[2], *CIRCLES[:2]), BANDS))
    assert len(made) == len(wanted) == 18
    assert len({result.get("id") for result in made}) == 18
    kinds = []
    for result, (id, circle, band) in zip(made, wanted, strict=True):
        url = result.get(HREF)
        assert url == f"{job}/results/{result.get('id')}"
        answer = http.get(url)
        assert answer.headers["content-type"] == result.get("mime-type")
        assert len(answer.content) == int(result.get("size"))
        alone = http.get("sync", params={"ID": id, "CIRCLE": circle, "BAND": band})
        kinds.append(alone.status_code)
        if alone.status_code == 200:
            assert answer.content == alone.content
            assert answer.headers["content-disposition"].endswith('_cut.fits"')
        else:
            assert answer.text.startswith("UsageError: ")
            assert result.get("mime-type").startswith("text/plain")
    assert kinds.count(200) == 4
    assert kinds.count(204) == 8
    assert http.get(f"{job}/results/cutout19").status_code == 404


def test_job_returns_pictures(http: httpx.Client, ids: list[str]) -> None:
    job = create(http, ("ID", ids[0]), ("circle", CIRCLES[0]), ("RESPONSEFORMAT", "png"))
    (result,) = results(http, job)
    assert result.get("mime-type") == "image/png"
    assert http.get(result.get(HREF)).content.startswith(b"\x89PNG")


def test_sets_parameters_one_by_one(http: httpx.Client, ids: list[str]) -> None:
    job = create(http, ("ID", ids[1]), run=False)
    assert http.get(f"{job}/phase").text == "PENDING"
    assert http.post(f"{job}/parameters", data={"CIRCLE": CIRCLES[0]}).status_code == 303
    assert http.post(f"{job}/phase", data={"PHASE": "RUN"}).status_code == 303
    (result,) = results(http, job)
    alone = http.get("sync", params={"ID": ids[1], "CIRCLE": CIRCLES[0]})
    assert http.get(result.get(HREF)).content == alone.content


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "UsageError: ID is missing"),
        ([("ID", "ivo://a/b"), ("CIRCLE", "1 2")], "UsageError: CIRCLE: a CIRCLE has 3 numbers"),
        ([("ID", "ivo://a/b"), ("BAND", "K")], "UsageError: BAND has 'K'"),
        ([("ID", "ivo://a/b"), ("RESPONSEFORMAT", "gif")], "UsageError: RESPONSEFORMAT 'gif'"),
        (
            [("ID", f"ivo://a/{n}") for n in range(51)] + [("CIRCLE", f"{n} 2 1") for n in range(20)],
            "1,020 cutouts; the limit is 1,000",
        ),
    ],
)
def test_invalid_parameters_fail_job(http: httpx.Client, given: list[tuple[str, str]], words: str) -> None:
    job = create(http, *given)
    found = wait_for_end(http, job)
    assert read_text(found, "phase") == "ERROR"
    assert list(found.iter(f"{UWS}result")) == []
    answer = http.get(f"{job}/error")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert answer.text.startswith("UsageError: ")
    assert words in answer.text


def test_services_have_separate_jobs(http: httpx.Client, server: Any, ids: list[str]) -> None:
    job = create(http, ("ID", ids[0]), run=False)
    assert [entry.get("id") for entry in etree.fromstring(http.get("async").content)] == [job.rpartition("/")[2]]
    assert httpx.get(job.replace("/soda/", "/tap/")).status_code == 404
    assert http.post(f"{job}/phase", data={"PHASE": "ABORT"}).status_code == 303
    assert http.get(f"{job}/phase").text == "ABORTED"
    assert http.delete(job).headers["location"] == f"{server.url}/soda/async"
    assert http.get(job).status_code == 404
