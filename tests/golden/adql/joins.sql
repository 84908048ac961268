-- SELECT ext_key, psc.ra FROM psc JOIN xsc USING (ext_key)

SELECT psc.ext_key, psc.ra
FROM twomass.psc AS psc JOIN twomass.xsc AS xsc ON psc.ext_key = xsc.ext_key

----------------------------------------------------------------------------------------------------
-- SELECT ext_key, j_m FROM psc FULL JOIN (SELECT ext_key FROM xsc) AS x USING (ext_key)

SELECT CAST(coalesce(psc.ext_key, x.ext_key) AS INTEGER) AS ext_key, psc.j_m
FROM twomass.psc AS psc FULL OUTER JOIN (SELECT xsc.ext_key AS ext_key
FROM twomass.xsc AS xsc) AS x ON psc.ext_key = x.ext_key

----------------------------------------------------------------------------------------------------
-- SELECT p.ra FROM psc AS p LEFT JOIN xsc AS x ON p.ext_key = x.ext_key AND x.ra > 10 WHERE x.ra IS NULL

SELECT p.ra
FROM twomass.psc AS p LEFT OUTER JOIN twomass.xsc AS x ON p.ext_key = x.ext_key AND x.ra > $1
WHERE x.ra IS NULL
-- [10]

----------------------------------------------------------------------------------------------------
-- SELECT p.ra FROM psc AS p RIGHT JOIN xsc AS x ON p.ext_key = x.ext_key

SELECT p.ra
FROM twomass.xsc AS x LEFT OUTER JOIN twomass.psc AS p ON p.ext_key = x.ext_key

----------------------------------------------------------------------------------------------------
-- SELECT p.ra, x.ra FROM psc AS p, xsc AS x WHERE DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.01

SELECT p.ra, x.ra AS ra_2
FROM twomass.psc AS p JOIN (SELECT *, unnest(vo_cells(x.ra, x.dec, $1, $2)) AS _cell_p
FROM twomass.xsc AS x) AS x ON true
WHERE (p._healpix >> $3) = x._cell_p AND vo_strictly_near(p.ra, p.dec, x.ra, x.dec, $1)
-- [0.01, 9, 40]

----------------------------------------------------------------------------------------------------
-- SELECT a.designation, b.designation FROM psc AS a JOIN psc AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.01 AND a.pts_key < b.pts_key

SELECT a.designation, b.designation AS designation_2
FROM (SELECT *, unnest(vo_cells(a.ra, a.dec, $1, $2)) AS _cell_b
FROM twomass.psc AS a) AS a JOIN twomass.psc AS b ON (b._healpix >> $3) = a._cell_b AND vo_strictly_near(a.ra, a.dec, b.ra, b.dec, $1) AND a.pts_key < b.pts_key
-- [0.01, 9, 40]

----------------------------------------------------------------------------------------------------
-- SELECT p.designation, x.designation FROM psc AS p JOIN xsc AS x
--   ON 1 = CONTAINS(POINT(p.ra, p.dec), CIRCLE(x.ra, x.dec, x.r_ext / 3600.0))

SELECT p.designation, x.designation AS designation_2
FROM (SELECT *, ((p._healpix >> (58 - 2 * (_orders_x._order))) + (CAST(4 AS BIGINT) << (2 * (_orders_x._order)))) AS _cell_x
FROM twomass.psc AS p JOIN (SELECT DISTINCT CAST(vo_order(((x.r_ext) / ($1))) AS INTEGER) AS _order
FROM twomass.xsc AS x) AS _orders_x ON true) AS p JOIN (SELECT *, (unnest(vo_cells(x.ra, x.dec, ((x.r_ext) / ($1)), vo_order(((x.r_ext) / ($1))))) + (CAST(4 AS BIGINT) << (2 * (vo_order(((x.r_ext) / ($1))))))) AS _cell_p
FROM twomass.xsc AS x) AS x ON p._cell_x = x._cell_p AND vo_near(p.ra, p.dec, x.ra, x.dec, ((x.r_ext) / ($1)))
-- [3600.0]

