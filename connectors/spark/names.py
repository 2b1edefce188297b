"""Names as Spark's SQL takes them."""


def quoted(*names: str) -> str:
    """The parts of a name, each in backticks, with dots between them: no name is read as anything else."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)
