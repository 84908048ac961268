-- SELECT TOP 10 designation, ra, dec, j_m - k_m AS colour FROM psc WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(266.4, -29, 0.1)) ORDER BY colour DESC

SELECT psc.designation, psc.ra, psc.dec, CAST(psc.j_m - psc.k_m AS REAL) AS colour
FROM twomass.psc AS psc
WHERE (psc._healpix BETWEEN $1::BIGINT AND $2::BIGINT OR psc._healpix BETWEEN $3::BIGINT AND $4::BIGINT OR psc._healpix BETWEEN $5::BIGINT AND $6::BIGINT OR psc._healpix BETWEEN $7::BIGINT AND $8::BIGINT) AND vo_near(psc.ra, psc.dec, $9::FLOAT, $10::INTEGER, $11::FLOAT) ORDER BY colour DESC NULLS LAST
 LIMIT $12::INTEGER
-- [2028733982723538944, 2028735292688564223, 2028738075827372032, 2028738247626063871, 2028739823879061504, 2028743341457276927, 2028744088781586432, 2028744788861255679, 266.4, -29, 0.1, 10]

----------------------------------------------------------------------------------------------------
-- SELECT COUNT(*) FROM psc WHERE DISTANCE(ra, dec, 10.5, 20.5) < 0.25

SELECT CAST(count(*) AS BIGINT) AS count_all
FROM twomass.psc AS psc
WHERE (psc._healpix BETWEEN $1::BIGINT AND $2::BIGINT OR psc._healpix BETWEEN $3::BIGINT AND $4::BIGINT OR psc._healpix BETWEEN $5::BIGINT AND $6::BIGINT OR psc._healpix BETWEEN $7::BIGINT AND $8::BIGINT) AND vo_strictly_near(psc.ra, psc.dec, $9::FLOAT, $10::FLOAT, $11::FLOAT)
-- [1400761252392730624, 1400780768724123647, 1400786609879646208, 1400789564817145855, 1400795474692145152, 1400801796884004863, 1400812998158712832, 1400813066878189567, 10.5, 20.5, 0.25]

----------------------------------------------------------------------------------------------------
-- SELECT COUNT(*) FROM psc WHERE 1 = CONTAINS(POINT(ra, dec), POLYGON(10, 20, 11, 20, 11, 21))

SELECT CAST(count(*) AS BIGINT) AS count_all
FROM twomass.psc AS psc
WHERE (psc._healpix BETWEEN $1::BIGINT AND $2::BIGINT OR psc._healpix BETWEEN $3::BIGINT AND $4::BIGINT OR psc._healpix BETWEEN $5::BIGINT AND $6::BIGINT OR psc._healpix BETWEEN $7::BIGINT AND $8::BIGINT OR psc._healpix BETWEEN $9::BIGINT AND $10::BIGINT OR psc._healpix BETWEEN $11::BIGINT AND $12::BIGINT OR psc._healpix BETWEEN $13::BIGINT AND $14::BIGINT OR psc._healpix BETWEEN $15::BIGINT AND $16::BIGINT) AND vo_in_polygon(psc.ra, psc.dec, vo_shape(CAST(ARRAY[$17::INTEGER, $18::INTEGER, $19::INTEGER, $18::INTEGER, $19::INTEGER, $20::INTEGER] AS DOUBLE PRECISION[])))
-- [1397654925885833216, 1397663996856762367, 1397742886816055296, 1397743161693962239, 1397748934130008064, 1397769000217214975, 1400655493118033920, 1400675284327333887, 1400681056763379712, 1400688478466867199, 1400760221600579584, 1400795405972668415, 1400833339123826688, 1400833614001733631, 1400839386437779456, 1400842410094755839, 10, 20, 11, 21]

----------------------------------------------------------------------------------------------------
-- SELECT AREA(CIRCLE(ra, dec, j_m)), CENTROID(BOX(ra, dec, 1, 2)), POINT(ra, dec) FROM psc

SELECT vo_area('circle', vo_shape(CAST(ARRAY[psc.ra, psc.dec, psc.j_m] AS DOUBLE PRECISION[]))) AS area_1, vo_centroid('polygon', vo_box(vo_shape(CAST(ARRAY[psc.ra, psc.dec, $1::INTEGER, $2::INTEGER] AS DOUBLE PRECISION[])))) AS centroid_1, vo_shape(CAST(ARRAY[psc.ra, psc.dec] AS DOUBLE PRECISION[])) AS point_ra
FROM twomass.psc AS psc
-- [1, 2]

----------------------------------------------------------------------------------------------------
-- SELECT 1 FROM psc WHERE 0 = INTERSECTS(CIRCLE(ra, dec, 1), BOX(10, 20, 1, 2)) OR 1 = CONTAINS(CIRCLE(ra, dec, 1), CIRCLE(10, 20, 5))

