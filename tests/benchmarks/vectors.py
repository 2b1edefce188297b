"""What an index is best built from: `python -m tests.benchmarks.vectors ARTIFACTS`, a JSON line each.

ARTIFACTS is the root of a finished run. Trains the link predictor on that run's lake graph, unless one is there, builds
an index from FastRP, from the best network and from the stacked rungs, and asks each for the ten nearest tables of
every table that is contained in another one, not by coincidence: the vectors alone, without the values that `similar`
counts.
"""

import argparse
import json
import time
from collections import defaultdict
from typing import Any

from lakebed.artifacts import newest_refs
from lakebed.config import load_config
from lakebed.tasks.index.config import IndexConfig, Vectors
from lakebed.tasks.index.folder import open_folder
from lakebed.tasks.index.stage import INDEX
from lakebed.tasks.links.stage import LINKS
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.memory import peak_memory_bytes

K = 10
SOURCES: tuple[Vectors, ...] = ("fastrp", "gnn", "stack")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifacts")
    root = parser.parse_args().artifacts
    store, refs = newest_refs(root, "index")
    config = load_config(None, {"lake": {"root": "-"}, "artifacts": root})
    workspace = config.workspace()
    started, cpu = time.monotonic(), time.process_time()
    links = run_stage(LINKS, Inputs.of(workspace, refs["lakegraph"], refs["keys"], config.links))
    cost = {"links_wall_s": time.monotonic() - started, "links_cpu_s": time.process_time() - cpu}
    say({**cost, "peak_gib": peak_memory_bytes() / 2**30, **store.manifest(links).summary})
    for vectors in SOURCES:
        index = run_stage(
            INDEX, Inputs.of(workspace, refs["lakegraph"], refs["embeddings"], IndexConfig(vectors=vectors), links)
        )
        say({"vectors": vectors, **parents_found(store, refs["containment"], index)})


def parents_found(store: ArtifactStore, containment: ArtifactRef, index: ArtifactRef) -> dict[str, Any]:
    """Share of the contained tables that have a parent among the ten nearest, and mean reciprocal rank of the first."""
    edges = store.read(containment, "edges", ["child", "parent", "coincidental"]).to_pylist()
    parents = defaultdict(set)
    for edge in edges:
        if not edge["coincidental"]:
            parents[edge["child"]].add(edge["parent"])
    tables = open_folder(f"{store.folder('index', index.key)}/vectors/table")
    ranks = []
    for child, held in parents.items():
        near = [item for item in tables.nearest(tables.vector(f"table:{child}"), K + 1).ids if item != f"table:{child}"]
        places = [place for place, item in enumerate(near[:K], 1) if item.removeprefix("table:") in held]
        ranks.append(1 / places[0] if places else 0.0)
    found = sum(rank > 0 for rank in ranks)
    summary = store.manifest(index).summary
    return {
        "contained_tables": len(ranks),
        "parent_among_10": round(found / max(len(ranks), 1), 4),
        "mrr": round(sum(ranks) / max(len(ranks), 1), 4),
        "dim": store.read(index, "indexes").to_pylist()[0]["dim"],
        "source": summary["source"],
        "drawn": summary["drawn"],
    }


def say(facts: dict[str, Any]) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
