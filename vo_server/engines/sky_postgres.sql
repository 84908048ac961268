-- Spherical functions for PostgreSQL with the results of DuckDB's. sky_postgres.py installs them.
--
-- @ext@ is the schema of pgSphere; a part under "-- pgsphere" is left out without pgSphere, one under "-- no pgsphere"
-- with it; @m1@ ... are bit masks, @span@ ... the numbers of sky/cover.py.
-- PostgreSQL inlines bodies after RETURN into the query, so that they cost no call and constants are folded. PostgreSQL
-- fails on underflow, so differences below 1e-100 count as zero.

-- part
CREATE FUNCTION vo_small(x double precision) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN abs(x) < 1e-100 THEN 0 ELSE x END;

-- part
CREATE FUNCTION vo_near(lon1 double precision, lat1 double precision, lon2 double precision, lat2 double precision,
    radius double precision) RETURNS boolean IMMUTABLE PARALLEL SAFE
RETURN radius >= 0.0 AND
    power(sin(radians(vo_small(lat1 - lat2)) / 2), 2)
    + cos(radians(vo_small(lat1))) * cos(radians(vo_small(lat2))) * power(sin(radians(vo_small(lon1 - lon2)) / 2), 2)
    <= CASE WHEN radius >= 180.0 THEN 2 ELSE power(sin(radians(vo_small(radius)) / 2) + 2e-16, 2) END;

-- part
CREATE FUNCTION vo_strictly_near(lon1 double precision, lat1 double precision, lon2 double precision,
    lat2 double precision, radius double precision) RETURNS boolean IMMUTABLE PARALLEL SAFE
RETURN radius >= 0.0 AND
    power(sin(radians(vo_small(lat1 - lat2)) / 2), 2)
    + cos(radians(vo_small(lat1))) * cos(radians(vo_small(lat2))) * power(sin(radians(vo_small(lon1 - lon2)) / 2), 2)
    < CASE WHEN radius > 180.0 THEN 2 ELSE power(sin(radians(vo_small(radius)) / 2), 2) END;

-- part
CREATE FUNCTION vo_distance(lon1 double precision, lat1 double precision, lon2 double precision,
    lat2 double precision) RETURNS double precision LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    d1 double precision := radians(vo_small(lat1));
    d2 double precision := radians(vo_small(lat2));
    da double precision := radians(vo_small(lon2 - lon1));
    east double precision := vo_small(cos(d2) * sin(da));
    north double precision := vo_small(cos(d1) * sin(d2) - sin(d1) * cos(d2) * cos(da));
BEGIN
    RETURN degrees(atan2(sqrt(power(east, 2) + power(north, 2)), sin(d1) * sin(d2) + cos(d1) * cos(d2) * cos(da)));
END $$;

-- part
-- Arithmetic that returns infinity, NaN or null where PostgreSQL's own fails.
CREATE FUNCTION vo_quotient(a double precision, b double precision) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN b = 0 THEN CASE WHEN a = 0 OR a = 'NaN' THEN 'NaN' WHEN a > 0 THEN 'Infinity'::double precision
    WHEN a < 0 THEN '-Infinity' END ELSE a / b END;

-- part
CREATE FUNCTION vo_quotient(a real, b real) RETURNS real IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN b = 0 THEN CASE WHEN a = 0 OR a = 'NaN' THEN 'NaN' WHEN a > 0 THEN 'Infinity'::real
    WHEN a < 0 THEN '-Infinity' END ELSE a / b END;

-- part
CREATE FUNCTION vo_mod(x double precision, y double precision) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    rest double precision := abs(x);
    step double precision := abs(y);
    bit double precision;
    size double precision;
BEGIN
    IF x = 'NaN' OR y = 'NaN' OR y = 0 OR rest = 'Infinity' THEN
        RETURN 'NaN';
    END IF;
    WHILE rest >= step LOOP  -- exact, as fmod is: subtract a power of two times y while it fits
        size := floor((log10(rest) - log10(step)) / 0.30103);
        bit := step * power(2::double precision, least(size, 1000)) * power(2::double precision, greatest(size - 1000, 0));
        IF bit > rest THEN
            bit := bit / 2;
        END IF;
        IF bit < step THEN
            bit := step;
        END IF;
        rest := rest - bit;
    END LOOP;
    RETURN CASE WHEN x < 0 THEN -rest ELSE rest END;
END $$;

-- part
CREATE FUNCTION vo_mod(x bigint, y bigint) RETURNS bigint IMMUTABLE PARALLEL SAFE
RETURN x % nullif(y, 0);

-- part
CREATE FUNCTION vo_mod(x integer, y integer) RETURNS integer IMMUTABLE PARALLEL SAFE
RETURN x % nullif(y, 0);

-- part
CREATE FUNCTION vo_mod(x smallint, y smallint) RETURNS smallint IMMUTABLE PARALLEL SAFE
RETURN x % nullif(y, 0::smallint);

