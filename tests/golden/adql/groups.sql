-- SELECT rd_flg, COUNT(*) AS n, AVG(j_m) FROM psc GROUP BY rd_flg HAVING COUNT(*) > 10 ORDER BY n DESC, 1

SELECT psc.rd_flg, CAST(count(*) AS BIGINT) AS n, CAST(avg(psc.j_m) AS DOUBLE PRECISION) AS avg_j_m
FROM twomass.psc AS psc GROUP BY psc.rd_flg
HAVING count(*) > $1 ORDER BY n DESC, psc.rd_flg ASC
-- [10]

----------------------------------------------------------------------------------------------------
-- SELECT ROUND(j_m * 2) / 2 AS bin, COUNT(DISTINCT ext_key) FROM psc GROUP BY bin ORDER BY bin

SELECT CAST((((round(CAST(psc.j_m * $1 AS DOUBLE), CAST(greatest(least(0, 400), -400) AS INTEGER)) + CAST(0 AS DOUBLE))) / ($1)) AS DOUBLE PRECISION) AS bin, CAST(count(DISTINCT psc.ext_key) AS BIGINT) AS count_ext_key
FROM twomass.psc AS psc GROUP BY (((round(CAST(psc.j_m * $1 AS DOUBLE), CAST(greatest(least(0, 400), -400) AS INTEGER)) + CAST(0 AS DOUBLE))) / ($1)) ORDER BY bin ASC
-- [2]

----------------------------------------------------------------------------------------------------
-- SELECT DISTINCT TOP 3 rd_flg FROM psc ORDER BY rd_flg

SELECT DISTINCT psc.rd_flg
FROM twomass.psc AS psc ORDER BY psc.rd_flg ASC
 LIMIT $1
-- [3]

----------------------------------------------------------------------------------------------------
-- SELECT CONTAINS(POINT(ra, dec), POLYGON(1, 2, 3, 4, 5, 9)) AS c, COUNT(*) FROM psc GROUP BY c

SELECT CAST(CAST(vo_in_polygon(CAST(psc.ra AS DOUBLE), CAST(psc.dec AS DOUBLE), vo_shape(CAST(list_value($1, $2, $3, $4, $5, $6) AS DOUBLE[]))) AS INTEGER) AS INTEGER) AS c, CAST(count(*) AS BIGINT) AS count_all
FROM twomass.psc AS psc GROUP BY CAST(vo_in_polygon(CAST(psc.ra AS DOUBLE), CAST(psc.dec AS DOUBLE), vo_shape(CAST(list_value($1, $2, $3, $4, $5, $6) AS DOUBLE[]))) AS INTEGER)
-- [1, 2, 3, 4, 5, 9]

----------------------------------------------------------------------------------------------------
-- SELECT rd_flg, ivo_histogram(j_m, 5, 17.5, 25) AS h FROM psc GROUP BY rd_flg

SELECT psc.rd_flg, CAST(list_transform(range($3 + 2), lambda _bin: coalesce(histogram(CASE WHEN (CAST(psc.j_m AS DOUBLE PRECISION) IS NULL OR CAST(psc.j_m AS DOUBLE PRECISION) < CAST($1 AS DOUBLE PRECISION)) THEN 0 WHEN (CAST(psc.j_m AS DOUBLE PRECISION) >= CAST($2 AS DOUBLE PRECISION)) THEN $3 + 1 ELSE least(CAST(floor(((CAST(psc.j_m AS DOUBLE PRECISION) - CAST($1 AS DOUBLE PRECISION)) / (CAST($2 AS DOUBLE PRECISION) - CAST($1 AS DOUBLE PRECISION))) * $3) AS INTEGER) + 1, $3) END)[_bin], 0)) AS INTEGER[]) AS h
FROM twomass.psc AS psc GROUP BY psc.rd_flg
-- [5, 17.5, 25]
