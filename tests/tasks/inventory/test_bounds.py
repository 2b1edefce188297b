from itertools import product

from lakebed.connectors.lake.statistics import Interval, tight, widen
from lakebed.tasks.encoding.order_keys import order_key
from lakebed.tasks.inventory.bounds import FileColumn, describe, merge_bounds


def column(interval: Interval, tightness: str, n_rows: int = 2, n_nulls: int | None = 0) -> FileColumn:
    keys = tuple(order_key(value, "number") for value in interval)
    return FileColumn(n_rows, n_nulls, 10, interval, tightness, keys)  # type: ignore[arg-type]


def key(value: int) -> bytes | None:
    return order_key(value, "number")


def test_files_are_merged_and_their_counts_added() -> None:
    merged = merge_bounds([column(tight(1, 5), "tight", n_nulls=1), column(tight(3, 9), "tight")])
    assert merged.keys == (key(1), key(1), key(9), key(9))
    assert (merged.tightness, merged.n_nulls, merged.n_bytes, merged.least, merged.greatest) == ("tight", 1, 20, 1, 9)


def test_files_without_values_do_not_count_and_unknown_ones_spoil_all() -> None:
    nothing = FileColumn(4, 4, 0)
    assert merge_bounds([nothing, column(tight(1, 5), "tight")]).keys[0] == key(1)
    assert merge_bounds([nothing, FileColumn(0, 0, 0)]).tightness == "none"
    unknown = merge_bounds([FileColumn(4, None, 0), column(tight(1, 5), "tight")])
    assert (unknown.keys, unknown.n_nulls) == ((None,) * 4, None)


def test_deleted_rows_never_make_a_bound_that_the_live_rows_break() -> None:
    """Every choice of live values in files with deletion vectors lies within the merged bounds."""
    for ends in product([(1, 2), (5, 6), (0, 9)], repeat=3):
        for kinds in product(["tight", "wide"], repeat=3):
            parts = [
                column(tight(*pair) if kind == "tight" else widen(tight(*pair)), kind)
                for pair, kind in zip(ends, kinds, strict=True)
            ]
            low, low_end, high, high_end = merge_bounds(parts).keys
            choices = [
                [pair] if kind == "tight" else [(), (pair[0],), (pair[1],), pair, ((pair[0] + pair[1]) // 2,)]
                for pair, kind in zip(ends, kinds, strict=True)
            ]
            for chosen in product(*choices):
                live = [value for values in chosen for value in values]
                if live:
                    assert low <= key(min(live)) <= low_end  # type: ignore[operator]
                    assert high <= key(max(live)) <= high_end  # type: ignore[operator]


def test_bounds_are_shown_as_people_write_them() -> None:
    assert describe(b"a" * 99, "string") == "a" * 63 + "…"
    assert describe(b"\xff", "binary") == "ff"
    assert describe(0, "date") == "1970-01-01"
    assert describe(10**30, "timestamp") == str(10**30)
    assert describe(1_500_000_000, "timestamp") == "1970-01-01T00:00:01.500+00:00"
    assert (describe(True, "bool"), describe(None, "number"), describe(2.5, "number")) == ("true", None, "2.5")