-- part
CREATE FUNCTION vo_ln(x double precision) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN x = 0 THEN '-Infinity'::double precision WHEN x < 0 THEN 'NaN' ELSE ln(x) END;

-- part
CREATE FUNCTION vo_log10(x double precision) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN x = 0 THEN '-Infinity'::double precision WHEN x < 0 THEN 'NaN' ELSE log10(x) END;

-- part
CREATE FUNCTION vo_sqrt(x double precision) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN x < 0 THEN 'NaN'::double precision ELSE sqrt(x) END;

-- part
CREATE FUNCTION vo_exp(x double precision) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN x = 'NaN' THEN x WHEN x > 709.782712893384 THEN 'Infinity'::double precision WHEN x < -745 THEN 0
    ELSE exp(x) END;

-- part
CREATE FUNCTION vo_acos(x double precision) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN abs(x) > 1 THEN 'NaN'::double precision ELSE acos(x) END;

-- part
CREATE FUNCTION vo_asin(x double precision) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN abs(x) > 1 THEN 'NaN'::double precision ELSE asin(x) END;

-- part
CREATE FUNCTION vo_sin(x double precision) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN abs(x) = 'Infinity' THEN 'NaN'::double precision ELSE sin(x) END;

-- part
CREATE FUNCTION vo_cos(x double precision) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN abs(x) = 'Infinity' THEN 'NaN'::double precision ELSE cos(x) END;

-- part
CREATE FUNCTION vo_tan(x double precision) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN abs(x) = 'Infinity' THEN 'NaN'::double precision ELSE tan(x) END;

-- part
CREATE FUNCTION vo_cot(x double precision) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN abs(x) = 'Infinity' THEN 'NaN'::double precision ELSE cot(x) END;

-- part
CREATE FUNCTION vo_power(x double precision, y double precision) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    minus boolean := x < 0 AND y / 2 <> trunc(y / 2);
    size double precision;
BEGIN
    IF x = 0 AND y < 0 THEN
        RETURN 'Infinity';
    ELSIF x < 0 AND abs(y) <> 'Infinity' AND y <> trunc(y) THEN
        RETURN CASE WHEN x > '-Infinity' THEN 'NaN' WHEN y > 0 THEN 'Infinity' ELSE '0' END;
    END IF;
    size := CASE WHEN x = 0 THEN 0 ELSE ln(abs(x)) END;
    IF abs(x) = 'Infinity' OR abs(y) = 'Infinity' OR x = 'NaN' OR y = 'NaN' OR size = 0 THEN
        RETURN power(x, y);
    ELSIF (size > 0 AND y > 709.782712893384 / size) OR (size < 0 AND y < 709.782712893384 / size) THEN
        RETURN CASE WHEN minus THEN '-Infinity' ELSE 'Infinity' END;
    ELSIF (size > 0 AND y < -745 / size) OR (size < 0 AND y > -745 / size) THEN
        RETURN CASE WHEN minus THEN '-0' ELSE '0' END;
    END IF;
    RETURN power(x, y);
END $$;

-- part
CREATE FUNCTION vo_signed_distance(x double precision) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN trunc(x) + CASE WHEN abs(x - trunc(x)) >= 0.5 THEN sign(x) ELSE 0 END;

-- part
CREATE FUNCTION vo_round(x double precision, n bigint) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    scale double precision := CASE WHEN abs(n) > 308 THEN 1e308 ELSE power(10::double precision, abs(n)) END;
BEGIN
    RETURN CASE
        WHEN n = 0 THEN vo_signed_distance(x)
        WHEN n < -308 AND abs(x) < 'Infinity' THEN 0 * sign(x)
        WHEN n < 0 THEN CASE WHEN abs(x) < scale / 4 THEN 0 * sign(x) ELSE vo_signed_distance(x / scale) * scale END
        WHEN abs(x) >= 9007199254740992 OR abs(x) >= 1e308 / scale THEN x
        WHEN abs(x) < 1e-300 THEN CASE WHEN n > 308 THEN x ELSE 0 * sign(x) END
        ELSE vo_signed_distance(x * scale) / scale
    END + 0.0;
END $$;

-- part
CREATE FUNCTION vo_truncate(x double precision, n bigint) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    scale double precision := CASE WHEN abs(n) > 308 THEN 1e308 ELSE power(10::double precision, abs(n)) END;
BEGIN
    RETURN CASE
        WHEN n = 0 THEN trunc(x)
        WHEN n < -308 AND abs(x) < 'Infinity' THEN 0 * sign(x)
        WHEN n < 0 THEN CASE WHEN abs(x) < scale THEN 0 * sign(x) ELSE trunc(x / scale) * scale END
        WHEN abs(x) >= 9007199254740992 OR abs(x) >= 1e308 / scale THEN x
        WHEN abs(x) < 1e-300 THEN CASE WHEN n > 308 THEN x ELSE 0 * sign(x) END
        ELSE trunc(x * scale) / scale
    END + 0.0;
