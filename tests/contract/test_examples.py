"""The examples: well-formed RDFa, each runs on the synthetic sky and finds something, and pyvo reads them."""

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


def page(client: httpx.Client) -> etree._Element:
    answer = client.get("/tap/examples")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html;charset=utf-8")
    return etree.fromstring(answer.content)


def example(client: httpx.Client, id: str) -> etree._Element:
    (found,) = page(client).findall(f".//*[@id='{id}']")
    return found


def rows(client: httpx.Client, id: str) -> Table:
    """The answer that the link of an example leads to, as a table."""
    link = example(client, id).find(".//*[@class='run']").get("href")
    shown = client.get(link)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html"), shown.text
    data = client.get(link.replace("RESPONSEFORMAT=html", "RESPONSEFORMAT=votable"))
    return Table.read(io.BytesIO(data.content), format="votable")


def test_the_document(client: httpx.Client) -> None:
    """As DALI 1.1 section 2.3 and TAP 1.1 section 2.6 have it."""
    (scope,) = page(client).findall(".//*[@vocab]")
    assert scope.get("vocab") == VOCABULARY
    examples = scope.findall(".//*[@typeof='example']")
    assert [e.get("id") for e in examples] == IDS
    assert len(set(IDS)) == 14
    published = {"twomass.psc", "twomass.xsc", "twomass.atlas", "TAP_SCHEMA.columns"}
    for each in examples:
        assert each.get("resource") == f"#{each.get('id')}"
        for name in ("name", "query"):
            (one,) = each.findall(f".//*[@property='{name}']")
            assert one.text
            assert len(one) == 0
        asked = {t.text for t in each.findall(".//*[@property='table']")}
        assert asked
        assert asked <= published | {name.lower() for name in published}
        for parameter in each.findall(".//*[@property='generic-parameter']"):
            assert parameter.get("typeof") == "keyval"
            assert [child.get("property") for child in parameter] == ["key", "value"]


def test_it_is_announced(client: httpx.Client) -> None:
    found = etree.fromstring(client.get("/tap/capabilities").content).findall("capability")
    (own,) = (c for c in found if c.get("standardID") == "ivo://ivoa.net/std/DALI#examples")
    assert client.get(own.findtext("interface/accessURL")).status_code == 200
    assert f"{str(client.base_url).rstrip('/')}/tap/examples" in client.get("/").text


def test_nothing_loaded_no_examples(tmp_path: Path, listening: Any) -> None:
    """Those that ask TAP_SCHEMA alone are left; with no catalogue of ours loaded the others are not offered."""
    with listening(Settings(data=tmp_path)) as url, httpx.Client(base_url=url) as empty:
        assert [e.get("id") for e in page(empty).findall(".//*[@typeof='example']")] == ["columns"]


@pytest.mark.parametrize("id", IDS)
def test_each_finds_something(client: httpx.Client, id: str) -> None:
    found = rows(client, id)
    assert len(found) >= 3
    for name in found.colnames:
        assert not np.ma.getmaskarray(found[name]).all(), f"{name} has no value at all"


def test_what_they_find(client: httpx.Client) -> None:
    density = rows(client, "density")
    assert len(set(density["hpx5"])) == len(density) == 1000  # the link asks for no more rows
    nearest = rows(client, "nearest")
    assert list(nearest["arcsec"]) == sorted(nearest["arcsec"])
    assert len(nearest) == 10
    good = rows(client, "flags")
    assert float(np.max(good["k_msigcom"])) < 0.15
    colours = rows(client, "colour-colour")
    assert np.allclose(colours["q"], colours["jh"] - 1.7 * colours["hk"], atol=1e-5)
    galaxies = rows(client, "galaxies-and-points")
    assert float(np.median(np.ma.compressed(galaxies["core_misses"]))) > 0.3
    crowds = rows(client, "clusters")
    assert list(crowds["galaxies"]) == sorted(crowds["galaxies"], reverse=True)


def test_the_upload_finds_itself(client: httpx.Client) -> None:
    """Each of the 50 sources that are uploaded lies on itself."""
    found = rows(client, "upload")
    own = found[[n == d for n, d in zip(found["name"], found["designation"], strict=True)]]
    assert len(own) == 50
    assert float(np.max(own["arcsec"])) < 1e-3


def test_pyvo_runs_them(server: Any) -> None:
    """pyvo knows nothing of the parameters of an example, so the one with an upload is for people."""
    queries = pyvo.dal.TAPService(f"{server.url}/tap").examples
    texts = [query["QUERY"] for query in queries]
    assert len(texts) == 14
    plain = [query for query, text in zip(queries, texts, strict=True) if "TAP_UPLOAD" not in text]
    assert len(plain) == 13
    assert all(len(query.execute().to_table()) >= 3 for query in plain)


MINE = """
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
description = "Asks for what is not there"
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
    """They come with its catalogue; one that makes no sense is left out, and the log says why."""
    (tmp_path / "mine.toml").write_text(MINE, encoding="utf-8")
    with listening(Settings(data=sky, schemas=str(tmp_path))) as url, httpx.Client(base_url=url) as client:
        shown = [e.get("id") for e in page(client).findall(".//*[@typeof='example']")]
        assert shown == [*IDS[:12], "mine-right", *IDS[12:]], "inventories of images come last"
        right = example(client, "mine-right")
        assert right.findtext("{*}h2") == "Right <&>"
        assert re.search(r"k_m < 9 AND j_m > 8", right.findtext("{*}pre"))
    assert "mine-wrong is left out" in caplog.text
    assert "no column colour" in caplog.text
