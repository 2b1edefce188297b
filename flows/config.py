"""The whole configuration: one TOML file, then the environment, then the command line."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from connectors.errors import ConfigError
from connectors.lake.config import LakeConfig
from connectors.spark.config import SparkConfig
from connectors.storage import is_object_store
from tasks.containment.config import ContainmentConfig
from tasks.inventory.config import InventoryConfig
from tasks.report.config import ReportConfig
from tasks.runtime.workspace import Workspace

DEFAULT_FILE = "lakebed.toml"


class LakebedConfig(BaseSettings):
    """Every setting, by section; `LAKEBED_LAKE__ROOT` in the environment is `root` in `[lake]` of the file."""

    model_config = SettingsConfigDict(
        env_prefix="LAKEBED_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    lake: LakeConfig
    artifacts: str = Field(".lakebed", description="Folder or object-store prefix of the artifacts and run records.")
    spark: SparkConfig = Field(default_factory=SparkConfig, description="The Spark session.")
    inventory: InventoryConfig = Field(default_factory=InventoryConfig, description="What is a table.")
    containment: ContainmentConfig = Field(default_factory=ContainmentConfig, description="What counts as contained.")
    report: ReportConfig = Field(default_factory=ReportConfig, description="The HTML report.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The command line and the environment; the file is read by `load_config`, below both."""
        return init_settings, env_settings

    def workspace(self, run_id: str = "") -> Workspace:
        """Lake, artifacts and Spark, as every stage takes them."""
        return Workspace(lake=self.lake, artifacts=self.artifacts, spark=self.spark, run_id=run_id)


def load_config(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> LakebedConfig:
    """Reads the file (`lakebed.toml` of the working folder where none is named), the environment and the overrides.

    Args:
        path: of the TOML file.
        overrides: nested values that win over all else, as from the command line.

    Raises:
        ConfigError: naming the key, its value and what was expected.
    """
    values = merged(_environment(), overrides or {})
    try:
        config = LakebedConfig.model_validate(merged(_file_values(path), values))
    except ValidationError as error:
        raise config_error(error) from error
    # workers run in folders of their own, so a local path must not depend on this one's
    lake = config.lake.model_copy(update={"root": _absolute(config.lake.root)})
    return config.model_copy(update={"lake": lake, "artifacts": _absolute(config.artifacts)})


def config_error(error: ValidationError) -> ConfigError:
    """The first problem in full, the others as examples."""
    problems = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    is_unknown = first["type"] == "extra_forbidden"
    is_missing = first["type"] == "missing"
    return ConfigError(
        f"unknown config key {key}" if is_unknown else f"config key {key} is {'missing' if is_missing else 'wrong'}",
        value=None if is_missing else first["input"],
        expected="a key of this section" if is_unknown else first["msg"],
        hint="lakebed run --lake PATH"
        if key in {"lake.root", "lake"}
        else "lakebed config shows every key, its default and range",
        examples=problems[1:],
    )


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over`, section by section."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def _absolute(path: str) -> str:
    return path if is_object_store(path) else str(Path(path).resolve())


def _environment() -> dict[str, Any]:
    """What the environment sets, before validation, so that the command line can still complete it."""
    from pydantic_settings import EnvSettingsSource

    return dict(EnvSettingsSource(LakebedConfig)())


def _file_values(path: Path | None) -> dict[str, Any]:
    chosen = path or Path(DEFAULT_FILE)
    if path is None and not chosen.exists():
        return {}
    try:
        return tomllib.loads(chosen.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            "there is no such config file", value=path, expected="a TOML file", hint="lakebed config > lakebed.toml"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            "the config file cannot be read", value=f"{chosen}: {error}", expected="a TOML file in UTF-8"
        ) from error
