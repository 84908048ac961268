"""Names, types and the description of the result: what a query means before a database is asked."""

from __future__ import annotations

import pytest

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.catalogue.catalogue import Catalogue, Schema
from vo_server.errors import QueryError
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


def meant(text: str) -> q.Query:
    return resolve(parse(text), CATALOGUE, text).query


def names(text: str) -> list[str]:
    return [c.name for c in meant(text).columns]


def fault(text: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        meant(text)
    assert caught.value.text == text
    assert caught.value.span is not None, caught.value.message
    return caught.value


def pointed_at(text: str) -> str:
    place = fault(text).span
    assert place is not None
    return text[place.start : place.end]


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
def test_names_that_are_found(text: str) -> None:
    assert meant(text).columns


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("SELECT rra FROM twomass.psc", "rra", "did you mean ra"),
        ('SELECT "RA" FROM twomass.psc', '"RA"', 'write "ra"'),
        ('SELECT "mixed" FROM twomass.psc', '"mixed"', 'write "MiXed"'),
        ("SELECT twomass.psc.ra FROM twomass.psc AS p", "twomass.psc.ra", "goes by the alias p here"),
        ("SELECT psc.ra FROM twomass.psc AS p", "psc.ra", "goes by the alias p here"),
        ("SELECT ra FROM twomass.psq", "twomass.psq", "did you mean twomass.psc"),
        ("SELECT ra FROM twomas.psc", "twomas.psc", "did you mean twomass.psc"),
        ("SELECT ra FROM psc", "psc", "twomass.psc or other.psc"),
        ('SELECT ra FROM "TWOMASS".psc', '"TWOMASS".psc', "no table"),
        ("SELECT ra FROM twomass.psc, twomass.xsc", "ra", "psc or of xsc"),
        ("SELECT a.ra FROM twomass.psc AS a, twomass.xsc AS a", "twomass.xsc AS a", "twice"),
        ("SELECT x.nothing FROM twomass.xsc AS x", "x.nothing", "no column"),
        ("SELECT y.* FROM twomass.xsc AS x", "y.*", "no table y"),
        ('SELECT "_healpix" FROM twomass.psc', '"_healpix"', "no column"),
        ('SELECT ra FROM twomass.psc WHERE designation = "abc"', '"abc"', "single quotes"),
        ("SELECT x FROM (SELECT ra AS x, dec AS x FROM twomass.psc) AS q", "x", "could be a column"),
        ("SELECT ra AS x FROM twomass.psc WHERE x > 1", "x", "the alias x is not known yet in WHERE"),
        ("SELECT ra AS x FROM twomass.psc GROUP BY ra HAVING x > 1", "x", "no column x"),
        (
            "SELECT z.a FROM twomass.psc AS p WHERE EXISTS (SELECT 1 FROM twomass.xsc WHERE p.zz = 1)",
            "p.zz",
            "no column",
        ),
        ("WITH a AS (SELECT ra FROM twomass.psc) SELECT dec FROM a", "dec", "no column dec"),
        ("WITH a AS (SELECT ra FROM b), b AS (SELECT ra FROM twomass.psc) SELECT ra FROM a", "b", "no table b"),
        ("SELECT IN_UNIT(ra, 'parsnip') FROM twomass.psc", "'parsnip'", "'parsnip' is no unit of VOUnits"),
        ("SELECT IN_UNIT(ra, 'Jy') FROM twomass.psc", "'Jy'", "'deg' cannot be converted to 'Jy'"),
        ("SELECT IN_UNIT(j_m, 'Jy') FROM twomass.psc", "'Jy'", "'mag' cannot be converted to 'Jy'"),
        ("SELECT IN_UNIT(2, 'deg') FROM twomass.psc", "2", "has no unit"),
        ("SELECT IN_UNIT(pts_key, 'deg') FROM twomass.psc", "pts_key", "pts_key (a number) in IN_UNIT has no unit"),
        ("SELECT sqtr(ra) FROM twomass.psc", "sqtr(ra)", "did you mean SQRT"),
    ],
)
def test_names_that_are_not(text: str, where: str, said: str) -> None:
    if "z.a" in text:
        assert pointed_at(text) == "z.a" or said in str(fault(text))
        return
    assert said in str(fault(text))
    assert pointed_at(text) == where
    assert "^" * len(where) in str(fault(text))


@pytest.mark.parametrize(
    ("kind", "first", "merged"),
    [("JOIN", "p", q.Field), ("LEFT JOIN", "p", q.Field), ("RIGHT JOIN", "x", q.Field), ("FULL JOIN", "p", q.Apply)],
)
def test_using_merges_columns(kind: str, first: str, merged: type) -> None:
    text = f"SELECT * FROM twomass.psc AS p {kind} twomass.xsc AS x USING (ext_key)"
    found = meant(text)
    assert [c.name for c in found.columns].count("ext_key") == 1
    assert found.columns[0].name == "ext_key"
    assert isinstance(found, q.Select)
    value = found.outputs[0].value
    assert isinstance(value, merged)
    assert not isinstance(value, q.Field) or value.source == first
    assert names(f"SELECT p.ext_key, x.ext_key, ext_key FROM twomass.psc p {kind} twomass.xsc x USING (ext_key)")


