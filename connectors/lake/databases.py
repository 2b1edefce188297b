"""Sources of tables beside the lake's folder: PostgreSQL databases, and databases of a Spark catalog."""

import hashlib
import json
import re
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, field_validator

from lakebed.connectors.config import FrozenConfig

SourceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")]
POSTGRESQL: Final = "postgresql"
CATALOG: Final = "catalog"
# tables whose bytes do not lie in the lake's folder: they are compared, but never moved, deleted or relied upon
EXTERNAL_FORMATS = (POSTGRESQL, CATALOG)
VIEW = "view"

_SECRET_IN_URL = re.compile(r"//[^/?]*@|[?&](?:user|password|sslpassword)=", re.IGNORECASE)


def state_token(state: object) -> str:
    """What stands for the state of a table outside the folder: SHA-256 of its JSON, the same for equal states."""
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


class DatabaseConfig(FrozenConfig):
    """One PostgreSQL database; its tables are called `NAME/schema.table`."""

    url: str = Field(description="`jdbc:postgresql://host:port/database`; no user and no password in it.")
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
        """A URL stands in records and logs, so it may hold no credentials."""
        if not url.startswith("jdbc:postgresql:"):
            raise ValueError("it should begin with jdbc:postgresql:")
        if _SECRET_IN_URL.search(url):
            raise ValueError("it should hold neither user nor password: use `user` and `password_env`")
        return url


class CatalogConfig(FrozenConfig):
    """Databases of the Spark session's catalog; their tables are called `NAME/database.table`."""

    databases: tuple[str, ...] = Field((), description="Globs of databases; empty means every one.")
    include: tuple[str, ...] = Field((), description="Globs of `database.table`; empty means everything.")
    exclude: tuple[str, ...] = Field((), description="Globs of `database.table` that are left out.")
    views: bool = Field(False, description="Whether views are read as well; they are read at every run.")
