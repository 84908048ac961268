-- MOCs against shapes, as in sky/mocs.py: cells whose centre does not decide are split in four, down to order 29. A set
-- of cells is a multirange of their numbers in order 29.

-- part
-- The centre of a cell (Gorski et al. 2005), as a vector.
CREATE FUNCTION vo_cell_vector(nested integer, number bigint) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    nside CONSTANT bigint := 1::bigint << nested;
    face CONSTANT integer := number >> (2 * nested);
    x CONSTANT bigint := vo_gather(number & (nside * nside - 1));
    y CONSTANT bigint := vo_gather((number & (nside * nside - 1)) >> 1);
    ring CONSTANT bigint := (2 + (face >> 2)) * nside - x - y - 1;
    part CONSTANT double precision := least(ring, 4 * nside - ring, nside);
    z double precision := (2 * nside - ring) * 2 / (3.0::double precision * nside);
    away double precision;
    turn double precision;
BEGIN
    IF ring < nside OR ring > 3 * nside THEN
        z := power(part / nside, 2) / 3;
        away := sqrt(z * (2 - z));
        z := CASE WHEN ring < nside THEN 1 - z ELSE z - 1 END;
    ELSE
        away := sqrt((1 - z) * (1 + z));
    END IF;
    turn := ((2 * (face & 3) + CASE WHEN face >> 2 = 1 THEN 0 ELSE 1 END) * part + x - y) * pi() / (4 * part);
    RETURN ARRAY[away * cos(turn), away * sin(turn), z];
END $$;

-- part
-- The angle between two unit vectors, in radians.
CREATE FUNCTION vo_angle(a double precision[], b double precision[]) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN 2 * asin(least(1, sqrt(power(vo_small(a[1] - b[1]), 2) + power(vo_small(a[2] - b[2]), 2)
        + power(vo_small(a[3] - b[3]), 2)) / 2));
END $$;

-- pgsphere
CREATE FUNCTION vo_build_polygon(kind text, numbers double precision[]) RETURNS @ext@.spoly IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN vo_kind(kind, numbers) = 'polygon' AND NOT vo_is_union(kind, numbers) THEN vo_polygon(numbers) END;

-- pgsphere
-- The signed distance of a position from a shape, in radians, negative inside. `pg_polygon` is the polygon if it has been
-- built before.
CREATE FUNCTION vo_signed_distance(kind text, numbers double precision[], place double precision[], pg_polygon @ext@.spoly)
RETURNS double precision LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    size integer := cardinality(numbers);
    least_of double precision := 'Infinity';
    v double precision[];
    w double precision[];
    n double precision[];
    long double precision;
BEGIN
    IF vo_is_union(kind, numbers) THEN
        RETURN (SELECT min(vo_signed_distance(named, part, place, NULL)) FROM vo_parts(kind, numbers));
    ELSIF vo_kind(kind, numbers) <> 'polygon' THEN
        RETURN vo_angle(place, vo_vector(numbers[1], numbers[2])) - radians(coalesce(numbers[3], 0));
    END IF;
    w := vo_vector(numbers[size - 1], numbers[size]);
    FOR i IN 1..size BY 2 LOOP
        v := w;
        w := vo_vector(numbers[i], numbers[i + 1]);
        n := ARRAY[v[2] * w[3] - v[3] * w[2], v[3] * w[1] - v[1] * w[3], v[1] * w[2] - v[2] * w[1]];
        long := sqrt(n[1] * n[1] + n[2] * n[2] + n[3] * n[3]);
        least_of := least(least_of, vo_angle(place, w));
        -- within the lune of the side, the distance is that to its great circle
        IF long > 0 AND (n[2] * v[3] - n[3] * v[2]) * place[1] + (n[3] * v[1] - n[1] * v[3]) * place[2]
            + (n[1] * v[2] - n[2] * v[1]) * place[3] > 0
            AND (w[2] * n[3] - w[3] * n[2]) * place[1] + (w[3] * n[1] - w[1] * n[3]) * place[2]
            + (w[1] * n[2] - w[2] * n[1]) * place[3] > 0 THEN
            least_of := least(least_of,
                abs(asin(greatest(-1, least(1, (n[1] * place[1] + n[2] * place[2] + n[3] * place[3]) / long)))));
        END IF;
    END LOOP;
    RETURN CASE WHEN @ext@.spoly_contains_point(coalesce(pg_polygon, vo_polygon(numbers)), @ext@.spoint(
        atan2(place[2], place[1]), atan2(place[3], sqrt(place[1] * place[1] + place[2] * place[2]))))
        THEN -least_of ELSE least_of END;
END $$;

-- pgsphere
-- Whether the cells have a point inside a shape or, if turned is -1, outside. A common border suffices if touching is
-- true. The search starts with the open cells, of one order.
CREATE FUNCTION vo_cells_meet(cells int8multirange, kind text, numbers double precision[], turned integer,
    touching boolean, coarsest integer = 0, open bigint[] = '{0,1,2,3,4,5,6,7,8,9,10,11}') RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    pg_polygon CONSTANT @ext@.spoly := vo_build_polygon(kind, numbers);
    next_open bigint[];
    cell bigint;
    span int8range;
    away double precision;
BEGIN
    FOR nested IN coarsest..29 LOOP
        next_open := '{}';
        FOREACH cell IN ARRAY open LOOP
            span := int8range(cell << (58 - 2 * nested), (cell + 1) << (58 - 2 * nested));
            CONTINUE WHEN NOT cells && span;
            away := turned * vo_signed_distance(kind, numbers, vo_cell_vector(nested, cell), pg_polygon);
            CONTINUE WHEN away >= radians(61.3) / (1 << nested);
            IF cells @> span AND (touching AND away <= 0 OR away < -1e-9) THEN
                RETURN true;
            END IF;
            next_open := next_open || ARRAY[4 * cell, 4 * cell + 1, 4 * cell + 2, 4 * cell + 3];
        END LOOP;
        IF cardinality(next_open) = 0 THEN
            RETURN false;
        END IF;
        EXIT WHEN cardinality(next_open) > 20000;
        open := next_open;
    END LOOP;
    RETURN touching;
