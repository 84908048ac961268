"""A PostgreSQL of our own, for as long as the tests run: on a Unix socket alone, in a folder that is removed."""

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
"""The user that runs it when we are root, for PostgreSQL refuses to be."""


def binaries() -> Path | None:
    """The folder of the server's programs; the newest, as Debian has one a version."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


def lacking() -> str | None:
    """Why there can be no cluster."""
    if binaries() is None:
        return "PostgreSQL's server is not installed (Debian: apt install postgresql postgresql-15-pgsphere)"
    if os.getuid() == 0 and shutil.which("runuser") is None:
        return "PostgreSQL does not run as root, and there is no runuser to become another"
    return None


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of a new server's database, with pgSphere where it is installed and can be."""
    programs = binaries()
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
            yield _database(folder)
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder)


def _database(folder: Path) -> str:
    """A database of a role that is no superuser, for one of these could read and write files."""
    _say(folder, "postgres", "CREATE ROLE astronomer LOGIN")
    _say(folder, "postgres", "CREATE DATABASE sky OWNER astronomer")
    if not _say(folder, "sky", "CREATE EXTENSION pg_sphere"):
        _say(folder, "sky", pgsphere_by_hand())
    return f"postgresql://astronomer@/sky?host={folder}"


def _say(folder: Path, database: str, text: str) -> bool:
    """Run statements as the superuser, all of them or none; did it go well?"""
    command = ["psql", "-h", str(folder), "-U", "vo", "-d", database, "-q", "-1", "-v", "ON_ERROR_STOP=1"]
    if "CREATE DATABASE" in text:
        command.remove("-1")
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).returncode == 0


def pgsphere_by_hand() -> str:
    """pgSphere's own script without the hints to the planner about operators, as statements to run.

    Some releases of PostgreSQL refuse the extension of some releases of pgSphere for hints that contradict one another
    ("commutator operator @> is already the commutator of operator <@"). Empty where there is no script.
    """
    scripts = sorted(Path("/usr/share/postgresql").glob("*/extension/pg_sphere--[0-9.]*.sql"))
    whole = [path for path in scripts if "--" not in path.stem.partition("--")[2]]
    if not whole:
        return ""
    text = re.sub(r"^\\.*$", "", whole[-1].read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = text.replace("MODULE_PATHNAME", "$libdir/pg_sphere")
    return re.sub(r"(CREATE\s+OPERATOR\s+(?!CLASS)\S+\s*\()(.*?)(\)\s*;)", _without_hints, text, flags=re.DOTALL)


def _without_hints(found: re.Match[str]) -> str:
    clauses = re.sub(r"--.*", "", found[2]).split(",")
    kept = [c for c in clauses if c.strip().partition("=")[0].strip().upper() not in ("COMMUTATOR", "NEGATOR")]
    return f"{found[1]}{','.join(kept)}{found[3]}"


def _run(*command: str | Path) -> None:
    become = ["runuser", "-u", ROLE, "--"] if os.getuid() == 0 else []
    log = subprocess.run([*become, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd="/")
    assert log.returncode == 0, log.stdout.decode()


def _stop(process: int) -> None:
    """Fast: sessions are ended, and what they did is rolled back."""
    os.kill(process, signal.SIGINT)
    for _ in range(300):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(process, signal.SIGQUIT)
