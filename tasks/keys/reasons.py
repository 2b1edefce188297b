"""What speaks for a key, in words."""

from lakebed.tasks.keys.kernel.columns import Float64, Lake
from lakebed.tasks.keys.kernel.features import FEATURES
from lakebed.tasks.keys.kernel.search import Found

LIKE, SOME = 0.75, 0.3
_PLACE = {name: place for place, name in enumerate(FEATURES)}


def reasons(lake: Lake, found: Found, exact: Float64) -> list[str]:
    """One text a key: inclusion, uniqueness, names, and what it rests on. Shapes: exact (k,)."""
    return [_reason(lake, found, row, float(exact[row])) for row in range(len(found.a))]


def _reason(lake: Lake, found: Found, row: int, exact: float) -> str:
    a, b, share = int(found.a[row]), int(found.b[row]), float(found.share[row])
    n = int(lake.n_distinct[a])
    held = f"all {n:,}" if share >= 1 else f"{share:.1%} of {n:,}"
    parts = [f"{held} values stand in {lake.tables[lake.table_of[b]]}.{lake.names[b]}"]
    figures = found.features[row]
    if figures[_PLACE["unique_b"]]:
        is_first = bool(figures[_PLACE["first_unique_b"]])
        parts.append("which is unique" + (", the first such column of its table" if is_first else ""))
    parts.append(_names(figures))
    if exact < share - 0.005:
        parts.append(f"only {exact:.0%} of the values are equal as they stand, the rest once case, blanks and number "
                     "texts are folded")  # fmt: skip
    if found.is_across[row]:
        parts.append("the tables lie in two folders")
    return "; ".join(part for part in parts if part)


def _names(figures: Float64) -> str:
    if figures[_PLACE["n_equal"]]:
        return "the names are the same"
    if figures[_PLACE["n_col"]] >= LIKE:
        return "the names are alike"
    if figures[_PLACE["n_tabcol"]] >= LIKE or figures[_PLACE["n_tab"]] >= LIKE:
        return "the name is that of the table"
    return "the names share words" if figures[_PLACE["c_a_in_b"]] >= SOME else "the names tell nothing"
