"""What each stage after containment says in the report.

A stage adds its section with a module of its name in this folder that has one function,

    section(store: ArtifactStore, refs: Mapping[str, ArtifactRef], config: ReportConfig) -> Section

and its entry in `SECTIONS`, in the order of the page. The function reads the artifacts of the run (`refs` by stage; the
stage's own is there when it is called) and answers with blocks of `lakebed.tasks.report.model`: tiles, charts,
listings, prose. The page's style, escaping, navigation and drawing are the renderer's.
"""

from collections.abc import Callable, Mapping

from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Section
from lakebed.tasks.report.sections import index, keys, links, relations, retention, summary, topics
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

MakeSection = Callable[[ArtifactStore, Mapping[str, ArtifactRef], ReportConfig], Section]
SECTIONS: Mapping[str, MakeSection] = {
    "relations": relations.section,
    "retention": retention.section,
    "keys": keys.section,
    "topics": topics.section,
    "summary": summary.section,
    "index": index.section,
    "links": links.section,
}


def collect_sections(
    store: ArtifactStore, refs: Mapping[str, ArtifactRef], config: ReportConfig
) -> tuple[Section, ...]:
    """The sections of the stages that a run reached.

    Raises: ArtifactError: if an artifact is missing or damaged.
    """
    return tuple(section(store, refs, config) for stage, section in SECTIONS.items() if stage in refs)
