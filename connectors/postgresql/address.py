"""What a JDBC URL says, as asyncpg takes it: one address for Spark's readers and for the listing."""

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from lakebed.connectors.errors import SourceError

_KEPT = {name: name for name in ("sslmode", "sslrootcert", "sslcert", "sslkey", "options")}
_NAMES = {**_KEPT, "kerberosServerName": "krbsrvname", "targetServerType": "target_session_attrs"}
_TARGETS = {
    "primary": "primary", "master": "primary", "secondary": "standby", "slave": "standby",
    "preferSecondary": "prefer-standby", "preferSlave": "prefer-standby",
}  # fmt: skip
# whatever else decides how a connection is made safe must not be dropped in silence
_SAFETY = re.compile(r"(ssl|gss|sspi|krb|kerberos|jaas|auth|channelBinding|socketFactory)(?!.*Timeout)", re.IGNORECASE)
_HARMLESS = ("disable", "allow", "prefer", "postgres", "false")
_JAVA_KEYS = (".pk8", ".p12", ".pfx")


def connection_address(url: str, user: str) -> str:
    """The address of libpq's form; properties that only steer how JDBC reads are left out.

    Args:
        url: `jdbc:postgresql:…`, without role and password.
        user: who connects; also the name of the database where the URL has none, as in JDBC.

    Raises:
        SourceError: if a property asks for a way to be safe that the client has not.
    """
    parts = urlsplit(url.removeprefix("jdbc:"))
    hosts = [host if re.search(r":\d+$", host) else f"{host}:5432" for host in (parts.netloc or "localhost").split(",")]
    database = parts.path.strip("/") or quote(user, safe="")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    # what the environment says of psql is not meant here
    query = {"sslmode": "prefer", "target_session_attrs": "any"}
    is_blind = given.get("sslfactory", "").endswith(".NonValidatingFactory") and bool(given.pop("sslfactory"))
    if given.pop("ssl", "false") != "false":
        query["sslmode"] = "require" if is_blind else "verify-full"
    for name, value in given.items():
        if name in _NAMES:
            query[_NAMES[name]] = _TARGETS.get(value, "any") if name == "targetServerType" else value
        elif _SAFETY.search(name) and value not in _HARMLESS:
            raise _unusable(name, value, "sslmode, sslrootcert, sslcert, sslkey")
    if query.get("sslkey", "").endswith(_JAVA_KEYS):
        raise _unusable("sslkey", query["sslkey"], "a key as PEM, in a file called .key or .pem, which JDBC reads too")
    return f"postgresql://{','.join(hosts)}/{database}?{urlencode(query, quote_via=quote)}"


def _unusable(name: str, value: str, expected: str) -> SourceError:
    return SourceError(
        "a property of `url` cannot be used to list tables", value=f"{name}={value}", expected=expected,
        hint="see docs/sources.md",
    )  # fmt: skip
