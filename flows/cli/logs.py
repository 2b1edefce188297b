"""How a verb begins to log: the option, else the environment, else the config file."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lakebed.tasks.runtime.logs import configure

if TYPE_CHECKING:
    from lakebed.tasks.runtime.config import LoggingConfig

_FORMAT, _LEVEL = "LAKEBED_LOGGING__FORMAT", "LAKEBED_LOGGING__LEVEL"


def begin_logging(log_format: str | None, log_level: str | None) -> None:
    """Takes the options of the command line over everything else, for this process and those that it starts.

    Raises:
        ConfigError: if there is no such format or level.
    """
    given = {name: value for name, value in ((_FORMAT, log_format), (_LEVEL, log_level)) if value is not None}
    if given:
        os.environ.update(given)
        follow_config(None)


def follow_config(path: Path | None) -> "LoggingConfig":
    """Makes logs and progress of this process as environment and file say.

    Raises:
        ConfigError: if they cannot be read.
    """
    from lakebed.config import logging_config

    config = logging_config(path)
    configure(config)
    return config
