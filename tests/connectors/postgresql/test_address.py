"""A JDBC URL means the same to the listing as to Spark's readers, or is refused."""

import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.postgresql.client import connection_address

PLAIN = "?sslmode=prefer&target_session_attrs=any"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("jdbc:postgresql://db.example:5433/shop", f"postgresql://db.example:5433/shop{PLAIN}"),
        ("jdbc:postgresql://db.example/shop", f"postgresql://db.example:5432/shop{PLAIN}"),
        ("jdbc:postgresql://a:1,b/shop", f"postgresql://a:1,b:5432/shop{PLAIN}"),
        ("jdbc:postgresql://[::1]/shop", f"postgresql://[::1]:5432/shop{PLAIN}"),
        ("jdbc:postgresql:shop", f"postgresql://localhost:5432/shop{PLAIN}"),
        ("jdbc:postgresql:/", f"postgresql://localhost:5432/a%2Frole{PLAIN}"),
        ("jdbc:postgresql://h:1/d%20b?fetchsize=9&currentSchema=x&loginTimeout=3", f"postgresql://h:1/d%20b{PLAIN}"),
        ("jdbc:postgresql://h:1/d?gssEncMode=disable&sslResponseTimeout=9", f"postgresql://h:1/d{PLAIN}"),
    ],
)
def test_host_and_database(url, expected):
    assert connection_address(url, "a/role") == expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ("ssl=true", "sslmode=verify-full&target_session_attrs=any"),
        ("ssl=true&sslmode=verify-ca", "sslmode=verify-ca&target_session_attrs=any"),
        ("ssl=true&sslfactory=org.postgresql.ssl.NonValidatingFactory", "sslmode=require&target_session_attrs=any"),
        ("targetServerType=preferSlave", "sslmode=prefer&target_session_attrs=prefer-standby"),
        ("targetServerType=preferPrimary", "sslmode=prefer&target_session_attrs=any"),
        ("options=-c%20geqo%3Doff", "sslmode=prefer&target_session_attrs=any&options=-c%20geqo%3Doff"),
        ("sslmode=require&sslkey=/k/a.pem", "sslmode=require&target_session_attrs=any&sslkey=%2Fk%2Fa.pem"),
        ("kerberosServerName=pg", "sslmode=prefer&target_session_attrs=any&krbsrvname=pg"),
    ],
)
def test_properties_of_jdbc(properties, expected):
    assert connection_address(f"jdbc:postgresql://h:1/d?{properties}", "r") == f"postgresql://h:1/d?{expected}"


@pytest.mark.parametrize(
    "unusable",
    ["sslfactory=com.example.Own", "gssEncMode=require", "channelBinding=require", "sslkey=/k/client.pk8",
     "authenticationPluginClassName=com.example.Iam", "requireAuth=scram-sha-256"],
)  # fmt: skip
def test_no_way_to_be_safe_is_dropped_in_silence(unusable):
    with pytest.raises(SourceError, match="cannot be used to list") as caught:
        connection_address(f"jdbc:postgresql://h/d?{unusable}", "r")
    assert caught.value.value == unusable
