"""Settings: which source wins, and what is said of values that cannot be understood."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from vo_server.errors import UsageError
from vo_server.settings import PREFIX, Settings, described, read

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "vo.toml"


def test_defaults() -> None:
    assert read({}, {}, None) == Settings()


def test_a_flag_wins_over_a_variable_and_that_over_the_file(file: Path) -> None:
    file.write_text('port = 1\nmaxrec = 1\ntitle = "of the file"\n')
    settings = read({"port": "3", "maxrec": None}, {"VO_SERVER_PORT": "2", "VO_SERVER_MAXREC": "2"}, file)
    assert (settings.port, settings.maxrec, settings.title) == (3, 2, "of the file")


def test_types(file: Path) -> None:
    file.write_text('timeout = 5\ndata = "/srv/vo"\n')
    settings = read({"port": "8080"}, {"VO_SERVER_THREADS": "2"}, file)
    assert settings == Settings(data=Path("/srv/vo"), port=8080, threads=2, timeout=5.0)
    assert [type(getattr(settings, name)) for name in ("data", "port", "timeout")] == [type(Path()), int, float]


@pytest.mark.parametrize(
    ("said", "meant"), [("true", True), ("Yes", True), ("1", True), ("False", False), ("0", False)]
)
def test_true_and_false(said: str, meant: bool) -> None:
    assert read({}, {"VO_SERVER_STRICT": said}, None).strict is meant
    assert read({"strict": True}, {"VO_SERVER_STRICT": said}, None).strict is True


def test_other_variables_are_not_ours() -> None:
    environment = {"PATH": "/bin", f"{PREFIX}CONFIG": "vo.toml", f"{PREFIX}VENV": ".venv"}
    assert read({}, environment, None) == Settings()


@pytest.mark.parametrize(
    ("flags", "environment", "content", "said"),
    [
        ({}, {"VO_SERVER_PROT": "1"}, None, "VO_SERVER_PROT is no setting (did you mean VO_SERVER_PORT?)"),
        ({}, {"VO_SERVER_XYZZY": "1"}, None, "VO_SERVER_XYZZY is no setting"),
        ({}, {}, "maxrek = 5", "maxrek is no setting (did you mean maxrec?)"),
        ({}, {}, "[server]\nport = 5", "server is no setting"),
        ({}, {}, "port = ", "is not TOML"),
        ({}, {}, "port = true", "port is True, where a whole number is needed"),
        ({}, {}, "port = 80.5", "port is 80.5, where a whole number is needed"),
        ({}, {}, "title = 5", "title is 5, where a text is needed"),
        ({}, {}, "strict = 1", "strict is 1, where true or false is needed"),
        ({}, {"VO_SERVER_STRICT": "very"}, None, "VO_SERVER_STRICT is 'very', where true or false is needed"),
        ({}, {}, "data = 5", "data is 5, where a path is needed"),
        ({}, {"VO_SERVER_TIMEOUT": "long"}, None, "VO_SERVER_TIMEOUT is 'long', where a number is needed"),
        ({}, {"VO_SERVER_TIMEOUT": "nan"}, None, "VO_SERVER_TIMEOUT is nan, where 0.001 to 1,000,000.0 is needed"),
        ({}, {"VO_SERVER_MEMORY": "lots"}, None, "where a size such as 4GB or 500MB is needed"),
        ({}, {"VO_SERVER_PUBLIC_URL": "vo.example.org"}, None, "where a URL such as https://vo.example.org is needed"),
        ({}, {"VO_SERVER_CONTACT": "the operator"}, None, "where an e-mail address is needed"),
        ({}, {"VO_SERVER_AUTHORITY": "ivo://org.example"}, None, "where an authority such as org.example is needed"),
        ({}, {}, 'authority = "org.example"\ncontact = "vo@example.org"', "but not publisher, public_url (registry"),
        ({"port": "abc"}, {}, None, "--port is 'abc', where a whole number is needed"),
        ({"port": "70000"}, {}, None, "--port is 70000, where 0 to 65,535 is needed"),
        ({"workers": "0"}, {}, None, "--workers is 0, where 1 or more is needed"),
        ({"log_level": "loud"}, {}, None, "--log-level is 'loud', where debug, info, warning or error is needed"),
    ],
)
def test_mistakes(
    file: Path, flags: dict[str, Any], environment: dict[str, str], content: str | None, said: str
) -> None:
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=re.escape(said)):
        read(flags, environment, None if content is None else file)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml cannot be read: No such file"):
        read({}, {}, tmp_path / "none.toml")


def test_every_default_fits_its_own_rule() -> None:
    environment = {f"{PREFIX}{name.upper()}": str(default) for name, default, _ in described()}
    assert read({}, environment, None) == Settings()


def test_every_setting_is_in_the_readme() -> None:
    table = README.read_text(encoding="utf-8")
    assert [f.name for f in fields(Settings) if f"| `{f.name}` |" not in table] == []