SELECT CAST($1::INTEGER AS INTEGER) AS col_1
FROM twomass.psc AS psc
WHERE NOT vo_intersects('circle', vo_shape(CAST(ARRAY[psc.ra, psc.dec, $1::INTEGER] AS DOUBLE PRECISION[])), 'polygon', vo_shape(CAST(ARRAY[$2::FLOAT, $3::FLOAT, $4::FLOAT, $5::FLOAT, $6::FLOAT, $7::FLOAT, $8::FLOAT, $7::FLOAT] AS DOUBLE PRECISION[]))) OR vo_distance(psc.ra, psc.dec, $9::INTEGER, $10::INTEGER) + $1::INTEGER <= $11::INTEGER OR $11::INTEGER >= 180.0
-- [1, 9.471271786473437, 18.999249028934965, 10.528728213526561, 18.999249028934962, 10.535488928329714, 20.99916280131439, 9.464511071670287, 10, 20, 5]

----------------------------------------------------------------------------------------------------
-- SELECT p.designation, x.designation FROM psc AS p JOIN xsc AS x ON DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.01

SELECT p.designation, x.designation AS designation_2
FROM twomass.psc AS p JOIN (SELECT *, unnest(vo_cells(x.ra, x.dec, $1::FLOAT, $2::INTEGER)) AS _cell_p
FROM twomass.xsc AS x) AS x ON (p._healpix BETWEEN (x._cell_p << $3::INTEGER) AND ((x._cell_p + 1) << $3::INTEGER) - 1) AND vo_strictly_near(p.ra, p.dec, x.ra, x.dec, $1::FLOAT)
-- [0.01, 9, 40]

----------------------------------------------------------------------------------------------------
-- SELECT pts_key / 7, j_m / 2.5, MOD(pts_key, 7), MOD(j_m, 2.5), ROUND(j_m, 1), TRUNCATE(j_m), pts_key ^ 5, ~pts_key FROM psc