END $$;

-- part
-- Texts are compared by their bytes; upper and lower case work in every language.
CREATE FUNCTION vo_lower(value text) RETURNS text IMMUTABLE PARALLEL SAFE
RETURN lower(value COLLATE "und-x-icu") COLLATE "C";

-- part
CREATE FUNCTION vo_upper(value text) RETURNS text IMMUTABLE PARALLEL SAFE
RETURN upper(value COLLATE "und-x-icu") COLLATE "C";

-- part
-- The times of DALI among the texts that PostgreSQL accepts as times; other texts are changed so that it rejects them.
CREATE FUNCTION vo_moment(value text) RETURNS timestamp STABLE PARALLEL SAFE
RETURN CASE WHEN value IS NOT NULL THEN left(coalesce(substring(value, '@moment@'), 'no time'), 26)::timestamp END;

-- part
-- A number below the range of doubles becomes 0.
CREATE FUNCTION vo_parsed(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    number text := coalesce(substring(value, '@number@'), 'no number');
BEGIN
    RETURN CASE WHEN number ~* '^[^n]*e-' AND abs(number::numeric) < 1e-300 THEN '0' ELSE number END;
END $$;

-- part
-- A double as a text that shows that its type is not an integer. Below 1e16 all digits are written out.
CREATE FUNCTION vo_plain(value text) RETURNS text IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN strpos(value, '.') > 0 AND strpos(value, 'e') = 0 THEN value
    WHEN value ~ '^-?[0-9]+$' THEN value || '.0'
    WHEN value ~ 'e[+](0[0-9]|1[0-5])$' THEN regexp_replace(
        rpad(replace(split_part(value, 'e', 1), '.', ''),
            greatest(length(replace(split_part(value, 'e', 1), '.', '')),
                split_part(value, '+', 2)::integer + 2 + CASE WHEN value ~ '^-' THEN 1 ELSE 0 END), '0'),
        '^(-?[0-9]{' || split_part(value, '+', 2)::integer + 1 || '})', '\1.')
    ELSE lower(replace(value, 'inity', '')) END;

-- part
CREATE FUNCTION vo_text(x double precision) RETURNS text IMMUTABLE PARALLEL SAFE
RETURN vo_plain(x::text);

-- part
CREATE FUNCTION vo_text(x real) RETURNS text IMMUTABLE PARALLEL SAFE
RETURN vo_plain(x::text);

-- part
-- Geometries: lists of numbers; null if one of the numbers is null or they make no valid shape.
CREATE FUNCTION vo_shape(numbers double precision[]) RETURNS double precision[] IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN array_position(numbers, NULL) IS NULL THEN numbers END;

-- part
CREATE FUNCTION vo_on_sphere(numbers double precision[]) RETURNS boolean IMMUTABLE PARALLEL SAFE
RETURN abs(numbers[1]) < 'Infinity' AND abs(numbers[2]) <= 90;

-- part
CREATE FUNCTION vo_vector(lon double precision, lat double precision) RETURNS double precision[]
IMMUTABLE PARALLEL SAFE
RETURN ARRAY[cos(radians(vo_small(lat))) * cos(radians(vo_small(lon))),
    cos(radians(vo_small(lat))) * sin(radians(vo_small(lon))), sin(radians(vo_small(lat)))];

-- part
-- The corners of a box: see sky/vectors.py.
CREATE FUNCTION vo_box(box double precision[]) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    a double precision;
    d double precision;
    x double precision;
    y double precision;
    v double precision[];
    corner integer[];
    ring double precision[] := '{}';
    lon double precision;
BEGIN
    IF NOT vo_on_sphere(box) OR NOT (box[3] > 0 AND box[3] < 180 AND box[4] > 0 AND box[4] < 180) THEN
        RETURN NULL;
    END IF;
    a := radians(vo_small(box[1]));
    d := radians(vo_small(box[2]));
    FOREACH corner SLICE 1 IN ARRAY ARRAY[[-1, -1], [1, -1], [1, 1], [-1, 1]] LOOP
        x := corner[1] * tan(radians(box[3]) / 2);
        y := corner[2] * tan(radians(box[4]) / 2);
        v := ARRAY[cos(d) * cos(a) - x * sin(a) - y * sin(d) * cos(a),
                   cos(d) * sin(a) + x * cos(a) - y * sin(d) * sin(a),
                   sin(d) + y * cos(d)];
        lon := degrees(atan2(v[2], v[1]));
        ring := ring || CASE WHEN lon < 0 THEN lon + 360 ELSE lon END
                     || degrees(atan2(v[3], sqrt(v[1] * v[1] + v[2] * v[2])));
    END LOOP;
    RETURN ring;
END $$;

-- part
-- HEALPix, nested: Gorski et al. 2005; the bits of x and y alternate.
CREATE FUNCTION vo_spread(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    n := (n | (n << 16)) & @m16@;
    n := (n | (n << 8)) & @m8@;
    n := (n | (n << 4)) & @m4@;
    n := (n | (n << 2)) & @m2@;
    RETURN (n | (n << 1)) & @m1@;
END $$;

-- part
-- The base cell, the cell in it (x, y), and the position within that cell (0 to 1 each).
CREATE FUNCTION vo_face(lon double precision, lat double precision, nested integer) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    nside bigint := 1::bigint << nested;
    turn double precision := (lon - 360 * floor(lon / 360)) / 90;
    z double precision := sin(radians(vo_small(lat)));
    part double precision;
    p double precision;
    m double precision;
    jp bigint;
    jm bigint;
    quarter integer;
BEGIN
    turn := CASE WHEN turn >= 4 THEN 0 ELSE turn END;
    IF abs(z) <= 2.0 / 3 THEN
        p := nside * (0.5 + turn - z * 0.75);
        m := nside * (0.5 + turn + z * 0.75);
        jp := floor(p);
        jm := floor(m);
        quarter := CASE WHEN jp >> nested = jm >> nested THEN (jp >> nested) | 4
                        WHEN jp >> nested < jm >> nested THEN jp >> nested ELSE (jm >> nested) + 8 END;
        RETURN ARRAY[quarter, jm & (nside - 1), nside - (jp & (nside - 1)) - 1, m - jm, 1 - (p - jp)];
    END IF;
    quarter := floor(turn);
    part := nside * cos(radians(lat)) / sqrt((1 + abs(z)) / 3);
    p := (turn - quarter) * part;
    m := (1 - turn + quarter) * part;
    jp := least(floor(p), nside - 1);
    jm := least(floor(m), nside - 1);
    IF z > 0 THEN
        RETURN ARRAY[quarter, nside - jm - 1, nside - jp - 1, 1 - (m - jm), 1 - (p - jp)];
    END IF;
    RETURN ARRAY[quarter + 8, jp, jm, p - jp, m - jm];
END $$;

-- part
CREATE FUNCTION vo_number(face bigint, x bigint, y bigint, nested integer) RETURNS bigint IMMUTABLE PARALLEL SAFE
RETURN (face << (2 * nested)) + vo_spread(x) + (vo_spread(y) << 1);

-- part
CREATE FUNCTION vo_cell(lon double precision, lat double precision, nested integer) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    f double precision[];
BEGIN
    IF NOT vo_on_sphere(ARRAY[lon, lat]) THEN
        RETURN NULL;
    END IF;
    f := vo_face(lon, lat, nested);
    RETURN vo_number(f[1]::bigint, f[2]::bigint, f[3]::bigint, nested);
END $$;

-- part
-- The order in whose cells a circle of this radius is searched, and the cells that it reaches: see sky/cover.py.
CREATE FUNCTION vo_order(radius double precision) RETURNS integer IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN radius IS NULL OR radius < 0 THEN NULL @ladder@ ELSE 0 END;

-- part
CREATE FUNCTION vo_cells(lon double precision, lat double precision, radius double precision, nested integer)
RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    faces CONSTANT integer[] := '{ {8,9,10,11,-1,-1,-1,-1,10,11,8,9}, {5,6,7,4,8,9,10,11,9,10,11,8},
        {-1,-1,-1,-1,5,6,7,4,-1,-1,-1,-1}, {4,5,6,7,11,8,9,10,11,8,9,10}, {0,1,2,3,4,5,6,7,8,9,10,11},
        {1,2,3,0,0,1,2,3,5,6,7,4}, {-1,-1,-1,-1,7,4,5,6,-1,-1,-1,-1}, {3,0,1,2,3,0,1,2,4,5,6,7},
        {2,3,0,1,-1,-1,-1,-1,0,1,2,3} }';
    swaps CONSTANT integer[] := '{ {0,0,3}, {0,0,6}, {0,0,0}, {0,0,5}, {0,0,0}, {5,0,0}, {0,0,0}, {6,0,0}, {3,0,0} }';
    top bigint := (1::bigint << nested) - 1;
    margin double precision;
    f double precision[];
    x bigint;
    y bigint;
    side integer;
    face integer;
    swap integer;
    result bigint[] := '{}';
BEGIN
    IF NOT vo_on_sphere(ARRAY[lon, lat]) OR radius < 0 THEN
        RETURN NULL;
    ELSIF NOT radius <= @widest@ THEN
        RETURN '{0,1,2,3,4,5,6,7,8,9,10,11}';
    END IF;
    f := vo_face(lon, lat, nested);
    margin := @span@ * (top + 1) * radians(radius + @pad@);
    IF f[4] > margin AND 1 - f[4] > margin AND f[5] > margin AND 1 - f[5] > margin THEN
        RETURN ARRAY[vo_number(f[1]::bigint, f[2]::bigint, f[3]::bigint, nested)];
    END IF;
    FOR dx IN CASE WHEN f[4] > margin THEN 0 ELSE -1 END .. CASE WHEN 1 - f[4] > margin THEN 0 ELSE 1 END LOOP
        FOR dy IN CASE WHEN f[5] > margin THEN 0 ELSE -1 END .. CASE WHEN 1 - f[5] > margin THEN 0 ELSE 1 END LOOP
            x := f[2]::bigint + dx;
            y := f[3]::bigint + dy;
            side := 5 + CASE WHEN x < 0 THEN -1 WHEN x > top THEN 1 ELSE 0 END
                      + CASE WHEN y < 0 THEN -3 WHEN y > top THEN 3 ELSE 0 END;
            face := faces[side][f[1]::integer + 1];
            swap := swaps[side][(f[1]::integer >> 2) + 1];
            x := x & top;
            y := y & top;
            x := CASE WHEN swap & 1 > 0 THEN top - x ELSE x END;
            y := CASE WHEN swap & 2 > 0 THEN top - y ELSE y END;
            IF face >= 0 THEN
                result := result || CASE WHEN swap & 4 > 0 THEN vo_number(face, y, x, nested)
                                       ELSE vo_number(face, x, y, nested) END;
            END IF;
        END LOOP;
    END LOOP;
    RETURN ARRAY(SELECT DISTINCT unnest(result));
END $$;

-- part
CREATE FUNCTION vo_area_of_circle(circle double precision[]) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN vo_on_sphere(circle) AND circle[3] >= 0
    THEN 4 * pi() * power(sin(radians(vo_small(least(circle[3], 180))) / 2), 2) * power(180 / pi(), 2) END;

-- pgsphere
-- The polygon of these vertices; null if they make none. Raises VO001 for one that pgSphere cannot store.
CREATE FUNCTION vo_polygon(ring double precision[]) RETURNS @ext@.spoly
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    pg_polygon @ext@.spoly;
    size integer := cardinality(ring);
    x double precision;
    y double precision;
    z double precision;
BEGIN
    IF size >= 8 AND ring[1:2] = ring[size - 1:size] THEN
        RETURN vo_polygon(ring[1:size - 2]);
    END IF;
    IF size < 6 OR size % 2 > 0 OR EXISTS (
        SELECT 1 FROM generate_series(1, size, 2) AS i WHERE NOT vo_on_sphere(ring[i:i + 1])
            OR vo_near(ring[i], ring[i + 1], ring[(i + 1) % size + 1], ring[(i + 2) % size + 1], 0)) THEN
        RETURN NULL;
    END IF;
    SELECT @ext@.spoly(@ext@.spoint(radians(vo_small(ring[i])), radians(vo_small(ring[i + 1]))) ORDER BY i)
        INTO pg_polygon FROM generate_series(1, size, 2) AS i;
    IF pg_polygon IS NOT NULL THEN
        RETURN pg_polygon;
    END IF;
    -- pgSphere does not say which: sides cross, or vertices are too far apart. Beyond 72 degrees assume the latter.
    SELECT sum(cos(radians(ring[i + 1])) * cos(radians(ring[i]))), sum(cos(radians(ring[i + 1])) * sin(radians(ring[i]))),
        sum(sin(radians(ring[i + 1]))) INTO x, y, z FROM generate_series(1, size, 2) AS i;
    IF EXISTS (SELECT 1 FROM generate_series(1, size, 2) AS i WHERE cos(radians(ring[i + 1])) * (cos(radians(ring[i])) * x
        + sin(radians(ring[i])) * y) + sin(radians(ring[i + 1])) * z <= 0.3 * sqrt(x * x + y * y + z * z)) THEN
        RAISE EXCEPTION USING ERRCODE = 'VO001', MESSAGE = 'polygon too large';
    END IF;
    RETURN NULL;
END $$;

-- pgsphere
CREATE FUNCTION vo_in_polygon(lon double precision, lat double precision, ring double precision[]) RETURNS boolean
IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN abs(lat) <= 90 AND abs(lon) < 'Infinity'
    THEN @ext@.spoly_contains_point(vo_polygon(ring), @ext@.spoint(radians(vo_small(lon)), radians(vo_small(lat))))
    WHEN lat IS NOT NULL AND lon IS NOT NULL AND ring IS NOT NULL THEN false END;

-- pgsphere
CREATE FUNCTION vo_circle(circle double precision[]) RETURNS @ext@.scircle IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN vo_on_sphere(circle) AND circle[3] BETWEEN 0 AND 90 THEN @ext@.scircle(
    @ext@.spoint(radians(vo_small(circle[1])), radians(vo_small(circle[2]))), radians(vo_small(circle[3]))) END;

-- pgsphere
-- The complement of a shape.
CREATE FUNCTION vo_beyond(circle double precision[]) RETURNS double precision[] IMMUTABLE PARALLEL SAFE
RETURN ARRAY[circle[1] + 180, -circle[2], greatest(180 - circle[3], 0)];

-- part
CREATE FUNCTION vo_numbered(numbers double precision[]) RETURNS text IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT string_agg(vo_text(x), ' ' ORDER BY n) FROM unnest(numbers) WITH ORDINALITY AS p (x, n));

