"""CPU time from ADQL to SQL, for typical, long and deeply nested queries. No row is read.

    python tests/bench/bench_adql.py [--runs 300]

Prints medians in ms of the CPU time of this process, so that other processes count little. A typical query has other
constants in each run, as scripts send them; `first` is the first query of its shape, whose statement must be built.
"""

from __future__ import annotations

import argparse
import gc
import time
from itertools import pairwise
from statistics import median

from vo_server.adql.planning.plan import plan
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.adql.translate import translate
from vo_server.catalogue.load import find_builtin_schemas, load_catalogue
from vo_server.engines import sky_duckdb
from vo_server.engines.duckdb_dialect import DuckDBDialect
from vo_server.engines.engine import compile_statement
from vo_server.errors import QueryError
from vo_server.model.column import Table

CATALOGUE = load_catalogue([find_builtin_schemas() / "catalogues"])
DIALECT = DuckDBDialect()
STEPS = ("parse", "resolve", "plan", "translate", "compile")

assert sky_duckdb.DIALECT == "duckdb"

TYPICAL = {
    "cone": """SELECT TOP 100 p.designation, p.ra, p.dec, p.j_m, p.h_m, p.k_m,
       p.j_m - p.k_m AS jk,
       DISTANCE(POINT(p.ra, p.dec), POINT(266.4, -29.0)) AS dist
FROM twomass.psc AS p
WHERE 1 = CONTAINS(POINT(p.ra, p.dec), CIRCLE(266.4, -29.0, 0.{n}))
  AND p.k_m BETWEEN 8 AND 12.5
  AND (p.ph_qual LIKE 'A%' OR p.cc_flg = '000')
  AND p.j_m - p.k_m > 0.5
  AND p.k_m IS NOT NULL
ORDER BY dist ASC, p.k_m DESC""",
    "join": """SELECT TOP 100 p.designation, p.ra, p.dec, x.designation AS galaxy,
       p.k_m, x.k_m_k20fe, p.j_m - p.h_m AS jh,
       p.h_m - p.k_m AS hk
FROM twomass.psc AS p
JOIN twomass.xsc AS x
  ON DISTANCE(POINT(p.ra, p.dec), POINT(x.ra, x.dec)) < 0.00{n}
WHERE p.gal_contam = 0
  AND x.k_m_k20fe < 12.{n}
  AND p.ph_qual = 'AAA'
ORDER BY x.k_m_k20fe""",
    "groups": """WITH bright AS (
  SELECT ROUND(ra / 15, 0) AS h, k_m, j_m - k_m AS jk
  FROM psc
  WHERE k_m < 9.{n} AND ph_qual LIKE 'A%'
)
SELECT h, COUNT(*) AS n, AVG(jk) AS mean, MIN(k_m) AS brightest
FROM bright
GROUP BY h
HAVING COUNT(*) > {n}
ORDER BY h""",
}

PSC = "SELECT ra FROM psc WHERE "
QUOTE = "'"
STRINGS = ", ".join(f"'{n:08}+0000000'" for n in range(10_000))

LONG = {
    "IN of 10,000 numbers": f"{PSC}k_m IN ({', '.join(str(n + 0.5) for n in range(10_000))})",
    "IN of 10,000 strings": f"{PSC}designation IN ({STRINGS})",
    "100,000 characters: literals": f"{PSC}ext_key IN ({','.join(['7'] * 49_980)})",
    "100,000 characters: AND": PSC + " AND ".join(f"ra <> {n}" for n in range(6_700)),
    "100,000 characters: OR": PSC + " OR ".join(f"ra = {n}" for n in range(7_300)),
    "100,000 characters: +": f"SELECT ra{'+ra' * 33_000} FROM psc",
    "100,000 characters: columns": f"SELECT ra{',ra' * 33_000} FROM psc",
    "100,000 characters: a string": f"{PSC}designation = '{'x' * 99_960}'",
    "100,000 characters: an open string": f"{PSC}designation = '{'x' * 99_960}",
    "100,000 characters: quotes": f"{PSC}designation = {QUOTE * 99_961}",
    "100,000 characters: a comment": f"{PSC}ra = 1 --{'x' * 99_960}",
    "100,000 characters: an open comment": f"{PSC}ra = 1 /*{'x ' * 49_980}",
    "100,000 characters: parentheses": PSC + "(" * 99_975,
    "100,000 characters: words": "SELECT " * 14_285,
}

