-- SELECT ra FROM psc WHERE j_m = 12.3 AND j_m BETWEEN 1 AND 2.5 AND rd_flg IN ('222', '111') AND pts_key NOT IN (1, 2, NULL)

SELECT psc.ra
FROM twomass.psc AS psc
WHERE psc.j_m = CAST($1 AS REAL) AND psc.j_m BETWEEN CAST($2 AS REAL) AND CAST($3 AS REAL) AND psc.rd_flg IN ($4, $5) AND (psc.pts_key NOT IN ($6, $7, CAST(NULL AS INTEGER)))
-- [12.300000190734863, 1.0, 2.5, '222', '111', 1, 2]

----------------------------------------------------------------------------------------------------
-- SELECT ra FROM psc WHERE designation LIKE '0%\_x' OR designation NOT ILIKE 'it''s'

SELECT psc.ra
FROM twomass.psc AS psc
WHERE psc.designation LIKE $1 OR psc.designation NOT ILIKE $2
-- ['0%\\_x', "it's"]

----------------------------------------------------------------------------------------------------
-- SELECT ra FROM psc WHERE "date" > '1999-01-01' AND "date" < '2000-01-01T12:00:00'

SELECT psc.ra
FROM twomass.psc AS psc
WHERE psc.date > $1 AND psc.date < $2
-- [datetime.date(1999, 1, 1), datetime.datetime(2000, 1, 1, 12, 0)]

----------------------------------------------------------------------------------------------------
-- SELECT CAST(ra AS INTEGER), CAST(designation AS CHAR(3)), CAST("date" AS TIMESTAMP), CAST('12' AS REAL), CAST(NULL AS BIGINT) FROM psc

SELECT CAST(psc.ra AS INTEGER) AS cast_ra, substr(CAST(psc.designation AS VARCHAR), 1, 3) AS cast_designation, CAST(psc.date AS TIMESTAMP WITHOUT TIME ZONE) AS cast_date, CAST(vo_parsed($1) AS REAL) AS col_1, CAST(CAST(NULL AS BIGINT) AS BIGINT) AS col_1_2
FROM twomass.psc AS psc
-- ['12']

----------------------------------------------------------------------------------------------------
-- SELECT COALESCE(j_m, h_m, 99.9), NULLIF(j_m, 0), CASE WHEN j_m > 15 THEN 'faint' WHEN j_m IS NULL THEN NULL ELSE 'bright' END AS k FROM psc

SELECT CAST(coalesce(psc.j_m, psc.h_m, $1) AS DOUBLE PRECISION) AS coalesce_j_m, CAST(nullif(psc.j_m, CAST($2 AS REAL)) AS REAL) AS nullif_j_m, CAST(CASE WHEN (psc.j_m > CAST($3 AS REAL)) THEN $4 WHEN (psc.j_m IS NULL) THEN CAST(NULL AS VARCHAR) ELSE $5 END AS VARCHAR) AS k
FROM twomass.psc AS psc
-- [99.9, 0.0, 15.0, 'faint', 'bright']

----------------------------------------------------------------------------------------------------
-- SELECT ROUND(j_m, 1), TRUNCATE(ra), LOG(ra), RAND(3), POWER(ra, 2), ATAN2(ra, dec) FROM psc

SELECT CAST((round(CAST(psc.j_m AS DOUBLE), CAST(greatest(least($1, 400), -400) AS INTEGER)) + CAST(0 AS DOUBLE)) AS DOUBLE PRECISION) AS round_j_m, CAST((trunc(CAST(psc.ra AS DOUBLE), CAST(greatest(least(0, 400), -308) AS INTEGER)) + CAST(0 AS DOUBLE)) AS DOUBLE PRECISION) AS truncate_ra, CAST(ln(psc.ra) AS DOUBLE PRECISION) AS log_ra, CAST(random() AS DOUBLE PRECISION) AS rand_1, CAST(power(psc.ra, $2) AS DOUBLE PRECISION) AS power_ra, CAST(atan2(psc.ra, psc.dec) AS DOUBLE PRECISION) AS atan2_ra
FROM twomass.psc AS psc
-- [1, 2]

----------------------------------------------------------------------------------------------------
-- SELECT IN_UNIT(ra, 'arcsec'), IN_UNIT(err_maj, 'deg'), IN_UNIT(j_m, 'mag') FROM psc

SELECT CAST(psc.ra * $1 AS DOUBLE PRECISION) AS in_unit_ra, CAST(((psc.err_maj) / ($1)) AS DOUBLE PRECISION) AS in_unit_err_maj, CAST(psc.j_m AS REAL) AS in_unit_j_m
FROM twomass.psc AS psc
-- [3600.0]

----------------------------------------------------------------------------------------------------
-- SELECT ivo_to_mjd("date"), ivo_to_jd('2000-01-01T12:00:00'), ivo_hasword(designation, 'J'), ivo_nocasematch(ph_qual, 'a%'), ivo_hashlist_has(ph_qual, 'a'), ivo_interval_overlaps(j_m, h_m, 1, 2), ivo_normal_random(j_m, j_cmsig), ivo_dms_to_degrees(designation) FROM psc

SELECT CAST(EXTRACT(epoch FROM CAST(psc.date AS TIMESTAMP WITHOUT TIME ZONE)) / 86400.0 + 40587.0 AS DOUBLE PRECISION) AS ivo_to_mjd_date, CAST(EXTRACT(epoch FROM $1) / 86400.0 + 2440587.5 AS DOUBLE PRECISION) AS ivo_to_jd_1, CAST(CAST(list_has_all(vo_words(psc.designation), vo_words($2)) AS INTEGER) AS INTEGER) AS ivo_hasword_designation, CAST(CAST(psc.ph_qual ILIKE $3 AS INTEGER) AS INTEGER) AS ivo_nocasematch_ph_qual, CAST(CAST(strpos($4, '#') = 0 AND strpos('#' || lower(psc.ph_qual) || '#', '#' || lower($4) || '#') > 0 AS INTEGER) AS INTEGER) AS ivo_hashlist_has_ph_qual, CAST(CAST(psc.j_m <= psc.h_m AND $5 <= $6 AND psc.j_m <= $6 AND $5 <= psc.h_m AS INTEGER) AS INTEGER) AS ivo_interval_overlaps_j_m, CAST(psc.j_m + psc.j_cmsig * sqrt(-2.0 * ln(1.0 - random())) * cos(6.283185307179586 * random()) AS DOUBLE PRECISION) AS ivo_normal_random_j_m, CAST(vo_sexagesimal('dms', psc.designation) AS DOUBLE PRECISION) AS ivo_dms_to_degrees_designation
FROM twomass.psc AS psc
-- [datetime.datetime(2000, 1, 1, 12, 0), 'J', 'a%', 'a', 1, 2]

----------------------------------------------------------------------------------------------------
-- SELECT ph_qual, ivo_string_agg(designation, ', ') FROM psc GROUP BY ph_qual HAVING ivo_string_agg(designation, ', ') IS NOT NULL

SELECT psc.ph_qual, CAST(string_agg(psc.designation, $1) AS VARCHAR) AS ivo_string_agg_designation
FROM twomass.psc AS psc GROUP BY psc.ph_qual
HAVING string_agg(psc.designation, $1) IS NOT NULL
-- [', ']
