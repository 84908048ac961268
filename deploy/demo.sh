#!/bin/sh
# Install vo_server into a virtual environment, make a synthetic sky and serve it.
#
#   sh deploy/demo.sh                         on http://127.0.0.1:8000, with the sky in ./data
#   sh deploy/demo.sh --port 8080 --rows 2000000 --data /tmp/sky
#
# Arguments go to `vo-server demo`. The virtual environment is $VO_SERVER_VENV, else .venv beside this folder. The script
# creates it if it is missing, and installs again when pyproject.toml has changed.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
venv=${VO_SERVER_VENV:-$root/.venv}
unset VO_SERVER_VENV
stamp=$venv/vo_server.installed

fail() {
    printf 'demo.sh: %s\n' "$*" >&2
    exit 1
}

# Print the first Python that is new enough.
find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    fail "Python 3.11 or newer is needed, and none was found as python3, python3.11 ... python3.14 or python"
}

if [ ! -x "$venv/bin/python" ] || [ ! -x "$venv/bin/pip" ]; then
    python=$(find_python)
    "$python" -m venv "$venv" || fail "$python cannot create a virtual environment (Debian, Ubuntu: apt install python3-venv)"
fi

if [ "$(cat "$stamp" 2>/dev/null)" != "$(cksum <"$root/pyproject.toml")" ]; then
    echo "Installing vo_server and the libraries it needs into $venv (once) ..." >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$root[demo,stamps]" || fail "pip failed, see above"
    cksum <"$root/pyproject.toml" >"$stamp"
fi

exec "$venv/bin/vo-server" demo "$@"