DEEP = {
    "parentheses": f"{PSC}{'(' * 1000}ra = 1{')' * 1000}",
    "NOT": f"{PSC}{'NOT (' * 1000}ra = 1{')' * 1000}",
    "CASE": f"SELECT {'CASE WHEN ra = 1 THEN ' * 1000}ra{' END' * 1000} FROM psc",
    "functions": f"SELECT {'ABS(' * 1000}ra{')' * 1000} FROM psc",
    "geometries": f"SELECT {'CENTROID(CIRCLE(' * 1000}POINT(ra, dec){', 1))' * 1000} FROM psc",
    "sub-queries in FROM": f"SELECT * FROM {'(SELECT * FROM ' * 1000}psc{') AS q' * 1000}",
    "sub-queries in WHERE": f"SELECT ra FROM psc{' WHERE EXISTS (SELECT ra FROM psc' * 1000}{')' * 1000}",
    "joins": "SELECT a.ra FROM psc AS a" + "".join(f" JOIN psc AS a{n} ON a{n}.ra = a.ra" for n in range(1000)),
    "UNION": "SELECT ra FROM psc" + " UNION SELECT ra FROM psc" * 1000,
    "WITH": "WITH q AS (SELECT ra FROM psc)"
    + "".join(f", q{n} AS (SELECT ra FROM q{n - 1 if n else ''})" for n in range(1000))
    + " SELECT ra FROM q999",
}


def locate(table: Table) -> tuple[str | None, str]:
    """Return schema and name of a table."""
    return table.schema, table.name


def measure_steps(text: str) -> tuple[list[float], str]:
    """Return the CPU time of each step in ms, and the outcome."""
    times = [time.process_time()]
    outcome = "valid"
    try:
        tree = parse(text)
        times.append(time.process_time())
        query = resolve(tree, CATALOGUE, text).query
        times.append(time.process_time())
        query = plan(query, lambda _: 1_000_000)
        times.append(time.process_time())
        statement, _ = translate(query, locate)
        times.append(time.process_time())
        compile_statement(statement, DIALECT)
    except QueryError as error:
        outcome = f"{error.code}: {error.message}"
    times.append(time.process_time())
    return [1e3 * (b - a) for a, b in pairwise(times)], outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300, help="runs of each typical query")
    options = parser.parse_args()
    parse("SELECT 1 AS x FROM psc")
    gc.collect()
    print(f"{'typical':44}" + "".join(f"{step:>10}" for step in STEPS) + "   all before compile")
    for name, text in TYPICAL.items():
        first, _ = measure_steps(text.replace("{n}", "1"))
        runs = [measure_steps(text.replace("{n}", str(n)))[0] for n in range(100, 100 + options.runs)]
        medians = [median(column) for column in zip(*runs, strict=True)]
        total = median(sum(run[:-1]) for run in runs)
        print(f"{name:44}" + "".join(f"{value:10.2f}" for value in medians) + f"   {total:.2f} ms")
        print(f"{name + ', first':44}" + "".join(f"{value:10.2f}" for value in first) + f"   {sum(first[:-1]):.2f} ms")
    for title, texts in (("long", LONG), ("1,000 levels", DEEP)):
        print(f"\n{title}")
        for name, text in texts.items():
            results = [measure_steps(text) for _ in range(5)]
            total = median(sum(times) for times, _ in results)
            print(f"{name:44}{total:10.1f} ms   {results[0][1][:90]}")


if __name__ == "__main__":
    main()
