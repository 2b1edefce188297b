import shutil

from lakebed.connectors.places import CACHE_VARIABLE
from lakebed.connectors.spark.archive import archive_flags, archive_path, is_usable
from lakebed.connectors.spark.jars import find_jars
from lakebed.connectors.spark.java import Java, find_java


def test_the_archive_of_set_up_is_accepted_by_the_jvm():
    assert is_usable(find_java(), find_jars())


def test_another_java_or_other_jars_have_another_archive(tmp_path):
    java, jars = find_java(), find_jars()
    copy = tmp_path / jars[0].name
    shutil.copyfile(jars[0], copy)
    paths = {
        archive_path(java, jars),
        archive_path(java, [copy, *jars[1:]]),
        archive_path(Java(java.path, 21, "21"), jars),
    }
    assert len(paths) == 3
    assert archive_flags(java, [copy, *jars[1:]]) == []


def test_a_damaged_archive_is_not_usable_and_does_no_harm(tmp_path, monkeypatch):
    java, jars = find_java(), find_jars()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    path = archive_path(java, jars)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not an archive")
    assert not is_usable(java, jars)
    assert archive_flags(java, jars)[0].endswith(str(path))
