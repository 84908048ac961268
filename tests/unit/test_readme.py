"""What the README tells a newcomer to do works as it stands."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vo_server.__main__ import main
from vo_server.app import create_app
from vo_server.engines.store import Store
from vo_server.http.downtime import Downtime, planned
from vo_server.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_the_worked_example_of_a_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("stars").mkdir()
    (toml,), (csv,) = [block for block in _blocks("toml") if block.startswith("id = ")], _blocks("csv")
    Path("stars/bright.toml").write_text(toml)
    Path("bright.csv").write_text(csv)
    lines = [line.split() for block in _blocks("sh") for line in block.splitlines() if "--schemas stars" in line]
    commands = [line[1:] for line in lines if line[1] != "serve"]
    assert [command[0] for command in commands] == ["check", "load"]
    assert [main(command) for command in commands] == [0, 0]
    assert Store(Path("data")).current("bright") is not None
    app = create_app(Settings(schemas="stars"))
    assert "/cone/bright" in [getattr(route, "path", None) for route in app.routes]


def test_the_example_of_planned_downtime(tmp_path: Path) -> None:
    (example,) = [block for block in _blocks("toml") if block.startswith("down_at = ")]
    (tmp_path / "downtime.toml").write_text(example)
    assert planned(tmp_path) == Downtime(
        datetime(2026, 12, 1, 8, tzinfo=UTC), datetime(2026, 12, 1, 12, tzinfo=UTC), "The data move to new disks."
    )


def test_the_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"\b(?:deploy|schemas/catalogues|tests/bench)/[\w.-]+\.\w+", README))
    named |= {
        f"deploy/{name}" for name in ("vo-server.service", "nginx.conf", "apache.conf", "Dockerfile", "compose.yaml")
    }
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_the_map_names_every_room() -> None:
    rooms = {p.name for p in (ROOT / "vo_server").iterdir() if (p / "__init__.py").is_file()}
    assert [room for room in sorted(rooms) if f"\n  {room}/" not in README] == []
