"""Times of pictures and tar streams of the loaded images, over HTTP on loopback.

    vo-server demo --no-serve --data DIR; python tests/bench/bench_pictures.py DIR [--runs 40]

Each request has another picture size, so that no picture comes from the cache. Times are those of one client, CPU is
that of the server.
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from common import ServerProcess, serve, summarise


def measure(name: str, server: ServerProcess, runs: int, request: Callable[[int], httpx.Response]) -> None:
    """Warm up with three requests, then measure and print; `request` takes the number of the run."""
    for n in range(3):
        response = request(-1 - n)
        assert response.status_code in (200, 304), response.text
    times, size = [], 0
    cpu_before = server.cpu_seconds()
    for n in range(runs):
        start = time.perf_counter()
        size += len(request(n).content)
        times.append(time.perf_counter() - start)
    cpu = (server.cpu_seconds() - cpu_before) / runs
    print(
        f"{name:42} {summarise(times)}  CPU {1e3 * cpu:6.1f} ms "
        f" {1 / max(cpu, 1e-4):7.0f} per second of CPU  {size / runs / 1e3:8.0f} kB"
    )


def list_images(client: httpx.Client) -> list[dict[str, str]]:
    """Return names and positions of the Atlas images."""
    query = "SELECT image, ra, dec FROM twomass.atlas ORDER BY image"
    response = client.get("/tap/sync", params={"LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": "csv"})
    return list(csv.DictReader(io.StringIO(response.text)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=int, default=40)
    options = parser.parse_args()
    with serve(options.data) as (url, pid), httpx.Client(base_url=url, timeout=60) as client:
        server, images = ServerProcess(pid), list_images(client)

        def preview(pixels: int, **more: str) -> Callable[[int], httpx.Response]:
            def request(n: int) -> httpx.Response:
                id = f"atlas/{images[n % len(images)]['image']}"
                return client.get("/preview", params={"ID": id, "PIXELS": str(pixels + n), **more})

            return request

        def combine(n: int) -> httpx.Response:
            """Request a picture at the centre of the demo's field, where four images meet."""
            ra, dec = (sum(float(i[axis]) for i in images) / len(images) for axis in ("ra", "dec"))
            parameters = {"POS": f"{ra},{dec + 0.1}", "SIZE": "0.2", "BAND": "JHK", "PIXELS": str(512 + n)}
            return client.get("/preview", params=parameters)

        def get_cached(n: int) -> httpx.Response:
            return client.get("/preview", params={"ID": f"atlas/{images[n % 3]['image']}", "PIXELS": "128"})

        def get(path: str, **parameters: str) -> Callable[[int], httpx.Response]:
            return lambda _: client.get(path, params=parameters)

        def revalidate(_: int) -> httpx.Response:
            return client.get("/preview", params=same, headers={"If-None-Match": etag})

        same = {"ID": f"atlas/{images[0]['image']}", "PIXELS": "128"}
        etag = client.get("/preview", params=same).headers["etag"]
        position = {"POS": f"{images[0]['ra']},{images[0]['dec']}", "SIZE": "0.02"}
        all_images = {"POS": f"CIRCLE {images[0]['ra']} {images[0]['dec']} 3"}
        works: dict[str, Callable[[int], httpx.Response]] = {
            "thumbnail of 128 pixels": preview(128),
            "grey picture of 512 pixels": preview(512),
            "grey picture of all pixels, PNG": preview(1024, FORMAT="png"),
            "colour picture of 512 pixels": preview(512, BAND="JHK"),
            "colour picture of all pixels": preview(1024, BAND="JHK"),
            "colour picture of 0.2 deg, 512 pixels, combined": combine,
            "cached thumbnail": get_cached,
            "thumbnail that the client has (304)": revalidate,
            "page of images": get("/images"),
            "page of images at a position": get("/images", **position),
            "images at a position as a tar stream": get("/images.tar", **position),
            "all images as a tar stream": get("/images.tar", **all_images),
        }
        for name, request in works.items():
            measure(name, server, options.runs, request)


if __name__ == "__main__":
    main()
