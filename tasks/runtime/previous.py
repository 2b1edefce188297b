"""What a stage reuses of the artifact that an earlier run made of it: the previous one.

The previous artifact is the newest complete one of the stage that may answer for this run. What of it still holds is
reused, the rest made anew, and the result is the one of a run that reuses nothing; under `--full` there is no previous
artifact. What a stage keeps for the next run alone lies in the folder `previous/` of its artifact, held to its size and
in no digest: all of it can be made again.

Where a stage goes on from the previous artifact with a result that a full run need not share, that artifact is its
start, and its key is part of the new one's: the same start and the same inputs give the same bytes. Every so many-th
artifact starts from nothing.
"""

from collections.abc import Collection

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.artifacts import Manifest
from lakebed.tasks.runtime.config import IncrementalConfig
from lakebed.tasks.runtime.keys import sha256_of_parts
from lakebed.tasks.runtime.stage import Stage

FOLDER = "previous"


def previous_artifact(stage: Stage, has: Collection[str], *, of_any_config: bool = False) -> Manifest | None:
    """The newest complete artifact of other content, made by the same code under the same config.

    Args:
        stage: whose artifact is about to be made.
        has: names of tables, and paths of files beside them, that it must have.
        of_any_config: whether one that was made under another config will do.
    """
    if stage.workspace.is_full:
        return None

    def may_answer(manifest: Manifest) -> bool:
        is_alike = manifest.version == stage.spec.version if of_any_config else manifest.family == stage.family
        return is_alike and manifest.tables.keys() | manifest.files.keys() >= set(has)

    return stage.store.newest(stage.spec.name, may_answer, but=stage.key)


def start_stage(stage: Stage, config: IncrementalConfig) -> None:
    """Gives the stage its start and the key that names it; neither where its artifact is there, or none may be one.

    Args:
        stage: under the key of a full run.
        config: how many artifacts in a row may have a start.
    """
    if stage.workspace.is_full or stage.store.complete(stage.spec.name, stage.key) is not None:
        return
    name, family = stage.spec.name, stage.family
    made = stage.store.newest(name, lambda one: one.is_whole and one.family == family and _reads(one) == stage.reads)
    if made is not None:
        stage.key = made.key
        return
    start = stage.store.newest(name, lambda one: one.is_whole and one.family == family, but=stage.key)
    if start is None:
        return
    if start.nights + 1 >= config.full_every:
        stage.anew = f"one in {config.full_every} is made anew"
        return
    stage.start = start
    stage.key = sha256_of_parts([part.encode() for part in (stage.key, start.key, start.digest)])


def _reads(manifest: Manifest) -> list[tuple[str, str]]:
    return [(ref.stage, ref.digest) for ref in manifest.inputs]


def write_kept(storage: Storage, path: str, table: pa.Table) -> None:
    """Writes a file for the next run."""
    with storage.open_output(path) as stream:
        pq.write_table(table, stream, compression="zstd", write_page_checksum=True)


def read_kept(storage: Storage, path: str) -> pa.Table:
    """What `write_kept` wrote.

    Raises:
        ArtifactError: if it is not there, or is damaged.
    """
    with storage.open(path) as stream:
        try:
            return pq.read_table(stream, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise damaged(storage.uri(path), error) from error


def damaged(uri: str, error: Exception) -> ArtifactError:
    """The error of a file that an earlier run left and that cannot be read."""
    return ArtifactError(
        f"a file of an artifact is damaged: {str(error).splitlines()[0][:200]}",
        value=uri,
        expected="the file as the run has left it",
        hint="run once with `--full`: lakebed run --full",
    )


def count_changes(n_reused: int, previous: Collection[str], now: Collection[str], **others: int) -> dict[str, int]:
    """Counts of tables for the run's record, in the words of all stages.

    Args:
        n_reused: tables of which nothing was read.
        previous: names of the previous artifact's tables.
        now: names of the tables there are now.
        others: further counts, such as `tables_changed`.
    """
    return {"tables_reused": n_reused, **others, "tables_dropped": len(set(previous) - set(now))}


def count_readings(n_reused: int, previous: Collection[str] | None, now: Collection[str]) -> dict[str, int]:
    """The counts of a stage that reads each table whole or not at all; none where there is no previous artifact.

    Args:
        n_reused: tables of which nothing was read.
        previous: names of the previous artifact's tables; None where there is none.
        now: names of the tables there are now.
    """
    if previous is None:
        return {}
    return count_changes(n_reused, previous, now, tables_read=len(now) - n_reused)
