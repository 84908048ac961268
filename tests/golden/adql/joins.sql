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
FROM twomass.psc AS p JOIN (SELECT *, unnest(vo_cells(x.ra, x.dec, 10)) AS _cell
FROM twomass.xsc AS x) AS x ON true
WHERE (p._healpix >> $1) = x._cell AND vo_strictly_near(p.ra, p.dec, x.ra, x.dec, $2)
-- [38, 0.01]
