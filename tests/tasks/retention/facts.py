"""Problems from facts about tables alone: what inventory and containment would have found, and no file anywhere."""

from dataclasses import dataclass

import pyarrow as pa

from lakebed.tasks.retention.choice import choose
from lakebed.tasks.retention.kernel.solve import Effort
from lakebed.tasks.retention.problem import make_problem
from lakebed.tasks.retention.recipes.model import Outcome
from lakebed.tasks.scan.splits import InventoryTables


@dataclass(frozen=True)
class Fact:
    """A table; those of one `rows` are equal."""

    name: str
    rows: str
    format: str = "parquet"
    n_bytes: int = 10_000_000
    n_rows: int = 1_000
    made_ns: int | None = None


def problem_of(facts, parts, config):
    """The problem of the tables; `parts` are (rows, rows): those of the first all lie in those of the second."""
    facts = sorted(facts, key=lambda fact: fact.name)
    tables = [
        {"table_id": place, "name": one.name, "path": one.name, "format": one.format, "n_rows": one.n_rows,
         "n_bytes": one.n_bytes, "n_columns": 1, "read_via": "arrow"}
        for place, one in enumerate(facts)
    ]  # fmt: skip
    columns = [
        {"table_id": place, "token": '["a"]', "n_bytes": one.n_bytes, "is_partition": False}
        for place, one in enumerate(facts)
    ]
    files = [{"table_id": place, "path": one.name, "mtime_ns": one.made_ns or 0} for place, one in enumerate(facts)]
    read = InventoryTables(*(pa.Table.from_pylist(rows) for rows in (tables, columns, files)))
    edges = [
        _edge(child, parent, facts)
        for child, mine in enumerate(facts)
        for parent, other in enumerate(facts)
        if child != parent and (mine.rows == other.rows or (mine.rows, other.rows) in parts)
    ]
    return make_problem(read, pa.Table.from_pylist(edges, EDGE), config, [one.made_ns for one in facts])


def decided(problem):
    """The choice, where every recipe gives its table back."""

    def make(pairs):
        fields = {"child": "c", "parents": ("p",), "recipe": _Free(), "refusal": None, "bytes_read": 0}
        return [Outcome.model_construct(**fields) for _ in pairs]

    return choose(problem, make, Effort(60.0), 0.0)


class _Free:
    """What is asked of a recipe here."""

    stored_bytes = 0


EDGE = pa.schema(
    [
        ("child_id", pa.int32()), ("parent_id", pa.int32()), ("semantics", pa.string()), ("n_child_rows", pa.int64()),
        ("n_parent_rows", pa.int64()), ("chance", pa.float64()), ("coincidental", pa.bool_()),
        ("coincidental_reason", pa.string()), ("is_mutual", pa.bool_()), ("certificate", pa.string()),
    ]
)  # fmt: skip


def _edge(child, parent, facts):
    return {
        "child_id": child, "parent_id": parent, "semantics": "bag", "n_child_rows": facts[child].n_rows,
        "n_parent_rows": facts[parent].n_rows, "chance": 0.0, "coincidental": False, "coincidental_reason": None,
        "is_mutual": facts[child].rows == facts[parent].rows, "certificate": "{}",
    }  # fmt: skip
