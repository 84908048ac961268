-- SELECT ra FROM psc WHERE j_m > 1 OR h_m > 2 AND k_m > 3

SELECT psc.ra
FROM twomass.psc AS psc
WHERE psc.j_m > CAST($1 AS REAL) OR psc.h_m > CAST($2 AS REAL) AND psc.k_m > CAST($3 AS REAL)
-- [1.0, 2.0, 3.0]

----------------------------------------------------------------------------------------------------
-- SELECT ra FROM psc WHERE (j_m > 1 OR h_m > 2) AND NOT k_m > 3

SELECT psc.ra
FROM twomass.psc AS psc
WHERE (psc.j_m > CAST($1 AS REAL) OR psc.h_m > CAST($2 AS REAL)) AND psc.k_m <= CAST($3 AS REAL)
-- [1.0, 2.0, 3.0]

----------------------------------------------------------------------------------------------------
-- SELECT ra - (dec - glat) - 1, ra / (dec * glat), ra / (dec + 1), -(ra + dec) FROM psc

SELECT CAST((psc.ra - (psc.dec - psc.glat)) - $1 AS DOUBLE PRECISION) AS col_1, CAST(((psc.ra) / (psc.dec * psc.glat)) AS DOUBLE PRECISION) AS col_1_2, CAST(((psc.ra) / (psc.dec + $1)) AS DOUBLE PRECISION) AS col_1_3, CAST(-(psc.ra + psc.dec) AS DOUBLE PRECISION) AS col_1_4
FROM twomass.psc AS psc
-- [1]

----------------------------------------------------------------------------------------------------
-- SELECT MOD(pts_key, scan + 1), pts_key / (scan + 1), ~(scan | 3) & 7 ^ 2 FROM psc

SELECT CAST(((psc.pts_key) % (psc.scan + $1)) AS INTEGER) AS mod_pts_key, CAST(((psc.pts_key) // (psc.scan + $1)) AS INTEGER) AS col_1, CAST(xor((~ (psc.scan | $2)) & $3, $4) AS INTEGER) AS col_1_2
FROM twomass.psc AS psc
-- [1, 3, 7, 2]

----------------------------------------------------------------------------------------------------
-- SELECT 1 + 2 * 3, 2 * (3 + 4), 'a' || 'b', SQRT(16) FROM psc

SELECT CAST($1 AS INTEGER) AS col_1, CAST($2 AS INTEGER) AS col_1_2, CAST($3 AS VARCHAR) AS col_1_3, CAST($4 AS DOUBLE PRECISION) AS sqrt_1
FROM twomass.psc AS psc
-- [7, 14, 'ab', 4.0]
