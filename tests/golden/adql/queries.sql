-- SELECT ra FROM psc WHERE ext_key IN (SELECT ext_key FROM xsc WHERE xsc.ra > psc.ra) AND EXISTS (SELECT 1 FROM xsc AS x WHERE x.ext_key = psc.ext_key)

SELECT psc.ra
FROM twomass.psc AS psc
WHERE psc.ext_key IN (SELECT xsc.ext_key
FROM twomass.xsc AS xsc
WHERE xsc.ra > psc.ra) AND (EXISTS (SELECT CAST($1 AS INTEGER) AS col_1
FROM twomass.xsc AS x
WHERE x.ext_key = psc.ext_key))
-- [1]

----------------------------------------------------------------------------------------------------
-- WITH a AS (SELECT ra, dec FROM psc WHERE j_m < 5), b AS (SELECT ra FROM a) SELECT COUNT(*) FROM a, b WHERE a.ra = b.ra

SELECT CAST(count(*) AS BIGINT) AS count_all
FROM (SELECT psc.ra AS ra, psc.dec AS dec
FROM twomass.psc AS psc
WHERE psc.j_m < CAST($1 AS REAL)) AS a_2 JOIN (SELECT a.ra AS ra
FROM (SELECT psc.ra AS ra, psc.dec AS dec
FROM twomass.psc AS psc
WHERE psc.j_m < CAST($1 AS REAL)) AS a) AS b ON true
WHERE a_2.ra = b.ra
-- [5.0]

----------------------------------------------------------------------------------------------------
-- SELECT ra, j_m FROM psc UNION ALL SELECT ra, NULL FROM xsc ORDER BY ra OFFSET 5

SELECT anon_1.ra, anon_1.j_m
FROM (SELECT psc.ra AS ra, psc.j_m AS j_m
FROM twomass.psc AS psc) AS anon_1 UNION ALL SELECT anon_2.ra, CAST(anon_2.col_1 AS REAL) AS col_1
FROM (SELECT xsc.ra AS ra, CAST(CAST(NULL AS VARCHAR) AS VARCHAR) AS col_1
FROM twomass.xsc AS xsc) AS anon_2 ORDER BY ra ASC
 LIMIT ALL OFFSET $1
-- [5]

----------------------------------------------------------------------------------------------------
-- (SELECT TOP 2 ra FROM psc ORDER BY ra) EXCEPT SELECT ra FROM xsc INTERSECT SELECT dec FROM xsc

SELECT anon_1.ra
FROM (SELECT psc.ra AS ra
FROM twomass.psc AS psc ORDER BY psc.ra ASC
 LIMIT $1) AS anon_1 EXCEPT SELECT anon_2.ra
FROM (SELECT anon_3.ra AS ra
FROM (SELECT xsc.ra AS ra
FROM twomass.xsc AS xsc) AS anon_3 INTERSECT SELECT anon_4.dec AS dec
FROM (SELECT xsc_2.dec AS dec
FROM twomass.xsc AS xsc_2) AS anon_4) AS anon_2
-- [2]

----------------------------------------------------------------------------------------------------
-- SELECT MAX(q.n) FROM (SELECT COUNT(*) AS n FROM psc GROUP BY rd_flg) AS q

SELECT CAST(max(q.n) AS BIGINT) AS max_n
FROM (SELECT CAST(count(*) AS BIGINT) AS n
FROM twomass.psc AS psc GROUP BY psc.rd_flg) AS q
