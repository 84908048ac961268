"""Clients that hang up, and measurements of a server process."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode, urlsplit

ENDLESS = "SELECT COUNT(*) AS n FROM psc AS a, psc AS b, psc AS c WHERE SIN(a.ra) * SIN(b.ra) * SIN(c.ra) > 2"
"""8e12 triples: hours. The statistics of the columns do not tell that none of them qualifies."""


def path(query: str, **more: str) -> str:
    """Return the path of a synchronous query."""
    return "/tap/sync?" + urlencode({"LANG": "ADQL", "QUERY": query, "MAXREC": "100000000"} | more)


def begin(url: str, path: str, method: str = "GET") -> socket.socket:
    """Send a request, and return the connection, which can hang up."""
    place = urlsplit(url)
    assert place.hostname is not None
    connection = socket.create_connection((place.hostname, place.port or 80), timeout=60)
    connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
    return connection


def until(true: Callable[[], bool], seconds: float = 30) -> bool:
    """Return whether a condition becomes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def cpu(pid: int) -> float:
    """Return the seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy(pid: int, seconds: float = 0.25) -> float:
    """Return the share of a processor that a process takes now."""
    before, begun = cpu(pid), time.monotonic()
    time.sleep(seconds)  # what is measured is a time
    return (cpu(pid) - before) / (time.monotonic() - begun)


def resident(pid: int) -> int:
    """Return the bytes of memory that a process has now."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def children(pid: int) -> list[int]:
    """Return the ids of the processes that a process has started."""
    lists = (file.read_text(encoding="ascii") for file in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for each in lists for child in each.split()]


def is_gone(pid: int) -> bool:
    """Return whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
