"""Times of joins by position, and whether the plan of the database contains a product of two tables.

The queries run on the embedded engine in this process, over a data folder (`--data`, or a new one of `--rows` rows):

    python tests/bench/bench_joins.py
    python tests/bench/bench_joins.py --data data --only upload,self
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from common import make_demo

from vo_server.adql.planning.plan import plan
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.adql.translate import translate
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.load import find_builtin_schemas, load_catalogue
from vo_server.engines.data_directory import DataDirectory
from vo_server.engines.duckdb import DuckDBEngine, register_uploads
from vo_server.engines.engine import EngineLimits, compile_statement
from vo_server.model import types
from vo_server.model.column import Column, Table

PRODUCT_NODES = ("NESTED_LOOP_JOIN", "BLOCKWISE_NL_JOIN", "CROSS_PRODUCT", "IE_JOIN", "PIECEWISE_MERGE_JOIN")


@dataclass(frozen=True)
class JoinQuery:
    """A query and the maximum of seconds that it should take."""

    name: str
    adql: str
    target_seconds: float | None = None


def list_queries() -> Iterator[JoinQuery]:
    """Yield all queries."""
    near = "DISTANCE(POINT(u.ra, u.dec), POINT(p.ra, p.dec))"
    yield JoinQuery(
        "upload 2 arcsec", f"SELECT u.n, p.designation FROM TAP_UPLOAD.u AS u JOIN psc AS p ON {near} < 2 / 3600.", 1
    )
    yield JoinQuery(
        "upload LEFT JOIN", f"SELECT u.n, p.designation FROM TAP_UPLOAD.u AS u LEFT JOIN psc AS p ON {near} < 2 / 3600."
    )
    yield JoinQuery("upload own radius", f"SELECT u.n, p.pts_key FROM TAP_UPLOAD.u AS u JOIN psc AS p ON {near} < u.r")
    yield JoinQuery(
        "upload plus err_maj", f"SELECT u.n FROM TAP_UPLOAD.u AS u JOIN psc AS p ON {near} < u.r + p.err_maj / 3600."
    )
    inner = f"SELECT 1 AS one FROM psc AS p WHERE {near} < 2 / 3600."
    yield JoinQuery("upload without", f"SELECT u.n FROM TAP_UPLOAD.u AS u WHERE NOT EXISTS ({inner})")
    yield JoinQuery("upload with", f"SELECT u.n FROM TAP_UPLOAD.u AS u WHERE EXISTS ({inner})")
    both = "DISTANCE(a.ra, a.dec, b.ra, b.dec) < 5 / 3600."
    pairs = f"SELECT a.pts_key, b.pts_key FROM psc AS a JOIN psc AS b ON {both} AND a.pts_key < b.pts_key"
    yield JoinQuery("self 5 arcsec", pairs, 5)
    yield JoinQuery(
        "self without neighbours",
        f"SELECT COUNT(*) AS n FROM psc AS a WHERE NOT EXISTS (SELECT 1 AS one FROM psc AS b WHERE {both}"
        " AND a.pts_key <> b.pts_key)",
    )
    wide = "1 = CONTAINS(POINT(p.ra, p.dec), CIRCLE(x.ra, x.dec, x.r_ext / 3600.))"
    yield JoinQuery("galaxies' r_ext", f"SELECT x.designation, p.designation FROM xsc AS x JOIN psc AS p ON {wide}")
    yield JoinQuery(
        "galaxies LEFT JOIN", f"SELECT x.designation, p.designation FROM xsc AS x LEFT JOIN psc AS p ON {wide}"
    )
    yield JoinQuery(
        "psc LEFT JOIN galaxies",
        f"SELECT COUNT(*) AS n, COUNT(x.ra) AS m FROM psc AS p LEFT JOIN xsc AS x ON {wide}",
    )
    yield JoinQuery(
        "psc outside galaxies",
        f"SELECT COUNT(*) AS n FROM psc AS p WHERE NOT EXISTS (SELECT 1 AS x FROM xsc AS x WHERE {wide})",
    )
    yield JoinQuery(
        "three tables",
        "SELECT u.n, p.designation, x.designation FROM TAP_UPLOAD.u AS u"
        f" JOIN psc AS p ON {near} < 2 / 3600. JOIN xsc AS x ON {wide}",
    )
    yield JoinQuery(
        "in a cone of 5 degrees",
        f"{pairs} WHERE 1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(266, -29, 5))",
    )


UPLOAD_TABLE = Table(
    "TAP_UPLOAD",
    "u",
    (Column("n", types.BIGINT), *(Column(name, types.DOUBLE, unit="deg") for name in ("ra", "dec", "r"))),
)


def make_upload(engine: DuckDBEngine, catalogue: Catalogue, rows: int) -> pa.Table:
    """Return positions of which half are near sources, and radii of 0.5 to 50 arcsec; all in degrees."""
    sources = pa.Table.from_batches(fetch_batches(engine, catalogue, "SELECT ra, dec FROM psc", {}))
    random = np.random.default_rng(1)
    chosen = random.choice(sources.num_rows, rows // 2, replace=sources.num_rows < rows)
    near = [np.asarray(sources.column(n))[chosen] + random.normal(0, 2e-4, len(chosen)) for n in range(2)]
    uniform = (
        random.uniform(0, 360, rows - len(chosen)),
        np.degrees(np.arcsin(random.uniform(-1, 1, rows - len(chosen)))),
    )
    ra, dec = (np.concatenate(pair) for pair in zip(near, uniform, strict=True))
    radius = 10 ** random.uniform(-0.3, 1.7, rows) / 3600
    return pa.table({"n": np.arange(rows), "ra": ra % 360, "dec": np.clip(dec, -90, 90), "r": radius})


def fetch_batches(
    engine: DuckDBEngine, catalogue: Catalogue, adql: str, uploads: dict[str, pa.Table]
) -> list[pa.RecordBatch]:
    """Return the rows of a query."""
    query = plan(resolve(parse(adql), catalogue, adql).query, engine.count_rows)
    statement, slots = translate(query, engine.locate)
    return list(engine.run(statement, slots, uploads=uploads).read_batches())


def find_products(engine: DuckDBEngine, catalogue: Catalogue, adql: str, uploads: dict[str, pa.Table]) -> list[str]:
    """Return the nodes of the plan that pair rows without a key.

    A product with a table of one row, the largest radius, or of one row for each order of cells in use does not count.
    """
    query = plan(resolve(parse(adql), catalogue, adql).query, engine.count_rows)
    statement, slots = translate(query, engine.locate)
    cursor = register_uploads(engine._open().cursor(False), uploads)
    compiled = compile_statement(statement, engine._dialect)
    text = cursor.execute(f"EXPLAIN (FORMAT json) {compiled.text}", compiled.parameter_values(slots)).fetchall()[0][1]
    nodes = [name for name in re.findall(r'"name": *"(\w+)', text) if name in PRODUCT_NODES]
    for _ in re.findall(r"AS _(?:orders|most)_", compiled.text):
        if "CROSS_PRODUCT" in nodes:
            nodes.remove("CROSS_PRODUCT")
    return nodes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a data folder (default: a new one, removed at the end)")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of a new data folder")
    parser.add_argument("--upload", type=int, default=100_000, help="positions of the upload")
    parser.add_argument(
        "--only", default="", help="run queries whose names contain one of these words, separated by commas"
    )
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        data = options.data or Path(folder)
        if options.data is None:
            make_demo(data, options.rows)
        run(data, options)


def run(data: Path, options: argparse.Namespace) -> None:
    """Measure and print."""
    base = load_catalogue([find_builtin_schemas() / "catalogues"])
    engine = DuckDBEngine(DataDirectory(data), base, limits=EngineLimits("4GB"))
    uploads = {"u": make_upload(engine, base, options.upload)}
    catalogue = base.with_tables([UPLOAD_TABLE])
    print(f"{'':26}{'seconds':>9}{'CPU':>9}{'rows':>12}")
    for query in list_queries():
        if not any(word in query.name for word in options.only.split(",")):
            continue
        products = find_products(engine, catalogue, query.adql, uploads)
        times = []
        for _ in range(options.runs):
            start, cpu = time.perf_counter(), time.process_time()
            rows = sum(batch.num_rows for batch in fetch_batches(engine, catalogue, query.adql, uploads))
            times.append((time.perf_counter() - start, time.process_time() - cpu))
        seconds, cpu = min(times)
        limit = query.target_seconds
        target = "" if limit is None else f"  < {limit:g} s: {'met' if seconds < limit else 'missed'}"
        plan_note = ", ".join(products) or "no product"
        print(f"{query.name:26}{seconds:9.2f}{cpu:9.2f}{rows:12,}{target}  {plan_note}", flush=True)
    engine.close()


if __name__ == "__main__":
    main()
