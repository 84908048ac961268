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

SELECT vo_distance(psc.ra, psc.dec, $1, $2) AS d, vo_area('circle', vo_shape(CAST(list_value(psc.ra, psc.dec, $3) AS DOUBLE[]))) AS area_1, CAST(list_extract(vo_centroid('polygon', vo_shape(CAST(list_value(psc.ra, psc.dec, $4, $5, $6, $7) AS DOUBLE[]))), 1) AS DOUBLE PRECISION) AS coord1_1, vo_shape(CAST(list_value(psc.ra, psc.dec) AS DOUBLE[])) AS point_ra
FROM twomass.psc AS psc ORDER BY d ASC
-- [10.5, 41.25, 1.5, 1, 2, 3, 4]

----------------------------------------------------------------------------------------------------
-- SELECT ra FROM psc WHERE 1=INTERSECTS(CIRCLE(ra, dec, 0.25), BOX(10.5, 41.25, 1.5, 1.5))

SELECT psc.ra
FROM twomass.psc AS psc
WHERE (psc._healpix BETWEEN $1 AND $2 OR psc._healpix BETWEEN $3 AND $4 OR psc._healpix BETWEEN $5 AND $6 OR psc._healpix BETWEEN $7 AND $8) AND vo_intersects('circle', vo_shape(CAST(list_value(psc.ra, psc.dec, $9) AS DOUBLE[])), 'polygon', vo_shape(CAST(list_value($10, $11, $12, $11, $13, $14, $15, $14) AS DOUBLE[])))
-- [184478809687326720, 184647584722190335, 187605271000907776, 187669317553225727, 190370817622671360, 190787532529598463, 193654783976931328, 193690243226927103, 0.25, 9.513810318565774, 40.49580845026871, 11.486189681434226, 11.50909137940211, 41.99558112569597, 9.490908620597889]

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

----------------------------------------------------------------------------------------------------
-- SELECT designation FROM psc WHERE 1 = CONTAINS(POINT(ra, dec), MOC('6/1-3 7/20'))

SELECT psc.designation
FROM twomass.psc AS psc
WHERE (psc._healpix BETWEEN $1 AND $2 OR psc._healpix BETWEEN $3 AND $4) AND ((psc._healpix >> $5) IN (SELECT unnest(CAST($6 AS BIGINT[])) AS cell) OR (psc._healpix >> $7) IN (SELECT unnest(CAST($8 AS BIGINT[])) AS cell))
-- [70368744177664, 281474976710655, 351843720888320, 369435906932735, 46, (1, 2, 3), 44, (20,)]

----------------------------------------------------------------------------------------------------
-- SELECT designation FROM psc WHERE 1 = CONTAINS(POINT(10, 20), CIRCLE(ra, dec, 0.25))

SELECT psc.designation
FROM twomass.psc AS psc
WHERE (psc._healpix BETWEEN $1 AND $2 OR psc._healpix BETWEEN $3 AND $4 OR psc._healpix BETWEEN $5 AND $6 OR psc._healpix BETWEEN $7 AND $8) AND vo_near($9, $10, psc.ra, psc.dec, $11)
-- [1397739657000648704, 1397743161693962239, 1397747559740473344, 1397768106864017407, 1397774291616923648, 1397776009603842047, 1397787142159073280, 1397788860145991679, 10, 20, 0.25]

----------------------------------------------------------------------------------------------------
-- SELECT CONTAINS(CIRCLE(10, 20, 1), MOC(6, CIRCLE(10, 20, 2))) AS held, MOC(3, POINT(10, 20)) AS moc, AREA(MOC('6/1')) AS how_large,
--        CONTAINS(CIRCLE(ra, dec, 0.5), MOC('6/1-3')) AS per_row, MOC(8, CIRCLE(ra, dec, 0.5)) AS cells FROM psc

SELECT CAST($1 AS INTEGER) AS held, CAST($2 AS VARCHAR) AS moc, vo_moc_area($3) AS how_large, CAST(CAST(vo_moc_test('contains', $4, 'circle', vo_shape(CAST(list_value(psc.ra, psc.dec, $5) AS DOUBLE[]))) AS INTEGER) AS INTEGER) AS per_row, CAST(vo_moc_of($6, 'circle', vo_shape(CAST(list_value(psc.ra, psc.dec, $5) AS DOUBLE[]))) AS VARCHAR) AS cells
FROM twomass.psc AS psc
-- [1, '3/310', '6/1', '6/1-3', 0.5, 8]

----------------------------------------------------------------------------------------------------
-- SELECT CAST(designation AS POINT) AS place, CAST(POINT(ra, dec) AS VARCHAR) AS words, CAST(CIRCLE(ra, dec, 1.5) AS REGION) AS outline FROM psc

SELECT vo_outline('point', psc.designation) AS place, CAST(array_to_string(list_transform(vo_shape(CAST(list_value(psc.ra, psc.dec) AS DOUBLE[])), lambda _n: CAST(_n AS VARCHAR)), ' ') AS VARCHAR) AS words, CAST(vo_worded('region', vo_shape(CAST(list_value(psc.ra, psc.dec, $1) AS DOUBLE[]))) AS VARCHAR) AS outline
FROM twomass.psc AS psc
-- [1.5]

----------------------------------------------------------------------------------------------------
-- SELECT designation FROM psc WHERE 1 = INTERSECTS(CAST(designation AS REGION), REGION('UNION ICRS (CIRCLE 10 20 1.5 CIRCLE 50 20 1.5)'))

SELECT psc.designation
FROM twomass.psc AS psc
WHERE vo_intersects('region', vo_outline('region', CAST(psc.designation AS VARCHAR)), 'region', vo_outline('region', $1))
-- ['circle 10.0 20.0 1.5 circle 50.0 20.0 1.5']

----------------------------------------------------------------------------------------------------
-- SELECT designation FROM psc WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE('GALACTIC', 10, 20, 0.25))

SELECT psc.designation
FROM twomass.psc AS psc
WHERE (psc._healpix BETWEEN $1 AND $2 OR psc._healpix BETWEEN $3 AND $4 OR psc._healpix BETWEEN $5 AND $6 OR psc._healpix BETWEEN $7 AND $8) AND vo_near(psc.ra, psc.dec, $9, $10, $11)
-- [2167970160965582848, 2167977376510640127, 2167981843276627968, 2167990570650173439, 2168066505671966720, 2168069666767896575, 2168078600299872256, 2168092206756265983, 254.28494358415128, -9.782228772216493, 0.25]
