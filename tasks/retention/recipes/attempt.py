"""What every attempt at a recipe has in common, whether the tables are held in memory or read batch by batch."""

from __future__ import annotations

import tempfile
import time
from typing import TYPE_CHECKING

import pyarrow as pa

from lakebed.connectors.errors import LakeError, PlanError, SourceError
from lakebed.tasks.encoding.hashes import add_cells, finish, start_sums
from lakebed.tasks.retention.recipes.casting import cast_where_same
from lakebed.tasks.retention.recipes.model import ColumnMap, Outcome, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lakebed.connectors.lake.leaves import LeafArray
    from lakebed.tasks.encoding.hashes import Hashes
    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.kernel.matching import Mask
    from lakebed.tasks.retention.recipes.model import Recipe, RefusalCode, TableRef
    from lakebed.tasks.retention.recipes.row_numbers import PackedRows


class Refused(Exception):
    """A pair without a recipe."""

    def __init__(self, code: RefusalCode, reason: str) -> None:
        super().__init__(reason)
        self.refusal = Refusal(code=code, reason=reason)


def concluded(
    child: TableRef,
    parents: Sequence[TableRef],
    solve: Callable[[], tuple[Recipe, float]],
    n_bytes_read: Callable[[], int],
) -> Outcome:
    """The outcome of looking for a recipe: what `solve` gives, or why it gives none.

    Args:
        child: of the recipe.
        parents: of the recipe.
        solve: the recipe, and the seconds that its execution took.
        n_bytes_read: bytes of data read so far.
    """
    started, n_bytes = time.monotonic(), n_bytes_read()
    recipe, refusal, rebuild_s = None, None, 0.0
    try:
        recipe, rebuild_s = solve()
    except Refused as error:
        refusal = error.refusal
    except PlanError as error:
        refusal = Refusal(code="changed", reason=one_line(error))
    except SourceError as error:
        refusal = Refusal(code="unreadable", reason=one_line(error))
    except MemoryError:
        n_tables = sum(table.n_bytes for table in (child, *parents))
        reason = f"its tables of {n_tables:,} bytes need more memory than a worker may have"
        refusal = Refusal(code="too_large", reason=f"{reason}: `local.worker_memory_mib`")
    except OSError as error:
        # of files for row hashes; what storages raise is a LakeError
        reason = f"its rows cannot be compared on disk, in {tempfile.gettempdir()}: {error.strerror or error}"
        refusal = Refusal(code="too_large", reason=reason)
    except pa.ArrowException as error:
        refusal = Refusal(code="unsupported_type", reason=f"Arrow cannot do it: {str(error).splitlines()[0][:200]}")
    return Outcome(
        child=child.name,
        parents=tuple(parent.name for parent in parents),
        recipe=recipe,
        refusal=refusal,
        bytes_read=n_bytes_read() - n_bytes,
        rebuild_bytes_read=sum(parent.n_bytes for parent in parents) if recipe else 0,
        rebuild_s=rebuild_s,
        seconds=time.monotonic() - started,
    )


def require_columns(child: TableRef, parent: TableRef, columns: Mapping[str, str]) -> None:
    """Refuses a parent that lacks a column; `columns` are the child's tokens → the parent's.

    Raises:
        Refused: naming it.
    """
    there = {leaf.token for leaf in parent.leaves}
    lacking = [leaf.token for leaf in child.leaves if columns.get(leaf.token) not in there]
    if lacking:
        raise Refused("not_contained", f"{parent.name} lacks the column {lacking[0]}")


def projected_hashes(
    cells: Mapping[str, LeafArray], columns: Mapping[str, str], types: Mapping[str, pa.DataType], key: bytes
) -> tuple[Hashes, Mask | None]:
    """Strict hashes of a parent's rows as rows of its child, and which of them can be such; None: all.

    Args:
        cells: of the parent, n rows.
        columns: the child's tokens → the parent's.
        types: of the child's leaves.
        key: 32 bytes.
    """
    # is_valid (n,) once a cast cannot keep some value
    sums, is_valid = start_sums(len(next(iter(cells.values())).values)), None
    for token, source in columns.items():
        values, is_same = cast_where_same(cells[source].values, types[token])
        add_cells(sums, values, cells[source].null_depth, token, key, strict_types=True)
        if is_same is not None:
            is_valid = is_same if is_valid is None else is_valid & is_same
    return finish(sums, key), is_valid


def column_maps(
    columns: Mapping[str, str], types: Mapping[str, pa.DataType], theirs: Mapping[str, pa.DataType]
) -> tuple[ColumnMap, ...]:
    """Where each leaf of the child comes from; `types` are the child's, `theirs` the parent's."""
    return tuple(
        ColumnMap(child=token, parent=columns[token], cast="" if theirs[columns[token]] == type_ else str(type_))
        for token, type_ in types.items()
    )


def is_small(context: RecipeContext, child: TableRef, packed: PackedRows) -> bool:
    """Whether row numbers may be kept beside the recipe of a child."""
    limits, n_bytes = context.config, packed.facts.n_bytes
    return n_bytes <= child.n_bytes * limits.max_position_share or n_bytes <= min(
        limits.min_position_bytes, child.n_bytes
    )


def positions_refused(context: RecipeContext, child: TableRef, parent: TableRef) -> Refused:
    """What is raised where only row numbers could select the child's rows, and they are too large."""
    return Refused(
        "positions_too_large",
        f"no condition selects its rows in {parent.name}, and their numbers take more than "
        f"{context.config.max_position_share:.0%} of its {child.n_bytes:,} bytes",
    )


def not_to_the_bit(n_lacking: int, n_rows: int, name: str) -> str:
    """Why rows that are contained are not enough: -0.0 is 0.0 to a containment, and an integer a float."""
    return f"{n_lacking:,} of the {n_rows:,} rows of {name} are not in the parent to the bit and type"


def one_line(error: LakeError) -> str:
    """An error in one line."""
    return " ".join(f"{error.what}: {error.value}".split()) if error.value is not None else error.what
