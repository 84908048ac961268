"""The formats of the log."""

from __future__ import annotations

import json
import logging

import pytest

from vo_server import logs


@pytest.mark.parametrize("form", ["text", "json"])
def test_escapes_log_injection(form: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Requests are logged, and may hold any character."""
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        logs.configure("info", form)
        logging.getLogger("some").info("GET /a\n2026 ERROR b: \x1b[2J\x00\u2028 200")
    finally:
        logging.getLogger().handlers[:], level = before
        logging.getLogger().setLevel(level)
    output = capfd.readouterr().err
    assert output.count("\n") == 1
    assert not set(output) & {"\x1b", "\x00"}
    if form == "json":
        assert json.loads(output)["message"].startswith("GET /a\n2026")
    else:
        assert "GET /a\\n2026" in output
