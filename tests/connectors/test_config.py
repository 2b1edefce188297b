from pydantic import Field

from lakebed.connectors.config import FrozenConfig


class Section(FrozenConfig):
    share: float = Field(0.5, gt=0.0, le=0.25e1, description="A share.")
    n_bytes: int = Field(4096, ge=1, le=1 << 20, description="Bytes.")
    name: str = Field("x", description="A name.")
    bare: int = Field(1, ge=0)


def test_bounds_stand_in_the_schemas_descriptions_and_nowhere_else():
    fields = Section.model_json_schema()["properties"]
    assert fields["share"]["description"] == "A share. (> 0, ≤ 2.5)"
    assert fields["n_bytes"]["description"] == "Bytes. (≥ 1, ≤ 1,048,576)"
    assert fields["n_bytes"]["maximum"] == 1 << 20
    assert fields["name"]["description"] == "A name."
    assert "description" not in fields["bare"]
    assert Section.model_fields["n_bytes"].description == "Bytes."
