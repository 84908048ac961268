"""A generator of random queries of the whole language."""

# ruff: noqa: E501

from __future__ import annotations

import random
from typing import Any

NUMBERS = ("id", "ra", "dec", "mag", "kmag", "small", "big", "x")
TEXTS = ("flag", "name")
TIMES = ('"date"', "moment")
ONE_NUMBER = (
    "ABS CEILING DEGREES EXP FLOOR LOG LOG10 RADIANS SQRT ACOS ASIN ATAN COS COT SIN TAN ROUND TRUNCATE"
).split()


class QueryWriter:
    """A generator of queries whose parts have the right types, except for a few."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.aliases = ["s"]
        self.aggregates = False

    def pick(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def decide(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def write_column(self, names: tuple[str, ...]) -> str:
        return f"{self.pick(*self.aliases)}.{self.pick(*names)}"

    def write_value(self, depth: int) -> str:
        return self.pick(self.write_number, self.write_number, self.write_text, self.write_time, self.write_geometry)(
            depth
        )

    def write_variable(self, depth: int) -> str:
        """Return an expression that contains a column."""
        return self.pick(
            lambda: self.write_column(NUMBERS),
            lambda: self.write_column((*TEXTS, *TIMES)),
            lambda: f"({self.write_column(NUMBERS)} {self.pick('+', '/')} {self.write_number(depth - 1)})",
            lambda: f"ROUND({self.write_column(NUMBERS)}, {self.pick('-1', '1')})",
            lambda: f"CASE WHEN {self.write_condition(depth - 1)} THEN {self.write_column(TEXTS)} ELSE 'a' END",
            lambda: f"{self.pick('CONTAINS', 'INTERSECTS')}(POINT(s.ra, s.dec), {self.write_geometry(depth - 1)})",
        )()  # type: ignore[no-any-return]

    def write_number(self, depth: int) -> str:
        if self.decide(2):
            return self.pick(self.write_text, self.write_time, self.write_geometry)(max(depth - 1, 0))
        if depth <= 0 or self.decide(30):
            return self.pick(
                self.write_column(NUMBERS),
                self.write_column(NUMBERS),
                self.pick(
                    "0", "1", "2", "-3", "7", "2.5", "-0.1", "1e3", "1E-3", "40000", "3000000000", "0x1F", "NULL", ".5"
                ),
            )
        a, b = (self.write_number(depth - 1) for _ in range(2))
        return self.pick(
            lambda: f"({a} {self.pick('+', '-', '*', '/')} {b})",
            lambda: f"-({a})",
            lambda: f"({self.write_integer(depth - 1)} {self.pick('&', '|', '^')} {self.write_integer(depth - 1)})",
            lambda: f"~({self.write_integer(depth - 1)})",
            lambda: f"{self.pick(*ONE_NUMBER)}({a})",
            lambda: f"{self.pick('ROUND', 'TRUNCATE')}({a}, {self.pick('1', '-1', '3', '0')})",
            lambda: f"{self.pick('MOD', 'POWER', 'ATAN2')}({a}, {b})",
            lambda: self.pick("PI()", "RAND()", "RAND(3)"),
            lambda: f"CAST({a} AS {self.pick('SMALLINT', 'INTEGER', 'BIGINT', 'REAL', 'DOUBLE PRECISION')})",
            lambda: f"CAST({self.write_text(depth - 1)} AS {self.pick('INTEGER', 'REAL')})",
            lambda: f"COALESCE({a}, {b})",
            lambda: f"NULLIF({a}, {b})",
            lambda: f"CASE WHEN {self.write_condition(depth - 1)} THEN {a} ELSE {b} END",
            lambda: f"CASE {a} WHEN {b} THEN {self.pick('1', '2.5', 'NULL')} END",
            lambda: f"DISTANCE({self.write_point(depth - 1)}, {self.write_point(depth - 1)})",
            lambda: f"AREA({self.write_geometry(depth - 1)})",
            lambda: f"COORD{self.pick('1', '2')}({self.write_point(depth - 1)})",
            lambda: (
                f"{self.pick('CONTAINS', 'INTERSECTS')}({self.write_geometry(depth - 1)}, {self.write_geometry(depth - 1)})"
            ),
            lambda: f"(SELECT {self.pick('MAX', 'MIN', 'AVG', 'COUNT')}(i.{self.pick(*NUMBERS)}) FROM sky.stars i)",
            lambda: self.write_aggregate(depth - 1),
            lambda: f"IN_UNIT({self.write_column(('ra', 'dec', 'x'))}, '{self.pick('deg', 'arcmin', 'rad')}')",
            lambda: f"ivo_healpix_index({self.pick('0', '5', '29')}, {self.pick(self.write_point(0), 's.ra, s.dec')})",
            lambda: f"ivo_to_{self.pick('jd', 'mjd')}({self.write_time(depth - 1)})",
            lambda: f"ivo_{self.pick('hms', 'dms')}_to_degrees({self.write_text(depth - 1)})",
            lambda: f"ivo_{self.pick('hms', 'dms')}_to_degrees('12:30:' || {self.write_text(0)})",
            lambda: (
                f"ivo_{self.pick('hasword', 'nocasematch', 'hashlist_has')}({self.write_text(depth - 1)}, {self.write_text(depth - 1)})"
            ),
            lambda: f"ivo_interval_overlaps({a}, {b}, {self.write_number(0)}, {self.write_number(0)})",
            lambda: f"ivo_interval_has({a}, {b}, {self.write_number(0)})",
        )()  # type: ignore[no-any-return]

    def write_integer(self, depth: int) -> str:
        return self.pick(
            self.write_column(("id", "small", "big")), "3", "255", f"CAST({self.write_number(depth)} AS INTEGER)"
        )

    def write_aggregate(self, depth: int) -> str:
        if not self.aggregates:
            return self.write_column(NUMBERS)
        self.aggregates = False
        inner = self.write_number(depth)
        self.aggregates = True
        name = self.pick("COUNT", "SUM", "AVG", "MIN", "MAX")
        return self.pick("COUNT(*)", f"{name}({self.pick('', 'DISTINCT ', 'ALL ')}{inner})")

    def write_text(self, depth: int) -> str:
        if depth <= 0 or self.decide(40):
            return self.pick(self.write_column(TEXTS), "'a'", "''", "'12'", "'it''s'", "'a%'", "NULL", "'Ä_\\'")
        a, b = self.write_text(depth - 1), self.write_text(depth - 1)
        return self.pick(
            lambda: f"({a} || {b})",
            lambda: f"{self.pick('LOWER', 'UPPER')}({a})",
            lambda: f"COALESCE({a}, {b})",
            lambda: f"NULLIF({a}, {b})",
            lambda: (
                f"CAST({self.pick(self.write_number, self.write_text, self.write_time)(depth - 1)} AS {self.pick('VARCHAR', 'CHAR(3)', 'CHAR', 'VARCHAR(5)')})"
            ),
            lambda: f"CASE WHEN {self.write_condition(depth - 1)} THEN {a} ELSE {b} END",
            lambda: f"COORDSYS({self.write_geometry(depth - 1)})",
        )()  # type: ignore[no-any-return]

    def write_time(self, depth: int) -> str:
        if depth <= 0 or self.decide(50):
            return self.pick(
                self.write_column(TIMES), self.write_column(TIMES), "'2000-03-01'", "'2000-03-01T12:00:00'"
            )
        return self.pick(
            lambda: f"COALESCE({self.write_time(depth - 1)}, {self.write_time(depth - 1)})",
            lambda: f"NULLIF({self.write_time(depth - 1)}, {self.write_time(depth - 1)})",
            lambda: f"CAST({self.write_time(depth - 1)} AS TIMESTAMP)",
        )()  # type: ignore[no-any-return]

    def write_point(self, depth: int) -> str:
        frame = self.pick("", "", "'ICRS', ")
        return self.pick(
            f"POINT({frame}{self.write_column(('ra',))}, {self.write_column(('dec',))})",
            f"POINT({frame}10, 20)",
            f"POINT({frame}{self.write_number(depth - 1)}, {self.write_number(depth - 1)})",
            "CENTROID(CIRCLE(10, 20, 1))",
            f"ivo_healpix_center({self.pick('1', '9', self.write_column(('small',)))}, {self.write_column(('id',))})",
            f"ivo_apply_pm({self.write_column(('ra',))}, {self.write_column(('dec',))}, {self.write_number(0)}, 0.001, 10)",
            f"ivo_epoch_prop_pos({self.write_column(('ra',))}, {self.write_column(('dec',))}, 100, {self.write_number(0)}, {self.write_column(NUMBERS)}, -3.5, 2000, 2016.5)",
            f"ivo_geom_transform('ICRS', '{self.pick('GALACTIC', 'FK5')}', POINT({self.write_column(('ra',))}, {self.write_column(('dec',))}))",
        )  # type: ignore[no-any-return]

    def write_geometry(self, depth: int) -> str:
        n = self.write_number
        return self.pick(
            lambda: self.write_point(depth),
            lambda: self.write_point(depth),
            lambda: f"CIRCLE({self.write_column(('ra',))}, {self.write_column(('dec',))}, {n(0)})",
            lambda: f"CIRCLE('ICRS', 10, 20, {n(depth - 1)})",
            lambda: "CIRCLE(POINT(10, 20), 3)",
            lambda: f"BOX(10, 20, {n(0)}, 3)",
            lambda: f"BOX({n(0)}, {n(0)}, 5, 3)",
            lambda: "POLYGON(5, 15, 15, 15, 15, 25, 5, 25)",
            lambda: f"POLYGON({n(0)}, {n(0)}, {n(0)}, {n(0)}, {n(0)}, {n(0)})",
            lambda: f"POLYGON(POINT(5, 15), {self.write_point(0)}, POINT(15, 25))",
            lambda: self.pick("REGION('CIRCLE ICRS 10 20 5')", "REGION('BOX 350 0 20 20')"),
        )()  # type: ignore[no-any-return]

    def write_condition(self, depth: int) -> str:
        kind = self.pick(self.write_number, self.write_number, self.write_text, self.write_time)
        a, b, c = (kind(depth - 1) for _ in range(3))
        no = self.pick("", "NOT ")
        choices = [
            lambda: f"{a} {self.pick('=', '<>', '!=', '<', '<=', '>', '>=')} {b}",
            lambda: f"{a} {no}BETWEEN {b} AND {c}",
            lambda: f"{a} {no}IN ({b}, {c})",
            lambda: f"{a} IS {no}NULL",
            lambda: f"{self.write_text(depth - 1)} {no}{self.pick('LIKE', 'ILIKE')} {self.write_text(depth - 1)}",
            lambda: (
                f"{self.pick('1 =', '0 =', '1 <>')} {self.pick('CONTAINS', 'INTERSECTS')}({self.write_geometry(depth - 1)}, {self.write_geometry(depth - 1)})"
            ),
            lambda: (
                f"DISTANCE({self.write_point(depth - 1)}, {self.write_point(depth - 1)}) {self.pick('<', '<=', '>', '>=')} {self.write_number(0)}"
            ),
        ]
        if depth > 0:
            choices += [
                lambda: (
                    f"({self.write_condition(depth - 1)} {self.pick('AND', 'OR')} {self.write_condition(depth - 1)})"
                ),
                lambda: f"NOT ({self.write_condition(depth - 1)})",
                lambda: (
                    f"{a} {no}IN (SELECT i.{self.pick(*NUMBERS, *TEXTS)} FROM sky.stars i WHERE i.id < {self.write_column(NUMBERS)})"
                ),
                lambda: f"{no}EXISTS (SELECT 1 FROM sky.spots i WHERE i.id = {self.write_column(NUMBERS)})",
            ]
        return self.random.choice(choices)()

    def write_source(self, depth: int) -> str:
        if depth <= 0 or self.decide(50):
            return "sky.stars AS s"
        self.aliases = ["s", "t"]
        kind = self.pick("JOIN", "LEFT JOIN", "RIGHT OUTER JOIN", "FULL JOIN")
        other = self.pick("sky.stars AS t", "(SELECT * FROM sky.stars WHERE id < 50) AS t")
        hard = (
            "s.id = t.id" if kind == "FULL JOIN" else self.pick("s.id = t.id", "DISTANCE(s.ra, s.dec, t.ra, t.dec) < 1")
        )
        return f"sky.stars AS s {kind} {other} ON {hard}"

    def write_select(self, depth: int) -> str:
        self.aliases = ["s"]
        source = self.write_source(depth)
        self.aggregates = False
        where = f" WHERE {self.write_condition(depth)}" if self.decide(60) else ""
        top, distinct = self.pick("", "TOP 5 ", "TOP 0 "), self.pick("", "", "DISTINCT ")
        if self.decide(30):
            groups = [self.write_variable(depth - 1) for _ in range(self.random.randrange(3))]
            self.aggregates = True
            items = [*groups, self.write_number(depth), self.write_aggregate(depth)]
            having = f" HAVING {self.write_condition(depth - 1)}" if self.decide(50) else ""
            by = (f" GROUP BY {', '.join(groups)}" if groups else "") + having
        else:
            items, by = [self.write_value(depth) for _ in range(self.random.randrange(1, 4))], ""
        named = ", ".join(f"{item}{self.pick('', f' AS a{n}')}" for n, item in enumerate(items))
        order = f" ORDER BY {self.pick('1', items[0], self.write_variable(1), items[-1])}" if self.decide(40) else ""
        return f"SELECT {distinct}{top}{named} FROM {source}{where}{by}{order}{self.pick('', '', ' OFFSET 2')}"

    def write_query(self) -> str:
        depth = self.random.randrange(4)
        if self.decide(15):
            return self.write_set_operation() + self.pick("", " ORDER BY 1")
        if self.decide(15):
            return f"SELECT q.* FROM ({self.write_select(depth)}) AS q"
        if self.decide(10):
            return f"WITH c AS ({self.write_select(depth)}) SELECT COUNT(*) FROM c"
        return self.write_select(depth)

    def write_set_operation(self) -> str:
        """Return two or three operands of set operations, with columns of the same kinds."""
        kinds = [self.pick(self.write_number, self.write_number, self.write_text, self.write_time) for _ in range(2)]
        self.aliases, self.aggregates = ["s"], False
        sides = [f"SELECT {kinds[0](1)}, {kinds[1](2)} FROM sky.stars AS s" for _ in range(self.pick(2, 2, 3))]
        first, *rest = sides
        return first + "".join(
            f" {self.pick('UNION', 'EXCEPT', 'INTERSECT')}{self.pick('', ' ALL')} {side}" for side in rest
        )
