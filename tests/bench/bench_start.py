"""CPU time of the command line and of the server's start, and the size of an installation.

    python tests/bench/bench_start.py [--data DIR] [--runs N]

Prints medians of user and system time: of `--version`, of `--help`, of `load --help`, and of `serve` until it answers
its first request, over the data folder DIR or over an empty one. Then it prints the disk space of the installed
packages that a plain installation requires.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from statistics import median

from packaging.requirements import Requirement

COMMAND = [sys.executable, "-m", "vo_server"]


def cpu_seconds(arguments: list[str]) -> float:
    """Return user and system time of a command that ends by itself."""
    before = os.times()
    subprocess.run([*COMMAND, *arguments], check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@contextmanager
def start_server(data: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a server without waiting for it; yield the process and the URL to wait for."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {"VO_SERVER_JOB_WORKERS": "0"}
    process = subprocess.Popen(
        [*COMMAND, "serve", "--data", str(data), "--port", str(port)], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        yield process, f"http://127.0.0.1:{port}/tap/availability"
    finally:
        process.terminate()
        process.wait(30)


def cpu_until_ready(data: Path) -> tuple[float, float]:
    """Return the CPU time of a server and the wall time until it answers its first request, in seconds."""
    start = time.monotonic()
    with start_server(data) as (process, url):
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).read()
                break
            except OSError:
                time.sleep(0.02)
        wall = time.monotonic() - start
        ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), wall


def required_packages(name: str) -> set[str]:
    """Return the packages that a plain installation requires, with their own requirements, and the package itself."""
    packages: set[str] = set()
    pending = [name]
    while pending:
        package = pending.pop()
        if package in packages:
            continue
        packages.add(package)
        try:
            lines = requires(package) or []
        except PackageNotFoundError:
            continue
        requirements = [Requirement(line) for line in lines]
        pending += [r.name.lower() for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    return packages


def installed_bytes(package: str) -> int:
    """Return the disk space of the files of an installed package, in bytes."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        return 0
    paths = (Path(str(file.locate())) for file in files)
    return sum(path.stat().st_size for path in paths if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="a data folder to serve (default: an empty one)")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, medians of {options.runs} runs")
    for arguments in (["--version"], ["--help"], ["load", "--help"]):
        seconds = median(cpu_seconds(arguments) for _ in range(options.runs))
        print(f"vo-server {' '.join(arguments):12} {seconds:6.2f} s CPU")
    with tempfile.TemporaryDirectory() as empty:
        times = [cpu_until_ready(options.data or Path(empty)) for _ in range(options.runs)]
    cpu, wall = (median(column) for column in zip(*times, strict=True))
    print(f"vo-server serve        {cpu:6.2f} s CPU, {wall:.2f} s until the first response")
    sizes = sorted(((installed_bytes(p), p) for p in required_packages("vo-server")), reverse=True)
    print(f"plain installation     {sum(size for size, _ in sizes) / 1e6:6.0f} MB in {len(sizes)} packages, of these")
    for size, package in sizes[:8]:
        print(f"  {package:20} {size / 1e6:6.0f} MB")


if __name__ == "__main__":
    main()
