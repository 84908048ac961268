"""vo-server stamps: make postage stamps of extended sources."""

from __future__ import annotations

import argparse

from vo_server.commands.stamp_batches import make_stamps
from vo_server.commands.terminal import say
from vo_server.processes import count_processors
from vo_server.settings import Settings

EPILOG = """examples:
  vo-server stamps                             of all sources whose coadds exist
  vo-server stamps --where 'k_m_k20fe < 10'    of some, by columns of the XSC
  vo-server load stamps                        then their inventory

The files are written below DATA/images/stamps (see image_roots) under the names
of the release. Existing files are kept, so that an interrupted run resumes
where it stopped."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--where", metavar="ADQL", help="select sources by a condition on columns of twomass.xsc")
    parser.add_argument("--again", action="store_true", help="replace existing files")


def run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Make postage stamps."""
    report = make_stamps(settings, parsed.where, parsed.again, count_processors())
    if report.without_input:
        say(f"{report.without_input:,} sources have no stamp: their coadd lacks Atlas images in one of the three bands")
    return report.exit_code
