from lakebed.connectors.spark.names import quoted


def test_each_part_stays_one_name():
    assert quoted("a") == "`a`"
    assert quoted("my db", "a.b`c") == "`my db`.`a.b``c`"
