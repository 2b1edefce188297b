"""The form of a run in Prefect's UI: a field for each section of the configuration, but no secrets.

Secrets come from the environment of the worker.
"""

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_settings import EnvSettingsSource

from lakebed.chain import STAGES
from lakebed.config import NOT_OF_RUNS, LakebedConfig
from lakebed.tasks.containment.config import ContainmentConfig

_NO_KEY = SecretStr("")
Flow = TypeVar("Flow", bound=Callable[..., Any])


class ContainmentForm(ContainmentConfig):
    """Semantics, mode and effort of the containment stage; the key is read from the worker's environment."""

    hash_key: SkipJsonSchema[SecretStr] = Field(
        _NO_KEY, exclude=True, description="Key of the row hashes, where the flow is called from Python."
    )
    older_hash_key: SkipJsonSchema[SecretStr] = Field(_NO_KEY, exclude=True, description="The same of older recipes.")

    @model_validator(mode="before")
    @classmethod
    def _take_config(cls, given: Any) -> Any:
        """Python callers pass the section itself, key and all."""
        if type(given) is ContainmentConfig:
            return {name: getattr(given, name) for name in ContainmentConfig.model_fields}
        return given

    def config(self) -> ContainmentConfig:
        """The section with its keys: the caller's own, else those of the environment, else none."""
        named = EnvSettingsSource(LakebedConfig)().get("containment") or {}
        keys = {name: getattr(self, name) or named.get(name) or _NO_KEY for name in ("hash_key", "older_hash_key")}
        return ContainmentConfig.model_validate({**self.model_dump(), **keys})


_SHOWN = {name: field for name, field in LakebedConfig.model_fields.items() if name not in NOT_OF_RUNS}
# these stand in the form in another shape
_FORMS: Mapping[str, type[ContainmentForm]] = {"containment": ContainmentForm}
_CHOICES = {
    "to": (Literal[STAGES] | None, None, "last stage to run."),
    "only": (Literal[STAGES] | None, None, "the one stage to run."),
    "run_id": (str, "", "of a run that the caller has opened; empty opens one."),
}


def with_form(flow: Flow) -> Flow:
    """Gives a flow that takes any keyword the parameters that its form shows.

    They are read off the configuration, so that a new stage's section needs no word here.
    """
    parameters = [_parameter(name, field.annotation, _default(name)) for name, field in _SHOWN.items()]
    parameters += [_parameter(name, kind, default) for name, (kind, default, _) in _CHOICES.items()]
    told = {name: field.description for name, field in _SHOWN.items()}
    told |= {name: description for name, (_, _, description) in _CHOICES.items()}
    flow.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    flow.__doc__ = "\n".join([flow.__doc__ or "", "", "Args:", *(f"    {name}: {text}" for name, text in told.items())])
    return flow


def config_of(given: Mapping[str, Any]) -> LakebedConfig:
    """The configuration that a filled form stands for."""
    values = {name: given[name] for name in _SHOWN}
    return LakebedConfig(**{name: value.config() if name in _FORMS else value for name, value in values.items()})


def _parameter(name: str, kind: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=_FORMS.get(name, kind), default=default)


def _default(name: str) -> Any:
    field = _SHOWN[name]
    if field.is_required():
        return Parameter.empty
    return _FORMS[name]() if name in _FORMS else field.get_default(call_default_factory=True)


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