-- pgsphere
-- A shape of a region, by the keyword before its numbers.
CREATE FUNCTION vo_worded_shape(name text, numbers double precision[]) RETURNS double precision[]
IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN name = 'BOX' AND cardinality(numbers) = 4 THEN vo_box(numbers)
    WHEN name IN ('POSITION', 'POINT') AND cardinality(numbers) = 2 AND vo_on_sphere(numbers)
        OR name = 'CIRCLE' AND cardinality(numbers) = 3 AND vo_on_sphere(numbers) AND numbers[3] >= 0
        OR name = 'POLYGON' AND vo_polygon(numbers) IS NOT NULL THEN numbers END;

-- pgsphere
-- The numbers of a geometry in words, NaN between the shapes of a union, as in sky/regions.py.
CREATE FUNCTION vo_outline(kind text, value text) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    words text[] := string_to_array(btrim(regexp_replace(upper(value), '[,()\s]+', ' ', 'g')), ' ');
    word text;
    name text;
    numbers double precision[] := '{}';
    part double precision[];
    result double precision[];
    parts integer := 0;
BEGIN
    IF kind <> 'region' AND words[1] !~ '^[A-Z]' THEN
        words := upper(kind) || words;
    ELSIF words[1] = 'UNION' THEN
        words := words[2:];
    END IF;
    FOREACH word IN ARRAY words || '.'::text LOOP
        IF word IN ('POSITION', 'POINT', 'CIRCLE', 'BOX', 'POLYGON', '.') THEN
            IF name IS NOT NULL THEN
                part := vo_worded_shape(name, numbers);
                IF part IS NULL THEN
                    RETURN NULL;
                END IF;
                result := CASE WHEN parts = 0 THEN part ELSE result || 'NaN'::double precision || part END;
                parts := parts + 1;
            END IF;
            name := word;
            numbers := '{}';
        ELSIF word ~ '^[-+]?(\d+\.?\d*|\.\d+)(E[-+]?\d{1,2}|E-[12]\d\d)?$' THEN
            IF name IS NULL THEN
                RETURN NULL;
            END IF;
            numbers := numbers || word::double precision;
        ELSIF word NOT IN ('ICRS', 'FK5', 'J2000', 'UNKNOWNFRAME', 'UNKNOWNREFPOS', 'TOPOCENTER', 'GEOCENTER',
            'BARYCENTER', 'HELIOCENTER', 'SPHERICAL2', 'CARTESIAN2') THEN
            RETURN NULL;
        END IF;
    END LOOP;
    RETURN CASE WHEN kind = 'region' OR parts = 1 AND vo_kind('region', result) = kind THEN result END;
