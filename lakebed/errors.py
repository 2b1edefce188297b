"""The typed errors of lakebed, as the command line prints them: what is wrong, the value, what was expected, a hint."""

from lakebed.connectors.errors import (
    ArtifactError,
    ConfigError,
    ContractError,
    GraphError,
    LakeError,
    LeaseError,
    PlanError,
    SourceBusyError,
    SourceError,
    SparkLostError,
    StageError,
    StoreBusyError,
    Transient,
    WorkerLostError,
)

__all__ = [
    "ArtifactError",
    "ConfigError",
    "ContractError",
    "GraphError",
    "LakeError",
    "LeaseError",
    "PlanError",
    "SourceBusyError",
    "SourceError",
    "SparkLostError",
    "StageError",
    "StoreBusyError",
    "Transient",
    "WorkerLostError",
]
