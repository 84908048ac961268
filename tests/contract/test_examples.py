"""The examples: RDFa of the page, results on the synthetic sky, and pyvo as a client."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pyvo
from astropy.table import Table
from lxml import etree

from vo_server.assembly import load_site_catalogue
from vo_server.settings import Settings

VOCABULARY = "http://www.ivoa.net/rdf/examples#"
IDS = [e.id for p in load_site_catalogue(Settings()).collections for e in p.examples]


def fetch_page(client: httpx.Client) -> etree._Element:
    response = client.get("/tap/examples")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html;charset=utf-8")
    return etree.fromstring(response.content)


def find_example(client: httpx.Client, id: str) -> etree._Element:
    (element,) = fetch_page(client).findall(f".//*[@id='{id}']")
    return element


def fetch_rows(client: httpx.Client, id: str) -> Table:
    """Return the result of the link of an example as a table."""
    link = find_example(client, id).find(".//*[@class='run']").get("href")
    page = client.get(link)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html"), page.text
    data = client.get(link.replace("RESPONSEFORMAT=html", "RESPONSEFORMAT=votable"))
    return Table.read(io.BytesIO(data.content), format="votable")


def test_page_has_rdfa(client: httpx.Client) -> None:
    """The page follows DALI 1.1 section 2.3 and TAP 1.1 section 2.6."""
    (scope,) = fetch_page(client).findall(".//*[@vocab]")
    assert scope.get("vocab") == VOCABULARY
    examples = scope.findall(".//*[@typeof='example']")
    assert [e.get("id") for e in examples] == IDS
    assert len(set(IDS)) == 14
    published = {"twomass.psc", "twomass.xsc", "twomass.atlas", "TAP_SCHEMA.columns"}
    for each in examples:
        assert each.get("resource") == f"#{each.get('id')}"
        for name in ("name", "query"):
            (element,) = each.findall(f".//*[@property='{name}']")
            assert element.text
            assert len(element) == 0
        tables = {t.text for t in each.findall(".//*[@property='table']")}
        assert tables
        assert tables <= published | {name.lower() for name in published}
        for parameter in each.findall(".//*[@property='generic-parameter']"):
            assert parameter.get("typeof") == "keyval"
            assert [child.get("property") for child in parameter] == ["key", "value"]


def test_capabilities_have_examples(client: httpx.Client) -> None:
    capabilities = etree.fromstring(client.get("/tap/capabilities").content).findall("capability")
    (capability,) = (c for c in capabilities if c.get("standardID") == "ivo://ivoa.net/std/DALI#examples")
    assert client.get(capability.findtext("interface/accessURL")).status_code == 200
    assert f"{str(client.base_url).rstrip('/')}/tap/examples" in client.get("/").text


def test_only_loaded_tables_have_examples(tmp_path: Path, listening: Any) -> None:
    """Without loaded catalogues, only the example that queries TAP_SCHEMA is offered."""
    with listening(Settings(data=tmp_path)) as url, httpx.Client(base_url=url) as empty:
        assert [e.get("id") for e in fetch_page(empty).findall(".//*[@typeof='example']")] == ["columns"]


@pytest.mark.parametrize("id", IDS)
def test_each_example_finds_rows(client: httpx.Client, id: str) -> None:
    rows = fetch_rows(client, id)
    assert len(rows) >= 3
    for name in rows.colnames:
        assert not np.ma.getmaskarray(rows[name]).all(), f"{name} has no value at all"


def test_results_of_examples(client: httpx.Client) -> None:
    density = fetch_rows(client, "density")
    assert len(set(density["hpx5"])) == len(density) == 1000  # the MAXREC of the link
    nearest = fetch_rows(client, "nearest")
    assert list(nearest["arcsec"]) == sorted(nearest["arcsec"])
    assert len(nearest) == 10
    good = fetch_rows(client, "flags")
    assert float(np.max(good["k_msigcom"])) < 0.15
    colours = fetch_rows(client, "colour-colour")
    assert np.allclose(colours["q"], colours["jh"] - 1.7 * colours["hk"], atol=1e-5)
    galaxies = fetch_rows(client, "galaxies-and-points")
    assert float(np.median(np.ma.compressed(galaxies["core_misses"]))) > 0.3
    crowds = fetch_rows(client, "clusters")
    assert list(crowds["galaxies"]) == sorted(crowds["galaxies"], reverse=True)


def test_example_with_upload(client: httpx.Client) -> None:
    """Each of the 50 uploaded sources matches itself."""
    rows = fetch_rows(client, "upload")
    matches = rows[[n == d for n, d in zip(rows["name"], rows["designation"], strict=True)]]
    assert len(matches) == 50
    assert float(np.max(matches["arcsec"])) < 1e-3


def test_pyvo_runs_examples(server: Any) -> None:
    """pyvo does not read the parameters of an example, so it cannot run the one with an upload."""
    queries = pyvo.dal.TAPService(f"{server.url}/tap").examples
    texts = [query["QUERY"] for query in queries]
    assert len(texts) == 14
    plain = [query for query, text in zip(queries, texts, strict=True) if "TAP_UPLOAD" not in text]
    assert len(plain) == 13
    assert all(len(query.execute().to_table()) >= 3 for query in plain)


OWN_EXAMPLES = """
id = "mine"
description = "A catalogue with examples of its own"
[schema]
name = "mine"
[table]
name = "stars"
[columns.name]
type = "VARCHAR(8)"
description = "Name"
[[examples]]
id = "mine-wrong"
title = "Wrong"
description = "Names a column that does not exist"
query = "SELECT colour FROM mine.stars"
[[examples]]
id = "mine-right"
title = "Right <&>"
description = "Markup & quotes \\" are text"
query = "SELECT COUNT(*) AS n FROM twomass.psc WHERE k_m < 9 AND j_m > 8"
[[examples]]
id = "mine-later"
title = "Later"
description = "Its table is not loaded"
query = "SELECT name FROM mine.stars"
[origin]
title = "Mine"
publisher = "Me"
"""


def test_examples_of_another_observatory(
    sky: Path, tmp_path: Path, listening: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Examples come from catalogue files; an invalid one is left out and logged."""
    (tmp_path / "mine.toml").write_text(OWN_EXAMPLES, encoding="utf-8")
    with listening(Settings(data=sky, schemas=str(tmp_path))) as url, httpx.Client(base_url=url) as client:
        ids = [e.get("id") for e in fetch_page(client).findall(".//*[@typeof='example']")]
        assert ids == [*IDS[:12], "mine-right", *IDS[12:]], "inventories of images come last"
        element = find_example(client, "mine-right")
        assert element.findtext("{*}h2") == "Right <&>"
        assert re.search(r"k_m < 9 AND j_m > 8", element.findtext("{*}pre"))
    assert "mine-wrong is left out" in caplog.text
    assert "no column colour" in caplog.text