----------------------------------------------------------------------------------------------------
-- SELECT p.designation FROM psc AS p JOIN xsc AS x ON DISTANCE(p.ra, p.dec, x.ra, x.dec) < p.err_maj + x.r_ext

SELECT p.designation
FROM (SELECT *, ((p._healpix >> (58 - 2 * (_orders_x._order))) + (CAST(4 AS BIGINT) << (2 * (_orders_x._order)))) AS _cell_x
FROM twomass.psc AS p JOIN (SELECT DISTINCT CAST(vo_order((_most_p._most_0 + abs(x.r_ext)) * $1) AS INTEGER) AS _order
FROM twomass.xsc AS x JOIN (SELECT CAST(max(abs(p.err_maj)) AS DOUBLE PRECISION) AS _most_0
FROM twomass.psc AS p) AS _most_p ON true) AS _orders_x ON true) AS p JOIN (SELECT *, (unnest(vo_cells(x.ra, x.dec, (_most_p._most_0 + abs(x.r_ext)) * $1, vo_order((_most_p._most_0 + abs(x.r_ext)) * $1))) + (CAST(4 AS BIGINT) << (2 * (vo_order((_most_p._most_0 + abs(x.r_ext)) * $1))))) AS _cell_p
FROM twomass.xsc AS x JOIN (SELECT CAST(max(abs(p.err_maj)) AS DOUBLE PRECISION) AS _most_0
FROM twomass.psc AS p) AS _most_p ON true) AS x ON p._cell_x = x._cell_p AND vo_strictly_near(p.ra, p.dec, x.ra, x.dec, p.err_maj + x.r_ext)
-- [1.000001]

----------------------------------------------------------------------------------------------------
-- SELECT p.designation, x.designation FROM psc AS p LEFT JOIN xsc AS x ON DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.01

SELECT p.designation, x.designation AS designation_2
FROM twomass.psc AS p LEFT OUTER JOIN (SELECT *, unnest(vo_cells(x.ra, x.dec, $1, $2)) AS _cell_p
FROM twomass.xsc AS x) AS x ON (p._healpix >> $3) = x._cell_p AND vo_strictly_near(p.ra, p.dec, x.ra, x.dec, $1)
-- [0.01, 9, 40]

----------------------------------------------------------------------------------------------------
-- SELECT p.designation, x.designation FROM xsc AS x LEFT JOIN psc AS p ON DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.01 AND p.j_m < x.j_m_ext

SELECT p.designation, x.designation AS designation_2
FROM twomass.xsc AS x LEFT OUTER JOIN (SELECT p.designation AS designation, p.ra AS ra, p.dec AS dec, p.j_m AS j_m, p._healpix AS _healpix, x.ra AS _0_x, x.dec AS _1_x
FROM (SELECT *, unnest(vo_cells(x.ra, x.dec, $1, $2)) AS _cell_p
FROM (SELECT DISTINCT x.ra AS ra, x.dec AS dec, x._healpix AS _healpix
FROM twomass.xsc AS x) AS x) AS x JOIN twomass.psc AS p ON (p._healpix >> $3) = x._cell_p AND vo_strictly_near(p.ra, p.dec, x.ra, x.dec, $1)) AS p ON x.ra = p._0_x AND x.dec = p._1_x AND p.j_m < x.j_m_ext
-- [0.01, 9, 40]

----------------------------------------------------------------------------------------------------
-- SELECT p.designation, x.designation FROM psc AS p FULL JOIN xsc AS x ON DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.01

