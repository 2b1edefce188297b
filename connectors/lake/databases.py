"""Sources of tables beside the lake's folder: databases, databases of a Spark catalog, Iceberg catalogs."""

import hashlib
import json
import os
import re
from typing import Annotated, Final, Literal
from urllib.parse import unquote

from pydantic import Field, StringConstraints, field_validator

from lakebed.connectors.blocks import block_secret
from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.errors import SourceError
from lakebed.connectors.redaction import has_credentials, is_secret_name, remember_secrets

SourceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")]
POSTGRESQL: Final = "postgresql"
MARIADB: Final = "mariadb"
SQLSERVER: Final = "sqlserver"
CATALOG: Final = "catalog"
HUDI: Final = "hudi"
# tables whose files, if any, only their own system knows: they are compared, but never moved, deleted or relied upon
EXTERNAL_FORMATS = (POSTGRESQL, MARIADB, SQLSERVER, CATALOG, HUDI)
# of these the tables that only Spark reads
SPARK_FORMATS = (POSTGRESQL, CATALOG)
VIEW = "view"
_FORMATS: Final[dict[str, Literal["postgresql", "mariadb", "sqlserver"]]] = {
    "jdbc:postgresql:": POSTGRESQL, "jdbc:mariadb:": MARIADB, "jdbc:mysql:": MARIADB, "jdbc:sqlserver:": SQLSERVER,
}  # fmt: skip

# beside the names of secrets: what a catalog's client takes for one
_SECRET_PROPERTY = re.compile(
    r"password|secret|token|credential|access-key|connection-string|^header\.(?:.*authorization|cookie)$", re.IGNORECASE
)
_SEPARATORS = re.compile(r"[?&;]")
_LOGIN_IN_URL = re.compile(r"//[^/?]*@|[?&;](?:user|userName|password|sslpassword)=", re.IGNORECASE)


def is_secret_property(name: str) -> bool:
    """Whether a property of a catalog of this name holds a secret."""
    return bool(_SECRET_PROPERTY.search(name)) or is_secret_name(name)


def require_no_secret(text: str, instead: str, name: str = "") -> str:
    """An address or a property as it is: it stands in records and logs, so it may hold no credentials.

    Args:
        text: of it.
        instead: what is to be done.
        name: of a property.

    Raises:
        ValueError: if it holds any; no text of this process shows it from then on.
    """
    spelled = (text, unquote(text))
    if not (is_secret_property(name) or any(_LOGIN_IN_URL.search(one) or has_credentials(one) for one in spelled)):
        return text
    # errors show what was given, whole or in parts
    parts = (part.partition("=")[::2] for one in spelled for part in _SEPARATORS.split(one))
    remember_secrets([text, *(value.strip(" {}") for key, value in parts if is_secret_property(key.strip()))], "secret")
    raise ValueError(f"{name or 'it'} should hold no secret: {instead}")


def state_token(state: object) -> str:
    """What stands for the state of a table outside the folder: SHA-256 of its JSON, the same for equal states."""
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


