"""Which lakebed this is, also where its package's metadata is not there, as in a zip on a cluster."""

VERSION = "0.1.0.dev0"
ENGINE = f"lakebed {VERSION}"
