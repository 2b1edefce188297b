"""What recipes the contained tables of a lake get, and what finding, executing and writing them costs.

`python -m tests.benchmarks.recipes ARTIFACTS --lake LAKE` prints one JSON object a measurement. ARTIFACTS are
those of a `lakebed run`; all proven pairs that are not coincidental are taken, in this process, without Spark.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lakebed.connectors.delta import read_table
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.retention.recipes.config import RecipeConfig
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.kernel.compile import compile_kernels
from lakebed.tasks.retention.recipes.model import Outcome
from lakebed.tasks.retention.recipes.pairs import PairRefs, solve_pairs
from lakebed.tasks.retention.recipes.refs import table_refs
from lakebed.tasks.scan.splits import InventoryTables


def main(arguments: Sequence[str] | None = None) -> int:
    """Console entry."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.recipes", description=__doc__)
    parser.add_argument("artifacts", type=Path)
    parser.add_argument("--lake", required=True, help="root of the lake that the artifacts are of")
    options = parser.parse_args(arguments)
    pairs = contained_pairs(options.artifacts)
    compile_kernels()
    for rehearses in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            config = RecipeConfig(rehearses_writing=rehearses)
            context = RecipeContext(LakeConfig(root=options.lake), folder, bytes(range(32)), config)
            _say({"rehearses_writing": rehearses, **measure(context, pairs)})
    return 0


def contained_pairs(artifacts: Path) -> list[PairRefs]:
    """The proven pairs that are not coincidental."""
    tables, columns, files, edges = (
        read_table(str(_newest(artifacts, *place)))
        for place in (
            ("inventory", "tables"),
            ("inventory", "columns"),
            ("inventory", "files"),
            ("containment", "edges"),
        )
    )
    wanted = [edge for edge in edges.to_pylist() if not edge["coincidental"]]
    refs = table_refs(
        InventoryTables(tables, columns, files), {edge[end] for edge in wanted for end in ("child", "parent")}
    )
    return [PairRefs(refs[edge["child"]], (refs[edge["parent"]],)) for edge in wanted]


def measure(context: RecipeContext, pairs: Sequence[PairRefs]) -> dict[str, object]:
    """Counts of selectors, orders and refusals; CPU seconds, bytes."""
    started = time.process_time()
    batches = list(solve_pairs(context, list(enumerate(pairs))))
    seconds = time.process_time() - started
    outcomes = [Outcome.model_validate_json(batch.column(1)[0].as_py()) for batch in batches]
    recipes = [one.recipe for one in outcomes if one.recipe]
    return {
        "pairs": len(pairs),
        "children": len({one.child for one in outcomes}),
        "children_with_a_recipe": len({recipe.child.name for recipe in recipes}),
        "selectors": Counter(recipe.selector_shape for recipe in recipes),
        "multiplicities": Counter(recipe.parts[0].multiplicity for recipe in recipes),
        "orders": Counter(recipe.order.state for recipe in recipes),
        "refusals": Counter(one.refusal.code for one in outcomes if one.refusal),
        "cpu_s": round(seconds, 2),
        "bytes_read": sum(one.bytes_read for one in outcomes),
        "stored_bytes": sum(recipe.stored_bytes for recipe in recipes),
    }


def _newest(artifacts: Path, stage: str, table: str) -> Path:
    manifests = sorted((artifacts / stage).glob("*/manifest.json"), key=lambda path: path.stat().st_mtime)
    return manifests[-1].parent / table


def _say(record: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    sys.exit(main())
