-- The IVOA's functions that PostgreSQL lacks; they call functions of sky_postgres.sql.
--
-- A mark stands for the axes of the reference frames.

-- part
-- Every second bit of a number, packed: the inverse of vo_spread.
CREATE FUNCTION vo_gather(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    n := n & @m1@;
    n := (n | (n >> 1)) & @m2@;
    n := (n | (n >> 2)) & @m4@;
    n := (n | (n >> 4)) & @m8@;
    n := (n | (n >> 8)) & @m16@;
    RETURN (n | (n >> 16)) & 4294967295;
END $$;

-- part
-- The centre of a HEALPix cell, nested: Gorski et al. 2005, section 5.
CREATE FUNCTION vo_cell_centre(nested integer, number bigint) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    face integer;
    x bigint;
    y bigint;
    nside bigint;
    ring bigint;  -- from the north pole, 1 to 4 nside - 1
    cells double precision;  -- in a quarter of the ring
    turn double precision;
    z double precision;
    away double precision;  -- the cosine of the latitude
BEGIN
    IF nested < 0 OR nested > 29 OR number < 0 OR number >> (2 * nested) >= 12 THEN
        RETURN NULL;
    END IF;
    nside := 1::bigint << nested;
    face := number >> (2 * nested);
    number := number & ((1::bigint << (2 * nested)) - 1);
    x := vo_gather(number);
    y := vo_gather(number >> 1);
    ring := ((face >> 2) + 2) * nside - x - y - 1;
    IF ring >= nside AND ring <= 3 * nside THEN
        cells := nside;
        z := (2 * nside - ring) * 2 / (3.0::double precision * nside);
        away := sqrt((1 - z) * (1 + z));
    ELSE
        cells := least(ring, 4 * nside - ring);
        z := power(cells / nside, 2) / 3;
        away := sqrt(z * (2 - z));
        z := CASE WHEN ring < nside THEN 1 - z ELSE z - 1 END;
    END IF;
    turn := (2 * (face & 3) + CASE WHEN face >> 2 = 1 THEN 0 ELSE 1 END) * cells + x - y;
    RETURN ARRAY[(CASE WHEN turn < 0 THEN turn + 8 * cells ELSE turn END) * 45 / cells, degrees(atan2(z, away))];
END $$;

-- part
-- The direction of a vector of any length.
CREATE FUNCTION vo_lonlat(x double precision, y double precision, z double precision) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    lon double precision := degrees(atan2(vo_small(y), vo_small(x)));
BEGIN
    lon := CASE WHEN lon < 0 THEN lon + 360 ELSE lon END;
    RETURN ARRAY[CASE WHEN lon >= 360 THEN 0 ELSE lon END,
        degrees(atan2(vo_small(z), sqrt(power(vo_small(x), 2) + power(vo_small(y), 2))))];
END $$;

-- part
-- See sky/proper_motion.py, which tells which values count as unknown.
CREATE FUNCTION vo_motion(x double precision) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN x IS NULL OR x = 'NaN' OR abs(x) < 1e-30 THEN 0 WHEN abs(x) < 1e30 THEN x END;

-- part
CREATE FUNCTION vo_propagated(lon double precision, lat double precision, parallax double precision,
    pm_ra double precision, pm_dec double precision, velocity double precision, since double precision,
    moment double precision) RETURNS double precision[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    years double precision := vo_motion(moment - since) * radians(1 / 3.6e6);
    east double precision := vo_motion(pm_ra) * years;
    north double precision := vo_motion(pm_dec) * years;
    along double precision := 1 + vo_motion(velocity) * vo_motion(parallax) / (149597870.7 / (365.25 * 86400)) * years;
    a double precision;
    d double precision;
    tilt double precision;
BEGIN
    IF lon IS NULL OR lat IS NULL OR since IS NULL OR moment IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'VO002', MESSAGE = 'a position or an epoch is null';
    ELSIF lon = 'NaN' OR lat = 'NaN' OR abs(lon) = 'Infinity' OR abs(lat) = 'Infinity' OR moment - since = 'NaN' THEN
        RETURN NULL;
    END IF;
    a := radians(vo_small(lon));
    d := radians(vo_small(lat));
    tilt := along * cos(d) - north * sin(d);
    RETURN vo_lonlat(tilt * cos(a) - east * sin(a), tilt * sin(a) + east * cos(a), along * sin(d) + north * cos(d));
END $$;

-- part
CREATE FUNCTION vo_axes(frame text) RETURNS double precision[] IMMUTABLE PARALLEL SAFE
RETURN CASE frame
    @axes@
END;

-- part
CREATE FUNCTION vo_turned(source double precision[], target double precision[], lon double precision,
    lat double precision) RETURNS double precision[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    v double precision[] := vo_vector(lon, lat);
    x double precision := source[1] * v[1] + source[2] * v[2] + source[3] * v[3];
    y double precision := source[4] * v[1] + source[5] * v[2] + source[6] * v[3];
    z double precision := source[7] * v[1] + source[8] * v[2] + source[9] * v[3];
BEGIN
    RETURN vo_lonlat(target[1] * x + target[4] * y + target[7] * z, target[2] * x + target[5] * y + target[8] * z,
        target[3] * x + target[6] * y + target[9] * z);
END $$;

-- pgsphere
CREATE FUNCTION vo_is_polygon(ring double precision[]) RETURNS boolean IMMUTABLE PARALLEL SAFE
RETURN vo_polygon(ring) IS NOT NULL;

-- no pgsphere
CREATE FUNCTION vo_is_polygon(ring double precision[]) RETURNS boolean IMMUTABLE PARALLEL SAFE
RETURN false;

-- part
CREATE FUNCTION vo_rotated(source text, target text, kind text, shape double precision[]) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    a double precision[] := vo_axes(source);
    b double precision[] := vo_axes(target);
    turned double precision[] := '{}';
BEGIN
    IF kind = 'polygon' AND NOT vo_is_polygon(shape) OR kind <> 'polygon' AND NOT vo_on_sphere(shape)
        OR kind = 'circle' AND (shape[3] < 0 OR shape[3] >= 'Infinity') THEN
        RETURN NULL;
    END IF;
    FOR i IN 1..cardinality(shape) - 1 BY 2 LOOP
        turned := turned || vo_turned(a, b, shape[i], shape[i + 1]);
    END LOOP;
    RETURN CASE kind WHEN 'circle' THEN turned || shape[3] ELSE turned END;
END $$;

-- part
-- See sky/angles.py.
CREATE FUNCTION vo_sexagesimal(form text, value text) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    bare text := btrim(value, E' \t\n\r\f\v');
    minus boolean := form = 'dms' AND bare ~ '^-';
    letter text := CASE form WHEN 'hms' THEN '[hH]' ELSE '[dD]' END;
    parts text[];
    whole double precision;
BEGIN
    bare := CASE WHEN form = 'dms' AND bare ~ '^[-+]' THEN substr(bare, 2) ELSE bare END;
    parts := coalesce(
        regexp_match(bare, '^([0-9]{1,3}):([0-9]{1,2}):([0-9]{1,2}(?:\.[0-9]*)?)$'),
        regexp_match(bare, '^([0-9]{1,3})' || letter || '([0-9]{1,2})[mM]([0-9]{1,2}(?:\.[0-9]*)?)[sS]$'),
        regexp_match(bare, '^([0-9]{2})([0-9]{2})([0-9]{2}(?:\.[0-9]*)?)$'));
    IF parts IS NULL OR parts[2]::integer >= 60 OR parts[3]::double precision >= 60 THEN
        RETURN NULL;
    END IF;
    whole := (parts[1]::integer * 3600 + parts[2]::integer * 60 + parts[3]::double precision) / 3600;
    RETURN CASE WHEN form = 'hms' AND whole <= 24 THEN whole * 15
        WHEN form = 'dms' AND whole <= 360 THEN CASE WHEN minus THEN -whole ELSE whole END END;
END $$;

-- part
CREATE FUNCTION vo_words(value text) RETURNS text[] IMMUTABLE STRICT PARALLEL SAFE
RETURN ARRAY(SELECT result[1] FROM regexp_matches(lower(value COLLATE "und-x-icu"), '[[:alnum:]_]+', 'g') AS t (result));

-- part
-- An aggregate: the count of each number from 0 to n - 1.
CREATE FUNCTION vo_counted(counts integer[], number integer, n integer) RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    counts := coalesce(counts, array_fill(0, ARRAY[n]));
    counts[number + 1] := counts[number + 1] + 1;
    RETURN counts;
END $$;

-- part
CREATE FUNCTION vo_counted_together(a integer[], b integer[]) RETURNS integer[] IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN a IS NULL THEN b WHEN b IS NULL THEN a
    ELSE ARRAY(SELECT a[i] + b[i] FROM generate_subscripts(a, 1) AS i ORDER BY i) END;

-- part
CREATE AGGREGATE vo_counts(integer, integer) (
    SFUNC = vo_counted, STYPE = integer[], COMBINEFUNC = vo_counted_together, PARALLEL = SAFE
);
