"""What libraries import, at a cost that every run pays, for uses that lakebed has not."""

import sys
from importlib.abc import MetaPathFinder


class _Without(MetaPathFinder):
    """Says of some modules that they are not there; others are looked for by the next finder."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def find_spec(self, name: str, *_: object) -> None:
        """No module of these names."""
        if name in self.names:
            raise ModuleNotFoundError(name)

    def __enter__(self) -> None:
        sys.meta_path.insert(0, self)

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self)


def hide_pandas() -> None:
    """Lets no module of this process find pandas.

    For processes in which nothing may be allocated before they fork: Arrow's allocator sets a gigabyte of addresses
    aside at once, and a limit of data counts it.
    """
    sys.meta_path.insert(0, _Without("pandas"))


def import_arrow() -> None:
    """Imports Arrow, which looks for pandas once, at the first list it is given: here, in vain.

    That is a third of a second and 50 MB. Arrow's `to_pandas` does not work in this process from then on.
    """
    import pyarrow as pa

    if "pandas" not in sys.modules:
        with _Without("pandas"):
            pa.array([0])


def import_numba() -> None:
    """Imports numba, which looks for scipy's BLAS once: here, in vain. No kernel of ours multiplies by BLAS."""
    with _Without("scipy.linalg"):
        import numba.np.arraymath  # noqa: F401
