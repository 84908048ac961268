-- SELECT ra, dec FROM psc WHERE 1=CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 10.5, 41.25, 0.125))

SELECT psc.ra, psc.dec
FROM twomass.psc AS psc
WHERE (psc._healpix BETWEEN $1 AND $2 OR psc._healpix BETWEEN $3 AND $4 OR psc._healpix BETWEEN $5 AND $6 OR psc._healpix BETWEEN $7 AND $8) AND vo_near(psc.ra, psc.dec, $9, $10, $11)
-- [190584243137544192, 190584947512180735, 190590788667703296, 190590994826133503, 190629391833759744, 190635714025619455, 190637724070313984, 190639149999456255, 10.5, 41.25, 0.125]

----------------------------------------------------------------------------------------------------
-- SELECT ra FROM fp_psc WHERE DISTANCE(POINT(ra, dec), POINT(10.5, 41.25)) <= 0.125 AND j_m < 12.5

SELECT fp_psc.ra
FROM twomass.fp_psc AS fp_psc
WHERE (fp_psc._healpix BETWEEN $1 AND $2 OR fp_psc._healpix BETWEEN $3 AND $4 OR fp_psc._healpix BETWEEN $5 AND $6 OR fp_psc._healpix BETWEEN $7 AND $8) AND vo_near(fp_psc.ra, fp_psc.dec, $9, $10, $11) AND fp_psc.j_m < CAST($12 AS REAL)
-- [190584243137544192, 190584947512180735, 190590788667703296, 190590994826133503, 190629391833759744, 190635714025619455, 190637724070313984, 190639149999456255, 10.5, 41.25, 0.125, 12.5]

----------------------------------------------------------------------------------------------------
-- SELECT ra FROM psc WHERE 0=CONTAINS(POINT(ra, dec), CIRCLE(10.5, 41.25, 0.125))

SELECT psc.ra
FROM twomass.psc AS psc
WHERE NOT vo_near(psc.ra, psc.dec, $1, $2, $3)
-- [10.5, 41.25, 0.125]

----------------------------------------------------------------------------------------------------
-- SELECT ra FROM psc WHERE 1=CONTAINS(POINT(ra, dec), POLYGON(10.5, 41.25, 10.75, 41.25, 10.75, 41.5))

SELECT psc.ra
FROM twomass.psc AS psc
WHERE (psc._healpix BETWEEN $1 AND $2 OR psc._healpix BETWEEN $3 AND $4 OR psc._healpix BETWEEN $5 AND $6 OR psc._healpix BETWEEN $7 AND $8) AND vo_in_polygon(CAST(psc.ra AS DOUBLE), CAST(psc.dec AS DOUBLE), vo_shape(CAST(list_value($9, $10, $11, $10, $11, $12) AS DOUBLE[])))
-- [184628532247265280, 184628807125172223, 190630422625910784, 190631127000547327, 190631522137538560, 190636177882087423, 190636624558686208, 190637088415154175, 10.5, 41.25, 10.75, 41.5]

----------------------------------------------------------------------------------------------------
-- SELECT ra FROM psc WHERE CONTAINS(POINT(ra, dec), CIRCLE(10.5, 41.25, 0.125)) = 1 OR DISTANCE(ra, dec, 11.5, 41.25) < 0.125

SELECT psc.ra
FROM twomass.psc AS psc
WHERE (psc._healpix BETWEEN $1 AND $2 OR psc._healpix BETWEEN $3 AND $4 OR psc._healpix BETWEEN $5 AND $6 OR psc._healpix BETWEEN $7 AND $8 OR psc._healpix BETWEEN $9 AND $10 OR psc._healpix BETWEEN $11 AND $12 OR psc._healpix BETWEEN $13 AND $14 OR psc._healpix BETWEEN $15 AND $16) AND (vo_near(psc.ra, psc.dec, $17, $18, $19) OR vo_strictly_near(psc.ra, psc.dec, $20, $18, $19))
-- [184607263569215488, 184612314450755583, 184631177947119616, 184632191559401471, 184634390582657024, 184636074209837055, 190584243137544192, 190584947512180735, 190590788667703296, 190590994826133503, 190629391833759744, 190634064758177791, 190635525047058432, 190635714025619455, 190637724070313984, 190639149999456255, 10.5, 41.25, 0.125, 11.5]

----------------------------------------------------------------------------------------------------
-- SELECT DISTANCE(ra, dec, 10.5, 41.25) AS d, AREA(CIRCLE(ra, dec, 1.5)), COORD1(CENTROID(POLYGON(ra, dec, 1, 2, 3, 4))), POINT(ra, dec) FROM psc ORDER BY d

