"""A PostgreSQL server for the tests: on a Unix socket only, in a folder that is removed at the end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROLE = "postgres"
"""The user that runs the server if the tests run as root, for PostgreSQL refuses to."""


def find_programs() -> Path | None:
    """Return the folder of the server's programs, the newest version of Debian's; None without them."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


def find_obstacle() -> str | None:
    """Return the reason why no server can run; None if it can."""
    if find_programs() is None:
        return "PostgreSQL's server is not installed (Debian: apt install postgresql postgresql-15-pgsphere)"
    if os.getuid() == 0 and shutil.which("runuser") is None:
        return "PostgreSQL does not run as root, and there is no runuser to become another"
    return None


@contextmanager
def cluster() -> Iterator[str]:
    """Start a server and yield the URL of its database, with pgSphere if it is installed."""
    programs = find_programs()
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="vo-pg-"))
    folder.chmod(0o755)
    data = folder / "data"
    try:
        if os.getuid() == 0:
            shutil.chown(folder, ROLE)
        _run(programs / "initdb", "-D", data, "-U", "vo", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c shared_buffers=32MB"
        _run(programs / "pg_ctl", "-D", data, "-w", "-t", "60", "-l", folder / "log", "-o", options, "start")
        process = int((data / "postmaster.pid").read_text().split()[0])
        try:
            yield _create_database(folder)
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder)


def _create_database(folder: Path) -> str:
    """Create a database of a role that is not a superuser, which could read and write files; return its URL."""
    _run_sql(folder, "postgres", "CREATE ROLE astronomer LOGIN")
    _run_sql(folder, "postgres", "CREATE DATABASE sky OWNER astronomer")
    if not _run_sql(folder, "sky", "CREATE EXTENSION pg_sphere"):
        _run_sql(folder, "sky", make_pgsphere_script())
    return f"postgresql://astronomer@/sky?host={folder}"


def _run_sql(folder: Path, database: str, text: str) -> bool:
    """Run statements as the superuser in one transaction; return whether they succeeded."""
    command = ["psql", "-h", str(folder), "-U", "vo", "-d", database, "-q", "-1", "-v", "ON_ERROR_STOP=1"]
    if "CREATE DATABASE" in text:
        command.remove("-1")
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).returncode == 0


def make_pgsphere_script() -> str:
    """Return the statements of pgSphere's script without the planner hints about operators.

    Some releases of PostgreSQL reject the extension of some releases of pgSphere because of contradictory hints
    ("commutator operator @> is already the commutator of operator <@"). Empty if there is no script.
    """
    scripts = sorted(Path("/usr/share/postgresql").glob("*/extension/pg_sphere--[0-9.]*.sql"))
    full_scripts = [path for path in scripts if "--" not in path.stem.partition("--")[2]]
    if not full_scripts:
        return ""
    text = re.sub(r"^\\.*$", "", full_scripts[-1].read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = text.replace("MODULE_PATHNAME", "$libdir/pg_sphere")
    return re.sub(r"(CREATE\s+OPERATOR\s+(?!CLASS)\S+\s*\()(.*?)(\)\s*;)", _remove_hints, text, flags=re.DOTALL)


def _remove_hints(found: re.Match[str]) -> str:
    clauses = re.sub(r"--.*", "", found[2]).split(",")
    clauses_kept = [c for c in clauses if c.strip().partition("=")[0].strip().upper() not in ("COMMUTATOR", "NEGATOR")]
    return f"{found[1]}{','.join(clauses_kept)}{found[3]}"


def _run(*command: str | Path) -> None:
    become = ["runuser", "-u", ROLE, "--"] if os.getuid() == 0 else []
    log = subprocess.run([*become, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd="/")
    assert log.returncode == 0, log.stdout.decode()


def _stop(process: int) -> None:
    """Stop the server fast: end its sessions and roll back their transactions."""
    os.kill(process, signal.SIGINT)
    for _ in range(300):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(process, signal.SIGQUIT)
