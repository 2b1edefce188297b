"""A receiver of lineage events on loopback, and the schema that events are held to.

The schema is made from the classes of the installed `openlineage-python`, which its authors generate from the official
one: required and known properties, types and enumerations; formats are checked besides. Facets are found by their
`_schemaURL`.
"""

import enum
import importlib
import json
import pkgutil
import threading
import time
import types
import typing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attr
import jsonschema
from openlineage.client import generated
from openlineage.client.event_v2 import RunEvent
from openlineage.client.generated.base import BaseFacet

FORMATS = {"eventTime": "date-time", "runId": "uuid", "producer": "uri", "_producer": "uri", "_schemaURL": "uri"}
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}


class Receiver:
    """Takes posts; `answer` is the status, `delay_s` how long each takes. Use as a context manager."""

    def __init__(self, answer=201, delay_s=0.0):
        self.events, self.headers, self.answer, self.delay_s = [], [], answer, delay_s
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(receiver.delay_s)
                receiver.headers.append(dict(self.headers))
                receiver.events.append(json.loads(body))
                self.send_response(receiver.answer)
                if 300 <= receiver.answer < 400:
                    self.send_header("Location", receiver.url + "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/api/v1/lineage"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def require_valid(event):
    """Holds one event and each of its facets to the schema."""
    _check(event, RunEvent)
    for holder in _holders(event):
        for facet in holder.values():
            _check(facet, facet_classes()[facet["_schemaURL"]])


def facet_classes():
    """The class of each facet, by its `_schemaURL`."""
    for module in pkgutil.iter_modules(generated.__path__):
        importlib.import_module(f"{generated.__name__}.{module.name}")
    return {one._get_schema(): one for one in _subclasses(BaseFacet)}


def schema_of(cls):
    """The JSON schema of one of the client's classes."""
    definitions = {}
    _define(cls, definitions)
    return {"$ref": f"#/$defs/{_name(cls)}", "$defs": definitions}


def _define(cls, definitions):
    """Adds the schema of a class; one may hold itself, as fields of a schema do."""
    if _name(cls) in definitions:
        return
    hints, properties, required = typing.get_type_hints(cls), {}, []
    definitions[_name(cls)] = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    for field in attr.fields(cls):
        name = field.name
        properties[name] = _schema(hints[name], name, definitions)
        if field.default is attr.NOTHING or name in {"producer", "schemaURL", "_producer", "_schemaURL"}:
            required.append(name)


def _name(cls):
    return f"{cls.__module__.rsplit('.', 1)[-1]}.{cls.__name__}"


def _check(value, cls):
    checker = jsonschema.FormatChecker()
    jsonschema.Draft202012Validator(schema_of(cls), format_checker=checker).validate(value)


def _holders(event):
    yield event["run"].get("facets", {})
    yield event["job"].get("facets", {})
    for dataset in (*event.get("inputs", []), *event.get("outputs", [])):
        yield from (dataset.get(name, {}) for name in ("facets", "inputFacets", "outputFacets"))


def _schema(hint, name, definitions):
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return {"anyOf": [_schema(one, name, definitions) for one in arguments if one is not type(None)]}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], name, definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _values(arguments[1], name, definitions)}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [one.value for one in hint]}
    if isinstance(hint, type) and attr.has(hint):
        _define(hint, definitions)
        return {"$ref": f"#/$defs/{_name(hint)}"}
    return {"type": PLAIN[hint]} | ({"format": FORMATS[name]} if name in FORMATS else {}) if hint in PLAIN else {}


def _values(hint, name, definitions):
    """Facets are checked by their own classes; here, that each is one."""
    if isinstance(hint, type) and issubclass(hint, BaseFacet):
        return {"type": "object", "required": ["_producer", "_schemaURL"]}
    return _schema(hint, name, definitions)


def _subclasses(cls):
    for one in cls.__subclasses__():
        yield one
        yield from _subclasses(one)
