"""Whether a cluster's executors see the lake and the artifact root that the driver sees, before any work begins."""

import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from pyspark.sql import SparkSession

from lakebed.connectors.errors import ConfigError, LakeError
from lakebed.connectors.spark.cluster import ask_executors
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.connect import is_connect
from lakebed.connectors.storage import Storage, is_object_store

_FOLDER = "probe"


def roots_check(lake: str, artifacts: str) -> Callable[[SparkSession], None]:
    """The check of a session, for `SessionStarter.checks`; a local session has nothing to check."""

    def check(session: SparkSession) -> None:
        if is_connect(session) or not SparkConfig(master=session.sparkContext.master).is_local:
            require_shared_roots(session, lake, artifacts)

    return check


def require_shared_roots(session: SparkSession, lake: str, artifacts: str) -> None:
    """Executors must read what the driver writes below the artifact root, the driver what they write, and all the lake.

    Raises:
        ConfigError: naming the root, and the executors that do not share it.
    """
    token, storage = secrets.token_hex(8), Storage.at(artifacts)
    folder, sample = f"{_FOLDER}/{token}", _lake_sample(lake)

    def look() -> dict[str, str]:
        return _look(lake, artifacts, folder, sample)

    try:
        storage.write_bytes_atomic(f"{folder}/driver", token.encode())
        answers = ask_executors(session, look)
        for answer in answers:
            written = answer["written"]
            if not answer["artifacts"] and storage.stat(f"{folder}/{written}") is None:
                answer["artifacts"] = "what it writes there does not arrive"
    finally:
        storage.delete_folder(folder)
        if storage.is_local and os.path.isdir(storage.uri(_FOLDER)) and not os.listdir(storage.uri(_FOLDER)):
            os.rmdir(storage.uri(_FOLDER))
    _require(
        "the artifact root", artifacts, [f"{one['host']}: {one['artifacts']}" for one in answers if one["artifacts"]]
    )
    _require("the lake", lake, [f"{one['host']}: {one['lake']}" for one in answers if one["lake"]])


def _require(what: str, root: str, faults: Sequence[str]) -> None:
    if faults:
        raise ConfigError(
            f"{len(faults)} of the cluster's executors do not share {what} with the driver",
            value=root,
            expected="storage that the driver and every executor see under this name",
            hint="give a folder of a shared file system, or a prefix of an object store",
            examples=faults,
        )


def _look(lake: str, artifacts: str, folder: str, sample: tuple[str, int] | None) -> dict[str, str]:
    """What an executor says: faults by root, empty where there are none, and the name of the file it has written."""
    name = secrets.token_hex(8)
    return {"artifacts": _artifact_fault(artifacts, folder, name), "lake": _lake_fault(lake, sample), "written": name}


def _artifact_fault(artifacts: str, folder: str, name: str) -> str:
    storage = Storage.at(artifacts)
    try:
        if storage.read_bytes(f"{folder}/driver").decode() != folder.rsplit("/", 1)[1]:
            return "another folder of the same name"
        storage.write_bytes_atomic(f"{folder}/{name}", b"")
    except LakeError as error:
        return error.what
    return ""


def _lake_fault(lake: str, sample: tuple[str, int] | None) -> str:
    try:
        if sample is None:
            return "" if not lake or Storage.at(lake).exists("") else "there is no such file or folder"
        found = Storage.at(lake).stat(sample[0])
    except LakeError as error:
        return error.what
    if found is None:
        return f"there is no {sample[0]}"
    return "" if found.size == sample[1] else f"{sample[0]} has {found.size} bytes, {sample[1]} at the driver"


def _lake_sample(lake: str) -> tuple[str, int] | None:
    """Some file of a local lake, with its size; None on object stores, where listing may take long."""
    if not lake or is_object_store(lake):
        return None
    for folder, _, names in os.walk(lake):
        for name in names:
            path = Path(folder) / name
            if path.is_file():
                return path.relative_to(lake).as_posix(), path.stat().st_size
    return None