class DatabaseConfig(FrozenConfig):
    """One database of PostgreSQL, MariaDB, MySQL or SQL Server; its tables are called `NAME/schema.table`."""

    url: str = Field(
        description="`jdbc:postgresql://host:port/database`, `jdbc:mariadb:…`, `jdbc:mysql:…`, "
        "`jdbc:sqlserver:…`; no user, no password."
    )
    user: str = Field("", description="Role to connect as; SELECT on the tables is all that it needs.")
    password_env: str = Field("", description="Name of the environment variable that holds the password.")
    password_block: str = Field("", description="Name of the Prefect Secret block that holds the password.")
    schemas: tuple[str, ...] = Field((), description="Globs of schemas; empty means all but the system's.")
    include: tuple[str, ...] = Field((), description="Globs of `schema.table`; empty means everything.")
    exclude: tuple[str, ...] = Field((), description="Globs of `schema.table` that are left out.")
    views: bool = Field(False, description="Whether views and foreign tables are read as well.")
    identity: Literal["rows", "content"] = Field(
        "rows",
        description="What tells that a table is unchanged: `rows` counts row versions on the server, `content` has the "
        "server digest every row.",
    )
    partition_mib: int = Field(64, ge=1, le=1 << 20, description="MiB of a table that one task reads.")
    fetch_rows: int = Field(10_000, ge=1, le=1_000_000, description="Rows that one round trip fetches.")
    connect_timeout_s: int = Field(10, ge=1, le=3600, description="Seconds to wait for a connection.")
    lock_timeout_s: int = Field(10, ge=1, le=3600, description="Seconds to wait for a table that is locked.")

    @field_validator("url")
    @classmethod
    def _has_no_secret(cls, url: str) -> str:
        require_no_secret(url, "use `user` and `password_env`")
        if not url.startswith(tuple(_FORMATS)):
            *names, last = _FORMATS
            raise ValueError(f"it should begin with {', '.join(names)} or {last}")
        return url

    @property
    def format(self) -> Literal["postgresql", "mariadb", "sqlserver"]:
        """What its tables are listed as."""
        return next(format_ for begin, format_ in _FORMATS.items() if self.url.startswith(begin))


def login_of(config: DatabaseConfig) -> dict[str, str]:
    """User and password, taken from the environment or a Prefect block at this moment; no record has them.

    Raises:
        SourceError: if the password is not where the config says.
    """
    found = {"user": config.user} if config.user else {}
    if config.password_env:
        password = os.environ.get(config.password_env)
        if password is None:
            raise SourceError(
                "the password is missing", value=f"the variable {config.password_env} is not set",
                hint=f"set {config.password_env} in the environment of the run",
            )  # fmt: skip
        found["password"] = password
    elif config.password_block:
        found["password"] = block_secret(config.password_block)
    # whatever its variable is called: no text of this process may show it
    remember_secrets(found)
    return found


class CatalogConfig(FrozenConfig):
    """Databases of the Spark session's catalog; their tables are called `NAME/database.table`."""

    databases: tuple[str, ...] = Field((), description="Globs of databases; empty means every one.")
    include: tuple[str, ...] = Field((), description="Globs of `database.table`; empty means everything.")
    exclude: tuple[str, ...] = Field((), description="Globs of `database.table` that are left out.")
    views: bool = Field(False, description="Whether views are read as well; they are read at every run.")


class UnityConfig(FrozenConfig):
    """A Unity Catalog; its tables that lie outside of the lake's folder are called `NAME/catalog.schema.table`."""

    url: str = Field(description="Address of the server, `https://host`; the API's path is added; no token in it.")
    token_env: str = Field("", description="Name of the environment variable that holds the token.")
    catalogs: tuple[str, ...] = Field((), description="Globs of catalogs; empty means every one.")
    include: tuple[str, ...] = Field((), description="Globs of `catalog.schema.table`; empty means everything.")
    exclude: tuple[str, ...] = Field((), description="Globs of `catalog.schema.table` that are left out.")

    @field_validator("url")
    @classmethod
    def _has_no_secret(cls, url: str) -> str:
        require_no_secret(url, "use `token_env`")
        if not url.startswith(("https://", "http://")):
            raise ValueError("it should begin with https:// or http://")
        return url


class IcebergConfig(FrozenConfig):
    """A catalog of Iceberg tables; those that lie outside of the lake's folder are called `NAME/namespace.table`."""

    properties: dict[str, str] = Field(
        default_factory=dict,
        description="pyiceberg's properties of the catalog (`type`, `uri`, `warehouse`, …); no secret in them.",
    )
    properties_env: dict[str, str] = Field(
        default_factory=dict, description="Properties whose value stands in the environment: name → variable."
    )
    include: tuple[str, ...] = Field((), description="Globs of `namespace.table`; empty means everything.")
    exclude: tuple[str, ...] = Field((), description="Globs of `namespace.table` that are left out.")

    @field_validator("properties")
    @classmethod
    def _have_no_secret(cls, properties: dict[str, str]) -> dict[str, str]:
        return {
            name: require_no_secret(value, "name a variable in `properties_env`", name)
            for name, value in properties.items()
        }
