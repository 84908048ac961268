"""Settings: the precedence of their sources, and the errors of invalid values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from vo_server.errors import Code, UsageError
from vo_server.settings import PREFIX, Settings, describe_settings, read_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "vo.toml"


def test_defaults() -> None:
    assert read_settings({}, {}, None) == Settings()


def test_flag_overrides_variable_and_variable_overrides_file(file: Path) -> None:
    file.write_text('port = 1\nmaxrec = 1\ntitle = "of the file"\n')
    settings = read_settings({"port": "3", "maxrec": None}, {"VO_SERVER_PORT": "2", "VO_SERVER_MAXREC": "2"}, file)
    assert (settings.port, settings.maxrec, settings.title) == (3, 2, "of the file")


def test_converts_types(file: Path) -> None:
    file.write_text('timeout = 5\ndata = "/srv/vo"\n')
    settings = read_settings({"port": "8080"}, {"VO_SERVER_THREADS": "2"}, file)
    assert settings == Settings(data=Path("/srv/vo"), port=8080, threads=2, timeout=5.0)
    assert [type(getattr(settings, name)) for name in ("data", "port", "timeout")] == [type(Path()), int, float]


@pytest.mark.parametrize(
    ("text", "expected"), [("true", True), ("Yes", True), ("1", True), ("False", False), ("0", False)]
)
def test_reads_true_and_false(text: str, expected: bool) -> None:
    assert read_settings({}, {"VO_SERVER_STRICT": text}, None).strict is expected
    assert read_settings({"strict": True}, {"VO_SERVER_STRICT": text}, None).strict is True


def test_ignores_other_variables() -> None:
    environment = {"PATH": "/bin", f"{PREFIX}CONFIG": "vo.toml", f"{PREFIX}VENV": ".venv"}
    assert read_settings({}, environment, None) == Settings()


@pytest.mark.parametrize(
    ("flags", "environment", "content", "source"),
    [
        ({}, {"VO_SERVER_PROT": "1"}, None, "the environment: VO_SERVER_PROT"),
        ({}, {"VO_SERVER_XYZZY": "1"}, None, "the environment: VO_SERVER_XYZZY"),
        ({}, {}, "maxrek = 5", "vo.toml: maxrek"),
        ({}, {}, "[server]\nport = 5", "vo.toml: server"),
        ({}, {}, "port = ", "vo.toml"),
        ({}, {}, "port = true", "vo.toml: port"),
        ({}, {}, "port = 80.5", "vo.toml: port"),
        ({}, {}, "title = 5", "vo.toml: title"),
        ({}, {}, "strict = 1", "vo.toml: strict"),
        ({}, {"VO_SERVER_STRICT": "very"}, None, "the environment: VO_SERVER_STRICT"),
        ({}, {}, "data = 5", "vo.toml: data"),
        ({}, {"VO_SERVER_TIMEOUT": "long"}, None, "the environment: VO_SERVER_TIMEOUT"),
        ({}, {"VO_SERVER_TIMEOUT": "nan"}, None, "the environment: VO_SERVER_TIMEOUT"),
        ({}, {"VO_SERVER_MEMORY": "lots"}, None, "the environment: VO_SERVER_MEMORY"),
        ({}, {"VO_SERVER_PUBLIC_URL": "vo.example.org"}, None, "the environment: VO_SERVER_PUBLIC_URL"),
        ({}, {"VO_SERVER_CONTACT": "the operator"}, None, "the environment: VO_SERVER_CONTACT"),
        ({}, {"VO_SERVER_AUTHORITY": "ivo://org.example"}, None, "the environment: VO_SERVER_AUTHORITY"),
        ({}, {}, 'authority = "org.example"\ncontact = "vo@example.org"', "publisher, public_url"),
        ({"port": "abc"}, {}, None, "--port"),
        ({"port": "70000"}, {}, None, "--port"),
        ({"workers": "0"}, {}, None, "--workers"),
        ({"log_level": "loud"}, {}, None, "--log-level"),
    ],
)
def test_rejects_invalid_settings_with_their_source(
    file: Path, flags: dict[str, Any], environment: dict[str, str], content: str | None, source: str
) -> None:
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=re.escape(source)) as raised:
        read_settings(flags, environment, None if content is None else file)
    assert raised.value.code == Code.SETTINGS_INVALID


@pytest.mark.parametrize(
    ("environment", "content", "suggestion"),
    [
        ({"VO_SERVER_PROT": "1"}, None, "VO_SERVER_PORT"),
        ({}, "maxrek = 5", "maxrec"),
        ({"VO_SERVER_XYZZY": "1"}, None, None),
    ],
)
def test_suggests_the_nearest_setting(
    file: Path, environment: dict[str, str], content: str | None, suggestion: str | None
) -> None:
    file.write_text(content or "")
    with pytest.raises(UsageError) as raised:
        read_settings({}, environment, file)
    assert raised.value.hint == (f"did you mean {suggestion}?" if suggestion else None)


def test_rejects_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml") as raised:
        read_settings({}, {}, tmp_path / "none.toml")
    assert raised.value.code == Code.SETTINGS_INVALID


def test_every_default_fits_its_own_rule() -> None:
    environment = {f"{PREFIX}{name.upper()}": str(default) for name, default, _ in describe_settings()}
    assert read_settings({}, environment, None) == Settings()
