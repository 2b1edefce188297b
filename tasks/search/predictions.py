"""Links that the predictor holds for likely, as reasons why things are near; where no predictor was trained, none."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.index.kernel.postings import Int64
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

Pair = tuple[int, int]
_READ = ["kind", "source", "target", "source_label", "target_label", "chance"]


@dataclass(frozen=True)
class PredictedLinks:
    """Calibrated chances of pairs that are not linked yet, each pair in both directions.

    Attributes:
        tables: of two tables, by their numbers.
        columns: of two columns, by their numbers.
        between: for two tables the predicted pairs of their columns, the likeliest first.
    """

    tables: Mapping[Pair, float] = field(default_factory=dict)
    columns: Mapping[Pair, float] = field(default_factory=dict)
    between: Mapping[Pair, list[Pair]] = field(default_factory=dict)


def read_predicted(
    store: ArtifactStore, refs: Mapping[str, ArtifactRef], number_of: Mapping[str, int], table_of: Int64
) -> PredictedLinks:
    """The predictions of the links artifact that was made of the same lake graph; no artifact, no predictions.

    Shapes: number_of the number of each table's name; table_of (c,) the number of each column's table; columns are the
    first nodes of the graph.
    """
    if "links" not in refs:
        return PredictedLinks()
    tables: dict[Pair, float] = {}
    columns: dict[Pair, float] = {}
    between: dict[Pair, list[Pair]] = defaultdict(list)
    with suppress(ArtifactError):
        table = store.read(refs["links"], "predictions", _READ).sort_by([("chance", "descending")])
        for row in table.to_pylist():
            if row["kind"] == "table":
                a, b = number_of[row["source_label"]], number_of[row["target_label"]]
                tables[a, b] = tables[b, a] = row["chance"]
            elif row["kind"] == "column":
                a, b = row["source"], row["target"]
                columns[a, b] = columns[b, a] = row["chance"]
                for mine, other in ((a, b), (b, a)):
                    between[int(table_of[mine]), int(table_of[other])].append((mine, other))
    return PredictedLinks(tables, columns, dict(between))
