"""Name resolution, types and result columns of queries, without a database."""

from __future__ import annotations

import pytest

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.catalogue.catalogue import Catalogue, Schema
from vo_server.errors import Code, QueryError
from vo_server.model import types
from vo_server.model.column import Column, Position, Table

PSC = Table(
    "twomass",
    "psc",
    (
        Column("ra", types.DOUBLE, unit="deg", ucd="pos.eq.ra;meta.main", description="Right ascension."),
        Column("dec", types.DOUBLE, unit="deg", ucd="pos.eq.dec;meta.main", description="Declination."),
        Column("designation", types.VARCHAR, 17, ucd="meta.id;meta.main", description="The name."),
        Column("j_m", types.REAL, unit="mag", ucd="phot.mag;em.IR.J", description="J."),
        Column("k_m", types.REAL, unit="mag", ucd="phot.mag;em.IR.K", description="K."),
        Column("rd_flg", types.CHAR, 3, description="Flag."),
        Column("pts_key", types.INTEGER, description="Key."),
        Column("ext_key", types.INTEGER, description="Key of the extended source."),
        Column("size", types.SMALLINT, description="A reserved word."),
        Column("date", types.DATE, description="Day."),
        Column("MiXed", types.INTEGER, description="Mixed."),
    ),
    position=Position("ra", "dec"),
)
XSC = Table(
    "twomass",
    "xsc",
    (
        Column("ra", types.DOUBLE, unit="deg"),
        Column("dec", types.DOUBLE, unit="deg"),
        Column("ext_key", types.INTEGER, description="Key, too."),
        Column("r_k20fe", types.REAL, unit="arcsec"),
        Column("k_m", types.VARCHAR, description="No number here."),
    ),
)
OTHER = Table("other", "psc", (Column("a", types.INTEGER),))
CATALOGUE = Catalogue((Schema("twomass"), Schema("other")), (PSC, XSC, OTHER))


def resolve_text(text: str) -> q.Query:
    return resolve(parse(text), CATALOGUE, text).query


def column_names(text: str) -> list[str]:
    return [c.name for c in resolve_text(text).columns]


def error_of(text: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        resolve_text(text)
    assert caught.value.text == text
    assert caught.value.span is not None, caught.value.message
    return caught.value


def marked_text(text: str) -> str:
    span = error_of(text).span
    assert span is not None
    return text[span.start : span.end]


# ------------------------------------------------------------------ names


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ra FROM twomass.psc",
        "SELECT RA FROM TWOMASS.PSC",
        "SELECT twomass.psc.ra FROM twomass.psc",
        "SELECT psc.ra FROM twomass.psc",
        'SELECT "ra" FROM "twomass"."psc"',
        "SELECT p.ra FROM twomass.psc AS p",
        "SELECT P.ra FROM twomass.psc p",
        "SELECT ra FROM archive.twomass.psc",
        "SELECT ext_key, r_k20fe FROM xsc",
        'SELECT "size", "date" FROM twomass.psc',
        'SELECT mixed, "MiXed" FROM twomass.psc',
        'SELECT "a b".ra FROM twomass.psc AS "a b"',
        "SELECT a.ra, b.ra FROM twomass.psc AS a, twomass.psc AS b",
        "SELECT r_k20fe FROM twomass.psc, twomass.xsc",
        "SELECT twomass.psc.*, x.ra FROM twomass.psc, twomass.xsc AS x",
        "SELECT x FROM (SELECT ra AS x FROM twomass.psc) AS q",
        "SELECT q.x FROM (SELECT ra AS x FROM twomass.psc) AS q",
        "WITH psc AS (SELECT ra AS x FROM twomass.psc) SELECT x FROM psc",
        "WITH a AS (SELECT ra FROM twomass.psc), b AS (SELECT ra AS x FROM a) SELECT x FROM b AS c",
        "SELECT ra FROM twomass.psc AS p WHERE EXISTS (SELECT 1 FROM twomass.xsc AS x WHERE x.ext_key = p.ext_key)",
        "SELECT ra FROM twomass.psc WHERE pts_key IN (SELECT ext_key FROM twomass.xsc WHERE j_m > 1)",
    ],
)
def test_resolves_names(text: str) -> None:
    assert resolve_text(text).columns


