"""Keys in the report: who decided, the surest foreign keys, and the primary ones."""

from collections.abc import Mapping

from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Listing, Prose, Section, Tile, Tiles
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

STAGE = "keys"
MAX_KEYS = 50


def section(store: ArtifactStore, refs: Mapping[str, ArtifactRef], config: ReportConfig) -> Section:
    """Counts, the likeliest foreign keys with what speaks for them, and the primary keys.

    Raises: ArtifactError: if the artifact is missing or damaged.
    """
    ref = refs[STAGE]
    facts = store.manifest(ref).summary
    order = [("chance", "descending"), ("child", "ascending"), ("column", "ascending")]
    foreign = store.read(ref, "foreign_keys").sort_by(order).slice(0, MAX_KEYS).to_pylist()
    primary = store.read(ref, "primary_keys").sort_by("table").slice(0, MAX_KEYS).to_pylist()
    is_rule = facts["model"] == "rule"
    remark = "Chances are calibrated on databases with declared keys; a key is a finding, not a constraint of the lake."
    if is_rule:
        remark = f"The fixed rule decided, because {facts['why']}; its chances are scores, not calibrated."
    return Section(
        STAGE,
        "Keys",
        "Keys: which columns refer to which",
        "Columns whose values lie in a unique column of another table, judged by inclusion, names, bounds and counts.",
        (
            Tiles((
                Tile("Foreign keys", f"{facts['foreign_keys']:,}", f"{facts['across_folders']:,} between two folders"),
                Tile("Primary keys", f"{facts['primary_keys']:,}", "tables with a column that identifies rows"),
            )),
            Listing(
                "Foreign keys",
                ("chance", "column", "refers to", "why"),
                tuple((f"{row['chance']:.2f}", f"{row['child']}.{row['column']}",
                       f"{row['parent']}.{row['parent_column']}", row["why"]) for row in foreign),
                (0,),
                n_all=int(str(facts["foreign_keys"])),
            ),
            Listing(
                "Primary keys",
                ("table", "columns", "rows"),
                tuple((row["table"], ", ".join(row["columns"]), f"{row['n_rows']:,}") for row in primary),
                (2,),
                n_all=int(str(facts["primary_keys"])),
            ),
            Prose(remark),
        ),
    )  # fmt: skip
