"""How fast bulk files come in, and in how much memory.

    python tests/bench/bench_load.py [--rows 5000000] [--table psc] [--files F ...] [--folder DIR] [--threads N]

Without --files a synthetic sky is written to the folder first, by another process so that the peak of memory is that of
the load, and kept for the next time.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

from vo_server.catalogue.load import builtin_schemas, load_catalogue
from vo_server.demo import write_psc, write_xsc
from vo_server.engines.store import Store
from vo_server.load.load import Progress, load


def main() -> None:
    options = arguments()
    folder = options.folder or Path(tempfile.gettempdir()) / "bench_load"
    files = options.files or made(folder, options.table, options.rows)
    data = folder / "data"
    shutil.rmtree(data, ignore_errors=True)
    measure(options, files, Store(data))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--table", choices=["psc", "xsc"], default="psc")
    parser.add_argument("--files", nargs="+")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--memory", type=int, default=2 << 30, help="bytes")
    return parser.parse_args()


def made(folder: Path, table: str, rows: int) -> list[Path]:
    home = folder / f"{table}-{rows}"
    if not (home / "done").exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        writer = get_context("spawn").Process(target=write_psc if table == "psc" else write_xsc, args=(home, rows))
        writer.start()
        writer.join()
        (home / "done").touch()
    return sorted(home.glob("*.gz"))


def measure(options: argparse.Namespace, files: list[Path], store: Store) -> None:
    began: dict[str, tuple[float, float]] = {}

    def told(progress: Progress) -> None:
        began.setdefault(progress.phase, (time.perf_counter(), time.process_time()))

    began["start"] = (time.perf_counter(), time.process_time())
    collection = load_catalogue([builtin_schemas() / "catalogues"]).collection(options.table)
    loaded = load(collection, files, store, memory_limit=options.memory, threads=options.threads, progress=told)
    end = (time.perf_counter(), time.process_time())
    current = store.current(options.table)
    assert current is not None
    report("reading", loaded.rows, began["start"], began["sorting"])
    report("writing", loaded.rows, began["sorting"], end)
    report("together", loaded.rows, began["start"], end)
    print(f"peak memory {peak() / 2**20:.0f} MiB, database {current.stat().st_size / loaded.rows:.0f} bytes a row")


def report(phase: str, rows: int, start: tuple[float, float], end: tuple[float, float]) -> None:
    wall, processor = end[0] - start[0], end[1] - start[1]
    million = rows / 1e6
    print(f"{phase:9} {wall:7.2f} s {rows / wall:9,.0f} rows/s  processor: {processor / million:.2f} s a million rows")


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
