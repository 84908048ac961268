"""vo-server stamps: postage stamps of the extended sources."""

from __future__ import annotations

import argparse

from vo_server.commands.command import Command
from vo_server.commands.terminal import say
from vo_server.processes import processors
from vo_server.settings import Settings

_EXAMPLES = """examples:
  vo-server stamps                             of all sources whose coadds are there
  vo-server stamps --where 'k_m_k20fe < 10'    of some; columns of the XSC, in ADQL
  vo-server load stamps                        then their inventory

The files are written below DATA/images/stamps (see image_roots) under the names
of the release. What is there already stays: a run that was broken off goes on
where it was."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--where", metavar="ADQL", help="which sources, as a condition on columns of twomass.xsc")
    parser.add_argument("--again", action="store_true", help="make those anew that are there")


def _run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Make postage stamps."""
    from vo_server.commands.stamp_batches import make  # noqa: PLC0415 - 17 MB with scipy, which to serve needs not

    report = make(settings, parsed.where, parsed.again, processors())
    if report.left:
        say(f"{report.left:,} sources have no Atlas images of their coadd in all three bands")
    return report.code


STAMPS = Command("stamps", "make postage stamps of extended sources", _run, _arguments, _EXAMPLES)