@pytest.mark.parametrize(
    ("text", "where", "code", "hint"),
    [
        ("SELECT rra FROM twomass.psc", "rra", Code.ADQL_UNKNOWN_COLUMN, "did you mean ra"),
        ('SELECT "RA" FROM twomass.psc', '"RA"', Code.ADQL_UNKNOWN_COLUMN, 'write "ra"'),
        ('SELECT "mixed" FROM twomass.psc', '"mixed"', Code.ADQL_UNKNOWN_COLUMN, 'write "MiXed"'),
        ("SELECT twomass.psc.ra FROM twomass.psc AS p", "twomass.psc.ra", Code.ADQL_UNKNOWN_TABLE, ""),
        ("SELECT psc.ra FROM twomass.psc AS p", "psc.ra", Code.ADQL_UNKNOWN_TABLE, ""),
        ("SELECT ra FROM twomass.psq", "twomass.psq", Code.ADQL_UNKNOWN_TABLE, "did you mean twomass.psc"),
        ("SELECT ra FROM twomas.psc", "twomas.psc", Code.ADQL_UNKNOWN_TABLE, "did you mean twomass.psc"),
        ("SELECT ra FROM psc", "psc", Code.ADQL_AMBIGUOUS_NAME, "twomass.psc or other.psc"),
        ('SELECT ra FROM "TWOMASS".psc', '"TWOMASS".psc', Code.ADQL_UNKNOWN_TABLE, ""),
        ("SELECT ra FROM twomass.psc, twomass.xsc", "ra", Code.ADQL_AMBIGUOUS_NAME, ""),
        ("SELECT a.ra FROM twomass.psc AS a, twomass.xsc AS a", "twomass.xsc AS a", Code.ADQL_DUPLICATE_NAME, ""),
        ("SELECT x.nothing FROM twomass.xsc AS x", "x.nothing", Code.ADQL_UNKNOWN_COLUMN, ""),
        ("SELECT y.* FROM twomass.xsc AS x", "y.*", Code.ADQL_UNKNOWN_TABLE, ""),
        ('SELECT "_healpix" FROM twomass.psc', '"_healpix"', Code.ADQL_UNKNOWN_COLUMN, ""),
        ('SELECT ra FROM twomass.psc WHERE designation = "abc"', '"abc"', Code.ADQL_UNKNOWN_COLUMN, "single quotes"),
        ("SELECT x FROM (SELECT ra AS x, dec AS x FROM twomass.psc) AS q", "x", Code.ADQL_AMBIGUOUS_NAME, ""),
        ("SELECT ra AS x FROM twomass.psc WHERE x > 1", "x", Code.ADQL_UNKNOWN_COLUMN, ""),
        ("SELECT ra AS x FROM twomass.psc GROUP BY ra HAVING x > 1", "x", Code.ADQL_UNKNOWN_COLUMN, ""),
        ("WITH a AS (SELECT ra FROM twomass.psc) SELECT dec FROM a", "dec", Code.ADQL_UNKNOWN_COLUMN, ""),
        (
            "WITH a AS (SELECT ra FROM b), b AS (SELECT ra FROM twomass.psc) SELECT ra FROM a",
            "b",
            Code.ADQL_UNKNOWN_TABLE,
            "",
        ),
        ("SELECT IN_UNIT(ra, 'parsnip') FROM twomass.psc", "'parsnip'", Code.ADQL_BAD_LITERAL, ""),
        ("SELECT IN_UNIT(ra, 'Jy') FROM twomass.psc", "'Jy'", Code.ADQL_BAD_LITERAL, ""),
        ("SELECT IN_UNIT(j_m, 'Jy') FROM twomass.psc", "'Jy'", Code.ADQL_BAD_LITERAL, ""),
        ("SELECT IN_UNIT(2, 'deg') FROM twomass.psc", "2", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("SELECT IN_UNIT(pts_key, 'deg') FROM twomass.psc", "pts_key", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("SELECT sqtr(ra) FROM twomass.psc", "sqtr(ra)", Code.ADQL_UNKNOWN_FUNCTION, "did you mean SQRT"),
    ],
)
def test_rejects_unknown_and_ambiguous_names(text: str, where: str, code: Code, hint: str) -> None:
    error = error_of(text)
    assert error.code == code
    assert hint in (error.hint or "")
    assert marked_text(text) == where
    assert "^" * len(where) in str(error)


def test_reports_unknown_names_of_both_queries() -> None:
    text = "SELECT z.a FROM twomass.psc AS p WHERE EXISTS (SELECT 1 FROM twomass.xsc WHERE p.zz = 1)"
    error = error_of(text)
    assert (error.code, marked_text(text)) == (Code.ADQL_UNKNOWN_TABLE, "z.a")
    assert [text[e.span.start : e.span.end] for e in error.other_errors if e.span] == ["p.zz"]


@pytest.mark.parametrize(
    ("kind", "first", "merged"),
    [
        ("JOIN", "p", q.ColumnRef),
        ("LEFT JOIN", "p", q.ColumnRef),
        ("RIGHT JOIN", "x", q.ColumnRef),
        ("FULL JOIN", "p", q.FunctionCall),
    ],
)
def test_using_merges_columns(kind: str, first: str, merged: type) -> None:
    text = f"SELECT * FROM twomass.psc AS p {kind} twomass.xsc AS x USING (ext_key)"
    found = resolve_text(text)
    assert [c.name for c in found.columns].count("ext_key") == 1
    assert found.columns[0].name == "ext_key"
    assert isinstance(found, q.SelectQuery)
    value = found.outputs[0].value
    assert isinstance(value, merged)
    assert not isinstance(value, q.ColumnRef) or value.source == first
    assert column_names(f"SELECT p.ext_key, x.ext_key, ext_key FROM twomass.psc p {kind} twomass.xsc x USING (ext_key)")


def test_natural_join_merges_columns() -> None:
    text = "FROM twomass.psc AS p NATURAL JOIN (SELECT ext_key, ra, r_k20fe FROM twomass.xsc) AS x"
    assert column_names(f"SELECT * {text}")[:2] == ["ra", "ext_key"]
    assert column_names(f"SELECT * {text}").count("ra") == 1
    assert error_of("SELECT ra FROM twomass.psc NATURAL JOIN twomass.xsc").code == Code.ADQL_BAD_JOIN
    assert marked_text("SELECT ra FROM twomass.psc AS p JOIN twomass.xsc AS x USING (ext_key, k_m)") == "k_m"
    assert error_of("SELECT ra FROM twomass.psc JOIN twomass.xsc USING (designation)").code == Code.ADQL_BAD_JOIN


# ------------------------------------------------------ ORDER BY, GROUP BY


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ra AS x, dec FROM twomass.psc ORDER BY x, 2 DESC, j_m - k_m",
        "SELECT ra AS dec, dec AS ra FROM twomass.psc ORDER BY ra",
        "SELECT DISTINCT ra + 1 AS x FROM twomass.psc ORDER BY ra + 1",
        "SELECT rd_flg, COUNT(*) AS n FROM twomass.psc GROUP BY rd_flg HAVING COUNT(*) > 3 ORDER BY n",
        "SELECT ROUND(j_m) AS bin, COUNT(*) FROM twomass.psc GROUP BY bin ORDER BY bin",
        "SELECT ROUND(j_m) + 1, COUNT(*) FROM twomass.psc GROUP BY ROUND(j_m) HAVING ROUND(j_m) > 3",
        "SELECT MAX(ra) FROM twomass.psc ORDER BY COUNT(*)",
        "SELECT rd_flg, (SELECT MAX(x.ext_key) FROM twomass.xsc AS x) FROM twomass.psc GROUP BY rd_flg",
        "SELECT ra FROM twomass.psc AS p WHERE EXISTS"
        " (SELECT x.ra FROM twomass.xsc AS x GROUP BY x.ra HAVING MAX(x.ext_key) > p.pts_key)",
        "SELECT ra FROM twomass.psc UNION SELECT ra FROM twomass.xsc ORDER BY ra DESC OFFSET 2",
        "SELECT ra FROM twomass.psc UNION SELECT ra FROM twomass.xsc ORDER BY 1",
    ],
)
def test_resolves_orders_and_groups(text: str) -> None:
    assert resolve_text(text).columns


