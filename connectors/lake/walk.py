"""The files of a lake's local folder: each once, by its own path where it has one there, whatever links lead to it."""

import os
import stat
from dataclasses import dataclass, field, replace

from lakebed.connectors.errors import ConfigError, LakeError, SourceError
from lakebed.connectors.lake.hidden import is_visible
from lakebed.connectors.lake.managed import SIGN_FOLDERS, SINK_LOG, Managed, is_sign_file, owner_above
from lakebed.connectors.lake.model import FileEntry, Unreadable


def walk_local(root: str) -> tuple[list[FileEntry], list[Unreadable], dict[str, str]]:
    """The files below a local root, folders and files that cannot be looked at, and where links lead to in it.

    Raises:
        ConfigError: if the root does not exist, or is a file.
        SourceError: if it may not be read.
    """
    _check_root(root)
    walk = _Walk([(root, "")], {_root_identity(root)})
    while walk.folders or walk.follow():
        folder, prefix = walk.folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    walk.visit(entry, prefix)
        except OSError as error:
            if not prefix:
                raise _root_error(root, error) from error
            walk.problems.append(problem_of(prefix.rstrip("/"), error))
    above = os.path.join(os.path.realpath(root), "")
    links = {path: real.removeprefix(above) for path, real in walk.links.items() if real.startswith(above)}
    return walk.files, walk.problems, links


@dataclass
class _Walk:
    """A walk through local folders: those to look into, with their paths below the root, and what was found.

    A folder reached twice by links is walked once, by its own path where that is in the lake: links to folders wait for
    all others, and a folder that a link led to gets another path where one that holds it is reached later; `led` has
    the paths of such. Links are noted, hidden ones too, each with the path that it leads to. Of other hidden files and
    folders those that tell a managed table are noted, folders with a slash at their end.
    """

    folders: list[tuple[str, str]]
    seen: set[tuple[int, int]]
    files: list[FileEntry] = field(default_factory=list)
    problems: list[Unreadable] = field(default_factory=list)
    owners: dict[str, Managed | None] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    waiting: list[tuple[str, str, tuple[int, int]]] = field(default_factory=list)
    led: dict[tuple[int, int], str] = field(default_factory=dict)

    def visit(self, entry: os.DirEntry[str], prefix: str) -> None:
        """Adds one entry of a folder."""
        path = prefix + entry.name
        try:
            if not _is_text(path):
                raise OSError("the name is not valid UTF-8, rename it")
            facts = entry.stat()
            if entry.is_symlink():
                self.links[path] = os.path.realpath(entry.path)
            is_folder = stat.S_ISDIR(facts.st_mode)
            is_open = is_visible(f"{path}/x" if is_folder else path)
            if is_open and entry.is_symlink() and (owner := self._owner(entry)) is not None:
                self.problems.append(owner.as_link(path))
            elif is_folder and is_open and entry.is_symlink():
                self.waiting.append((entry.path, f"{path}/", _identity(facts)))
            elif is_folder and (is_open or entry.name == SINK_LOG) and _identity(facts) not in self.seen:
                self.seen.add(_identity(facts))
                self.folders.append((entry.path, f"{path}/"))
            elif is_folder and is_open and not path.startswith(was := self.led.get(_identity(facts), path)):
                self._call(was, f"{path}/")
                del self.led[_identity(facts)]
            elif is_folder and entry.name in SIGN_FOLDERS:
                self.files.append(FileEntry(f"{path}/", 0, facts.st_mtime_ns))
            elif stat.S_ISREG(facts.st_mode) and (
                is_open or is_sign_file(entry.name) or prefix.endswith(f"{SINK_LOG}/")
            ):
                self.files.append(FileEntry(path, facts.st_size, facts.st_mtime_ns))
        except OSError as error:
            self.problems.append(problem_of(path, error))

    def follow(self) -> bool:
        """Whether a link leads to a folder that was not looked into; the first by name is next."""
        self.waiting.sort(reverse=True)
        while self.waiting and not self.folders:
            folder, prefix, identity = self.waiting.pop()
            if identity not in self.seen:
                self.seen.add(identity)
                self.led[identity] = prefix
                self.folders.append((folder, prefix))
        return bool(self.folders)

    def _call(self, was: str, prefix: str) -> None:
        """Gives what was found below a link the paths that it has in a folder which was reached later."""

        def path(one: str) -> str:
            return prefix + one.removeprefix(was) if one.startswith(was) else one

        self.files = [replace(file, path=path(file.path)) for file in self.files]
        self.problems = [replace(problem, name=path(f"{problem.name}/")[:-1]) for problem in self.problems]
        self.links = {path(link): real for link, real in self.links.items()}
        self.waiting = [(folder, path(under), identity) for folder, under, identity in self.waiting]
        self.led = {identity: path(under) for identity, under in self.led.items()}

    def _owner(self, link: os.DirEntry[str]) -> Managed | None:
        """The managed table into which a link leads."""
        target = os.path.realpath(link.path)
        place = f"{target}/x" if os.path.isdir(target) else target
        folder = os.path.dirname(place)
        if folder not in self.owners:
            self.owners[folder] = owner_above(place)
        return self.owners[folder]


def _check_root(root: str) -> None:
    if not os.path.lexists(root):
        raise ConfigError(
            "the lake does not exist",
            value=root,
            expected="a folder, or an object store's address such as s3://bucket/prefix",
            hint="check `--lake` or `root` in the lake section of the config",
        )
    if os.path.isfile(root):
        raise ConfigError(
            "the lake is a file, not a folder",
            value=root,
            expected="the folder that holds the tables",
            hint=f"lakebed run --lake {os.path.dirname(root) or '.'}",
        )


def _root_identity(root: str) -> tuple[int, int]:
    """Raises: SourceError: if the root is a link to nowhere, or in a circle."""
    try:
        return _identity(os.stat(root))
    except OSError as error:
        raise _root_error(root, error) from error


def _root_error(root: str, error: OSError) -> LakeError:
    return SourceError(
        f"the lake cannot be listed: {error.strerror or error}",
        value=root,
        expected="a folder that this user may read",
        hint="give this user the right to read it, or choose another folder",
    )


def problem_of(path: str, error: OSError) -> Unreadable:
    """What is listed of a file or folder that the system refuses."""
    name = path.encode("utf-8", "backslashreplace").decode("utf-8")
    return Unreadable(name, "", error.strerror or str(error), "give this user the right to read it, or exclude it")


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino
