"""Sets of jars that Spark needs beside its own: which, where they lie, and whether they are the right ones.

Delta's set is always needed: its Maven artifact pulls 33 jars, of which Spark already brings all but seven. The others
are fetched when somebody asks for them (`python -m connectors.spark.fetch NAME`), and used wherever they are there.
"""

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from connectors.errors import ConfigError

DELTA_COORDINATE = "io.delta:delta-spark_4.2_2.13:4.4.0"
# file name → SHA-256, as Maven Central serves them
DELTA_JARS: Mapping[str, str] = {
    "delta-kernel-api-4.4.0.jar": "ee9b5a14ac3b7efdff4d61a58478fe8eb0e5a3fbca43889dca7290795fe79a11",
    "delta-kernel-defaults-4.4.0.jar": "225c975199e4718b38ee5b7e6da7f19e9585024262b2cec2656b32151a856b0b",
    "delta-kernel-unitycatalog-4.4.0.jar": "cea22dfb4ac562b3cd27bf652697750e8336009d73fb06631363aaaad5345ffa",
    "delta-spark_4.2_2.13-4.4.0.jar": "27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead",
    "delta-storage-4.4.0.jar": "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc",
    "unitycatalog-client-0.6.0.jar": "48257499a86b801a3e2372cec55ac226ca1c1c7eabe5c118e7302f29a1fdbc19",
    "unitycatalog-hadoop-0.6.0.jar": "c47b63c961c87102b9e1d63809a0915ba4c86b7652f57c8d39ca3a05b441a150",
}
# what `hadoop-aws` of the Hadoop in PySpark pulls; nearly all of it is Amazon's SDK
S3_JARS: Mapping[str, str] = {
    "hadoop-aws-3.5.0.jar": "66bd9eefb938b1a1657487324b63c13df2d8b17164a1dd24e0ef37b905bc5baa",
    "bundle-2.35.4.jar": "db4b55f24ad1b4e70f17eb1717a4de76a8dadc5a27d764be7c44ff67b2c1c677",
    "analyticsaccelerator-s3-1.3.1.jar": "4959a9747cbb479c73c3ffbcd479bee5b014f8b2880994585a8693fb9d24675e",
    "wildfly-openssl-2.2.5.Final.jar": "71fb7932f99a727edb23c5a2cb8c6855ac7196fad41aa0669b3998e277165154",
}
JARS_VARIABLE = "LAKEBED_SPARK_JARS"
JARS_FIX = (
    "run `make setup` (or `python -m connectors.spark.fetch`), or let "
    f"{JARS_VARIABLE} name a folder that holds the jars of {DELTA_COORDINATE}"
)


@dataclass(frozen=True)
class JarSet:
    """Jars that are fetched, found and checked together.

    Attributes:
        name: on the command line.
        title: for messages.
        coordinate: of the Maven artifact that pulls them.
        jars: file name → SHA-256, as Maven Central serves them.
        n_bytes: what is downloaded, about.
        is_optional: whether sessions do without.
    """

    name: str
    title: str
    coordinate: str
    jars: Mapping[str, str]
    n_bytes: int
    is_optional: bool = True

    @property
    def fix(self) -> str:
        """What to do where they are missing."""
        if not self.is_optional:
            return JARS_FIX
        return (
            f"python -m connectors.spark.fetch {self.name} (about {self.n_bytes / 1e6:,.0f} MB); without a network let "
            f"{JARS_VARIABLE} name a folder that holds the jars of {self.coordinate}, beside Delta's"
        )


DELTA = JarSet("delta", "Delta's jars", DELTA_COORDINATE, DELTA_JARS, 13_000_000, is_optional=False)
S3 = JarSet(
    "s3",
    "Hadoop's S3 connector",
    "org.apache.hadoop:hadoop-aws:3.5.0",
    S3_JARS,
    690_000_000,
)
JAR_SETS: Mapping[str, JarSet] = {jar_set.name: jar_set for jar_set in (DELTA, S3)}


@dataclass(frozen=True)
class Jar:
    """One jar that was found: where, the SHA-256 of its bytes, and whether that is the pinned one."""

    name: str
    path: str
    sha256: str
    is_pinned: bool


def share_folder() -> Path:
    """Where set-up keeps what belongs to this Python environment: jars, the class-data archive, Prefect's database."""
    return Path(sys.prefix) / "share" / "lakebed"


def jars_folder(configured: str = "", jar_set: JarSet = DELTA) -> Path:
    """The folder of a set: the configured one, else `LAKEBED_SPARK_JARS`, else the one that fetching fills.

    An optional set that the first two lack is looked for in the last.
    """
    chosen = configured or os.environ.get(JARS_VARIABLE, "")
    own = share_folder() / ("jars" if jar_set is DELTA else f"jars-{jar_set.name}")
    if not chosen:
        return own
    folder = Path(chosen).expanduser().absolute()
    return own if jar_set.is_optional and not _has_all(folder, jar_set) else folder


def spark_home() -> Path:
    """The folder of the installed PySpark, which is a whole Spark; found without importing it."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise ConfigError("PySpark is not installed", value=sys.executable, hint="run `make setup`")
    return Path(spec.origin).parent


def class_path(jars: Sequence[Path], further: Sequence[Path] = ()) -> str:
    """The class path of a local JVM: Delta's jars, Spark's, and the folder of Hadoop's settings where there is one.

    Further jars come last: the class-data archive is of what stands before them.
    """
    parts = [*map(str, jars), str(spark_home() / "jars" / "*"), *map(str, further)]
    return os.pathsep.join(parts + [value for value in [os.environ.get("HADOOP_CONF_DIR")] if value])


def find_jars(configured: str = "", jar_set: JarSet = DELTA) -> list[Path]:
    """Paths of a set's jars in a fixed order; Maven's file names and Ivy's (`group_name.jar`) both count.

    Raises: ConfigError: if one is missing.
    """
    folder = jars_folder(configured, jar_set)
    found = {name: _find(folder, name) for name in jar_set.jars}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise ConfigError(
            f"{jar_set.title} are missing" if jar_set is DELTA else f"{jar_set.title} is missing",
            value=f"{folder} lacks {len(missing)} of {len(jar_set.jars)}",
            expected=f"the jars of {jar_set.coordinate}",
            hint=jar_set.fix,
            examples=missing,
        )
    return [path for path in found.values() if path is not None]


def further_jars(configured: str = "") -> list[Path]:
    """The jars of all optional sets that are there."""
    there = [one for one in JAR_SETS.values() if one.is_optional and is_there(configured, one)]
    return [path for jar_set in there for path in find_jars(configured, jar_set)]


def is_there(configured: str, jar_set: JarSet) -> bool:
    """Whether all jars of a set are found."""
    return _has_all(jars_folder(configured, jar_set), jar_set)


def inspect_jars(configured: str = "", jar_set: JarSet = DELTA) -> list[Jar]:
    """A set's jars with their digests.

    Raises: ConfigError: if one is missing.
    """
    paths = find_jars(configured, jar_set)
    digests = [_sha256(path) for path in paths]
    return [
        Jar(name, str(path), digest, digest == jar_set.jars[name])
        for name, path, digest in zip(jar_set.jars, paths, digests, strict=True)
    ]


def _has_all(folder: Path, jar_set: JarSet) -> bool:
    return all(_find(folder, name) for name in jar_set.jars)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _find(folder: Path, name: str) -> Path | None:
    if (folder / name).is_file():
        return folder / name
    return next(iter(sorted(folder.glob(f"*_{name}"))), None)
