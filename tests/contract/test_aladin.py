"""Aladin Desktop finds an image by SIA, loads it and overlays a cone search: the sources lie on the stars.

At start, Aladin 12 requests a dictionary of services and a list of surveys from its home server. Here a proxy
responds instead, with a dictionary of this server's services.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pillow

TIMEOUT_SECONDS = 120.0
ZOOM = 8
"""Pixels of the picture for one pixel of the image, which is 1 arcsec wide."""

SERVICE = """%ActionName        {name}
%Description       {name}
%Aladin.Label      {name}
%Aladin.LabelPlane {name}
%Aladin.Protocol   {protocol}
%DistribDomain     ALADIN
%Owner             CDS'aladin
%Url               {url}
%Param.Description $1=Right Ascension
%Param.Description $2=Declination
%Param.Description $3=Size
%Param.DataType    $1=Target(RAd)
%Param.DataType    $2=Target(DEd)
%Param.DataType    $3=Field({field})
%Param.Value       $3=6 arcmin
%ResultDataType    Mime({kind})

"""

SURVEY = b"""ID                   = nothing/P/nothing
obs_title            = nothing
dataproduct_type     = image
hips_service_url     = http://127.0.0.1:9/nothing
hips_order           = 3
hips_frame           = equatorial
hips_tile_format     = jpeg

"""


@pytest.fixture(scope="module", autouse=True)
def _is_installed() -> None:
    for command in ("aladin", "Xvfb"):
        if shutil.which(command) is None:
            pytest.skip(f"there is no {command} command")


@contextmanager
def replace_home(dictionary: str) -> Iterator[int]:
    """Start a proxy that replaces Aladin's home server, and return its port."""

    class Home(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.body()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def body(self) -> bytes:
            if "nph-glu" in self.path:
                if "Z:ALADIN" in self.path:
                    return dictionary.encode()
                name = self.path.partition("?")[2].partition("&")[0]
                return f"%A {name}\n%U {'$1' if name == 'Http' else f'http://{name}.invalid/query?$1'}\n\n".encode()
            return gzip.compress(SURVEY) if "get=record" in self.path else b"# nothing\n"

        def log_message(self, format: str, *args: Any) -> None:
            pass

    home = ThreadingHTTPServer(("127.0.0.1", 0), Home)
    thread = threading.Thread(target=home.serve_forever)
    thread.start()
    try:
        yield home.server_port
    finally:
        home.shutdown()
        thread.join()
        home.server_close()


@contextmanager
def screen() -> Iterator[str]:
    """Start a virtual display."""
    command = ["Xvfb", "-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "1000x800x24"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield f":{process.stdout.readline().strip()}"
        finally:
            process.terminate()


Run = Callable[[str], str]


@pytest.fixture(scope="module")
def aladin(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Return a function that runs a script with the services as Images (band K) and Sources, and returns the output."""
    base = str(client.base_url).rstrip("/")
    images = f"{base}/sia1/atlas?POS=$1,$2&SIZE=$3&FORMAT=image/fits&band=K"
    dictionary = SERVICE.format(name="Images", protocol="SIAPv1", url=images, field="SQRd", kind="sia/xml")
    sources = f"{base}/cone/psc?RA=$1&DEC=$2&SR=$3"
    dictionary += SERVICE.format(name="Sources", protocol="CONESEARCH", url=sources, field="RADIUSd", kind="text/xml")
    home = tmp_path_factory.mktemp("aladin")
    with replace_home(dictionary) as port, screen() as display:
        options = {
            "user.home": home,
            "http.proxyHost": "127.0.0.1",
            "http.proxyPort": port,
            "http.nonProxyHosts": "127.*",
        }
        java_options = " ".join(f"-D{name}={value}" for name, value in options.items())
        environment = os.environ | {"DISPLAY": display, "HOME": str(home), "JAVA_TOOL_OPTIONS": java_options}

        def run(script: str) -> str:
            command = ["aladin", "-nobanner", "-nogui", "-trace"]
            done = subprocess.run(
                command,
                input=script,
                env=environment,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=TIMEOUT_SECONDS,
            )
            return done.stdout + done.stderr

        yield run


@pytest.fixture(scope="module")
def star(ask: Any) -> tuple[float, float]:
    """Return the brightest star well within an image."""
    query = (
        "SELECT TOP 1 p.ra, p.dec FROM psc AS p JOIN twomass.atlas AS a ON a.coadd_key = p.coadd_key"
        " WHERE a.band = 'K' AND ABS(p.dec - a.dec) < 0.1 AND DISTANCE(p.ra, a.dec, a.ra, a.dec) < 0.05 ORDER BY p.k_m"
    )
    (row,) = csv.DictReader(io.StringIO(ask(query, RESPONSEFORMAT="csv").text))
    return float(row["ra"]), float(row["dec"])


def find_middle(mask: npt.NDArray[np.bool_], weight: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
    """Return the mean row and column of the bright pixels within 40 of the centre of a picture."""
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]]
    near = mask & (np.hypot(rows - mask.shape[0] / 2, columns - mask.shape[1] / 2) < 40)
    assert near.any()
    places = np.stack([rows[near], columns[near]], axis=1)
    return np.average(places, axis=0, weights=None if weight is None else weight[near])


@pytest.mark.parametrize("of", ["file", "picture"])
def test_sources_lie_on_stars(
    aladin: Run, client: httpx.Client, star: tuple[float, float], tmp_path: Path, of: str
) -> None:
    """Checked on an image from SIA and on a colour picture with a WCS in its comment."""
    position = f"{star[0]} {star[1]:+}"
    image_file, overlay_file = tmp_path / "bare.png", tmp_path / "laid.png"
    picture = f"{str(client.base_url).rstrip('/')}/preview?POS={star[0]},{star[1]}&BAND=JHK"
    begin = f"get Images {position} 1arcmin" if of == "file" else f"load {picture}"
    output = aladin(
        f"{begin}\nsync\npause 1\n{position}\nzoom {ZOOM}x\nsave {image_file}\n"
        f"get Sources {position} 2arcmin\nsync\nsave {overlay_file}\nquit\n"
    )
    assert image_file.exists(), output
    assert overlay_file.exists(), output
    with Pillow.open(image_file) as without, Pillow.open(overlay_file) as found:
        before, after = (np.asarray(each.convert("RGB"), float) for each in (without, found))
    light = before.mean(axis=2)
    shining = light > (np.median(light) + light.max()) / 2
    red = (after[..., 0] - after[..., 1] > 60) & (before[..., 0] - before[..., 1] < 30)
    assert np.hypot(*(find_middle(shining, light) - find_middle(red))) < 0.5 * ZOOM
