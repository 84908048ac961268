"""The commands of the command line; each is a module that is imported when the command is used."""

from __future__ import annotations

from vo_server.commands.command import Command

COMMANDS = (
    Command("demo", "make a synthetic sky and serve it", "demo", extra="demo"),
    Command("publish", "describe a table file in a catalogue file and load it", "publish"),
    Command("load", "load files into a collection", "load"),
    Command("quicklook", "make Quicklook images from Atlas images", "quicklook"),
    Command("stamps", "make postage stamps of extended sources", "stamps", extra="stamps"),
    Command("serve", "serve the loaded collections over HTTP", "serve"),
    Command("worker", "run asynchronous jobs", "worker"),
    Command("catalogues", "list the collections, or the columns of one", "catalogues"),
    Command("check", "validate the catalogue files and a running service", "check"),
    Command("adql", "explain a query without running it", "adql"),
    Command("adql check", "check files of queries without running them", "adql_check"),
)
