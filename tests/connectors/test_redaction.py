import json
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.config import load_config
from lakebed.connectors.errors import ConfigError, LakeError
from lakebed.connectors.redaction import (
    HIDDEN,
    forget_secrets,
    has_credentials,
    is_secret_name,
    redacted,
    redacted_value,
    remember_secrets,
    secret_variables,
)

# what passwords look like in URLs and files; long enough not to be a part of the text around them
SECRETS = st.text(string.ascii_letters + string.digits + "-_.~%+!", min_size=8, max_size=40).filter(
    lambda text: text[0] != "-" and text.lower() not in "password secret token bearer"
)
WORDS = st.text(string.ascii_letters + string.digits + " /._-\n", max_size=30)

PLACES = (
    "postgresql://reader:{}@db.example:5432/shop",
    "jdbc:postgresql://db/shop?user=reader&password={}",
    "jdbc:sqlserver://db;user=reader;password={};encrypt=true",
    "jdbc:oracle:thin:reader/{}@db:1521:shop",
    "s3://AKIDKEY:{}@bucket/lake",
    "https://{}@example.com/repository.git",
    "https://account.blob.core.windows.net/c?sv=2024-01-01&sig={}&se=2027",
    "https://bucket.s3.amazonaws.com/x?X-Amz-Signature={}&x=1",
    "AccountName=a;AccountKey={};EndpointSuffix=core.windows.net",
    "spark.hadoop.fs.s3a.secret.key={}",
    "fs.azure.account.key.acc.dfs.core.windows.net: {}",
    "aws_secret_access_key = {}",
    "SHOP_PASSWORD={} lakebed run",
    "lakebed run --db-password {} --to index",
    "Authorization: Bearer {}",
    "{{'password': '{}', 'user': 'x'}}",
    '{{"client_secret": "{}"}}',
    "session token={}",
)


@pytest.fixture(autouse=True)
def _nothing_told():
    forget_secrets()
    yield
    forget_secrets()


@pytest.mark.parametrize("place", PLACES)
@given(secret=SECRETS, before=WORDS, after=WORDS)
def test_a_secret_in_its_usual_places_is_hidden(place, secret, before, after):
    text = redacted(f"{before} {place.format(secret)} {after}")
    assert secret not in text.replace(before, "").replace(after, "")
    assert HIDDEN in text


@pytest.mark.parametrize(
    "text",
    [
        "AKIAABCDEFGHIJKLMNOP",
        "ASIAABCDEFGHIJKLMNOP",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijkl",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\ncut off MIIEow",
    ],
)
def test_what_is_a_secret_by_its_form_is_hidden(text):
    assert redacted(f"x {text} y").replace("x", "").split()[0].startswith(HIDDEN)