END $$;

-- pgsphere
CREATE FUNCTION vo_is_shape(kind text, numbers double precision[]) RETURNS boolean IMMUTABLE PARALLEL SAFE
RETURN (SELECT bool_and(vo_area_of_one(named, part) IS NOT NULL) FROM vo_parts(kind, numbers));

-- pgsphere
-- Whether a shape is a point or a circle of radius 0.
CREATE FUNCTION vo_is_spot(kind text, numbers double precision[]) RETURNS boolean IMMUTABLE PARALLEL SAFE
RETURN vo_kind(kind, numbers) = 'point' OR vo_kind(kind, numbers) = 'circle' AND numbers[3] = 0;

-- pgsphere
-- Whether a MOC contains ("contains") or intersects ("meets") a shape, or lies in it ("within").
CREATE FUNCTION vo_moc_test(test text, moc text, kind text, numbers double precision[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    cells int8multirange := vo_moc(moc);
    sky CONSTANT int8multirange := int8multirange(int8range(0, 12::bigint << 58));
BEGIN
    IF cells IS NULL OR NOT vo_is_shape(kind, numbers) THEN
        RETURN NULL;
    ELSIF test <> 'within' AND vo_is_union(kind, numbers) THEN
        RETURN (SELECT CASE test WHEN 'meets' THEN bool_or(true_of) ELSE bool_and(true_of) END
            FROM (SELECT vo_moc_test(test, moc, named, part) AS true_of FROM vo_parts(kind, numbers)) AS each);
    ELSIF test <> 'within' AND vo_is_spot(kind, numbers) THEN
        RETURN vo_in_moc(numbers[1], numbers[2], moc);
    END IF;
    RETURN CASE test WHEN 'meets' THEN vo_cells_meet(cells, kind, numbers, 1, true)
        WHEN 'contains' THEN NOT vo_cells_meet(sky - cells, kind, numbers, 1, false)
        ELSE NOT vo_cells_meet(cells, kind, numbers, -1, false) END;
END $$;

-- part
-- The ASCII MOC of cells. It names its order even if it has no cell of that order.
CREATE FUNCTION vo_moc_text(cells int8multirange, finest integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    rest int8multirange := cells;
    taken int8multirange;
    bits integer;
    listed text;
    value text := '';
BEGIN
    FOR nested IN 0..finest LOOP
        bits := 58 - 2 * nested;
        SELECT range_agg(int8range(a << bits, b << bits)),
            string_agg(CASE WHEN b = a + 1 THEN a::text ELSE a || '-' || b - 1 END, ' ' ORDER BY a) INTO taken, listed
            FROM (SELECT (lower(r) + (1::bigint << bits) - 1) >> bits AS a, upper(r) >> bits AS b
                  FROM unnest(rest) AS r) AS whole WHERE a < b;
        IF listed IS NOT NULL THEN
            value := value || ' ' || nested || '/' || listed;
            rest := rest - taken;
        ELSIF nested = finest THEN
            value := value || ' ' || nested || '/';
        END IF;
    END LOOP;
    RETURN substr(value, 2);
END $$;

-- pgsphere
-- The cells of an order that intersect a shape; null if there are too many.
CREATE FUNCTION vo_cells_of(finest integer, kind text, numbers double precision[]) RETURNS int8multirange
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    open bigint[] := '{0,1,2,3,4,5,6,7,8,9,10,11}';
    next_open bigint[];
    pg_polygon CONSTANT @ext@.spoly := vo_build_polygon(kind, numbers);
    result int8range[] := '{}';
    cell bigint;
    span int8range;
    away double precision;
    far double precision;
BEGIN
    IF vo_is_spot(kind, numbers) THEN
        cell := vo_cell(numbers[1], numbers[2], finest);
        RETURN int8multirange(int8range(cell << (58 - 2 * finest), (cell + 1) << (58 - 2 * finest)));
    END IF;
    FOR nested IN 0..finest LOOP
        next_open := '{}';
        far := radians(61.3) / (1 << nested);
        FOREACH cell IN ARRAY open LOOP
            span := int8range(cell << (58 - 2 * nested), (cell + 1) << (58 - 2 * nested));
            away := vo_signed_distance(kind, numbers, vo_cell_vector(nested, cell), pg_polygon);
            CONTINUE WHEN away >= far;
            IF away <= 0 AND (nested = finest OR away <= -far) OR nested = finest
                AND vo_cells_meet(int8multirange(span), kind, numbers, 1, true, nested, ARRAY[cell]) THEN
                result := array_append(result, span);
            ELSIF nested < finest THEN
                next_open := next_open || ARRAY[4 * cell, 4 * cell + 1, 4 * cell + 2, 4 * cell + 3];
            END IF;
        END LOOP;
        IF cardinality(next_open) > 1000000 THEN
            RETURN NULL;
        END IF;
        open := next_open;
    END LOOP;
    RETURN (SELECT coalesce(range_agg(r), '{}') FROM unnest(result) AS r);
END $$;

-- pgsphere
CREATE FUNCTION vo_moc_of(finest integer, kind text, numbers double precision[]) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN vo_is_shape(kind, numbers) THEN (SELECT CASE WHEN count(cells) = count(*)
    THEN vo_moc_text(range_agg(cells), finest) END
    FROM (SELECT vo_cells_of(finest, named, part) AS cells FROM vo_parts(kind, numbers)) AS each) END;