SELECT p.designation, x.designation AS designation_2
FROM twomass.psc AS p LEFT OUTER JOIN (SELECT DISTINCT p.ra AS _0_p, p.dec AS _1_p, x.ra AS _2_x, x.dec AS _3_x
FROM twomass.psc AS p JOIN (SELECT *, unnest(vo_cells(x.ra, x.dec, $1, $2)) AS _cell_p
FROM twomass.xsc AS x) AS x ON (p._healpix >> $3) = x._cell_p AND vo_strictly_near(p.ra, p.dec, x.ra, x.dec, $1)) AS _pairs_p_x ON p.ra = _pairs_p_x._0_p AND p.dec = _pairs_p_x._1_p FULL OUTER JOIN twomass.xsc AS x ON x.ra = _pairs_p_x._2_x AND x.dec = _pairs_p_x._3_x
-- [0.01, 9, 40]

----------------------------------------------------------------------------------------------------
-- SELECT x.designation FROM xsc AS x WHERE NOT EXISTS (SELECT 1 AS o FROM psc AS p WHERE DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.01)

SELECT x.designation
FROM twomass.xsc AS x
WHERE NOT (EXISTS (SELECT CAST($1 AS INTEGER) AS o
FROM (SELECT p.ra AS ra, p.dec AS dec, p._healpix AS _healpix, x.ra AS _0_x, x.dec AS _1_x
FROM (SELECT *, unnest(vo_cells(x.ra, x.dec, $2, $3)) AS _cell_p
FROM (SELECT DISTINCT x.ra AS ra, x.dec AS dec, x._healpix AS _healpix
FROM twomass.xsc AS x) AS x) AS x JOIN twomass.psc AS p ON (p._healpix >> $4) = x._cell_p AND vo_strictly_near(p.ra, p.dec, x.ra, x.dec, $2)) AS p
WHERE x.ra = p._0_x AND x.dec = p._1_x))
-- [1, 0.01, 9, 40]

----------------------------------------------------------------------------------------------------
-- SELECT p.designation FROM psc AS p WHERE EXISTS (SELECT 1 AS o FROM xsc AS x WHERE DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.01)

SELECT p.designation
FROM twomass.psc AS p
WHERE EXISTS (SELECT CAST($1 AS INTEGER) AS o
FROM (SELECT *, unnest(vo_cells(x.ra, x.dec, $2, $3)) AS _cell_p
FROM twomass.xsc AS x) AS x
WHERE (p._healpix >> $4) = x._cell_p AND vo_strictly_near(p.ra, p.dec, x.ra, x.dec, $2))
-- [1, 0.01, 9, 40]

----------------------------------------------------------------------------------------------------
-- SELECT p.designation FROM psc AS p JOIN xsc AS x ON DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.01
--   WHERE 1 = CONTAINS(POINT(x.ra, x.dec), CIRCLE(10.5, 41.25, 0.125))

SELECT p.designation
FROM twomass.psc AS p JOIN (SELECT *, unnest(vo_cells(x.ra, x.dec, $1, $2)) AS _cell_p
FROM twomass.xsc AS x) AS x ON (p._healpix >> $3) = x._cell_p AND vo_strictly_near(p.ra, p.dec, x.ra, x.dec, $1)
WHERE (x._healpix BETWEEN $4 AND $5 OR x._healpix BETWEEN $6 AND $7 OR x._healpix BETWEEN $8 AND $9 OR x._healpix BETWEEN $10 AND $11) AND (p._healpix BETWEEN $12 AND $5 OR p._healpix BETWEEN $13 AND $14 OR p._healpix BETWEEN $15 AND $16 OR p._healpix BETWEEN $17 AND $18) AND vo_near(x.ra, x.dec, $19, $20, $21)
-- [0.01, 9, 40, 190584243137544192, 190584947512180735, 190590788667703296, 190590994826133503, 190629391833759744, 190635714025619455, 190637724070313984, 190639149999456255, 190582542330494976, 190590719948226560, 190591544581947391, 190628996696768512, 190639716935139327, 190642122116825088, 190642190836301823, 10.5, 41.25, 0.125]
