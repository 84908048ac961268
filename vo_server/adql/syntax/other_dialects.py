"""Functions of other database systems, and their equivalents in ADQL."""

from __future__ import annotations

_STRING_HINT = "ADQL has || to join strings, UPPER, LOWER and LIKE, and no other function of strings"
_CHOICE_HINT = "CASE WHEN a > b THEN a ELSE b END, an extension to ADQL, does it"
_TIME_HINT = "compare with a time as a string, as in '2000-01-30T12:00:00'"
_DISTANCE_HINT = "write DISTANCE(POINT(a, b), POINT(c, d)), in degrees"
_CONE_HINT = "write 1 = CONTAINS(POINT(ra, dec), CIRCLE(10.5, -3.2, 0.1)), all in degrees"

ADQL_EQUIVALENTS: dict[str, str] = {
    **dict.fromkeys("NVL IFNULL ISNULL".split(), "write COALESCE(a, 0)"),
    **dict.fromkeys("LENGTH LEN CHAR_LENGTH CHARACTER_LENGTH CHARINDEX INSTR".split(), _STRING_HINT),
    **dict.fromkeys("SUBSTRING SUBSTR TRIM LTRIM RTRIM POSITION REPLACE LPAD RPAD".split(), _STRING_HINT),
    **dict.fromkeys("SPLIT_PART CONVERT_TO TRANSLATE CONCAT_WS FORMAT".split(), _STRING_HINT),
    **dict.fromkeys("REGEXP_LIKE REGEXP_MATCHES".split(), "LIKE has % for any text and _ for any character"),
    "CONCAT": "write a || b",
    **dict.fromkeys("IIF IF DECODE GREATEST LEAST".split(), _CHOICE_HINT),
    **dict.fromkeys("CONVERT TO_NUMBER TO_CHAR STR FLOAT INT BIGINT DOUBLE".split(), "write CAST(a AS REAL)"),
    "CEIL": "it is CEILING(a)",
    "POW": "it is POWER(a, b)",
    "LN": "it is LOG(a), and LOG10(a) to the base of 10",
    "LOG2": "write LOG(a) / LOG(2)",
    "TRUNC": "it is TRUNCATE(a)",
    "SQR": "write POWER(a, 2)",
    "SQUARE": "write POWER(a, 2)",
    "SIGN": "write a / ABS(a)",
    "RANDOM": "it is RAND()",
    "MEAN": "it is AVG(a)",
    **dict.fromkeys(
        "STDDEV STDEV STD STDDEV_POP STDDEV_SAMP".split(), "write SQRT(AVG(a * a) - AVG(a) * AVG(a))"
    ),
    **dict.fromkeys("VARIANCE VAR VAR_POP VAR_SAMP".split(), "write AVG(a * a) - AVG(a) * AVG(a)"),
    **dict.fromkeys("MEDIAN PERCENTILE_CONT PERCENTILE_DISC QUANTILE".split(), "order by it, and take one by OFFSET"),
    **dict.fromkeys("NOW GETDATE SYSDATE TO_TIMESTAMP TO_DATE".split(), _TIME_HINT),
    **dict.fromkeys("EXTRACT DATE_PART DATE_TRUNC DATEDIFF".split(), _TIME_HINT),
    **dict.fromkeys("YEAR MONTH DAY DATEADD".split(), _TIME_HINT),
    **dict.fromkeys("Q3C_RADIAL_QUERY Q3C_POLY_QUERY Q3C_ELLIPSE_QUERY FGETNEARBYOBJEQ".split(), _CONE_HINT),
    **dict.fromkeys("CONE SCIRCLE SPOINT SPOLY".split(), _CONE_HINT),
    **dict.fromkeys("Q3C_DIST Q3C_ANG2IPIX HAVERSINE ANGDIST".split(), _DISTANCE_HINT),
    "Q3C_JOIN": "write a JOIN b ON DISTANCE(POINT(a.ra, a.dec), POINT(b.ra, b.dec)) < 0.001",
}  # fmt: skip
"""The hint for each function, by its name in upper case."""