@pytest.mark.parametrize(
    ("text", "where", "code"),
    [
        ("SELECT ra FROM twomass.psc ORDER BY 2", "2", Code.ADQL_BAD_ORDER),
        ("SELECT ra FROM twomass.psc ORDER BY 'ra'", "'ra'", Code.ADQL_BAD_ORDER),
        ("SELECT ra FROM twomass.psc ORDER BY -1", "-1", Code.ADQL_BAD_ORDER),
        ("SELECT ra AS x, dec AS x FROM twomass.psc ORDER BY x", "x", Code.ADQL_BAD_ORDER),
        ("SELECT DISTINCT ra FROM twomass.psc ORDER BY dec", "dec", Code.ADQL_BAD_ORDER),
        ("SELECT ra FROM twomass.psc ORDER BY COUNT(*)", "ra", Code.ADQL_BAD_AGGREGATION),
        ("SELECT ra, COUNT(*) FROM twomass.psc", "ra", Code.ADQL_BAD_AGGREGATION),
        ("SELECT ra FROM twomass.psc GROUP BY ra ORDER BY dec", "dec", Code.ADQL_BAD_AGGREGATION),
        ("SELECT ra FROM twomass.psc GROUP BY ra HAVING dec > 1", "dec", Code.ADQL_BAD_AGGREGATION),
        ("SELECT ra AS x, dec AS y FROM twomass.psc GROUP BY ra", "dec", Code.ADQL_BAD_AGGREGATION),
        ("SELECT COUNT(*) AS n FROM twomass.psc GROUP BY n", "n", Code.ADQL_BAD_AGGREGATION),
        ("SELECT ra FROM twomass.psc GROUP BY 1", "1", Code.ADQL_BAD_AGGREGATION),
        ("SELECT ra FROM twomass.psc WHERE COUNT(*) > 1", "COUNT(*)", Code.ADQL_BAD_AGGREGATION),
        ("SELECT SUM(AVG(ra)) FROM twomass.psc", "AVG(ra)", Code.ADQL_BAD_AGGREGATION),
        (
            "SELECT rd_flg, (SELECT MAX(x.ra) FROM twomass.xsc AS x WHERE x.ext_key = p.pts_key)"
            " FROM twomass.psc AS p GROUP BY rd_flg",
            "p.pts_key",
            Code.ADQL_BAD_AGGREGATION,
        ),
        (
            "SELECT ra FROM twomass.psc AS p WHERE ra = (SELECT MAX(p.dec) FROM twomass.xsc)",
            "MAX(p.dec)",
            Code.ADQL_BAD_AGGREGATION,
        ),
        ("SELECT ra FROM twomass.psc UNION SELECT ra FROM twomass.xsc ORDER BY dec", "dec", Code.ADQL_BAD_ORDER),
        ("SELECT ra FROM twomass.psc UNION SELECT ra FROM twomass.xsc ORDER BY 2", "2", Code.ADQL_BAD_ORDER),
        (
            "SELECT ra, dec FROM twomass.psc UNION SELECT ra FROM twomass.xsc",
            "SELECT ra, dec FROM twomass.psc UNION SELECT ra FROM twomass.xsc",
            Code.ADQL_COLUMN_COUNT,
        ),
    ],
)
def test_rejects_bad_orders_and_groups(text: str, where: str, code: Code) -> None:
    assert error_of(text).code == code
    assert marked_text(text) == where