END $$;

-- pgsphere
-- The kind of shape of the numbers; for a region it follows from their count.
CREATE FUNCTION vo_kind(kind text, numbers double precision[]) RETURNS text IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN kind <> 'region' THEN kind WHEN cardinality(numbers) = 2 THEN 'point'
    WHEN cardinality(numbers) = 3 THEN 'circle' ELSE 'polygon' END;

-- pgsphere
-- The shapes whose union a region is; any other shape is returned as the only one.
CREATE FUNCTION vo_parts(kind text, numbers double precision[]) RETURNS TABLE (named text, part double precision[])
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    x double precision;
BEGIN
    part := '{}';
    FOREACH x IN ARRAY numbers LOOP
        IF x = 'NaN' AND kind = 'region' THEN
            named := vo_kind(kind, part);
            RETURN NEXT;
            part := '{}';
        ELSE
            part := part || x;
        END IF;
    END LOOP;
    named := vo_kind(kind, part);
    RETURN NEXT;
END $$;

-- pgsphere
CREATE FUNCTION vo_is_union(kind text, numbers double precision[]) RETURNS boolean IMMUTABLE PARALLEL SAFE
RETURN kind = 'region' AND array_position(numbers, 'NaN') IS NOT NULL;

-- pgsphere
CREATE FUNCTION vo_worded(kind text, numbers double precision[]) RETURNS text IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT string_agg(named || ' ' || vo_numbered(part), ' ' ORDER BY n)
    FROM vo_parts(kind, numbers) WITH ORDINALITY AS p (named, part, n));

