"""What the form of a run in Prefect's UI leaves out: secrets, which come from the environment of the worker."""

from typing import Any

from pydantic import Field, SecretStr, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_settings import EnvSettingsSource

from lakebed.config import NOT_OF_RUNS, LakebedConfig
from lakebed.tasks.containment.config import PUBLIC_KEY, ContainmentConfig


class ContainmentForm(ContainmentConfig):
    """Semantics, mode and effort of the containment stage; the key is read from the worker's environment."""

    hash_key: SkipJsonSchema[SecretStr] = Field(
        PUBLIC_KEY, exclude=True, description="Key of the row hashes, where the flow is called from Python."
    )

    @model_validator(mode="before")
    @classmethod
    def _take_config(cls, given: Any) -> Any:
        """Python callers pass the section itself, key and all."""
        if type(given) is ContainmentConfig:
            return {name: getattr(given, name) for name in ContainmentConfig.model_fields}
        return given

    def config(self) -> ContainmentConfig:
        """The section with its key: the caller's own, else that of the environment, else the public one."""
        named = EnvSettingsSource(LakebedConfig)().get("containment") or {}
        key = named.get("hash_key") if self.hash_key == PUBLIC_KEY else None
        return ContainmentConfig.model_validate({**self.model_dump(), "hash_key": key or self.hash_key})


def without_secrets(config: LakebedConfig) -> dict[str, Any]:
    """The configuration as parameters of the flow: JSON values, no secret, and no settings that no stage reads."""
    shown: dict[str, Any] = config.model_dump(mode="json", exclude=set(NOT_OF_RUNS))
    return _kept(config.model_dump(exclude=set(NOT_OF_RUNS)), shown)


def _kept(values: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _kept(value, shown[name]) if isinstance(value, dict) else shown[name]
        for name, value in values.items()
        if not isinstance(value, SecretStr)
    }
