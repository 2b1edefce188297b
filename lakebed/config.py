"""The whole configuration: one TOML file, then the environment, then the command line."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.redaction import has_credentials, remember_secrets
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.storage import is_object_store
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.lakegraph.config import LakeGraphConfig
from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.quarantine.config import QuarantineConfig
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.runtime.config import (
    EngineName,
    ExpectationsConfig,
    GcConfig,
    IncrementalConfig,
    LineageConfig,
    LocalConfig,
    LoggingConfig,
    SecurityConfig,
)
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.topics.config import TopicsConfig

Section = TypeVar("Section", bound=BaseModel)
DEFAULT_FILE = "lakebed.toml"
# what a file says of these is relative to its own folder
_PATHS = (
    ("lake", "root"), ("artifacts",), ("suites",), ("spark", "jars"), ("spark", "event_log"), ("quarantine", "folder"),
    ("retention", "accesses", "log"),
)  # fmt: skip
_ROOTS = {("artifacts",): "runs", ("quarantine", "folder"): ""}
# sections that no stage of a run reads
NOT_OF_RUNS = frozenset({"quarantine", "gc"})


class LakebedConfig(BaseSettings):
    """Every setting, by section; `LAKEBED_LAKE__ROOT` in the environment is `root` in `[lake]` of the file."""

    model_config = SettingsConfigDict(
        env_prefix="LAKEBED_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,
    )

    lake: LakeConfig = Field(description="Where the tables lie.")
    artifacts: str = Field(".lakebed", description="Folder or object-store prefix of the artifacts and run records.")
    engine: EngineName = Field(
        "auto",
        description="Who reads the lake: `local` (processes of this machine, no JVM), `spark`, or `auto`: local where "
        "Spark's master is this machine and the data fit `local.max_bytes`.",
    )
    local: LocalConfig = Field(default_factory=LocalConfig, description="The local engine.")
    spark: SparkConfig = Field(default_factory=SparkConfig, description="The Spark session.")
    inventory: InventoryConfig = Field(default_factory=InventoryConfig, description="What is a table.")
    containment: ContainmentConfig = Field(default_factory=ContainmentConfig, description="What counts as contained.")
    relations: RelationsConfig = Field(
        default_factory=RelationsConfig, description="Unions, parts, renamed columns and near misses."
    )
    retention: RetentionConfig = Field(default_factory=RetentionConfig, description="What is kept, at which prices.")
    lakegraph: LakeGraphConfig = Field(default_factory=LakeGraphConfig, description="What becomes node and edge.")
    keys: KeysConfig = Field(default_factory=KeysConfig, description="Which columns refer to which.")
    topics: TopicsConfig = Field(default_factory=TopicsConfig, description="Which tables belong together.")
    summary: SummaryConfig = Field(default_factory=SummaryConfig, description="How small a summary is looked for.")
    embeddings: EmbeddingsConfig = Field(default_factory=EmbeddingsConfig, description="How nodes become vectors.")
    index: IndexConfig = Field(default_factory=IndexConfig, description="The search index.")
    links: LinksConfig = Field(default_factory=LinksConfig, description="The link predictor.")
    quarantine: QuarantineConfig = Field(
        default_factory=QuarantineConfig, description="Where tables wait that `apply` sets aside."
    )
    report: ReportConfig = Field(default_factory=ReportConfig, description="The HTML report.")
    logging: LoggingConfig = Field(default_factory=LoggingConfig, description="What is said on standard error.")
    lineage: LineageConfig = Field(default_factory=LineageConfig, description="OpenLineage events.")
    security: SecurityConfig = Field(default_factory=SecurityConfig, description="Rights of the artifact root.")
    incremental: IncrementalConfig = Field(
        default_factory=IncrementalConfig, description="When stages start from what an earlier run made."
    )
    gc: GcConfig = Field(default_factory=GcConfig, description="Which runs `gc` keeps.")
    expectations: ExpectationsConfig = Field(
        default_factory=ExpectationsConfig, description="When Great Expectations judges artifacts."
    )
    suites: str = Field(
        "", description="Folder of JSON files with Great Expectations suites of your own; empty means none."
    )
    overlap: Literal["skip", "queue"] = Field(
        "skip",
        description="What becomes of a scheduled run that is due while another run of the same artifact root "
        "works: `skip` cancels it and says so, `queue` lets it wait.",
    )
    stages_at_once: int = Field(
        2,
        ge=1,
        le=8,
        description="Stages that work at the same time under the local engine, where neither reads the other's "
        "artifact and 6 GiB of memory are free; 1: one after the other.",
    )
    full: bool = Field(False, description="Whether a run makes every artifact anew, from the lake alone.")

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
        spark = with_jars_for(self.lake, self.spark)
        return Workspace(
            lake=self.lake,
            artifacts=self.artifacts,
            spark=spark,
            engine=self.engine,
            local=self.local,
            is_full=self.full,
            run_id=run_id,
        )

    def resolved(self) -> Self:
        """With absolute paths, as workers run in folders of their own, and with Spark's master from the environment."""
        lake = self.lake.model_copy(update={"root": _absolute(self.lake.root) if self.lake.root else ""})
        places = {"lake": lake, "artifacts": _absolute(self.artifacts)}
        return self.model_copy(update={**places, "spark": self.spark.with_remote()})


