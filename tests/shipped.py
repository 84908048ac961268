"""The catalogues that the package ships, read once."""

from vo_server.catalogue.load import find_builtin_schemas, load_catalogue

SHIPPED = load_catalogue([find_builtin_schemas() / "catalogues"])
