"""Rate and memory of loading bulk files.

    python tests/bench/bench_load.py [--rows 5000000] [--table psc] [--files F ...] [--folder DIR] [--threads N]

Without --files a synthetic sky is written to the folder first, by another process so that the peak of memory is that of
the load. It stays there for the next run.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

from vo_server.catalogue.load import find_builtin_schemas, load_catalogue
from vo_server.demo import write_psc, write_xsc
from vo_server.engines.data_directory import DataDirectory
from vo_server.load.load import Progress, load


def main() -> None:
    options = parse_arguments()
    folder = options.folder or Path(tempfile.gettempdir()) / "bench_load"
    files = options.files or make_files(folder, options.table, options.rows)
    data = folder / "data"
    shutil.rmtree(data, ignore_errors=True)
    measure(options, files, DataDirectory(data))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--table", choices=["psc", "xsc"], default="psc")
    parser.add_argument("--files", nargs="+")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--memory", type=int, default=2 << 30, help="bytes")
    return parser.parse_args()


def make_files(folder: Path, table: str, rows: int) -> list[Path]:
    """Write a synthetic sky, unless the folder has it."""
    home = folder / f"{table}-{rows}"
    if not (home / "done").exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        writer = get_context("spawn").Process(target=write_psc if table == "psc" else write_xsc, args=(home, rows))
        writer.start()
        writer.join()
        (home / "done").touch()
    return sorted(home.glob("*.gz"))


def measure(options: argparse.Namespace, files: list[Path], store: DataDirectory) -> None:
    """Load the files and print the figures of each phase."""
    starts: dict[str, tuple[float, float]] = {}

    def record_phase(progress: Progress) -> None:
        starts.setdefault(progress.phase, (time.perf_counter(), time.process_time()))

    starts["start"] = (time.perf_counter(), time.process_time())
    collection = load_catalogue([find_builtin_schemas() / "catalogues"]).get_collection(options.table)
    summary = load(
        collection, files, store, memory_limit=options.memory, threads=options.threads, progress=record_phase
    )
    end = (time.perf_counter(), time.process_time())
    current = store.find_current_file(options.table)
    assert current is not None
    print_phase("reading", summary.rows, starts["start"], starts["sorting"])
    print_phase("writing", summary.rows, starts["sorting"], end)
    print_phase("total", summary.rows, starts["start"], end)
    row_bytes = current.stat().st_size / summary.rows
    print(f"peak memory {peak_bytes() / 2**20:.0f} MiB, database {row_bytes:.0f} bytes per row")


def print_phase(phase: str, rows: int, start: tuple[float, float], end: tuple[float, float]) -> None:
    wall, cpu = end[0] - start[0], end[1] - start[1]
    million = rows / 1e6
    print(f"{phase:9} {wall:7.2f} s {rows / wall:9,.0f} rows/s  CPU: {cpu / million:.2f} s per million rows")


def peak_bytes() -> int:
    """Return the peak of the resident set of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
