"""What a Delta table's schema says beyond Arrow's types: VARIANT, wider types, features that are not known here."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakebed.connectors.lake.variant import VARIANT_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakebed.connectors.lake.leaves import Leaf


def with_variants(schema: pa.Schema, described: Mapping[str, Any]) -> pa.Schema:
    """The schema with each VARIANT as one column, by the schema that the log has as JSON."""
    pairs = zip(schema, described["fields"], strict=True)
    return pa.schema(
        [pa.field(field.name, _exact_type(field.type, one["type"]), field.nullable) for field, one in pairs]
    )


def _exact_type(type_: pa.DataType, described: Any) -> pa.DataType:
    if described == "variant":
        return VARIANT_TYPE
    if not isinstance(described, dict) or described.get("type") != "struct" or "variant" not in json.dumps(described):
        return type_
    inner = with_variants(pa.schema([type_.field(index) for index in range(type_.num_fields)]), described)
    return pa.struct(list(inner))


def widened_columns(described: Mapping[str, Any]) -> frozenset[str]:
    """The top-level columns of which a part got a wider type."""
    return frozenset(one["name"] for one in described["fields"] if "delta.typeChanges" in json.dumps(one))


def casts_of(described: Mapping[str, Any], leaves: Sequence[Leaf]) -> dict[str, str]:
    """What is to be done to cells after reading: VARIANT groups are values, dates of old files are timestamps."""
    casts = {leaf.token: "variant" for leaf in leaves if leaf.type == VARIANT_TYPE}
    wide = {one["name"] for one in described["fields"] if '"fromType": "date"' in json.dumps(one)}
    stamps = [leaf for leaf in leaves if pa.types.is_timestamp(leaf.type) and leaf.path[0] in wide]
    return casts | {leaf.token: "timestamp" for leaf in stamps}


def plainly(reason: str) -> str:
    """What delta-rs gives as the reason, as people say it."""
    if "Max catalog version" in reason:
        return "its commits are kept by a catalog (catalog-managed table), which lakebed does not ask"
    if feature := re.search(r"Feature '([^']+)' is not supported", reason):
        return f"it needs the reader feature {feature[1]}, which is not known here"
    return reason
