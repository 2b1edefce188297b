"""Options that several verbs share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from lakebed.answers import Answers
    from lakebed.config import LakebedConfig

ConfigFile = Annotated[
    Path | None,
    typer.Argument(help="TOML file; `lakebed.toml` of this folder where none is given.", show_default=False),
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="TOML file with the settings.", show_default=False)]
Lake = Annotated[str | None, typer.Option("--lake", help="Folder or prefix of the lake.", show_default=False)]
Artifacts = Annotated[
    str | None, typer.Option("--artifacts", help="Folder of artifacts and run records.", show_default=False)
]
Master = Annotated[
    str | None, typer.Option("--master", help="Spark master, such as spark://host:7077.", show_default=False)
]
Engine = Annotated[
    Literal["auto", "local", "spark"] | None,
    typer.Option("--engine", help="Who reads the lake: processes of this machine, or Spark.", show_default=False),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", help="Glob of the tables that may go; may be repeated.", show_default=False),
]
Exclude = Annotated[
    list[str] | None, typer.Option("--exclude", help="Glob of tables that stay; may be repeated.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, all else on standard error.")]


def overrides(lake: str | None, artifacts: str | None, **lake_values: Any) -> dict[str, Any]:
    """The command line's values, nested as the config is; those not given are left out."""
    section = {name: value for name, value in {"root": lake, **lake_values}.items() if value is not None}
    values: dict[str, Any] = {"lake": section} if section else {}
    return {**values, "artifacts": artifacts} if artifacts is not None else values


def artifact_root(artifacts: str | None, config: Path | None = None) -> str:
    """Where a verb that only reads artifacts finds them: the option, else the config, which needs no lake here.

    Raises:
        ConfigError: if the config file is wrong.
    """
    if artifacts is not None:
        return artifacts
    from lakebed.config import load_config

    settings: LakebedConfig = load_config(config, {"lake": {"root": "."}})
    return settings.artifacts


def asked(artifacts: str | None, config: Path | None = None) -> "Answers":
    """Whom a verb asks that only reads artifacts; raises as `artifact_root`."""
    from lakebed.answers import Answers

    return Answers(artifact_root(artifacts, config))
