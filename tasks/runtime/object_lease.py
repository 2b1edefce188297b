"""The lease on an artifact root of an object store: `lease.json`, which only conditional puts ever change.

It is taken by a put that needs the object to be missing, or to be still the one that was seen to be free: given up,
held by a process of this machine that has ended, or without a sign of life for `EXPIRY_S`. Of two that try, the store
lets one through. The holder's sign of life is a put every `BEAT_S` by a process of its own (`lease_keeper.py`).

Ages are differences of two times of the store's clock, never of two machines': an object is put to learn the store's
time, which is told in whole seconds. A store of several nodes must keep these within `EXPIRY_S - REACT_S` of each
other. Who cannot renew for `REACT_S` stops publishing, long before anybody else may take the lease.
"""

import json
import secrets
import subprocess
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from lakebed.connectors.conditional import ConditionalObjects, ObjectVersion, StoredObject
from lakebed.connectors.errors import LeaseError
from lakebed.connectors.storage import join_uri
from lakebed.tasks.runtime.holder import LEASE, Holder, refusal
from lakebed.tasks.runtime.lease_keeper import keeper_command

BEAT_S = 15
REACT_S = 60
EXPIRY_S = 120
_GIVE_UP_TIMEOUT_S = 30


@dataclass(frozen=True)
class LeaseState:
    """What `lease.json` says: who took it last, whether it was given up, and a word that no other put has."""

    holder: Holder
    is_given_up: bool
    word: str
    is_free: bool = False

    def encoded(self) -> bytes:
        """As it is stored."""
        facts = asdict(self.holder) | {"is_given_up": self.is_given_up, "word": self.word}
        return json.dumps(facts).encode()

    @classmethod
    def decoded(cls, data: bytes) -> "LeaseState":
        """As it was stored."""
        facts = json.loads(data)
        return cls(Holder.of(facts), bool(facts["is_given_up"]), str(facts["word"]))


class ObjectLease:
    """The lease of one holder."""

    def __init__(self, root: str, holder: Holder) -> None:
        self._root, self._holder = root, holder
        self._keeper: subprocess.Popen[bytes] | None = None

    def take(self) -> None:
        """Takes it, and starts what keeps it.

        Raises:
            LeaseError: if another holds it, or the store ignores conditions.
            ArtifactError: if the store cannot be written.
        """
        objects = ConditionalObjects(self._root)
        state = LeaseState(self._holder, is_given_up=False, word=secrets.token_hex(8))
        version = objects.create(LEASE, state.encoded()) or self._take_over(objects, state)
        self._require_conditions(objects, state)
        self._keeper = _start_keeper(self._root, state, version)

    def give_up(self) -> None:
        """Lets go; the keeper writes that it is free."""
        keeper, self._keeper = self._keeper, None
        if keeper is None or keeper.stdin is None:
            return
        keeper.stdin.close()
        try:
            keeper.wait(_GIVE_UP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()

    def require(self) -> None:
        """Says no once the keeper has ended: it could not renew, or another run has taken over.

        Raises:
            LeaseError: then nothing more may be published.
        """
        if self._keeper is not None and self._keeper.poll() is not None:
            found = read_object_lease(self._root)
            raise LeaseError(
                "this run has lost its lease on the artifact root; nothing more was published",
                value=str(found.holder) if found else join_uri(self._root, LEASE),
                expected=f"a sign of life to the store at least every {REACT_S} s",
                hint="run the same command again once the other run has ended: finished stages are kept",
            )

    def _take_over(self, objects: ConditionalObjects, state: LeaseState) -> ObjectVersion:
        found = objects.read(LEASE)
        if found is None:
            version = objects.create(LEASE, state.encoded())
        else:
            _require_free(objects, found)
            version = objects.replace(LEASE, state.encoded(), found.version)
        if version is None:
            winner = read_object_lease(self._root)
            raise refusal(str(winner.holder) if winner else join_uri(self._root, LEASE))
        return version

    def _require_conditions(self, objects: ConditionalObjects, state: LeaseState) -> None:
        """A store that makes an object which is there ignores conditions, and two runs would both be let in."""
        other = replace(state, is_given_up=True, word=secrets.token_hex(8))
        if objects.create(LEASE, other.encoded()) is not None:
            raise LeaseError(
                "this object store ignores conditions: two runs at once could not be told apart",
                value=self._root,
                expected="a store that refuses a put with `If-None-Match: *` where an object is",
                hint="use another store, or a local artifact root; see docs/object-stores.md",
            )


def read_object_lease(root: str) -> LeaseState | None:
    """What the lease on a root says now; None where nobody ever took it."""
    objects = ConditionalObjects(root)
    found = objects.read(LEASE)
    if found is None:
        return None
    state = _decoded(found)
    if state is None:
        return None
    return replace(state, is_free=_is_free(state) or _age(objects, found) > timedelta(seconds=EXPIRY_S))


def is_given_up(root: str) -> bool:
    """Whether its holder has given it up or has certainly ended; writes nothing, so its age stays unknown."""
    found = ConditionalObjects(root).read(LEASE)
    state = _decoded(found) if found else None
    return state is not None and _is_free(state)


def _require_free(objects: ConditionalObjects, found: StoredObject) -> None:
    state = _decoded(found)
    if state is not None and _is_free(state):
        return
    age = _age(objects, found)
    if age > timedelta(seconds=EXPIRY_S):
        return
    said = f" (its last sign of life came {age.total_seconds():.0f} s ago; after {EXPIRY_S} s it counts as dead)"
    raise refusal(str(state.holder) if state else join_uri(objects.root, LEASE), said)


def _is_free(state: LeaseState) -> bool:
    return state.is_given_up or state.holder.is_gone


def _age(objects: ConditionalObjects, found: StoredObject) -> timedelta:
    return objects.now() - found.changed_at


def _decoded(found: StoredObject) -> LeaseState | None:
    """None where something else lies there, which then counts as held until it is old."""
    try:
        return LeaseState.decoded(found.data)
    except (ValueError, KeyError, TypeError):
        return None


def _start_keeper(root: str, state: LeaseState, version: ObjectVersion) -> "subprocess.Popen[bytes]":
    """A session of its own: Ctrl-C is for the run, which then gives the lease up in order."""
    command, environment = keeper_command()
    told = {
        "root": root,
        "state": state.encoded().decode(),
        "version": asdict(version),
        "beat_s": BEAT_S,
        "react_s": REACT_S,
    }
    keeper = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, start_new_session=True
    )
    assert keeper.stdin is not None  # noqa: S101 - for the type checker: a pipe was asked for
    keeper.stdin.write(json.dumps(told).encode() + b"\n")
    keeper.stdin.flush()
    return keeper
