"""Delta's jars: which seven, where they lie, and whether they are the right ones; and further sets, by name.

Delta's Maven artifact pulls 33 jars; Spark already brings all but these seven. Further sets are fetched when somebody
asks for them.
"""

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.places import share_folder

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
JARS_VARIABLE = "LAKEBED_SPARK_JARS"
JARS_FIX = (
    "run `python -m lakebed.connectors.spark.fetch` (in a checkout `make setup`), or let "
    f"{JARS_VARIABLE} name a folder that holds the jars of {DELTA_COORDINATE}"
)


@dataclass(frozen=True)
class JarSet:
    """Further jars, fetched on demand: `python -m lakebed.connectors.spark.fetch NAME`.

    Attributes:
        name: of the set, and of its folder beside that of Delta's jars.
        coordinate: what Maven calls them.
        jars: file name → SHA-256, as Maven Central serves them.
        n_bytes: of all of them, about.
    """

    name: str
    coordinate: str
    jars: Mapping[str, str]
    n_bytes: int = 0

    @property
    def fix(self) -> str:
        """How to get them."""
        size = f" ({self.n_bytes / 1e6:,.0f} MB)" if self.n_bytes else ""
        command = f"python -m lakebed.connectors.spark.fetch {self.name}"
        return f"{command}{size}, or put them into the folder of {JARS_VARIABLE}"


DELTA_SET = JarSet("jars", DELTA_COORDINATE, DELTA_JARS, 13_000_000)
POSTGRESQL_JARS = JarSet(
    "postgresql",
    "org.postgresql:postgresql:42.7.10",
    {"postgresql-42.7.10.jar": "cab1cd67cfa25c25de4348e532298028288a877ba01c77d1619fe45416193387"},
)
# Hadoop's connector, of the Hadoop in PySpark, and what it pulls: nearly all of it is Amazon's SDK
S3_JARS = JarSet(
    "s3",
    "org.apache.hadoop:hadoop-aws:3.5.0",
    {
        "hadoop-aws-3.5.0.jar": "66bd9eefb938b1a1657487324b63c13df2d8b17164a1dd24e0ef37b905bc5baa",
        "bundle-2.35.4.jar": "db4b55f24ad1b4e70f17eb1717a4de76a8dadc5a27d764be7c44ff67b2c1c677",
        "analyticsaccelerator-s3-1.3.1.jar": "4959a9747cbb479c73c3ffbcd479bee5b014f8b2880994585a8693fb9d24675e",
        "wildfly-openssl-2.2.5.Final.jar": "71fb7932f99a727edb23c5a2cb8c6855ac7196fad41aa0669b3998e277165154",
    },
    690_000_000,
)
JAR_SETS = {one.name: one for one in (DELTA_SET, POSTGRESQL_JARS, S3_JARS)}


@dataclass(frozen=True)
class Jar:
    """One jar that was found: where, the SHA-256 of its bytes, and whether that is the pinned one."""

    name: str
    path: str
    sha256: str
    is_pinned: bool


def jars_folder(configured: str = "") -> Path:
    """The folder of Delta's jars: the configured one, else `LAKEBED_SPARK_JARS`, else the one that is filled once."""
    chosen = configured or os.environ.get(JARS_VARIABLE, "")
    return Path(chosen).expanduser().absolute() if chosen else share_folder() / DELTA_SET.name


def are_wanting(configured: str = "") -> bool:
    """Whether Delta's jars are still to be fetched: nobody has named a folder, and the one of `fetch` lacks some."""
    if configured or os.environ.get(JARS_VARIABLE):
        return False
    return any(_find(jars_folder(), name) is None for name in DELTA_JARS)


def spark_home() -> Path:
    """The folder of the installed PySpark, which is a whole Spark; found without importing it."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "PySpark is not installed",
            value=sys.executable,
            hint="install lakebed with its dependencies: `pip install` its wheel",
        )
    return Path(spec.origin).parent


def class_path(jars: Sequence[Path], further: Sequence[Path] = ()) -> str:
    """The class path of a local JVM: Delta's jars, Spark's, and the folder of Hadoop's settings where there is one.

    Further jars come behind Spark's: the class-data archive is of what stands before them.
    """
    parts = [*map(str, jars), str(spark_home() / "jars" / "*"), *map(str, further)]
    return os.pathsep.join(parts + [value for value in [os.environ.get("HADOOP_CONF_DIR")] if value])


def find_jars(configured: str = "") -> list[Path]:
    """Paths of the seven jars in a fixed order; Maven's file names and Ivy's (`group_name.jar`) both count.

    Raises: ConfigError: if one is missing.
    """
    folder = jars_folder(configured)
    found = {name: _find(folder, name) for name in DELTA_JARS}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise ConfigError(
            "Delta's jars are missing",
            value=f"{folder} lacks {len(missing)} of {len(DELTA_JARS)}",
            expected=f"the jars of {DELTA_COORDINATE}",
            hint=JARS_FIX,
            examples=missing,
        )
    return [path for path in found.values() if path is not None]


def jar_set(name: str) -> JarSet:
    """The set of that name.

    Raises: ConfigError: if there is none.
    """
    if name not in JAR_SETS:
        raise ConfigError("no such set of jars", value=name, expected=f"one of {', '.join(JAR_SETS)}")
    return JAR_SETS[name]


def find_set(wanted: JarSet) -> list[Path]:
    """Paths of the jars of a set: in the folder that `LAKEBED_SPARK_JARS` names, else where they were fetched to.

    Raises: ConfigError: if one is missing.
    """
    chosen = os.environ.get(JARS_VARIABLE, "")
    folders = [*([Path(chosen).expanduser().absolute()] if chosen else []), share_folder() / wanted.name]
    found = {name: next(filter(None, (_find(folder, name) for folder in folders)), None) for name in wanted.jars}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise ConfigError(
            f"the jars of {wanted.coordinate} are missing",
            value=f"{' and '.join(map(str, folders))} lack {len(missing)} of {len(wanted.jars)}",
            expected=", ".join(wanted.jars),
            hint=wanted.fix,
        )
    return [path for path in found.values() if path is not None]


def s3_jars() -> list[Path]:
    """Hadoop's S3 connector where it was fetched, else nothing: sessions without an object store do without."""
    try:
        return find_set(S3_JARS)
    except ConfigError:
        return []


def inspect_jars(configured: str = "") -> list[Jar]:
    """The seven jars with their digests.

    Raises: ConfigError: if one is missing.
    """
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in find_jars(configured)]
    return [
        Jar(name, str(path), digest, digest == DELTA_JARS[name])
        for name, path, digest in zip(DELTA_JARS, find_jars(configured), digests, strict=True)
    ]


def _find(folder: Path, name: str) -> Path | None:
    if (folder / name).is_file():
        return folder / name
    return next(iter(sorted(folder.glob(f"*_{name}"))), None)