SELECT CAST(((psc.pts_key) / nullif($1::INTEGER, 0)) AS INTEGER) AS col_1, CAST(vo_quotient(psc.j_m, $2::FLOAT) AS DOUBLE PRECISION) AS col_1_2, CAST(vo_mod(psc.pts_key, $1::INTEGER) AS INTEGER) AS mod_pts_key, CAST(vo_mod(psc.j_m, $2::FLOAT) AS DOUBLE PRECISION) AS mod_j_m, CAST(vo_round(psc.j_m, $3::INTEGER) AS DOUBLE PRECISION) AS round_j_m, CAST(vo_truncate(psc.j_m, 0) AS DOUBLE PRECISION) AS truncate_j_m, CAST(((psc.pts_key) # ($4::INTEGER)) AS INTEGER) AS col_1_3, CAST((~ (psc.pts_key)) AS INTEGER) AS col_1_4
FROM twomass.psc AS psc
-- [7, 2.5, 1, 5]

----------------------------------------------------------------------------------------------------
-- SELECT LOG(j_m), LOG10(j_m), SQRT(j_m), EXP(j_m), POWER(j_m, 2), ACOS(j_m), ATAN2(j_m, h_m), RAND(), CEILING(j_m), FLOOR(j_m) FROM psc

SELECT CAST(vo_ln(psc.j_m) AS DOUBLE PRECISION) AS log_j_m, CAST(vo_log10(psc.j_m) AS DOUBLE PRECISION) AS log10_j_m, CAST(vo_sqrt(psc.j_m) AS DOUBLE PRECISION) AS sqrt_j_m, CAST(vo_exp(psc.j_m) AS DOUBLE PRECISION) AS exp_j_m, CAST(vo_power(psc.j_m, $1::INTEGER) AS DOUBLE PRECISION) AS power_j_m, CAST(vo_acos(psc.j_m) AS DOUBLE PRECISION) AS acos_j_m, CAST(atan2(psc.j_m, psc.h_m) AS DOUBLE PRECISION) AS atan2_j_m, CAST(random() AS DOUBLE PRECISION) AS rand_1, CAST(ceil(psc.j_m) AS DOUBLE PRECISION) AS ceiling_j_m, CAST(floor(psc.j_m) AS DOUBLE PRECISION) AS floor_j_m
FROM twomass.psc AS psc
-- [2]

----------------------------------------------------------------------------------------------------
-- SELECT SUM(j_m), AVG(pts_key), SUM(DISTINCT pts_key), MIN(designation), COUNT(DISTINCT j_m) FROM psc

SELECT CAST(sum(CAST(psc.j_m AS DOUBLE PRECISION)) AS DOUBLE PRECISION) AS sum_j_m, CAST(avg(CAST(psc.pts_key AS DOUBLE PRECISION)) AS DOUBLE PRECISION) AS avg_pts_key, CAST(CAST(sum(DISTINCT psc.pts_key) AS BIGINT) AS BIGINT) AS sum_pts_key, CAST(min(psc.designation) AS VARCHAR) AS min_designation, CAST(count(DISTINCT psc.j_m) AS BIGINT) AS count_j_m
FROM twomass.psc AS psc

----------------------------------------------------------------------------------------------------
-- SELECT ra FROM psc WHERE designation LIKE '0%\_x' OR designation NOT ILIKE 'it''s'

SELECT psc.ra
FROM twomass.psc AS psc
WHERE psc.designation LIKE $1::VARCHAR ESCAPE '' OR lower((psc.designation) COLLATE "und-x-icu") NOT LIKE lower(($2::VARCHAR) COLLATE "und-x-icu") ESCAPE ''
-- ['0%\\_x', "it's"]

----------------------------------------------------------------------------------------------------
-- SELECT LOWER(designation), UPPER(designation || 'a') FROM psc

SELECT CAST(vo_lower(psc.designation) AS VARCHAR) AS lower_designation, CAST(vo_upper(psc.designation || $1::VARCHAR) AS VARCHAR) AS upper_1
FROM twomass.psc AS psc
-- ['a']

----------------------------------------------------------------------------------------------------
-- SELECT CAST(j_m AS VARCHAR), CAST(designation AS INTEGER), CAST("date" AS TIMESTAMP), CAST(TRUE AS DOUBLE PRECISION), CAST(NULL AS BIGINT) FROM psc

SELECT vo_text(psc.j_m) AS cast_j_m, CAST(CAST(vo_parsed(psc.designation) AS NUMERIC) AS INTEGER) AS cast_designation, CAST(psc.date AS TIMESTAMP WITHOUT TIME ZONE) AS cast_date, CAST(CAST($1::BOOLEAN AS INTEGER) AS DOUBLE PRECISION) AS col_1, CAST(CAST(NULL AS BIGINT) AS BIGINT) AS col_1_2
FROM twomass.psc AS psc
-- [True]

----------------------------------------------------------------------------------------------------
-- SELECT NULL AS a FROM psc UNION SELECT POINT(ra, dec) FROM psc

SELECT CAST(anon_1.a AS DOUBLE PRECISION[]) AS a
FROM (SELECT CAST(CAST(NULL AS VARCHAR) AS VARCHAR) AS a
FROM twomass.psc AS psc) AS anon_1 UNION SELECT anon_2.point_ra
FROM (SELECT vo_shape(CAST(ARRAY[psc_2.ra, psc_2.dec] AS DOUBLE PRECISION[])) AS point_ra
FROM twomass.psc AS psc_2) AS anon_2

----------------------------------------------------------------------------------------------------
-- SELECT designation FROM psc WHERE 1 = CONTAINS(POINT(ra, dec), MOC('6/1-3 7/20'))

SELECT psc.designation
FROM twomass.psc AS psc
WHERE (psc._healpix BETWEEN $1::BIGINT AND $2::BIGINT OR psc._healpix BETWEEN $3::BIGINT AND $4::BIGINT) AND (((psc._healpix) >> ($5::INTEGER)) IN (SELECT unnest(CAST($6::BIGINT[] AS BIGINT[])) AS cell) OR ((psc._healpix) >> ($7::INTEGER)) IN (SELECT unnest(CAST($8::BIGINT[] AS BIGINT[])) AS cell))
-- [70368744177664, 281474976710655, 351843720888320, 369435906932735, 46, (1, 2, 3), 44, (20,)]

----------------------------------------------------------------------------------------------------
-- SELECT AREA(MOC('6/1')) AS how_large, CONTAINS(POINT(ra, dec), CAST(designation AS MOC)) AS inside FROM psc

SELECT vo_moc_area($1::VARCHAR) AS how_large, CAST(CAST(CAST(vo_in_moc(psc.ra, psc.dec, CAST(psc.designation AS VARCHAR)) AS INTEGER) AS INTEGER) AS INTEGER) AS inside
FROM twomass.psc AS psc
-- ['6/1']

----------------------------------------------------------------------------------------------------
-- SELECT CAST(designation AS POINT) AS place, CAST(POINT(ra, dec) AS VARCHAR) AS words, CAST(CIRCLE(ra, dec, 1.5) AS REGION) AS outline FROM psc

SELECT vo_outline('point', psc.designation) AS place, CAST(vo_numbered(vo_shape(CAST(ARRAY[psc.ra, psc.dec] AS DOUBLE PRECISION[]))) AS VARCHAR) AS words, CAST(vo_worded('region', vo_shape(CAST(ARRAY[psc.ra, psc.dec, $1::FLOAT] AS DOUBLE PRECISION[]))) AS VARCHAR) AS outline
FROM twomass.psc AS psc
-- [1.5]

----------------------------------------------------------------------------------------------------
-- SELECT designation FROM psc WHERE 1 = INTERSECTS(CAST(designation AS REGION), REGION('UNION ICRS (CIRCLE 10 20 1.5 CIRCLE 50 20 1.5)'))

SELECT psc.designation
FROM twomass.psc AS psc
WHERE vo_intersects('region', vo_outline('region', CAST(psc.designation AS VARCHAR)), 'region', vo_outline('region', $1::VARCHAR))
-- ['circle 10.0 20.0 1.5 circle 50.0 20.0 1.5']
