"""What the suites share: the field's material, two skies loaded once a run, and servers that really run."""

from __future__ import annotations

import fcntl
import os
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
import hypothesis
import numpy as np
import pytest
import uvicorn
from astropy.io import fits

from tests.cluster import cluster, find_obstacle
from vo_server import demo
from vo_server.app import create_app
from vo_server.assembly import SOFTWARE, load_site_catalogue
from vo_server.commands.images import plan_walk
from vo_server.engines.data_directory import DataDirectory
from vo_server.load.load import load
from vo_server.settings import Settings, find_image_root

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

hypothesis.settings.register_profile("untimed", deadline=None)  # what is busy beside a test is none of its faults
hypothesis.settings.load_profile("untimed")

PSC_ROWS = 20_000
READY = 60.0
"""Seconds that a server gets to say that it is ready."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of standards and real data beside the checkout."""
    if not (SHARED / "standards").is_dir():
        pytest.skip(f"the standards and the real data are not beside this checkout, at {SHARED}")
    return SHARED


# ------------------------------------------------------------------- data


@pytest.fixture(scope="session")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the synthetic sky: 20,000 point sources, 200 galaxies, 18 Atlas images, a few others."""
    return _once(tmp_path_factory, "sky", _make_sky)


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """A data folder with the real rows: 550 point sources of scans 56 to 58, and one galaxy."""
    return _once(tmp_path_factory, "real", lambda folder: _load_real(folder, shared / "data" / "derived"))


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that is made once a run, by the first of the processes that run the tests."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = base / f"{name}.done"
        if not done.exists():
            make(base / name)
            done.touch()
    return base / name


def _make_sky(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as files:
        made = demo.write_all(Path(files), PSC_ROWS, compress=False)
        settings = Settings(data=folder)
        catalogue = load_site_catalogue(settings)
        for id in ("psc", "xsc"):
            load(catalogue.get_collection(id), [f for f in made if f.name.startswith(id)], DataDirectory(folder))
    made = demo.write_images(Path(find_image_root(settings, "atlas")), PSC_ROWS)
    _make_small_images(settings, made)
    for id in ("atlas", "quicklook", "stamps"):
        images = catalogue.get_collection(id)
        load(images, plan_walk(images, [], settings, catalogue), DataDirectory(folder))


def _make_small_images(settings: Settings, atlas: list[Path]) -> None:
    """Three Quicklook images, here with the pixels of the Atlas images, and a stamp from the middle of them."""
    quicklook, stamps = (Path(find_image_root(settings, id)) for id in ("quicklook", "stamps"))
    for folder in (quicklook, stamps):
        folder.mkdir(parents=True)
    planes = []
    for path in atlas[:3]:
        shutil.copy(path, quicklook)
        with fits.open(path) as units:
            header = units[0].header
            planes.append(units[0].data[491:532, 236:277])
    header["CRPIX1"], header["CRPIX2"] = 20.5, 21.5
    for name in ("SKYVAL", "SKYSIG", "SEESH", "MAGZP"):
        header.update({f"{band}{name}": header[name] for band in "JHK"})
    night = f"{header['ORDATE']}n{header['SCANNO']:03}"
    fits.writeto(stamps / f"g{night}0{atlas[0].name[6:9]}i000001.fits", np.array(planes * 2), header)


def _load_real(folder: Path, files: Path) -> None:
    names = {"psc": "psc_bulkformat_scans56-58.psc.gz", "xsc": "xsc_bulkformat_1row.xsc"}
    for id, name in names.items():
        load(load_site_catalogue(Settings()).get_collection(id), [files / name], DataDirectory(folder))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of an empty database of a PostgreSQL that runs for these tests."""
    reason = find_obstacle()
    if reason is not None:
        pytest.skip(reason)
    with cluster() as url:
        yield url


# ---------------------------------------------------------------- servers