# ------------------------------------------------------------------ types


@pytest.mark.parametrize(
    ("condition", "where", "code", "hint"),
    [
        ("ra = 'a'", "ra = 'a'", Code.ADQL_TYPE_MISMATCH, ""),
        ("pts_key = '5'", "pts_key = '5'", Code.ADQL_TYPE_MISMATCH, "write 5 without the quotes"),
        ("designation = 5", "designation = 5", Code.ADQL_TYPE_MISMATCH, "write '5'"),
        ('"date" = 5', '"date" = 5', Code.ADQL_TYPE_MISMATCH, ""),
        ("\"date\" > '2000-02-30'", "'2000-02-30'", Code.ADQL_BAD_LITERAL, ""),
        ("\"date\" BETWEEN '2000-01-01' AND 'x'", "'x'", Code.ADQL_BAD_LITERAL, ""),
        ("ra IN (1, 'a')", "ra IN (1, 'a')", Code.ADQL_TYPE_MISMATCH, ""),
        ("ra BETWEEN 'a' AND 2", "ra BETWEEN 'a' AND 2", Code.ADQL_TYPE_MISMATCH, ""),
        ("ra LIKE 'a'", "ra", Code.ADQL_TYPE_MISMATCH, ""),
        ("designation LIKE 5", "5", Code.ADQL_TYPE_MISMATCH, ""),
        ("designation + 1 > 2", "designation", Code.ADQL_TYPE_MISMATCH, ""),
        ("ra || 'a' = 'b'", "ra", Code.ADQL_TYPE_MISMATCH, ""),
        ("SQRT(designation) > 1", "designation", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("UPPER(ra) = 'A'", "ra", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("ra & 3 = 1", "ra", Code.ADQL_TYPE_MISMATCH, ""),
        ("MOD(ra, 'a') = 1", "'a'", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("1=CONTAINS(ra, CIRCLE(1, 2, 3))", "ra", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("POINT(ra, dec) = CIRCLE(1, 2, 3)", "POINT(ra, dec) = CIRCLE(1, 2, 3)", Code.ADQL_TYPE_MISMATCH, ""),
        (
            "pts_key IN (SELECT designation FROM twomass.psc)",
            "pts_key IN (SELECT designation FROM twomass.psc)",
            Code.ADQL_TYPE_MISMATCH,
            "",
        ),
        (
            "pts_key IN (SELECT ra, dec FROM twomass.psc)",
            "pts_key IN (SELECT ra, dec FROM twomass.psc)",
            Code.ADQL_COLUMN_COUNT,
            "",
        ),
        ("COALESCE(ra, 'a') = 1", "COALESCE(ra, 'a')", Code.ADQL_TYPE_MISMATCH, ""),
        ("NULLIF(ra, 'a') = 1", "NULLIF(ra, 'a')", Code.ADQL_TYPE_MISMATCH, ""),
        (
            "CASE WHEN ra > 1 THEN 1 ELSE 'a' END = 1",
            "CASE WHEN ra > 1 THEN 1 ELSE 'a' END",
            Code.ADQL_TYPE_MISMATCH,
            "",
        ),
        ("ra = 1e400", "1e400", Code.ADQL_BAD_LITERAL, ""),
    ],
)
def test_rejects_types_that_do_not_fit(condition: str, where: str, code: Code, hint: str) -> None:
    text = f"SELECT ra FROM twomass.psc WHERE {condition}"
    error = error_of(text)
    assert error.code == code
    assert hint in (error.hint or "")
    assert marked_text(text) == where


def test_unites_column_types() -> None:
    error = error_of("SELECT ra FROM twomass.psc UNION SELECT designation FROM twomass.psc")
    assert error.code == Code.ADQL_TYPE_MISMATCH
    assert "CAST" in (error.hint or "")
    united = resolve_text("SELECT pts_key AS k FROM twomass.psc UNION SELECT ra FROM twomass.xsc").columns[0]
    assert (united.name, united.type) == ("k", types.DOUBLE)
    united = resolve_text("SELECT NULL AS k FROM twomass.psc UNION SELECT ra FROM twomass.psc").columns[0]
    assert (united.name, united.type, united.unit) == ("k", types.DOUBLE, "deg")
    united = resolve_text("SELECT rd_flg FROM twomass.psc UNION SELECT designation FROM twomass.psc").columns[0]
    assert (united.name, united.type, united.length) == ("rd_flg", types.VARCHAR, 17)


# ---------------------------------------------------------- result columns


def test_keeps_metadata_through_aliases_sub_queries_and_unions() -> None:
    for text in (
        "SELECT ra AS x FROM twomass.psc",
        "SELECT q.x FROM (SELECT ra AS x FROM twomass.psc) AS q",
        "WITH c AS (SELECT ra AS x FROM twomass.psc) SELECT * FROM c",
        "SELECT ra AS x FROM twomass.psc UNION SELECT dec FROM twomass.psc",
        "SELECT y AS x FROM (SELECT ra AS y FROM twomass.psc UNION ALL SELECT ra FROM twomass.xsc) AS q",
    ):
        found = resolve_text(text).columns[0]
        assert (found.name, found.type, found.unit, found.ucd, found.description) == (
            "x", types.DOUBLE, "deg", "pos.eq.ra;meta.main", "Right ascension.",
        )  # fmt: skip


def test_generates_unique_names() -> None:
    found = column_names(
        "SELECT ra + 1, dec + 1, COUNT(*), MAX(ra), MAX(ra), CAST(ra AS REAL), ra, 'a', ROUND(ra + 1) AS x"
        " FROM twomass.psc GROUP BY ra, dec"
    )
    assert len(set(found)) == len(found)
    assert all(name.isidentifier() for name in found)
    labels = resolve_text("SELECT p.ra, x.ra, p.ra AS RA, 1, 2 FROM twomass.psc AS p, twomass.xsc AS x").labels
    assert len({label.lower() for label in labels}) == 5


def test_expands_stars() -> None:
    assert column_names("SELECT * FROM twomass.xsc") == [c.name for c in XSC.columns]
    assert column_names("SELECT x.*, p.ra FROM twomass.psc AS p, twomass.xsc AS x") == [
        *(c.name for c in XSC.columns),
        "ra",
    ]
    assert len(column_names("SELECT * FROM twomass.psc, twomass.xsc")) == len(PSC.columns) + len(XSC.columns)
    assert "_healpix" not in column_names("SELECT * FROM twomass.psc")


def test_warnings() -> None:
    text = "SELECT POINT('FK5', ra, dec), CIRCLE('J2000', ra, dec, 1), POINT('FK5', 1, 2) FROM twomass.psc"
    said = resolve(parse(text), CATALOGUE, text).warnings
    assert len(said) == 2
    assert "ICRS" in said[0]
    text = "SELECT RAND(3), RAND() FROM twomass.psc"
    (said,) = resolve(parse(text), CATALOGUE, text).warnings
    assert "RAND(n) has no effect" in said
