"""What a Delta log says of a table beside its files, and new tables made with it.

The table's id, the time it was made and its history are not among it: a table that is written again is a new one to
streams, which must notice that their position in the old log is gone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakebed.connectors.errors import LakeError, PlanError
from lakebed.connectors.lake.hidden import DELTA_LOG
from lakebed.connectors.object_client import delta_options
from lakebed.connectors.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from deltalake import DeltaTable

_FIRST_COMMIT = f"{DELTA_LOG}/{0:020d}.json"
_MODE, _PHYSICAL_NAME = "delta.columnMapping.mode", "delta.columnMapping.physicalName"
# what a new table with the same metadata and plain files has too: rules for writers, and ways to read that it may use
_KEPT_FEATURES = frozenset(
    {
        "allowColumnDefaults", "appendOnly", "changeDataFeed", "checkConstraints", "columnMapping", "deletionVectors",
        "generatedColumns", "identityColumns", "invariants", "timestampNtz", "typeWidening", "v2Checkpoint",
        "vacuumProtocolCheck",
    }
)  # fmt: skip


@dataclass(frozen=True)
class DeltaTraits:
    """What a reader or writer of a Delta table is told by its log.

    Attributes:
        schema: Delta's schema as JSON with sorted keys: comments, constraints on columns, generated and identity
            columns, column mapping.
        configuration: table properties, constraints among them, by name.
        features: of readers and writers, sorted; empty where the versions say all.
    """

    schema: str
    partition_columns: tuple[str, ...] = ()
    configuration: tuple[tuple[str, str], ...] = ()
    name: str | None = None
    description: str | None = None
    min_reader: int = 1
    min_writer: int = 2
    reader_features: tuple[str, ...] = ()
    writer_features: tuple[str, ...] = ()

    def differences(self, other: DeltaTraits) -> list[str]:
        """What another table has otherwise, for people."""
        mine, theirs = dict(self.configuration), dict(other.configuration)
        found = [
            f"the table property {key}"
            for key in sorted(mine.keys() | theirs.keys())
            if mine.get(key) != theirs.get(key)
        ]
        words = {"schema": "the Delta schema", "partition_columns": "the partition columns", "name": "the table's name"}
        words |= {"description": "the description", "min_reader": "the protocol", "min_writer": "the protocol"}
        words |= {"reader_features": "the features of readers", "writer_features": "the features of writers"}
        return found + [word for field, word in words.items() if getattr(self, field) != getattr(other, field)]

    def require_writable(self) -> None:
        """Refuses what a new table cannot have.

        Raises:
            PlanError: naming it.
        """
        reasons = [f"the feature {name}" for name in self.writer_features if name not in _KEPT_FEATURES]
        mode = dict(self.configuration).get(_MODE, "none")
        if mode not in ("none", "name"):
            reasons.append(f"column mapping by {mode}")
        elif mode == "name" and self.schema.count(_PHYSICAL_NAME) != _n_mapped(json.loads(self.schema)["fields"]):
            reasons.append("column mapping inside of lists and maps")
        if reasons:
            raise PlanError("a Delta table cannot be written with all that it has", value=reasons[0])


def delta_traits(table: DeltaTable) -> DeltaTraits:
    """The traits of the version that is open."""
    metadata, protocol = table.metadata(), table.protocol()
    return DeltaTraits(
        schema=json.dumps(json.loads(table.schema().to_json()), sort_keys=True, ensure_ascii=False),
        partition_columns=tuple(metadata.partition_columns),
        configuration=tuple(sorted((key, value or "") for key, value in metadata.configuration.items())),
        name=metadata.name,
        description=metadata.description,
        min_reader=protocol.min_reader_version,
        min_writer=protocol.min_writer_version,
        reader_features=_sorted(protocol.reader_features),
        writer_features=_sorted(protocol.writer_features),
    )


def write_delta(
    uri: str, table: pa.Table | pa.RecordBatchReader, partition_columns: Sequence[str], traits: DeltaTraits | None
) -> None:
    """A new Delta table of one commit.

    Args:
        uri: of its folder.
        table: its rows, all of them or batch by batch.
        partition_columns: names of these columns.
        traits: that it gets; None: those that delta-rs gives.

    Raises:
        PlanError: if it cannot be written, or has a trait that a new table cannot have.
    """
    from deltalake import write_deltalake

    if traits is not None:
        traits.require_writable()
        table, partition_columns = _physical(table, partition_columns, traits)
    try:
        storage = Storage.at(uri, PlanError)
        storage.make_folder()
        write_deltalake(
            uri, table, mode="error", partition_by=[*partition_columns] or None, storage_options=delta_options(uri)
        )
        if traits is not None:
            storage.write_bytes_atomic(_FIRST_COMMIT, _commit(storage.read_bytes(_FIRST_COMMIT), traits))
    except LakeError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise PlanError(f"cannot write the Delta table: {reason}", value=uri) from error


def _commit(data: bytes, traits: DeltaTraits) -> bytes:
    """The first commit, its protocol and metadata put in."""
    actions = [json.loads(line) for line in data.splitlines()]
    for action in actions:
        if "protocol" in action:
            action["protocol"] = {"minReaderVersion": traits.min_reader, "minWriterVersion": traits.min_writer}
            if traits.reader_features:
                action["protocol"]["readerFeatures"] = list(traits.reader_features)
            if traits.writer_features:
                action["protocol"]["writerFeatures"] = list(traits.writer_features)
        if "metaData" in action:
            action["metaData"] |= {
                "name": traits.name,
                "description": traits.description,
                "schemaString": traits.schema,
                "partitionColumns": list(traits.partition_columns),
                "configuration": dict(traits.configuration),
            }
    return "".join(f"{json.dumps(action, ensure_ascii=False)}\n" for action in actions).encode()


def _physical(
    table: pa.Table | pa.RecordBatchReader, partition_columns: Sequence[str], traits: DeltaTraits
) -> tuple[pa.Table | pa.RecordBatchReader, Sequence[str]]:
    """Rows and partition columns under the names that files have; without what is said of columns, which the log gets.

    delta-rs would check expressions of Spark, and write columns that are mapped under the names that readers see.
    """
    fields = json.loads(traits.schema)["fields"]
    schema = pa.schema(_renamed(table.schema, fields))
    # a message of IPC holds no names: the same buffers are read under the other schema
    given = table.combine_chunks().to_batches() if isinstance(table, pa.Table) else table
    batches = (pa.ipc.read_record_batch(batch.serialize(), schema) for batch in given)
    names = dict(zip(table.schema.names, schema.names, strict=True))
    partitions = [names[name] for name in partition_columns]
    if isinstance(table, pa.Table):
        return pa.Table.from_batches(batches, schema), partitions
    return pa.RecordBatchReader.from_batches(schema, batches), partitions


def _renamed(fields: Iterable[pa.Field], described: Sequence[Mapping[str, Any]]) -> list[pa.Field]:
    by_name = {one["name"]: one for one in described}
    found = []
    for field in fields:
        one = by_name[field.name]
        type_ = field.type
        if pa.types.is_struct(type_):
            type_ = pa.struct(_renamed([type_.field(i) for i in range(type_.num_fields)], one["type"]["fields"]))
        name = one["metadata"].get(_PHYSICAL_NAME, field.name)
        found.append(pa.field(name, type_, field.nullable))
    return found


def _n_mapped(fields: Sequence[Mapping[str, Any]]) -> int:
    """How many columns, and members of structs, have a name in files."""
    inner = [one["type"]["fields"] for one in fields if isinstance(one["type"], dict) and "fields" in one["type"]]
    return sum(_PHYSICAL_NAME in one["metadata"] for one in fields) + sum(map(_n_mapped, inner))


def _sorted(names: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(sorted(names or ()))
