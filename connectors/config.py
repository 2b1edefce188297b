"""The base of every config model."""

from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema

_SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


class FrozenConfig(BaseModel):
    """A config section: immutable, and an unknown key is an error."""

    # pydantic shows what was given, and of what is long its ends: a secret in parts, which no redaction knows
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema, with each bound in the description too: forms made of it show only that."""
        schema = handler(core)
        for field in handler.resolve_ref_schema(schema).get("properties", {}).values():
            bounds = ", ".join(f"{sign} {_number(field[key])}" for key, sign in _SIGNS.items() if key in field)
            if bounds and "description" in field:
                field["description"] = f"{field['description']} ({bounds})"
        return schema


def _number(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"
