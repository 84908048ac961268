"""How the contract's tests ask: a query, a form, a document against its schema."""

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
    """An ADQL query by GET: `ask("SELECT ...", RESPONSEFORMAT="csv")`."""

    def ask(query: str, headers: dict[str, str] | None = None, **parameters: str) -> httpx.Response:
        return client.get("/tap/sync", params={"LANG": "ADQL", "QUERY": query} | parameters, headers=headers)

    return ask


@pytest.fixture(scope="session")
def documents(shared: Path) -> etree.XMLSchema:
    """The schemas of all the IVOA's documents."""
    return etree.XMLSchema(etree.parse(shared / "standards" / "xsd" / "local" / "vo-bundle.xsd"))


@pytest.fixture(scope="session")
def votable(shared: Path) -> Callable[..., VOTableFile]:
    """Reads a VOTable as strictly as can be: by the schema of 1.4, and by astropy with every warning an error.

    But for W47, which astropy gives to every column of single characters: VOTable 1.4 (section 4.1) writes them without
    an arraysize; and for W50 of "%", which VOUnits 1.1 (section 2.4) has and astropy does not know. Where `ucd1` is
    told also for W06: the words that cone search demands are not UCD1+.
    """
    schema = etree.XMLSchema(etree.parse(shared / "standards" / "xsd" / "local" / "VOTable-v1.4.xsd"))

    def read(content: bytes, ucd1: bool = False) -> VOTableFile:
        schema.assertValid(etree.fromstring(content))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", ".*W50: Invalid unit string '%'")
            for known in (W47, W06) if ucd1 else (W47,):
                warnings.simplefilter("ignore", known)
            return parse(io.BytesIO(content), verify="warn")

    return read


@pytest.fixture(scope="session")
def stilts() -> Callable[..., str]:
    """Runs a STILTS task; what it printed."""
    if shutil.which("stilts") is None:
        pytest.skip("there is no stilts command")

    def run(*words: str) -> str:
        done = subprocess.run(["stilts", *words], capture_output=True, text=True, encoding="utf-8", timeout=180)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run
