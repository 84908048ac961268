"""The commands of the command line, each a record of its own file."""

from __future__ import annotations

from vo_server.commands.adql import EXPLAIN
from vo_server.commands.adql_check import CHECK_QUERIES
from vo_server.commands.check import CHECK
from vo_server.commands.command import Command
from vo_server.commands.demo import DEMO
from vo_server.commands.listing import CATALOGUES
from vo_server.commands.load import LOAD
from vo_server.commands.publish import PUBLISH
from vo_server.commands.quicklook import QUICKLOOK
from vo_server.commands.serve import SERVE
from vo_server.commands.stamps import STAMPS
from vo_server.commands.worker import WORKER

__all__ = ["COMMANDS", "Command"]

COMMANDS: tuple[Command, ...] = (
    DEMO,
    PUBLISH,
    LOAD,
    QUICKLOOK,
    STAMPS,
    SERVE,
    WORKER,
    CATALOGUES,
    CHECK,
    EXPLAIN,
    CHECK_QUERIES,
)
