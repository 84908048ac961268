"""Fixtures of the contract tests: queries, XML schemas, VOTable validation and STILTS."""

from __future__ import annotations

import io
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from astropy.io.votable import parse
from astropy.io.votable.exceptions import W06, W47
from astropy.io.votable.tree import VOTableFile
from lxml import etree

Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def ask(client: httpx.Client) -> Ask:
    """Return a function that sends an ADQL query by GET: `ask("SELECT ...", RESPONSEFORMAT="csv")`."""

    def ask(query: str, headers: dict[str, str] | None = None, **parameters: str) -> httpx.Response:
        return client.get("/tap/sync", params={"LANG": "ADQL", "QUERY": query} | parameters, headers=headers)

    return ask


@pytest.fixture(scope="session")
def documents(shared: Path) -> etree.XMLSchema:
    """Return the schema of all IVOA documents."""
    return etree.XMLSchema(etree.parse(shared / "standards" / "xsd" / "local" / "vo-bundle.xsd"))


@pytest.fixture(scope="session")
def votable(shared: Path) -> Callable[..., VOTableFile]:
    """Return a function that reads a VOTable strictly: by the schema of 1.4, and by astropy with warnings as errors.

    Some warnings are ignored: W47, which astropy gives to every column of single characters, which VOTable 1.4 (section
    4.1) writes without an arraysize; W50 of "%", which VOUnits 1.1 (section 2.4) has and astropy does not know; and
    with `ucd1` W06, since the UCDs of cone search are not UCD1+.
    """
    schema = etree.XMLSchema(etree.parse(shared / "standards" / "xsd" / "local" / "VOTable-v1.4.xsd"))

    def read_votable(content: bytes, ucd1: bool = False) -> VOTableFile:
        schema.assertValid(etree.fromstring(content))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", ".*W50: Invalid unit string '%'")
            for warning in (W47, W06) if ucd1 else (W47,):
                warnings.simplefilter("ignore", warning)
            return parse(io.BytesIO(content), verify="warn")

    return read_votable


@pytest.fixture(scope="session")
def stilts() -> Callable[..., str]:
    """Return a function that runs a STILTS task and returns its output."""
    if shutil.which("stilts") is None:
        pytest.skip("there is no stilts command")

    def run_stilts(*arguments: str) -> str:
        process = subprocess.run(["stilts", *arguments], capture_output=True, text=True, encoding="utf-8", timeout=180)
        assert process.returncode == 0, f"{' '.join(arguments)}\n{process.stdout}\n{process.stderr}"
        return process.stdout

    return run_stilts