def test_natural_joins() -> None:
    text = "FROM twomass.psc AS p NATURAL JOIN (SELECT ext_key, ra, r_k20fe FROM twomass.xsc) AS x"
    assert names(f"SELECT * {text}")[:2] == ["ra", "ext_key"]
    assert names(f"SELECT * {text}").count("ra") == 1
    assert "number) is joined with" in str(fault("SELECT ra FROM twomass.psc NATURAL JOIN twomass.xsc"))
    assert pointed_at("SELECT ra FROM twomass.psc AS p JOIN twomass.xsc AS x USING (ext_key, k_m)") == "k_m"
    assert "on either side" in str(fault("SELECT ra FROM twomass.psc JOIN twomass.xsc USING (designation)"))


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
def test_orders_and_groups(text: str) -> None:
    assert meant(text).columns


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("SELECT ra FROM twomass.psc ORDER BY 2", "2"),
        ("SELECT ra FROM twomass.psc ORDER BY 'ra'", "'ra'"),
        ("SELECT ra FROM twomass.psc ORDER BY -1", "-1"),
        ("SELECT ra AS x, dec AS x FROM twomass.psc ORDER BY x", "x"),
        ("SELECT DISTINCT ra FROM twomass.psc ORDER BY dec", "dec"),
        ("SELECT ra FROM twomass.psc ORDER BY COUNT(*)", "ra"),
        ("SELECT ra, COUNT(*) FROM twomass.psc", "ra"),
        ("SELECT ra FROM twomass.psc GROUP BY ra ORDER BY dec", "dec"),
        ("SELECT ra FROM twomass.psc GROUP BY ra HAVING dec > 1", "dec"),
        ("SELECT ra AS x, dec AS y FROM twomass.psc GROUP BY ra", "dec"),
        ("SELECT COUNT(*) AS n FROM twomass.psc GROUP BY n", "n"),
        ("SELECT ra FROM twomass.psc GROUP BY 1", "1"),
        ("SELECT ra FROM twomass.psc WHERE COUNT(*) > 1", "COUNT(*)"),
        ("SELECT SUM(AVG(ra)) FROM twomass.psc", "AVG(ra)"),
        ("SELECT rd_flg, (SELECT MAX(x.ra) FROM twomass.xsc AS x WHERE x.ext_key = p.pts_key)"
         " FROM twomass.psc AS p GROUP BY rd_flg", "p.pts_key"),
        ("SELECT ra FROM twomass.psc AS p WHERE ra = (SELECT MAX(p.dec) FROM twomass.xsc)", "MAX(p.dec)"),
        ("SELECT ra FROM twomass.psc UNION SELECT ra FROM twomass.xsc ORDER BY dec", "dec"),
        ("SELECT ra FROM twomass.psc UNION SELECT ra FROM twomass.xsc ORDER BY 2", "2"),
        ("SELECT ra, dec FROM twomass.psc UNION SELECT ra FROM twomass.xsc",
         "SELECT ra, dec FROM twomass.psc UNION SELECT ra FROM twomass.xsc"),
    ],
)  # fmt: skip
def test_orders_and_groups_that_make_no_sense(text: str, where: str) -> None:
    assert pointed_at(text) == where


# ------------------------------------------------------------------ types


