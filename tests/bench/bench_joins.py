"""Joins on nearness: seconds, rows, and whether the engine's plan has a product of two tables in it.

Asks the embedded engine itself, as the server does, over a data folder (`--data`, or a new one of `--rows` made rows):

    python tests/bench/bench_joins.py
    python tests/bench/bench_joins.py --data data --only upload,self
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from vo_server.adql.planning.plan import plan
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.adql.translate import translate
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.load import builtin_schemas, load_catalogue
from vo_server.engines.database import Limits
from vo_server.engines.duckdb import DuckDBEngine, upload_name
from vo_server.engines.engine import compiled
from vo_server.engines.store import Store
from vo_server.model import types
from vo_server.model.column import Column, Table

ROOT = Path(__file__).resolve().parents[2]
PRODUCTS = ("NESTED_LOOP_JOIN", "BLOCKWISE_NL_JOIN", "CROSS_PRODUCT", "IE_JOIN", "PIECEWISE_MERGE_JOIN")


@dataclass(frozen=True)
class Work:
    """A query and the seconds that it should take at the most."""

    name: str
    adql: str
    aim: float | None = None


def works() -> Iterator[Work]:
    """All that is measured."""
    near = "DISTANCE(POINT(u.ra, u.dec), POINT(p.ra, p.dec))"
    yield Work(
        "upload 2 arcsec", f"SELECT u.n, p.designation FROM TAP_UPLOAD.u AS u JOIN psc AS p ON {near} < 2 / 3600.", 1
    )
    yield Work(
        "upload LEFT JOIN", f"SELECT u.n, p.designation FROM TAP_UPLOAD.u AS u LEFT JOIN psc AS p ON {near} < 2 / 3600."
    )
    yield Work("upload own radius", f"SELECT u.n, p.pts_key FROM TAP_UPLOAD.u AS u JOIN psc AS p ON {near} < u.r")
    yield Work(
        "upload plus err_maj", f"SELECT u.n FROM TAP_UPLOAD.u AS u JOIN psc AS p ON {near} < u.r + p.err_maj / 3600."
    )
    inner = f"SELECT 1 AS one FROM psc AS p WHERE {near} < 2 / 3600."
    yield Work("upload without", f"SELECT u.n FROM TAP_UPLOAD.u AS u WHERE NOT EXISTS ({inner})")
    yield Work("upload with", f"SELECT u.n FROM TAP_UPLOAD.u AS u WHERE EXISTS ({inner})")
    both = "DISTANCE(a.ra, a.dec, b.ra, b.dec) < 5 / 3600."
    pairs = f"SELECT a.pts_key, b.pts_key FROM psc AS a JOIN psc AS b ON {both} AND a.pts_key < b.pts_key"
    yield Work("self 5 arcsec", pairs, 5)
    yield Work(
        "self without neighbours",
        f"SELECT COUNT(*) AS n FROM psc AS a WHERE NOT EXISTS (SELECT 1 AS one FROM psc AS b WHERE {both}"
        " AND a.pts_key <> b.pts_key)",
    )
    wide = "1 = CONTAINS(POINT(p.ra, p.dec), CIRCLE(x.ra, x.dec, x.r_ext / 3600.))"
    yield Work("galaxies' r_ext", f"SELECT x.designation, p.designation FROM xsc AS x JOIN psc AS p ON {wide}")
    yield Work("galaxies LEFT JOIN", f"SELECT x.designation, p.designation FROM xsc AS x LEFT JOIN psc AS p ON {wide}")
    yield Work(
        "psc LEFT JOIN galaxies",
        f"SELECT COUNT(*) AS n, COUNT(x.ra) AS m FROM psc AS p LEFT JOIN xsc AS x ON {wide}",
    )
    yield Work(
        "psc outside galaxies",
        f"SELECT COUNT(*) AS n FROM psc AS p WHERE NOT EXISTS (SELECT 1 AS x FROM xsc AS x WHERE {wide})",
    )
    yield Work(
        "three tables",
        "SELECT u.n, p.designation, x.designation FROM TAP_UPLOAD.u AS u"
        f" JOIN psc AS p ON {near} < 2 / 3600. JOIN xsc AS x ON {wide}",
    )
    yield Work(
        "in a cone of 5 degrees",
        f"{pairs} WHERE 1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(266, -29, 5))",
    )


U = Table(
    "TAP_UPLOAD",
    "u",
    (Column("n", types.BIGINT), *(Column(name, types.DOUBLE, unit="deg") for name in ("ra", "dec", "r"))),
)


def upload(engine: DuckDBEngine, catalogue: Catalogue, rows: int) -> pa.Table:
    """Half of the positions are at sources, half anywhere; radii of 0.5 to 50 arcsec."""
    found = table(engine, catalogue, "SELECT ra, dec FROM psc", {})
    random = np.random.default_rng(1)
    chosen = random.choice(found.num_rows, rows // 2, replace=found.num_rows < rows)
    there = [np.asarray(found.column(n))[chosen] + random.normal(0, 2e-4, len(chosen)) for n in range(2)]
    any = random.uniform(0, 360, rows - len(chosen)), np.degrees(np.arcsin(random.uniform(-1, 1, rows - len(chosen))))
    ra, dec = (np.concatenate(pair) for pair in zip(there, any, strict=True))
    radius = 10 ** random.uniform(-0.3, 1.7, rows) / 3600
    return pa.table({"n": np.arange(rows), "ra": ra % 360, "dec": np.clip(dec, -90, 90), "r": radius})


def table(engine: DuckDBEngine, catalogue: Catalogue, adql: str, uploads: dict[str, pa.Table]) -> pa.Table:
    """The rows of an answer."""
    query = plan(resolve(parse(adql), catalogue, adql).query, engine.rows)
    statement, slots = translate(query, engine.locate)
    return pa.Table.from_batches(list(engine.run(statement, slots, uploads=uploads).batches()))


def products(engine: DuckDBEngine, catalogue: Catalogue, adql: str, uploads: dict[str, pa.Table]) -> list[str]:
    """The nodes of the engine's plan that pair rows without a key.

    A product with one row, the largest radius, or with one for each order of cells that is in use, does not count.
    """
    query = plan(resolve(parse(adql), catalogue, adql).query, engine.rows)
    statement, slots = translate(query, engine.locate)
    cursor = engine._open().cursor(False)
    for name, rows in uploads.items():
        cursor.register(upload_name(name), rows)
    words = compiled(statement, engine._dialect)
    told = cursor.execute(f"EXPLAIN (FORMAT json) {words.text}", words.values(slots)).fetchall()[0][1]
    found = [name for name in re.findall(r'"name": *"(\w+)', told) if name in PRODUCTS]
    for _ in re.findall(r"AS _(?:orders|most)_", words.text):
        if "CROSS_PRODUCT" in found:
            found.remove("CROSS_PRODUCT")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a data folder (default: a new one, removed at the end)")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows to make where there are none")
    parser.add_argument("--upload", type=int, default=100_000, help="positions of the upload")
    parser.add_argument("--only", default="", help="words, with commas between, that a name must have one of")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        data = options.data or Path(folder)
        if options.data is None:
            command = [sys.executable, "-m", "vo_server", "demo", "--no-serve", "--rows", str(options.rows)]
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            subprocess.run([*command, "--data", str(data)], check=True, env=environment)
        run(data, options)


def run(data: Path, options: argparse.Namespace) -> None:
    """Measure and print."""
    published = load_catalogue([builtin_schemas() / "catalogues"])
    engine = DuckDBEngine(Store(data), published, limits=Limits("4GB"))
    uploads = {"u": upload(engine, published, options.upload)}
    catalogue = published.with_tables([U])
    print(f"{'':26}{'seconds':>9}{'CPU':>9}{'rows':>12}")
    for work in works():
        if not any(word in work.name for word in options.only.split(",")):
            continue
        found = products(engine, catalogue, work.adql, uploads)
        taken = []
        for _ in range(options.runs):
            began, cpu = time.perf_counter(), time.process_time()
            rows = table(engine, catalogue, work.adql, uploads).num_rows
            taken.append((time.perf_counter() - began, time.process_time() - cpu))
        seconds, cpu = min(taken)
        aim = "" if work.aim is None else f"  < {work.aim:g} s: {'met' if seconds < work.aim else 'missed'}"
        print(f"{work.name:26}{seconds:9.2f}{cpu:9.2f}{rows:12,}{aim}  {', '.join(found) or 'no product'}", flush=True)
    engine.close()


if __name__ == "__main__":
    main()