-- part
-- A MOC as a set of ranges of cells in order 29 (MOC 2.0 section 4.3.2); null for a text that is not a MOC.
CREATE FUNCTION vo_moc(value text) RETURNS int8multirange LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    token text[];
    nested integer;
    low bigint;
    high bigint;
    result int8range[] := '{}';
BEGIN
    IF value ~ '[^0-9/,\s-]' THEN
        RETURN NULL;
    END IF;
    FOR token IN SELECT regexp_matches(value, '(\d+)\s*/|(\d+)(?:\s*-\s*(\d+))?|([^\s,])', 'g') LOOP
        IF token[4] IS NOT NULL OR token[1] IS NULL AND nested IS NULL OR length(ltrim(token[1], '0')) > 2
            OR length(ltrim(token[2], '0')) > 18 OR length(ltrim(token[3], '0')) > 18 THEN
            RETURN NULL;
        ELSIF token[1] IS NOT NULL THEN
            nested := token[1];
            IF nested > 29 THEN
                RETURN NULL;
            END IF;
        ELSE
            low := token[2];
            high := coalesce(token[3], token[2]);
            IF low > high OR high >= 12::bigint << (2 * nested) THEN
                RETURN NULL;
            END IF;
            result := result || int8range(low << (58 - 2 * nested), (high + 1) << (58 - 2 * nested));
        END IF;
    END LOOP;
    RETURN CASE WHEN nested IS NOT NULL THEN (SELECT coalesce(range_agg(r), '{}') FROM unnest(result) AS r) END;