def load_config(
    path: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    defaults: Mapping[str, Any] | None = None,
) -> LakebedConfig:
    """Reads the file (`lakebed.toml` of the working folder where none is named), the environment and the overrides.

    Args:
        path: of the TOML file.
        overrides: nested values that win over all else, as from the command line.
        defaults: nested values that all else wins over, as from a plan or the record of a run.

    Raises:
        ConfigError: naming the key, its value and what was expected.
    """
    values = merged(_environment(), overrides or {})
    try:
        config = LakebedConfig.model_validate(merged(defaults or {}, merged(_file_values(path), values))).resolved()
    except ValidationError as error:
        raise config_error(error) from error
    require_no_credentials(config)
    remember_secrets(config.model_dump(mode="json"))
    return config


def given_section(name: str, path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What file, environment and overrides say of a section, and nothing of its defaults.

    Raises:
        ConfigError: if they cannot be read.
    """
    return dict(merged(_file_values(path), merged(_environment(), overrides or {})).get(name) or {})


def logging_config(path: Path | None = None) -> LoggingConfig:
    """What file and environment say of logging, for verbs that need nothing else of the config.

    Raises:
        ConfigError: as `load_config`.
    """
    return section(LoggingConfig, "logging", merged(_file_values(path), _environment()).get("logging", {}))


def section(kind: type[Section], name: str, values: Mapping[str, Any]) -> Section:
    """One section of the config by itself.

    Raises:
        ConfigError: naming the key, its value and what was expected.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise config_error(error, f"{name}.") from error


def require_no_credentials(config: LakebedConfig) -> None:
    """Refuses addresses that carry a password: they stand in plans, receipts, pointers and records.

    Raises:
        ConfigError: naming the key, without the password.
    """
    addresses = {
        "lake.root": config.lake.root,
        "artifacts": config.artifacts,
        "quarantine.folder": config.quarantine.folder,
        "lineage.url": config.lineage.url,
        "spark.master": config.spark.master,
    }
    for key, address in addresses.items():
        if has_credentials(address):
            raise ConfigError(
                f"config key {key} carries a password or a signature",
                value=address,
                expected="an address without it: credentials come from the environment",
                hint="see docs/security.md",
            )


def config_error(error: ValidationError, section: str = "") -> ConfigError:
    """The first problem in full, the others as examples; `section` stands before the names of keys."""
    problems = [f"{section}{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
    first = error.errors()[0]
    key = section + ".".join(str(part) for part in first["loc"])
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


def with_jars_for(lake: LakeConfig, spark: SparkConfig) -> SparkConfig:
    """The session's config with the jars that the lake's sources need."""
    needed = {"postgresql"} & {one.format for one in lake.databases.values()}
    return spark.model_copy(update={"jar_sets": tuple(sorted({*spark.jar_sets, *needed}))})


def require_apart(lake: str, artifacts: str) -> None:
    """Refuses an artifact root inside the lake, and a lake inside the artifact root.

    Raises:
        ConfigError: naming both.
    """
    if not lake or is_object_store(lake) != is_object_store(artifacts):
        return
    inner, outer = _parts(artifacts), _parts(lake)
    shared = min(len(inner), len(outer))
    if inner[:shared] == outer[:shared]:
        raise ConfigError(
            "lake and artifact root lie in each other; nothing may be written into the lake",
            value=f"lake {lake}, artifacts {artifacts}",
            expected="two folders apart",
            hint="give another folder with --artifacts",
        )


def _absolute(path: str) -> str:
    """Without symbolic links, so that one lake has one name; `realpath` stops at links that run in circles."""
    return path if is_object_store(path) else os.path.realpath(os.path.expanduser(path.removeprefix("file://")))


def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.rstrip("/").split("/")) if is_object_store(path) else Path(_absolute(path)).parts


def _environment() -> dict[str, Any]:
    """What the environment sets, before validation, so that the command line can still complete it."""
    from pydantic_settings import EnvSettingsSource

    try:
        return dict(EnvSettingsSource(LakebedConfig)())
    except SettingsError as error:
        raise ConfigError(
            "a variable of the environment cannot be read",
            value=error,
            expected="JSON for a whole section, or one variable a key, such as LAKEBED_LAKE__ROOT",
            hint="lakebed config shows every key, its default and range",
        ) from error


def _file_values(path: Path | None) -> dict[str, Any]:
    chosen = path or Path(DEFAULT_FILE)
    if path is None and not chosen.exists():
        return {}
    try:
        return _from_folder(tomllib.loads(chosen.read_text(encoding="utf-8")), chosen.absolute().parent)
    except FileNotFoundError as error:
        raise ConfigError(
            "there is no such config file", value=path, expected="a TOML file", hint="lakebed config > lakebed.toml"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            "the config file cannot be read", value=f"{chosen}: {error}", expected="a TOML file in UTF-8"
        ) from error


def _from_folder(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The values of a file with its relative paths made absolute.

    Raises:
        ConfigError: if a root lies where earlier versions looked for it, below the working folder, and not here.
    """
    for keys in _PATHS:
        section: Any = values
        for key in keys[:-1]:
            section = section.get(key) if isinstance(section, dict) else None
        path = section.get(keys[-1]) if isinstance(section, dict) else None
        if isinstance(path, str) and path and "://" not in path and not path.startswith("file:"):
            named = Path(path).expanduser()
            section[keys[-1]] = str(folder / named)
            if keys in _ROOTS and not named.is_absolute():
                _require_no_fork(".".join(keys), Path.cwd() / named, folder / named, _ROOTS[keys])
    return values


def _require_no_fork(key: str, old: Path, new: Path, mark: str) -> None:
    if (old / mark).exists() and not new.exists() and old.resolve() != new.resolve():
        raise ConfigError(
            f"{key} is relative to the config file's folder now, and there is one where it was looked for before",
            value=old,
            expected=f"{new}, which is not there",
            hint="move it there, or write an absolute path into the file",
        )
