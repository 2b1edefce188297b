"""What each stage after containment says in the report.

A stage adds its section with a module of its name in this folder that has one function,

    section(store: ArtifactStore, refs: Mapping[str, ArtifactRef], config: ReportConfig) -> Section

and a line in `SECTIONS`, in the order of the page. The function reads the artifacts of the run (`refs` by stage; the
stage's own is there when it is called) and answers with blocks of `lakebed.tasks.report.model`: tiles, charts,
listings, prose. The page's style, escaping, navigation and drawing are the renderer's.
"""

from collections.abc import Mapping
from importlib import import_module

from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Section
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

SECTIONS: tuple[str, ...] = ("relations", "retention", "summary", "index", "links")


def collect_sections(
    store: ArtifactStore, refs: Mapping[str, ArtifactRef], config: ReportConfig
) -> tuple[Section, ...]:
    """The sections of the stages that a run reached.

    Raises: ArtifactError: if an artifact is missing or damaged.
    """
    reached = [stage for stage in SECTIONS if stage in refs]
    return tuple(import_module(f"{__name__}.{stage}").section(store, refs, config) for stage in reached)