@dataclass(frozen=True)
class Server:
    """A server process and where it answers. `output` is what it has said on both its streams."""

    url: str
    process: subprocess.Popen[str]
    output: Path

    @property
    def said(self) -> str:
        """All that it has said until now."""
        return self.output.read_text(encoding="utf-8")

    def stop(self) -> int:
        """End it as an operator does; its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)


Serving = Callable[..., AbstractContextManager[Server]]


@pytest.fixture(scope="session")
def serving() -> Serving:
    """Start a server: `with serving(data, "--workers", "2", VO_SERVER_TIMEOUT="5") as server`."""
    return _serving


@contextmanager
def _serving(
    data: Path, *flags: str, constants: Mapping[str, float] | None = None, **environment: str
) -> Iterator[Server]:
    """Run a server process until the end of the block, where it must stop cleanly.

    It has a job store of its own, no job workers and one database thread, unless the environment says otherwise.
    `constants` are new values of module constants, such as `vo_server.commands.serve.GRACE_SECONDS`.
    """
    command = [*_program(constants or {}), "serve", "--port", "0", "--data", str(data), *flags]
    with (
        tempfile.TemporaryDirectory() as jobs,
        tempfile.NamedTemporaryFile("w", suffix=".log") as log,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=clean_environment()
            | {"VO_SERVER_JOB_RESULTS": jobs, "VO_SERVER_JOB_WORKERS": "0", "VO_SERVER_THREADS": "1"}
            | environment,
        ) as process,
    ):
        try:
            url = _ready(process, Path(log.name))
            server = Server(url, process, Path(log.name))
            yield server
            if process.poll() is None:
                assert server.stop() == 0, server.said
        finally:
            if process.poll() is None:
                process.kill()


def _program(constants: Mapping[str, float]) -> list[str]:
    """Return the command line of vo-server, with other values of some module constants."""
    if not constants:
        return [sys.executable, "-m", "vo_server"]
    lines = ["import sys", "from importlib import import_module"]
    for name, value in constants.items():
        module, _, attribute = name.rpartition(".")
        lines.append(f"assert hasattr(import_module({module!r}), {attribute!r})")
        lines.append(f"import_module({module!r}).{attribute} = {value!r}")
    lines += ["from vo_server.__main__ import main", "sys.exit(main())"]
    return [sys.executable, "-c", "\n".join(lines)]


def clean_environment() -> dict[str, str]:
    """Return the environment without the settings of a server that the user of the tests may have."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VO_SERVER_")}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))}


def _ready(process: subprocess.Popen[str], log: Path) -> str:
    """The URL in the line by which the server says that it is ready."""
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_hand_on, args=(process.stdout, lines), daemon=True).start()
    try:
        line = lines.get(timeout=READY)
    except queue.Empty:
        line = ""
    assert " at http://" in line, f"the server did not start: {line!r}\n{log.read_text(encoding='utf-8')}"
    return line.split()[-1]


def _hand_on(stream: IO[str], lines: queue.Queue[str]) -> None:
    lines.put(stream.readline())


@pytest.fixture(scope="session")
def server(sky: Path) -> Iterator[Server]:
    """A server of the synthetic sky, as an operator runs it."""
    with _serving(sky, VO_SERVER_JOB_WORKERS="1") as running:
        yield running


@pytest.fixture(scope="session")
def real_server(real: Path) -> Iterator[Server]:
    """A server of the real rows."""
    with _serving(real) as running:
        yield running


@pytest.fixture(scope="session")
def client(sky: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the application over the synthetic sky, served by a thread of this process. Nobody runs its jobs."""
    jobs = str(tmp_path_factory.mktemp("jobs"))
    with listening(Settings(data=sky, job_results=jobs)) as url, httpx.Client(base_url=url, timeout=30) as inside:
        yield inside


@contextmanager
def listening(settings: Settings) -> Iterator[str]:
    """The application under a URL until the end of the block, in a thread."""
    door = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        server_header=False,
        headers=[("Server", SOFTWARE)],
        timeout_graceful_shutdown=5,
        proxy_headers=False,
    )
    inside = uvicorn.Server(config)
    thread = threading.Thread(target=inside.run, kwargs={"sockets": [door]})
    thread.start()
    try:
        while not inside.started:
            assert thread.is_alive(), "the application did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
    finally:
        inside.should_exit = True
        thread.join()
        door.close()


Listening = Callable[[Settings], AbstractContextManager[str]]


@pytest.fixture(scope="session", name="listening")
def _listening() -> Listening:
    """Runs the application in a thread with settings of one's own: `with listening(Settings(...)) as url`."""
    return listening
