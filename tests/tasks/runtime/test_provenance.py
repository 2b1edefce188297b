import subprocess

import pytest

from lakebed.tasks.runtime.provenance import caller_ids, commit_of, package_versions, seeds_of, tell_caller


def git(*arguments, folder):
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    git("init", "-q", "-b", "main", folder=folder)
    git("commit", "-q", "--allow-empty", "-m", "one", folder=folder)
    return folder


def test_the_commit_of_a_checkout_however_git_keeps_it(repository, tmp_path):
    wanted = git("rev-parse", "HEAD", folder=repository)
    assert len(wanted) == 40 and commit_of(repository / ".git") == wanted
    git("pack-refs", "--all", folder=repository)
    assert commit_of(repository / ".git") == wanted
    git("worktree", "add", "-q", "-b", "feature/x", str(tmp_path / "tree"), folder=repository)
    assert commit_of(tmp_path / "tree" / ".git") == wanted
    git("commit", "-q", "--allow-empty", "-m", "two", folder=tmp_path / "tree")
    assert commit_of(tmp_path / "tree" / ".git") == git("rev-parse", "feature/x", folder=repository) != wanted
    git("checkout", "-q", "--detach", folder=repository)
    assert commit_of(repository / ".git") == wanted


def test_where_there_is_no_checkout(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        commit_of(tmp_path / ".git")


def test_seeds_by_their_keys():
    config = {"a": {"seed": 3, "b": {"split_seed": 4}}, "seed": 5, "seeds": 6, "x": {"seed": "no number"}}
    assert seeds_of(config) == {"a.seed": 3, "a.b.split_seed": 4, "seed": 5}


def test_versions_of_what_a_stage_uses():
    assert "hnswlib" not in package_versions() and "lakebed" in package_versions()
    assert "hnswlib" in package_versions(["hnswlib"])


def test_ids_are_those_that_the_caller_tells():
    assert caller_ids() == {}
    try:
        tell_caller(lambda: {"task_run_id": "t1"})
        assert caller_ids() == {"task_run_id": "t1"}
    finally:
        tell_caller(dict)
