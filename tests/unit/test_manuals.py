"""The documents of the repository keep their promises: links, commands, settings, examples, the map of the code."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest
from astropy.table import Table

from vo_server.__main__ import _build_parser, _join_command_name, main
from vo_server.app import create_app
from vo_server.commands import COMMANDS
from vo_server.engines.data_directory import DataDirectory
from vo_server.http.downtime import Downtime, read_downtime
from vo_server.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("", "deploy", "schemas", "tests", "vo_server")
MANUALS = {folder or "top": ROOT / folder / "README.md" for folder in FOLDERS}
DOCUMENTS = [*MANUALS.values(), ROOT / "CHANGELOG.md", *sorted((ROOT / "vo_server" / "web" / "docs").glob("*.md"))]
SERVED_LINKS = re.compile(r"\{base\}")
"""Links into the service itself, which tests/contract follows."""


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _blocks(path: Path, language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", _text(path), flags=re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def _prose(path: Path) -> str:
    """Return a document without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```$", "", _text(path), flags=re.MULTILINE | re.DOTALL)


def _anchors(path: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", _prose(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(path)):
        if SERVED_LINKS.match(target) or re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), target
        assert not anchor or anchor in _anchors(linked), target


@pytest.mark.parametrize("path", MANUALS.values(), ids=_name)
def test_table_of_contents_names_every_section(path: Path) -> None:
    sections = re.findall(r"^## (.*)$", _prose(path), flags=re.MULTILINE)
    assert [section for section in sections if f"[{section}](#" not in _text(path)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_named_files_exist(path: Path) -> None:
    named = set(re.findall(r"\b(?:deploy|schemas/\w+|tests/\w+)/[\w.-]+\.\w+", _text(path)))
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_named_modules_exist() -> None:
    named = set(re.findall(r"`((?:\w+/)*\w+\.py|(?:\w+/)+)`", _text(MANUALS["vo_server"])))
    outside = {"deploy/", "schemas/", "tests/"}
    assert len(named) > 20
    assert [name for name in sorted(named - outside) if not (ROOT / "vo_server" / name).exists()] == []


def _command_lines(path: Path) -> Iterator[str]:
    for block in _blocks(path, "sh"):
        for line in block.splitlines():
            yield from line.partition("#")[0].split("&&")


def _commands(*paths: Path) -> list[list[str]]:
    """Return the arguments of each vo-server command of these documents, of all manuals if none is given."""
    found = (line for path in paths or MANUALS.values() for line in _command_lines(path))
    lines = (shlex.split(line) for line in found if "vo-server" in line)
    commands = (words[words.index("vo-server") + 1 :] for words in lines if "vo-server" in words)
    return [words for words in commands if words and words != ["--help"]]


def test_commands_have_these_options() -> None:
    commands = [list(_join_command_name(words)) for words in _commands()]
    for words in commands:
        _build_parser(words[0]).parse_args(words)
    assert {words[0] for words in commands} >= {"publish", "load", "serve", "check", "adql", "adql check", "stamps"}
    assert {words[0] for words in commands} <= {command.name for command in COMMANDS}


def test_blocks_of_settings_are_valid(tmp_path: Path) -> None:
    names = {field.name for field in fields(Settings)}
    toml = [block for path in MANUALS.values() for block in _blocks(path, "toml")]
    blocks = [block for block in toml if set(tomllib.loads(block)) <= names]
    assert len(blocks) >= 3
    for block in blocks:
        (tmp_path / "vo.toml").write_text(block, encoding="utf-8")
        assert read_settings({}, {}, tmp_path / "vo.toml") != Settings()


def test_every_setting_is_explained_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*?)\| (.+) \|$", _text(MANUALS["deploy"]), flags=re.MULTILINE)
    table = {name: default.strip("` ").replace(",", "") for name, default, _ in rows}
    for field in fields(Settings):
        assert field.name in table
        default = field.default
        number = f"{default:g}" if isinstance(default, float) else str(default)
        assert table[field.name] == (number.lower() if isinstance(default, bool) else number), field.name


def test_map_shows_the_rooms_in_the_order_of_the_contract() -> None:
    (code_map,) = [block for block in _blocks(MANUALS["vo_server"], "") if block.startswith("__main__")]
    lines = [line for line in code_map.splitlines() if not line.startswith(" ")]
    shown = [sorted(re.findall(r"(\w+)(?:/|\.py)", line.split("  ")[0])) for line in lines[1:]]
    project = tomllib.loads(_text(ROOT / "pyproject.toml"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    assert shown == [sorted(name.removeprefix("vo_server.") for name in layer.split(" | ")) for layer in layers[1:]]
    rooms = {path.name for path in (ROOT / "vo_server").iterdir() if (path / "__init__.py").is_file()}
    assert rooms <= {name for line in shown for name in line}


def test_every_benchmark_is_listed() -> None:
    benchmarks = {path.name for path in (ROOT / "tests" / "bench").glob("bench_*.py")}
    assert [name for name in sorted(benchmarks) if f"tests/bench/{name}" not in _text(MANUALS["tests"])] == []


def test_worked_example_of_a_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("stars").mkdir()
    (toml,) = [b for path in MANUALS.values() for b in _blocks(path, "toml") if b.startswith('id = "bright"')]
    (csv,) = [b for path in MANUALS.values() for b in _blocks(path, "csv") if b.startswith("name,ra,dec,v_mag")]
    Path("stars/bright.toml").write_text(toml, encoding="utf-8")
    Path("bright.csv").write_text(csv, encoding="utf-8")
    commands = [words for words in _commands() if words[-2:] == ["--schemas", "stars"]]
    assert [words[0] for words in commands] == ["check", "load", "serve"]
    assert [main(words) for words in commands[:2]] == [0, 0]
    assert DataDirectory(Path("data")).find_current_file("bright") is not None
    app = create_app(Settings(schemas="stars"))
    assert "/cone/bright" in [getattr(route, "path", None) for route in app.routes]


def test_publish_command_of_the_overview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Table({"name": ["a", "b"], "ra": [10.5, 11.5], "dec": [20.0, 21.0], "pm": [3.0, 4.0]}).write("stars.fits")
    (words,) = [words for words in _commands(MANUALS["top"]) if words[0] == "publish"]
    assert main(words) == 0
    assert Path("data/catalogues/stars.toml").is_file()


def test_checks_of_query_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("queries.jsonl").write_text('{"adql": "SELECT TOP 1 ra FROM psc"}\n', encoding="utf-8")
    Path("nightly.sql").write_text("SELECT x FROM nowhere;\n", encoding="utf-8")
    commands = [words for words in _commands(MANUALS["deploy"]) if words[:2] == ["adql", "check"]]
    assert len(commands) == 2
    assert [main(words) for words in commands] == [0, 0]


def test_example_of_planned_downtime(tmp_path: Path) -> None:
    (example,) = [block for block in _blocks(MANUALS["deploy"], "toml") if block.startswith("down_at = ")]
    (tmp_path / "downtime.toml").write_text(example, encoding="utf-8")
    assert read_downtime(tmp_path) == Downtime(
        datetime(2026, 12, 1, 8, tzinfo=UTC), datetime(2026, 12, 1, 12, tzinfo=UTC), "The data move to new disks."
    )