@pytest.mark.parametrize(
    ("condition", "where", "said"),
    [
        ("ra = 'a'", "ra = 'a'", "compared with"),
        ("pts_key = '5'", "pts_key = '5'", "write 5 without the quotes"),
        ("designation = 5", "designation = 5", "write '5'"),
        ('"date" = 5', '"date" = 5', "a time"),
        ("\"date\" > '2000-02-30'", "'2000-02-30'", "not a time"),
        ("\"date\" BETWEEN '2000-01-01' AND 'x'", "'x'", "not a time"),
        ("ra IN (1, 'a')", "ra IN (1, 'a')", "compared with"),
        ("ra BETWEEN 'a' AND 2", "ra BETWEEN 'a' AND 2", "compared with"),
        ("ra LIKE 'a'", "ra", "a text is needed"),
        ("designation LIKE 5", "5", "a text is needed"),
        ("designation + 1 > 2", "designation", "a number is needed"),
        ("ra || 'a' = 'b'", "ra", "a text is needed"),
        ("SQRT(designation) > 1", "designation", "as x of SQRT"),
        ("UPPER(ra) = 'A'", "ra", "as text of UPPER"),
        ("ra & 3 = 1", "ra", "a whole number is needed"),
        ("MOD(ra, 'a') = 1", "'a'", "as y of MOD"),
        ("1=CONTAINS(ra, CIRCLE(1, 2, 3))", "ra", "a geometry is needed"),
        ("POINT(ra, dec) = CIRCLE(1, 2, 3)", "POINT(ra, dec) = CIRCLE(1, 2, 3)", "compared with"),
        (
            "pts_key IN (SELECT designation FROM twomass.psc)",
            "pts_key IN (SELECT designation FROM twomass.psc)",
            "sub-query",
        ),
        ("pts_key IN (SELECT ra, dec FROM twomass.psc)", "pts_key IN (SELECT ra, dec FROM twomass.psc)", "2 columns"),
        ("COALESCE(ra, 'a') = 1", "COALESCE(ra, 'a')", "different types"),
        ("NULLIF(ra, 'a') = 1", "NULLIF(ra, 'a')", "compared with"),
        ("CASE WHEN ra > 1 THEN 1 ELSE 'a' END = 1", "CASE WHEN ra > 1 THEN 1 ELSE 'a' END", "different types"),
        ("ra = 1e400", "1e400", "too large"),
    ],
)
def test_types_that_do_not_fit(condition: str, where: str, said: str) -> None:
    text = f"SELECT ra FROM twomass.psc WHERE {condition}"
    assert said in str(fault(text))
    assert pointed_at(text) == where


def test_unions_of_unlike_columns() -> None:
    assert "CAST one" in str(fault("SELECT ra FROM twomass.psc UNION SELECT designation FROM twomass.psc"))
    united = meant("SELECT pts_key AS k FROM twomass.psc UNION SELECT ra FROM twomass.xsc").columns[0]
    assert (united.name, united.type) == ("k", types.DOUBLE)
    united = meant("SELECT NULL AS k FROM twomass.psc UNION SELECT ra FROM twomass.psc").columns[0]
    assert (united.name, united.type, united.unit) == ("k", types.DOUBLE, "deg")
    united = meant("SELECT rd_flg FROM twomass.psc UNION SELECT designation FROM twomass.psc").columns[0]
    assert (united.name, united.type, united.length) == ("rd_flg", types.VARCHAR, 17)


# ---------------------------------------------------------- result columns


def test_metadata_goes_through_aliases_sub_queries_and_unions() -> None:
    for text in (
        "SELECT ra AS x FROM twomass.psc",
        "SELECT q.x FROM (SELECT ra AS x FROM twomass.psc) AS q",
        "WITH c AS (SELECT ra AS x FROM twomass.psc) SELECT * FROM c",
        "SELECT ra AS x FROM twomass.psc UNION SELECT dec FROM twomass.psc",
        "SELECT y AS x FROM (SELECT ra AS y FROM twomass.psc UNION ALL SELECT ra FROM twomass.xsc) AS q",
    ):
        found = meant(text).columns[0]
        assert (found.name, found.type, found.unit, found.ucd, found.description) == (
            "x", types.DOUBLE, "deg", "pos.eq.ra;meta.main", "Right ascension.",
        )  # fmt: skip


def test_generated_names_are_names_and_unique() -> None:
    found = names("SELECT ra + 1, dec + 1, COUNT(*), MAX(ra), MAX(ra), CAST(ra AS REAL), ra, 'a', ROUND(ra + 1) AS x"
                  " FROM twomass.psc GROUP BY ra, dec")  # fmt: skip
    assert len(set(found)) == len(found)
    assert all(name.isidentifier() for name in found)
    labels = meant("SELECT p.ra, x.ra, p.ra AS RA, 1, 2 FROM twomass.psc AS p, twomass.xsc AS x").labels
    assert len({label.lower() for label in labels}) == 5


def test_stars() -> None:
    assert names("SELECT * FROM twomass.xsc") == [c.name for c in XSC.columns]
    assert names("SELECT x.*, p.ra FROM twomass.psc AS p, twomass.xsc AS x") == [*(c.name for c in XSC.columns), "ra"]
    assert len(names("SELECT * FROM twomass.psc, twomass.xsc")) == len(PSC.columns) + len(XSC.columns)
    assert "_healpix" not in names("SELECT * FROM twomass.psc")


def test_warnings() -> None:
    text = "SELECT POINT('FK5', ra, dec), CIRCLE('J2000', ra, dec, 1), POINT('FK5', 1, 2) FROM twomass.psc"
    said = resolve(parse(text), CATALOGUE, text).warnings
    assert len(said) == 2
    assert "ICRS" in said[0]
    text = "SELECT RAND(3), RAND() FROM twomass.psc"
    (said,) = resolve(parse(text), CATALOGUE, text).warnings
    assert "RAND(n) has no effect" in said
