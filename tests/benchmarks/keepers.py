"""What the keeper rank costs: two artifact roots of one lake after `lakebed run --to retention`, before and after.

Run: python -m tests.benchmarks.keepers BEFORE AFTER
"""

import json
import sys

from lakebed.artifacts import newest_refs


def decisions(root: str) -> dict[str, dict[str, object]]:
    """The decisions of a root's newest run, by table."""
    store, refs = newest_refs(root, "retention")
    return {row["name"]: row for row in store.read(refs["retention"], "decisions").to_pylist()}


def planned_bytes(tables: dict[str, dict[str, object]]) -> int:
    """Bytes of the tables that may go."""
    return sum(int(str(row["n_bytes"])) for row in tables.values() if row["decision"] == "delete")


def main(before: str, after: str) -> None:
    """Prints both figures, then each table that now stays, with its reason."""
    old, new = decisions(before), decisions(after)
    figures = {"bytes_before": planned_bytes(old), "bytes_now": planned_bytes(new)}
    print(json.dumps({**figures, "share": round(figures["bytes_now"] / max(figures["bytes_before"], 1), 4)}))
    for name, row in new.items():
        if row["decision"] == "keep" and old[name]["decision"] == "delete":
            facts = {key: row[key] for key in ("n_bytes", "reason", "why")}
            print(json.dumps({"stays": name, **facts, "was_rebuilt_from": old[name]["parents"]}, ensure_ascii=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
