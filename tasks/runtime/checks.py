"""The contract's checks, run natively before anything is published.

`ArrowChecks` looks at Arrow tables or batches, `check_frame` at a Spark frame in one aggregate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import MAX_EXAMPLES, ContractError
from lakebed.connectors.spark.names import quoted
from lakebed.tasks.encoding.pairs import sorted_pairs
from lakebed.tasks.runtime.contract import AtLeast, AtMost, AtMostColumn, Check, Column, Contract, Matches, OneOf

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

NOT_NULL = "not null"
UNIQUE = "unique"

_MAX_CELL = 60


@dataclass
class Violation:
    """One broken check: in how many rows, and at most five of them."""

    column: str
    check: str
    n_rows: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


def check_table(contract: Contract, table: pa.Table) -> pa.Table:
    """The table in the contract's column order and schema, after all checks; no cell is copied or cast.

    Raises:
        ContractError: naming the column, the check, the count and at most five offending rows.
    """
    fitted = conform(contract, table)
    checks = ArrowChecks(contract)
    checks.add(fitted)
    checks.finish()
    return fitted.cast(contract.arrow_schema())


def conform(contract: Contract, table: pa.Table) -> pa.Table:
    """The table's columns in the contract's order.

    Raises:
        ContractError: if a column is missing, unknown or of another type.
    """
    check_schema(contract, table.schema)
    return table.select(list(contract.names))


def check_schema(contract: Contract, schema: pa.Schema) -> None:
    """Hold names and types, not order, to the contract.

    Raises:
        ContractError: if a column is missing, unknown or of another type.
    """
    wrong = sorted(set(contract.names) ^ set(schema.names))
    if wrong or len(schema.names) != len(contract.names):
        raise ContractError(
            f"table {contract.name}: its columns are not those of the contract",
            value=", ".join(schema.names),
            expected=", ".join(contract.names),
            examples=[f"{'missing' if name in contract.names else 'unknown'}: {name}" for name in wrong],
        )
    for column in contract.columns:
        # types of lists are equal whatever Arrow or Delta call their elements
        found = schema.field(column.name).type
        if not _is_of(found, column.type):
            raise ContractError(
                f"table {contract.name}: column {column.name} has another type", value=found, expected=str(column.type)
            )


def _is_of(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a type is the wanted one; Spark's Delta writer forgets that elements of a list are not null."""
    if pa.types.is_list(found) and pa.types.is_list(wanted):
        return bool(found.value_type == wanted.value_type)
    return bool(found == wanted)


class ArrowChecks:
    """All checks of one contract over any number of batches; memory grows with the key columns only."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._violations: dict[tuple[str, str], Violation] = {}
        self._keys: list[pa.Table] = []

    def add(self, rows: "pa.Table | pa.RecordBatch") -> None:
        """Check more rows, which have the contract's columns."""
        if rows.num_rows == 0:
            return
        for column in self._contract.columns:
            self._add_column(rows, column)
        for check in self._contract.checks:
            self._note(rows, check.left, str(check), pc.greater(rows[check.left], rows[check.right]))
        if self._contract.key:
            keys = rows.select(list(self._contract.key))
            self._keys.append(keys if isinstance(keys, pa.Table) else pa.Table.from_batches([keys]))

    def finish(self) -> None:
        """Check that the key is unique over all rows, and judge.

        Raises:
            ContractError: if any check was broken.
        """
        self._check_key()
        raise_violations(self._contract, list(self._violations.values()))

    def _add_column(self, rows: "pa.Table | pa.RecordBatch", column: Column) -> None:
        values = rows[column.name]
        if not column.nullable and values.null_count:
            self._note(rows, column.name, NOT_NULL, pc.is_null(values))
        for check in column.checks:
            self._note(rows, column.name, str(check), pc.invert(_holds(check, values)))

    def _note(self, rows: "pa.Table | pa.RecordBatch", column: str, check: str, is_bad: pa.Array) -> None:
        n_bad = pc.sum(is_bad).as_py() or 0
        if not n_bad:
            return
        violation = self._violations.setdefault((column, check), Violation(column, check))
        violation.n_rows += n_bad
        n_wanted = MAX_EXAMPLES - len(violation.examples)
        if n_wanted > 0:
            violation.examples += rows.filter(is_bad).slice(0, n_wanted).to_pylist()

    def _check_key(self) -> None:
        if not self._keys:
            return
        names = list(self._contract.key)
        keys = pa.concat_tables(self._keys)
        if _are_distinct(keys):
            return
        counts = keys.group_by(names).aggregate([([], "count_all")])
        twice = counts.filter(pc.greater(counts["count_all"], 1))
        if twice.num_rows:
            n_rows = pc.sum(twice["count_all"]).as_py()
            examples = twice.slice(0, MAX_EXAMPLES).to_pylist()
            self._violations[", ".join(names), UNIQUE] = Violation(", ".join(names), UNIQUE, n_rows, examples)


