"""A change is never missed: on a real server, statement by statement."""

import contextlib
import os
import signal
import threading
import time

import pytest

from lakebed.connectors.postgresql.identity import KnownState, Snapshot, _is_comparable, _nothing_since

TABLES = """
CREATE TABLE plain (id int PRIMARY KEY, v text); INSERT INTO plain SELECT i, 'v' || i FROM generate_series(1, 500) i;
CREATE TABLE other (id int);
CREATE TABLE parts (id int, d date) PARTITION BY RANGE (d);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE spare (id int, d date); INSERT INTO spare VALUES (9, '2025-05-05');
INSERT INTO parts VALUES (1, '2024-05-05');
CREATE TABLE same_shape (id int PRIMARY KEY, v text);
INSERT INTO same_shape SELECT i, 'w' || i FROM generate_series(1, 500) i;
CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE TABLE moods (m mood); INSERT INTO moods VALUES ('good');
CREATE TABLE guarded (id int, owner text); INSERT INTO guarded VALUES (1, 'reader'), (2, 'nobody');
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON guarded USING (owner = current_user);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""
GRANT = "; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"
CHANGES = [
    ("plain", "INSERT INTO plain VALUES (1000, 'new')"),
    ("plain", "DELETE FROM plain WHERE id = 7"),
    ("plain", "UPDATE plain SET v = 'changed' WHERE id = 7"),
    ("plain", "DELETE FROM plain WHERE id = 7; INSERT INTO plain VALUES (7, 'v7 ')"),
    ("plain", "TRUNCATE plain; INSERT INTO plain SELECT * FROM same_shape"),
    ("plain", "ALTER TABLE plain RENAME TO gone; ALTER TABLE same_shape RENAME TO plain"),
    ("plain", "ALTER TABLE plain ADD COLUMN w int DEFAULT 7"),
    ("plain", "ALTER TABLE plain ADD COLUMN w int DEFAULT 7; ALTER TABLE plain DROP COLUMN w; "
     "ALTER TABLE plain ADD COLUMN w int DEFAULT 8"),
    ("plain", "ALTER TABLE plain ALTER COLUMN v TYPE varchar(3) USING left(v, 3)"),
    ("plain", "BEGIN; SAVEPOINT a; UPDATE plain SET v = 'in a subtransaction' WHERE id = 8; RELEASE a; COMMIT"),
    ("plain", "BEGIN; DELETE FROM plain WHERE id = 8; INSERT INTO plain VALUES (8, 'x'); COMMIT; VACUUM FREEZE plain"),
    ("moods", "ALTER TYPE mood RENAME VALUE 'good' TO 'fine'"),
    ("parts", "ALTER TABLE parts DETACH PARTITION parts_1; "
     "ALTER TABLE parts ATTACH PARTITION spare FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"),
    ("guarded", "DROP POLICY own ON guarded; CREATE POLICY own ON guarded USING (owner <> current_user)"),
]  # fmt: skip
NO_CHANGES = [
    "INSERT INTO other VALUES (1)",
    "BEGIN; UPDATE plain SET v = v; ROLLBACK",
    "VACUUM FREEZE plain",
    "ANALYZE",
    "BEGIN; DELETE FROM plain; ROLLBACK; VACUUM plain",
]


@pytest.fixture
def known(place):
    """The database after every table was read once."""
    place.sql(TABLES)
    # a snapshot may see a transaction of the server's own that still runs: then tables count as changed once more
    for _ in range(10):
        known, tokens = place.states()
        if known == {name: name != "guarded" for name in known}:
            return place, tokens
    raise AssertionError(known)


@pytest.mark.heavy
@pytest.mark.parametrize(("table", "statement"), CHANGES, ids=[statement[:40] for _, statement in CHANGES])
def test_a_change_is_seen(known, table, statement):
    place, before = known
    place.sql(statement + GRANT)
    seen, tokens = place.states()
    assert not seen[table]
    assert tokens[table] != before[table]
    untouched = {"other", "moods", "parts"} - {table}
    if "TYPE" not in statement.split()[1]:
        assert {name: tokens[name] for name in untouched} == {name: before[name] for name in untouched}


@pytest.mark.heavy
def test_what_leaves_the_rows_alone_is_no_change(known):
    place, before = known
    for statement in NO_CHANGES:
        place.sql(statement)
        seen, tokens = place.states()
        assert {name for name in seen if tokens[name] != before[name]} <= {"other"}, statement


@pytest.mark.heavy
def test_a_commit_of_a_transaction_that_ran_at_the_snapshot_is_seen(place):
    place.sql(TABLES)
    begun, go_on = threading.Event(), threading.Event()

    def slow():
        begun.set()
        place.sql("BEGIN; UPDATE plain SET v = 'late' WHERE id = 3; SELECT pg_advisory_lock(1); COMMIT")

    lock = threading.Thread(target=lambda: place.sql("SELECT pg_advisory_lock(1); SELECT pg_sleep(4)"))
    lock.start()
    while place.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") != "1":
        go_on.wait(0.05)
    writer = threading.Thread(target=slow)
    writer.start()
    while place.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") != "1":
        go_on.wait(0.05)
    _, before = place.states()
    writer.join()
    lock.join()
    seen, tokens = place.states()
    assert not seen["plain"]
    assert tokens["plain"] != before["plain"]
    assert place.states()[0]["plain"]


@pytest.mark.heavy
def test_after_a_restart_only_content_tells(known):
    place, before = known
    by_content = place.states(identity="content")[1]
    place.server.stop("fast")
    place.server.start()
    seen, tokens = place.states()
    assert not any(seen.values())
    assert all(tokens[name] != before[name] for name in tokens if name != "guarded")
    assert place.states(identity="content")[1] == by_content
    assert place.states(is_paranoid=True)[1] == by_content
    place.sql("UPDATE plain SET v = 'changed' WHERE id = 7")
    changed = place.states(identity="content")[1]
    assert {name for name in changed if changed[name] != by_content[name]} == {"plain"}


@pytest.mark.heavy
def test_a_crash_that_the_server_survives_is_seen(known):
    place, _ = known
    started = place.sql("SELECT pg_postmaster_start_time()")

    def sleep():
        with contextlib.suppress(AssertionError):
            place.sql("SELECT pg_sleep(60)")

    sleeper = threading.Thread(target=sleep)
    sleeper.start()
    query = "SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
    while not (pid := place.sql(query)):
        time.sleep(0.05)
    os.kill(int(pid), signal.SIGKILL)
    sleeper.join()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(AssertionError):
            place.sql("SELECT 1")
            break
        time.sleep(0.2)
    assert place.sql("SELECT pg_postmaster_start_time()") == started
    seen, _ = place.states()
    assert not any(seen.values())


def state(snapshot):
    return KnownState.model_validate({"token": "t", "state": "s", "snapshot": snapshot, "n_rows": 1})


@pytest.mark.parametrize(
    ("then", "now", "is_quiet"),
    [
        ("10:10:", "10:10:", True),
        ("10:10:", "10:11:10", False),
        ("10:10:", "11:11:", False),
        ("10:12:10", "10:12:10", False),
        ("10:12:", "10:12:", False),
    ],
)
def test_only_where_no_number_was_given_out_is_nothing_scanned(then, now, is_quiet):
    assert _nothing_since(state(then), {"snapshot": now}) == is_quiet


def test_numbers_are_compared_within_half_their_circle_only():
    assert _is_comparable(state("5:5:"), {"snapshot": f"{2**31 + 4}:{2**31 + 4}:"})
    assert not _is_comparable(state("5:5:"), {"snapshot": f"{2**31 + 5}:{2**31 + 5}:"})
    assert not _is_comparable(state("5:5:"), {"snapshot": "4:4:"})
    assert Snapshot.of("7:9:7,8") == Snapshot(7, 9, is_quiet=False)
