"""A REST catalog on this machine, as Iceberg's protocol has it, before a SQLite catalog; namespaces of one level."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    NamespaceNotEmptyError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)

_STATUS = {NoSuchNamespaceError: 404, NoSuchTableError: 404, TableAlreadyExistsError: 409, NamespaceNotEmptyError: 409}


def _answer(catalog: SqlCatalog, method: str, parts: list[str], query: str, body: dict[str, Any]) -> dict[str, Any]:
    """What the server says; raises what the catalog raises."""
    found: dict[str, Any] = {}
    match method, parts:
        case "GET", ["config"]:
            found = {"defaults": {}, "overrides": {}}
        case "GET", ["namespaces"]:
            found = {"namespaces": [] if "parent=" in query else [list(one) for one in catalog.list_namespaces()]}
        case "POST", ["namespaces"]:
            catalog.create_namespace(tuple(body["namespace"]))
            found = {"namespace": body["namespace"], "properties": {}}
        case "GET" | "HEAD", ["namespaces", name]:
            found = {"namespace": [name], "properties": dict(catalog.load_namespace_properties(name))}
        case "DELETE", ["namespaces", name]:
            catalog.drop_namespace(name)
        case "GET", ["namespaces", name, "tables"]:
            listed = [{"namespace": list(one[:-1]), "name": one[-1]} for one in catalog.list_tables(name)]
            found = {"identifiers": listed}
        case "GET", ["namespaces", name, "tables", table]:
            place = catalog.load_table((name, table)).metadata_location
            metadata = json.loads(Path(place.removeprefix("file://")).read_text())
            found = {"metadata-location": place, "metadata": metadata, "config": {}}
        case "POST", ["tables", "rename"]:
            catalog.rename_table(*((*body[end]["namespace"], body[end]["name"]) for end in ("source", "destination")))
        case _:
            raise NotImplementedError(f"{method} {parts}")
    return found


@contextlib.contextmanager
def rest_server(catalog: SqlCatalog) -> Iterator[str]:
    """The server's address, as long as it answers."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            path, _, query = self.path.partition("?")
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            try:
                status, found = 200, _answer(catalog, self.command, path.strip("/").split("/")[1:], query, body)
            except tuple(_STATUS) as error:
                status = _STATUS[type(error)]
                found = {"error": {"message": str(error), "type": type(error).__name__, "code": status}}
            data = b"" if self.command == "HEAD" else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_HEAD = do_DELETE = _do

        def log_message(self, *given: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
