"""The chain without Prefect, as an application of spark-submit runs it: the same stages, retries and run record."""

import time
from collections.abc import Sequence

from lakebed.chain import Link
from lakebed.connectors.errors import Transient
from lakebed.connectors.spark.failures import typed_failure
from lakebed.scope import RunScope, run_links
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.progress import shown

# as the stages' Prefect tasks have it
RETRIES, RETRY_DELAY_S = 2, 5.0


def run_plain(scope: RunScope, links: Sequence[Link]) -> None:
    """Runs the links one after the other in this process.

    Raises: LakeError: whatever a stage raises; what Spark raises as a StageError.
    """
    run_links(scope, links, _run)


def _run(scope: RunScope, link: Link) -> ArtifactRef:
    for attempt in range(RETRIES + 1):
        try:
            return link.run(scope.refs, scope.workspace, scope.config)
        except Transient as error:
            if attempt == RETRIES:
                raise
            shown().note(f"{link.name} is tried again: {str(error).splitlines()[0]}")
            time.sleep(RETRY_DELAY_S)
        except Exception as error:
            typed = typed_failure(error)
            if typed is None:
                raise
            raise typed from error
    raise AssertionError
