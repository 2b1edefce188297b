"""What is known of one table: each pair's verdict, relations beyond one parent, what was decided and why."""

from typing import Any

from lakebed.artifacts import newest_refs, newest_run
from lakebed.results import Result
from lakebed.tasks.containment.explain import Explanation, PairVerdict, explain_table
from lakebed.tasks.relations.explain import RelationVerdict, explain_relations
from lakebed.tasks.retention.explain import DecisionFacts, explain_decision
from lakebed.tasks.runtime.record import RunRecord
from lakebed.topics import TableTopic, table_topics


class TableExplanation(Result[PairVerdict]):
    """The pairs of a table, the proven first; `relations`, `decision`, `topic` as far as the run came."""

    def __init__(
        self,
        found: Explanation,
        relations: list[RelationVerdict],
        decision: DecisionFacts | None = None,
        topic: TableTopic | None = None,
    ) -> None:
        self.found, self.decision, self.topic = found, decision, topic
        self.relations = Result(RelationVerdict, relations, f"relations of {found.table}")
        super().__init__(PairVerdict, found.pairs, f"pairs of {found.table}")

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        facts = {name: value for name, value in vars(self.found).items() if name != "pairs"}
        facts |= {"pairs": [one.as_dict() for one in self], "relations": [one.as_dict() for one in self.relations]}
        facts |= {"decision": self.decision.as_dict()} if self.decision else {}
        return facts | ({"topic": {**vars(self.topic), "path": list(self.topic.path)}} if self.topic else {})


def explain(root: str, table: str, only: RunRecord | None = None) -> TableExplanation:
    """What the newest run that reached containment, or one run, knows of a table.

    Raises:
        SourceError: if the lake has no such table; near names are told.
        ArtifactError: if no run has reached the containment stage.
    """
    store, refs = newest_refs(root, "containment", only)
    settings = newest_run(root, "containment", only).config
    found = explain_table(
        store,
        refs["inventory"],
        refs["containment"],
        table,
        strict_types=bool(settings["containment"]["strict_types"]),
        is_canonical=settings["lake"]["text"].get("renderings") == "canonical",
    )
    relations = explain_relations(store, refs["relations"], found.table) if "relations" in refs else []
    decision = explain_decision(store, refs["retention"], found.table) if "retention" in refs else None
    return TableExplanation(found, relations, decision, table_topics(store, refs).get(found.table))
