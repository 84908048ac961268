-- SELECT ra, dec, designation FROM twomass.psc

SELECT psc.ra, psc.dec, psc.designation
FROM twomass.psc AS psc

----------------------------------------------------------------------------------------------------
-- SELECT p.ra AS x, p."date", twomass.xsc.ra FROM twomass.psc AS p, twomass.xsc WHERE p.ext_key = xsc.ext_key

SELECT p.ra AS x, p.date, xsc.ra
FROM twomass.psc AS p JOIN twomass.xsc AS xsc ON true
WHERE p.ext_key = xsc.ext_key

----------------------------------------------------------------------------------------------------
-- SELECT cntr, xdate FROM twomass.fp_psc WHERE cntr = 7

SELECT fp_psc.cntr, fp_psc.xdate
FROM twomass.fp_psc AS fp_psc
WHERE fp_psc.cntr = $1
-- [7]

----------------------------------------------------------------------------------------------------
-- SELECT TOP 5 table_name, "size" FROM tap_schema.columns ORDER BY column_index DESC OFFSET 2

SELECT columns.table_name, columns.size
FROM tap_schema.columns AS columns ORDER BY columns.column_index DESC
 LIMIT $1 OFFSET $2
-- [5, 2]

----------------------------------------------------------------------------------------------------
-- SELECT ra AS "a ""b"" $1 %s :x" FROM twomass.psc AS "t;--" WHERE "t;--".ra > 1

SELECT "t;--".ra AS "a ""b"" $1 %s :x"
FROM twomass.psc AS "t;--"
WHERE "t;--".ra > $1
-- [1]
