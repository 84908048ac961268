#!/bin/sh
# Run all checks and tests of vo_server.
#
#   deploy/test.sh                       everything, with the minimum coverage
#   deploy/test.sh --quick               without the slow tests (pytest's marker slow) and without coverage
#   deploy/test.sh tests/unit -k cone    arguments go to pytest; the minimum coverage then does not apply
#
# The virtual environment is $VO_SERVER_VENV, else the active one ($VIRTUAL_ENV), else .venv in the repository, which the
# script creates if it is missing. It installs only what is missing, so it runs without a network, too.
# TEST_PROCESSES is the number of processes of pytest (3, because tests wait for servers).
set -eu

cd "$(dirname "$0")/.."
root=$(pwd)
venv=${VO_SERVER_VENV:-${VIRTUAL_ENV:-$root/.venv}}
unset VO_SERVER_VENV
python=$venv/bin/python
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1

say() {
    printf '\n== %s\n' "$*"
}

on_debian_as_root() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1
}

debian_packages() {
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get update -q && apt-get install -qq -y --no-install-recommends "$@"
}

# Print the requirements, including those of the tests, that the environment does not meet.
missing() {
    "$python" - <<'PYTHON'
import tomllib
from importlib.metadata import PackageNotFoundError, version

try:
    from packaging.requirements import Requirement
except ImportError:
    raise SystemExit(print("packaging"))

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = project["optional-dependencies"]
lines = [*project["dependencies"], *extras["test"]]
for line in lines:
    wanted = Requirement(line)
    if wanted.name == project["name"]:
        lines += [each for extra in wanted.extras for each in extras[extra]]
        continue
    if wanted.marker is None or wanted.marker.evaluate():
        try:
            met = wanted.specifier.contains(version(wanted.name), prereleases=True)
        except PackageNotFoundError:
            met = False
        if not met:
            print(line)
PYTHON
}

if ! command -v stilts >/dev/null 2>&1 || ! command -v java >/dev/null 2>&1; then
    if on_debian_as_root; then
        say "Debian packages: stilts and a Java machine"
        debian_packages stilts default-jre-headless || echo "they cannot be installed: tests with STILTS will be skipped"
    else
        echo "stilts or java is missing: tests with STILTS will be skipped (Debian: apt install stilts)"
    fi
fi

if ! ls /usr/lib/postgresql/*/bin/initdb /usr/share/postgresql/*/extension/pg_sphere.control >/dev/null 2>&1; then
    if on_debian_as_root; then
        say "Debian packages: PostgreSQL and pgSphere"
        debian_packages postgresql &&
            debian_packages "$(apt-cache search --names-only '^postgresql-[0-9]+-pgsphere$' | cut -d' ' -f1 | tail -n 1)" ||
            echo "they cannot be installed: tests with PostgreSQL will be skipped"
    else
        echo "PostgreSQL or pgSphere is missing: tests with it will be skipped" \
            "(Debian: apt install postgresql postgresql-15-pgsphere, or of another version)"
    fi
fi

if [ ! -x "$python" ]; then
    say "A virtual environment in $venv"
    if ! python3 -m venv "$venv"; then
        on_debian_as_root && debian_packages python3-venv && python3 -m venv --clear "$venv"
    fi
fi

if [ -n "$(missing)" ]; then
    say "Python packages"
    "$python" -m pip install --quiet --disable-pip-version-check --editable '.[test]'
fi

failed=""
check() {
    name=$1
    shift
    say "$name"
    "$@" || failed="$failed $name;"
}

quick=""
if [ "${1:-}" = --quick ]; then
    quick=yes
    shift
fi
floor=""
[ $# -gt 0 ] && floor=--cov-fail-under=0

check "ruff check" "$venv/bin/ruff" check
check "ruff format" "$venv/bin/ruff" format --check
check "mypy" "$venv/bin/mypy"
check "lint-imports" "$venv/bin/lint-imports"
if [ -n "$quick" ]; then
    check "pytest without the slow tests" "$python" -m pytest -n "${TEST_PROCESSES:-3}" --dist worksteal -m "not slow" "$@"
else
    check "pytest" "$python" -m pytest -n "${TEST_PROCESSES:-3}" --dist worksteal --cov --cov-report=term:skip-covered \
        ${floor:+"$floor"} "$@"
fi

if [ -n "$failed" ]; then
    say "Failed:$failed"
    exit 1
fi
say "All checks passed${quick:+, the slow tests left out}."