END $$;

-- part
CREATE FUNCTION vo_in_moc(lon double precision, lat double precision, moc text) RETURNS boolean
IMMUTABLE STRICT PARALLEL SAFE
RETURN coalesce(vo_moc(moc) @> vo_cell(lon, lat, 29), CASE WHEN vo_moc(moc) IS NOT NULL THEN false END);

-- part
CREATE FUNCTION vo_moc_area(moc text) RETURNS double precision IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN vo_moc(moc) IS NOT NULL THEN (SELECT coalesce(sum((upper(r) - lower(r))::double precision), 0)
    / (12::bigint << 58) * 4 * pi() * power(180 / pi(), 2) FROM unnest(vo_moc(moc)) AS r) END;

-- pgsphere
CREATE FUNCTION vo_contains(kind text, a double precision[], inner_kind text, b double precision[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    p @ext@.spoly := vo_polygon(CASE kind WHEN 'polygon' THEN a ELSE NULL END);
    q @ext@.spoly := vo_polygon(CASE inner_kind WHEN 'polygon' THEN b ELSE NULL END);
BEGIN
    IF vo_is_union(inner_kind, b) THEN
        RETURN (SELECT CASE WHEN count(held) = count(*) THEN bool_and(held) END
            FROM (SELECT vo_contains(kind, a, named, part) AS held FROM vo_parts(inner_kind, b)) AS each);
    ELSIF vo_is_union(kind, a) THEN
        RETURN (SELECT CASE WHEN count(held) = count(*) THEN bool_or(held) END
            FROM (SELECT vo_contains(named, part, inner_kind, b) AS held FROM vo_parts(kind, a)) AS each);
    ELSIF 'region' IN (kind, inner_kind) THEN
        RETURN vo_contains(vo_kind(kind, a), a, vo_kind(inner_kind, b), b);
    END IF;
    IF kind = 'polygon' AND p IS NULL OR inner_kind = 'polygon' AND q IS NULL
        OR kind <> 'polygon' AND NOT vo_on_sphere(a) OR inner_kind <> 'polygon' AND NOT vo_on_sphere(b)
        OR kind = 'circle' AND a[3] < 0 OR inner_kind = 'circle' AND b[3] < 0 THEN
        RETURN NULL;
    END IF;
    CASE kind || ' ' || inner_kind
        WHEN 'polygon polygon' THEN RETURN @ext@.spoly_contains_polygon(p, q);
        WHEN 'polygon circle' THEN RETURN b[3] < 90 AND @ext@.spoly_contains_circle(p, vo_circle(b));
        WHEN 'circle polygon' THEN
            RETURN CASE WHEN a[3] >= 180 THEN true
                WHEN a[3] <= 90 THEN @ext@.scircle_contains_polygon(vo_circle(a), q)
                ELSE NOT @ext@.spoly_overlap_circle(q, vo_circle(vo_beyond(a))) END;
        WHEN 'polygon point' THEN RETURN vo_in_polygon(b[1], b[2], a);
        WHEN 'circle point' THEN RETURN vo_near(b[1], b[2], a[1], a[2], a[3]);
        WHEN 'point point' THEN RETURN vo_near(b[1], b[2], a[1], a[2], 0);
        WHEN 'circle circle' THEN RETURN a[3] >= 180 OR vo_distance(a[1], a[2], b[1], b[2]) + b[3] <= a[3];
        ELSE RETURN false;
    END CASE;
END $$;

-- pgsphere
CREATE FUNCTION vo_intersects(kind text, a double precision[], other text, b double precision[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    p @ext@.spoly;
BEGIN
    IF vo_is_union(kind, a) THEN
        RETURN (SELECT CASE WHEN count(met) = count(*) THEN bool_or(met) END
            FROM (SELECT vo_intersects(named, part, other, b) AS met FROM vo_parts(kind, a)) AS each);
    ELSIF vo_is_union(other, b) THEN
        RETURN vo_intersects(other, b, kind, a);
    ELSIF 'region' IN (kind, other) THEN
        RETURN vo_intersects(vo_kind(kind, a), a, vo_kind(other, b), b);
    ELSIF kind = 'point' THEN
        RETURN vo_contains(other, b, kind, a);
    ELSIF other = 'point' THEN
        RETURN vo_contains(kind, a, other, b);
    ELSIF kind = 'circle' AND other = 'circle' THEN
        RETURN vo_near(a[1], a[2], b[1], b[2], a[3] + b[3]);
    END IF;
    IF kind = 'circle' THEN
        RETURN vo_intersects(other, b, kind, a);
    END IF;
    p := vo_polygon(a);
    IF p IS NULL OR other = 'polygon' AND vo_polygon(b) IS NULL
        OR other = 'circle' AND (NOT vo_on_sphere(b) OR b[3] < 0) THEN
        RETURN NULL;
    END IF;
    RETURN CASE WHEN other = 'polygon' THEN @ext@.spoly_overlap_polygon(p, vo_polygon(b))
        WHEN b[3] <= 90 THEN @ext@.spoly_overlap_circle(p, vo_circle(b))
        ELSE NOT @ext@.scircle_contains_polygon(vo_circle(vo_beyond(b)), p) END;
END $$;

-- pgsphere
CREATE FUNCTION vo_area_of_one(kind text, numbers double precision[]) RETURNS double precision
IMMUTABLE PARALLEL SAFE
RETURN CASE kind WHEN 'polygon' THEN @ext@.area(vo_polygon(numbers)) * power(180 / pi(), 2)
    WHEN 'circle' THEN vo_area_of_circle(numbers)
    ELSE CASE WHEN vo_on_sphere(numbers) THEN 0 END END;

-- pgsphere
-- The sum of the areas of a union whose parts are disjoint.
CREATE FUNCTION vo_area(kind text, numbers double precision[]) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN NOT vo_is_union(kind, numbers) THEN vo_area_of_one(vo_kind(kind, numbers), numbers)
    WHEN NOT EXISTS (SELECT 1 FROM vo_parts(kind, numbers) WITH ORDINALITY AS p (k, a, n),
        vo_parts(kind, numbers) WITH ORDINALITY AS q (l, b, m) WHERE n < m AND vo_intersects(k, a, l, b))
    THEN (SELECT sum(vo_area_of_one(named, part)) FROM vo_parts(kind, numbers)) END;

-- no pgsphere
CREATE FUNCTION vo_area(kind text, numbers double precision[]) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN CASE kind WHEN 'circle' THEN vo_area_of_circle(numbers)
    ELSE CASE WHEN vo_on_sphere(numbers) THEN 0 END END;

-- pgsphere
-- The mean direction of a polygon: the sum over the sides of half the side's angle times the side's pole.
CREATE FUNCTION vo_centroid(kind text, ring double precision[]) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    size integer := cardinality(ring);
    v double precision[];
    w double precision[];
    n double precision[];
    long double precision;
    angle double precision;
    mean double precision[] := '{0,0,0}';
    middle double precision[] := '{0,0,0}';
    lon double precision;
BEGIN
    IF vo_kind(kind, ring) <> 'polygon' THEN
        RETURN ring[1:2];
    ELSIF vo_is_union(kind, ring) OR vo_polygon(ring) IS NULL THEN
        RETURN NULL;
    ELSIF ring[1:2] = ring[size - 1:size] THEN
        RETURN vo_centroid(kind, ring[1:size - 2]);
    END IF;
    FOR i IN 1..size BY 2 LOOP
        v := vo_vector(ring[i], ring[i + 1]);
        w := vo_vector(ring[(i + 1) % size + 1], ring[(i + 2) % size + 1]);
        n := ARRAY[v[2] * w[3] - v[3] * w[2], v[3] * w[1] - v[1] * w[3], v[1] * w[2] - v[2] * w[1]];
        long := sqrt(n[1] * n[1] + n[2] * n[2] + n[3] * n[3]);
        angle := atan2(long, v[1] * w[1] + v[2] * w[2] + v[3] * w[3]);
        FOR k IN 1..3 LOOP
            mean[k] := mean[k] + n[k] / long * angle / 2;
            middle[k] := middle[k] + v[k];
        END LOOP;
    END LOOP;
    IF mean[1] * middle[1] + mean[2] * middle[2] + mean[3] * middle[3] < 0 THEN
        mean := ARRAY[-mean[1], -mean[2], -mean[3]];
    END IF;
    lon := degrees(atan2(mean[2], mean[1]));
    RETURN ARRAY[CASE WHEN lon < 0 THEN lon + 360 ELSE lon END,
                 degrees(atan2(mean[3], sqrt(mean[1] * mean[1] + mean[2] * mean[2])))];
END $$;