@pytest.mark.parametrize(
    "text",
    [
        "stage containment: key c8d602c61f33, digest 4e1bb0d6abba",
        "join on key=order_id, primary_key=id, foreign_key=customer",
        "abfss://container@account.dfs.core.windows.net/lake",
        "http://localhost:4200/api and http://host:80/a@b",
        "read s3://bucket/lake/passwords.csv: 3 rows",
        "the tables tokens, secrets and keys",
        "column passwords of customers",
        "lakebed run --lake /data/lake --artifacts /data/lakebed",
        "AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/token",
        "seconds: 3.5; bytes=100",
        "mail to somebody@example.com",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


@given(secret=st.text(min_size=8, max_size=30).filter(lambda text: text.strip() == text and "\0" not in text))
def test_values_of_secret_variables_are_hidden_in_every_spelling(secret):
    with pytest.MonkeyPatch.context() as patch:
        if any(0xD800 <= ord(char) <= 0xDFFF for char in secret):
            return
        patch.setenv("SHOP_DB_PASSWORD", secret)
        for text in (secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret)):
            assert secret not in redacted(f"it said {text}.")


def test_variables_that_hold_secrets():
    environment = {
        "SHOP_PASSWORD": "12345678",
        "AWS_SECRET_ACCESS_KEY": "12345678",
        "GITHUB_TOKEN": "12345678",
        "OPENLINEAGE_API_KEY": "12345678",
        "LAKEBED_CONTAINMENT__HASH_KEY": "12345678",
        "AZURE_STORAGE_SAS": "12345678",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/a/path/of/it",
        "GOOGLE_APPLICATION_CREDENTIALS_FILE": "/a/path/of/it",
        "PWD": "/a/path/of/it",
        "SHORT_KEY": "1",
        "HOME": "/home/of/it",
        "KEYBOARD": "qwertyuiop",
    }
    named = {"SHOP_PASSWORD", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "OPENLINEAGE_API_KEY"}
    named |= {"LAKEBED_CONTAINMENT__HASH_KEY", "AZURE_STORAGE_SAS"}
    assert secret_variables(environment).keys() == named


def test_settings_under_a_secrets_name_are_hidden_there_and_everywhere_else():
    settings = {
        "spark": {"conf": {"spark.hadoop.fs.s3a.secret.key": "planted-one", "spark.master": "local"}},
        "lake": {"root": "/data"},
        "key": "c8d602",
        "command": ["lakebed", "--api-key", "planted-two", "--password=planted-three", "run"],
    }
    hidden = redacted_value(settings)
    assert hidden["spark"]["conf"] == {"spark.hadoop.fs.s3a.secret.key": HIDDEN, "spark.master": "local"}
    assert (hidden["key"], hidden["lake"]) == ("c8d602", {"root": "/data"})
    assert hidden["command"] == ["lakebed", "--api-key", HIDDEN, f"--password={HIDDEN}", "run"]
    assert "planted-one" in redacted("Spark said: planted-one is wrong")
    remember_secrets(settings)
    assert "planted-one" not in redacted("Spark said: planted-one is wrong")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=10,
    )
)
def test_any_json_stays_json_of_the_same_shape(value):
    hidden = redacted_value(value)
    assert json.loads(json.dumps(hidden)) == hidden or isinstance(value, float)
    assert type(hidden) is type(value)
    assert redacted_value(hidden) == hidden


@pytest.mark.parametrize(
    "name",
    ["key", "hash_digest", "token_file", "keys", "password_file", "password_env", "password_block", "seed", "tokens"],
)
def test_names_that_hold_no_secret(name):
    assert not is_secret_name(name)


def test_errors_show_no_secret():
    error = LakeError(
        "cannot connect to jdbc:postgresql://u:hunter2-w@h/d",
        value="s3://k:hunter2-x@b/l",
        expected="password=hunter2-y",
        hint="--token hunter2-z",
        examples=["postgresql://u:hunter2-v@h"],
    )
    assert "hunter2" not in str(error)
    assert "hunter2" not in json.dumps(error.as_dict())
    assert "cannot connect to" in str(error)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lake", {"root": "s3://AKIDKEY:hunter2-w@bucket/lake"}),
        ("artifacts", "s3://AKIDKEY:hunter2-w@bucket/artifacts"),
        ("quarantine", {"folder": "s3://AKIDKEY:hunter2-w@bucket/q"}),
        ("lineage", {"url": "https://host/api?api_key=hunter2-w"}),
    ],
)
def test_addresses_with_a_password_are_refused_without_telling_it(key, value, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_config(None, {"lake": {"root": "lake"}, key: value})
    assert "hunter2" not in str(caught.value)
    assert "environment" in str(caught.value)


def test_addresses_without_one_pass():
    assert not has_credentials("abfss://container@account.dfs.core.windows.net/lake")
    assert not has_credentials("s3://bucket/lake")


@pytest.mark.parametrize(
    "unit",
    ["password", "password=", "a", "-", "--token-", "a://b:", "://", "-----BEGIN PRIVATE KEY-----", "_token", "="],
)
def test_no_text_is_slow(unit):
    text = unit * (200_000 // len(unit))
    started = time.perf_counter()
    redacted(text)
    assert time.perf_counter() - started < 10


def test_short_texts_are_searched_too():
    assert redacted("Bearer hunter2pass") == f"Bearer {HIDDEN}"
    assert redacted_value({"columns": ["customer_id", "Bearer hunter2pass"]}) == {
        "columns": ["customer_id", f"Bearer {HIDDEN}"]
    }