SELECT vo_distance(psc.ra, psc.dec, $1, $2) AS d, vo_area('circle', vo_shape(CAST(list_value(psc.ra, psc.dec, $3) AS DOUBLE[]))) AS area_1, CAST(list_extract(vo_centroid(vo_shape(CAST(list_value(psc.ra, psc.dec, $4, $5, $6, $7) AS DOUBLE[]))), 1) AS DOUBLE PRECISION) AS coord1_1, vo_shape(CAST(list_value(psc.ra, psc.dec) AS DOUBLE[])) AS point_ra
FROM twomass.psc AS psc ORDER BY d ASC
-- [10.5, 41.25, 1.5, 1, 2, 3, 4]

----------------------------------------------------------------------------------------------------
-- SELECT ra FROM psc WHERE 1=INTERSECTS(CIRCLE(ra, dec, 0.25), BOX(10.5, 41.25, 1.5, 1.5))

SELECT psc.ra
FROM twomass.psc AS psc
WHERE vo_intersects('circle', vo_shape(CAST(list_value(psc.ra, psc.dec, $1) AS DOUBLE[])), 'polygon', vo_shape(CAST(list_value($2, $3, $4, $3, $5, $6, $7, $6) AS DOUBLE[])))
-- [0.25, 9.513810318565774, 40.49580845026871, 11.486189681434226, 11.50909137940211, 41.99558112569597, 9.490908620597889]

----------------------------------------------------------------------------------------------------
-- SELECT ra FROM psc WHERE 1=CONTAINS(POINT(ra, dec), CIRCLE(10.5, 41.25, 150.5))

SELECT psc.ra
FROM twomass.psc AS psc
WHERE vo_near(psc.ra, psc.dec, $1, $2, $3)
-- [10.5, 41.25, 150.5]

----------------------------------------------------------------------------------------------------
-- SELECT ivo_healpix_index(8, ra, dec) AS cell, COUNT(*) FROM psc GROUP BY cell

SELECT CAST((psc._healpix >> $1) AS BIGINT) AS cell, CAST(count(*) AS BIGINT) AS count_all
FROM twomass.psc AS psc GROUP BY (psc._healpix >> $1)
-- [42]

----------------------------------------------------------------------------------------------------
-- SELECT designation FROM psc WHERE ivo_healpix_index(8, POINT(ra, dec)) IN (1000, 1001, 5000)

SELECT psc.designation
FROM twomass.psc AS psc
WHERE (psc._healpix BETWEEN $1 AND $2 OR psc._healpix BETWEEN $3 AND $4) AND (psc._healpix >> $5) IN ($6, $7, $8)
-- [4398046511104000, 4406842604126207, 21990232555520000, 21994630602031103, 42, 1000, 1001, 5000]

----------------------------------------------------------------------------------------------------
-- SELECT designation FROM psc WHERE 1 = CONTAINS(POINT(ra, dec), ivo_geom_transform('GALACTIC', 'ICRS', CIRCLE(0, 0, 0.1)))

SELECT psc.designation
FROM twomass.psc AS psc
WHERE (psc._healpix BETWEEN $1 AND $2 OR psc._healpix BETWEEN $3 AND $4 OR psc._healpix BETWEEN $5 AND $6 OR psc._healpix BETWEEN $7 AND $8) AND vo_near(psc.ra, psc.dec, $9, $10, $11)
-- [2028734944796213248, 2028735292688564223, 2028738178906587136, 2028738312050573311, 2028740193246248960, 2028745098098900991, 2028746287804841984, 2028746566977716223, 266.4049882865447, -28.936177761791473, 0.1]

----------------------------------------------------------------------------------------------------
-- SELECT ivo_healpix_center(8, pts_key), ivo_geom_transform('ICRS', 'GALACTIC', POINT(ra, dec)), ivo_epoch_prop_pos(ra, dec, NULL, j_m, NULL, NULL, 2000, 2016) FROM psc

SELECT vo_cell_centre(CAST($1 AS INTEGER), CAST(psc.pts_key AS BIGINT)) AS ivo_healpix_center_pts_key, vo_rotated($2, $3, 'point', vo_shape(CAST(list_value(psc.ra, psc.dec) AS DOUBLE[]))) AS ivo_geom_transform_1, vo_propagated(psc.ra, psc.dec, CAST(NULL AS INTEGER), psc.j_m, CAST(NULL AS INTEGER), CAST(NULL AS INTEGER), $4, $5) AS ivo_epoch_prop_pos_ra
FROM twomass.psc AS psc
-- [8, 'ICRS', 'GALACTIC', 2000, 2016]