def _are_distinct(keys: pa.Table) -> bool:
    """Whether keys of one or two whole numbers are all different, by a sort; False for all other kinds of keys."""
    columns = keys.columns
    if not 1 <= len(columns) <= 2 or any(not pa.types.is_integer(one.type) or one.null_count for one in columns):
        return False
    if any(pc.min_max(one)["min"].as_py() < 0 or pc.min_max(one)["max"].as_py() >> 63 for one in columns):
        return False
    first, last = sorted_pairs(columns[0].to_numpy(), columns[-1].to_numpy())
    return bool(((first[1:] != first[:-1]) | (last[1:] != last[:-1])).all())


def check_frame(contract: Contract, frame: "DataFrame") -> None:
    """The same checks on a Spark frame: one aggregate, and one small query more for the first broken check.

    Raises:
        ContractError: as `check_table`.
    """
    from pyspark.sql import functions as F

    rules = _spark_rules(contract)
    sums = [F.sum(F.when(rule.is_bad, 1).otherwise(0)).alias(f"r{i}") for i, rule in enumerate(rules)]
    sums += [F.count("*").alias("n_rows"), _distinct_keys(contract).alias("n_keys")]
    counts = frame.agg(*sums).first()
    if counts is None:
        return
    violations = [Violation(r.column, r.check, counts[f"r{i}"]) for i, r in enumerate(rules) if counts[f"r{i}"]]
    if violations:
        bad = next(rule for i, rule in enumerate(rules) if counts[f"r{i}"])
        violations[0].examples = [row.asDict() for row in frame.where(bad.is_bad).limit(MAX_EXAMPLES).collect()]
    if contract.key and counts["n_keys"] != counts["n_rows"]:
        violations.append(_spark_duplicates(contract, frame, counts["n_rows"] - counts["n_keys"]))
    raise_violations(contract, violations)


def raise_violations(contract: Contract, violations: Sequence[Violation]) -> None:
    """Raise the first violation, with the others counted.

    Raises:
        ContractError: if there is one.
    """
    if not violations:
        return
    first, *rest = violations
    others = [f"{other.column} ({other.check}) in {other.n_rows} rows" for other in rest]
    raise ContractError(
        f"table {contract.name}: column {first.column} breaks the check `{first.check}` in {first.n_rows} rows; "
        "nothing was published",
        value="; also " + ", ".join(others[:MAX_EXAMPLES]) if others else None,
        expected=f"contract {contract.name}, version {contract.version}",
        examples=[_short(row) for row in first.examples[:MAX_EXAMPLES]],
        hint="report this with the run's folder: a stage broke its own contract",
    )


@dataclass(frozen=True)
class _SparkRule:
    column: str
    check: str
    is_bad: "SparkColumn"


def _spark_rules(contract: Contract) -> list[_SparkRule]:
    from pyspark.sql import functions as F

    rules = []
    for column in contract.columns:
        if not column.nullable:
            rules.append(_SparkRule(column.name, NOT_NULL, F.col(quoted(column.name)).isNull()))
        rules += [_SparkRule(column.name, str(check), _spark_bad(column, check)) for check in column.checks]
    return rules + [_SparkRule(pair.left, str(pair), _spark_pair_bad(pair)) for pair in contract.checks]


def _spark_bad(column: Column, check: Check) -> "SparkColumn":
    from pyspark.sql import functions as F

    value = F.col(quoted(column.name))
    match check:
        case AtLeast():
            bad = value < check.value
        case AtMost():
            bad = value > check.value
        case OneOf():
            bad = ~value.isin(*check.values)
        case Matches():
            bad = ~value.rlike(check.anchored)
    return bad | F.isnan(value) if pa.types.is_floating(column.type) and isinstance(check, (AtLeast, AtMost)) else bad


def _spark_pair_bad(pair: AtMostColumn) -> "SparkColumn":
    from pyspark.sql import functions as F

    return F.col(quoted(pair.left)) > F.col(quoted(pair.right))


def _distinct_keys(contract: Contract) -> "SparkColumn":
    from pyspark.sql import functions as F

    return F.count_distinct(F.struct(*map(quoted, contract.key))) if contract.key else F.lit(0)


def _spark_duplicates(contract: Contract, frame: "DataFrame", n_rows: int) -> Violation:
    counts = frame.groupBy(*map(quoted, contract.key)).count()
    rows = counts.where("count > 1").limit(MAX_EXAMPLES).collect()
    return Violation(", ".join(contract.key), UNIQUE, n_rows, [row.asDict() for row in rows])


def _holds(check: Check, values: pa.Array) -> pa.Array:
    match check:
        case AtLeast():
            return pc.greater_equal(values, check.value)
        case AtMost():
            return pc.less_equal(values, check.value)
        case OneOf():
            is_in = pc.is_in(values, value_set=pa.array(check.values, values.type))
            return pc.or_kleene(is_in, pc.is_null(values))
        case Matches():
            return pc.match_substring_regex(values, check.anchored)


def _short(row: dict[str, Any]) -> str:
    cells = (f"{name}={value!r}" for name, value in row.items())
    return ", ".join(cell if len(cell) <= _MAX_CELL else cell[:_MAX_CELL] + "…" for cell in cells)
