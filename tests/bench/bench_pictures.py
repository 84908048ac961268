"""How many pictures a server makes, and how fast it packs images: over HTTP on loopback, of the images that are loaded.

    vo-server demo --no-serve --data DIR; PYTHONPATH=. python tests/bench/bench_pictures.py DIR [--runs 40]

Each picture is asked for in a size of its own, so that none is kept from before. Times are those of one client, CPU is
the server's.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.bench.bench_http import Process


@contextmanager
def serving(data: Path) -> Iterator[tuple[httpx.Client, Process]]:
    command = [sys.executable, "-m", "vo_server", "serve", "--data", str(data), "--port", "0"]
    environment = os.environ | {"VO_SERVER_JOB_WORKERS": "0"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            with httpx.Client(base_url=url, timeout=60) as client:
                yield client, Process(process.pid)
        finally:
            process.terminate()


def measured(what: str, server: Process, runs: int, ask: Callable[[int], httpx.Response]) -> None:
    for n in range(3):
        assert ask(-1 - n).status_code in (200, 304), ask(-1 - n).text
    times, size = [], 0
    before = server.cpu()
    for n in range(runs):
        begun = time.perf_counter()
        size += len(ask(n).content)
        times.append(time.perf_counter() - begun)
    cpu = (server.cpu() - before) / runs
    times.sort()
    median, late = statistics.median(times), times[int(0.95 * runs)]
    print(
        f"{what:42} median {1e3 * median:7.1f} ms  p95 {1e3 * late:7.1f} ms  CPU {1e3 * cpu:6.1f} ms "
        f" {1 / max(cpu, 1e-4):7.0f} for a second of it  {size / runs / 1e3:8.0f} kB"
    )


def images(client: httpx.Client) -> list[dict[str, str]]:
    query = "SELECT image, ra, dec FROM twomass.atlas ORDER BY image"
    answer = client.get("/tap/sync", params={"LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": "csv"})
    return list(csv.DictReader(io.StringIO(answer.text)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=int, default=40)
    options = parser.parse_args()
    with serving(options.data) as (client, server):
        known = images(client)

        def preview(pixels: int, **given: str) -> Callable[[int], httpx.Response]:
            def ask(n: int) -> httpx.Response:
                id = f"atlas/{known[n % len(known)]['image']}"
                return client.get("/preview", params={"ID": id, "PIXELS": str(pixels + n), **given})

            return ask

        def together(n: int) -> httpx.Response:
            """Where four images meet, at the middle of the demo's."""
            ra, dec = (sum(float(i[axis]) for i in known) / len(known) for axis in ("ra", "dec"))
            given = {"POS": f"{ra},{dec + 0.1}", "SIZE": "0.2", "BAND": "JHK", "PIXELS": str(512 + n)}
            return client.get("/preview", params=given)

        def kept(n: int) -> httpx.Response:
            return client.get("/preview", params={"ID": f"atlas/{known[n % 3]['image']}", "PIXELS": "128"})

        def asking(path: str, **given: str) -> Callable[[int], httpx.Response]:
            return lambda _: client.get(path, params=given)

        def had(n: int) -> httpx.Response:
            return client.get("/preview", params=same, headers={"If-None-Match": etag})

        same = {"ID": f"atlas/{known[0]['image']}", "PIXELS": "128"}
        etag = client.get("/preview", params=same).headers["etag"]
        place = {"POS": f"{known[0]['ra']},{known[0]['dec']}", "SIZE": "0.02"}
        everything = {"POS": f"CIRCLE {known[0]['ra']} {known[0]['dec']} 3"}
        work: dict[str, Callable[[int], httpx.Response]] = {
            "thumbnail of 128 pixels": preview(128),
            "grey picture of 512 pixels": preview(512),
            "grey picture of all pixels, PNG": preview(1024, FORMAT="png"),
            "colour picture of 512 pixels": preview(512, BAND="JHK"),
            "colour picture of all pixels": preview(1024, BAND="JHK"),
            "colour of 0.2 deg, 512 pixels, put together": together,
            "a thumbnail that is kept": kept,
            "one that the client has": had,
            "the page of images": asking("/images"),
            "the page of a place": asking("/images", **place),
            "the images of a place as a tar stream": asking("/images.tar", **place),
            "all images as a tar stream": asking("/images.tar", **everything),
        }
        for what, ask in work.items():
            measured(what, server, options.runs, ask)


if __name__ == "__main__":
    main()
