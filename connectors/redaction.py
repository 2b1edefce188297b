"""Secrets, taken out of everything that is written: logs, errors, records, lineage.

What counts as a secret: a password in a URL; the value of a name that says secret, password, token, credential or key;
signatures of shared links (SAS, presigned); AWS access keys; bearer tokens; private keys; and, wherever they turn up,
the values of the environment's variables with such names and of settings that the process has been told of.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any
from urllib.parse import quote, quote_plus

HIDDEN = "***"
MIN_SECRET_CHARS = 6

# a word of a name that says that the value is secret; "key" alone names columns and artifacts too
_WORD = (
    r"(?:pass(?:word|wd|phrase|code)|(?<![a-z])(?:pwd|pw|sas|sig|jwt|pat)(?![a-z])|secret|credential|signature|bearer|"
    r"(?:api|access|account|auth|private|shared|storage|signing|encryption|master|session|sas)[_.\- ]?key|"
    r"(?:access|auth|api|session|security|bearer|refresh|id|sas|secret|client|web)[_.\- ]?token)"
)
_SECRET_NAME = re.compile(rf"{_WORD}|[_.\-]token$", re.IGNORECASE)
_HARMLESS_NAME = re.compile(
    r"(?:file|path|folder|dir|url|uri|endpoint|provider|timeout|class|type|name|_env|_block|_s|\.(?:csv|tsv|parquet|jsonl?|gz))$",
    re.I,
)
_VARIABLE = re.compile(r"SECRET|PASSW|TOKEN|CREDENTIAL|PRIVATE_KEY|(?:^|_)(?:KEY|KEYS|PWD|PAT|SAS)$|APIKEY", re.I)
_HARMLESS_VARIABLE = re.compile(r"(?:FILE|PATH|DIR|FOLDER|URL|URI|_ID)$|^(?:PWD|OLDPWD)$", re.I)

# names are bounded, so that no text makes a match slow
_NAME = rf"(?<![\w.\-])(?P<name>[\w.\-]{{0,100}}?{_WORD}[\w.\-]{{0,100}}|token|[\w.\-]{{0,100}}?[_.\-]token)"
_ASSIGNED = re.compile(
    rf"{_NAME}(?P<sign>[\"']?\s{{0,3}}(?:=>|[=:])\s{{0,3}})(?P<value>\"[^\"]*\"|'[^']*'|[^\s\"'&;,)}}\]]+)",
    re.IGNORECASE,
)
_OPTION = re.compile(
    rf"(?<![\w\-])(?P<name>--?[\w.\-]{{0,60}}?(?:{_WORD}|token)[\w.\-]{{0,60}})(?P<sign>\s{{1,9}})"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^\s\"'\-][^\s\"']*)",
    re.IGNORECASE,
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    # up to the last @ of the authority: passwords may hold an @ of their own
    (re.compile(r"(?P<head>\b[a-z][a-z0-9+.\-]{0,30}://[^\s/:@'\"<>]{0,200}):[^\s/'\"<>]{1,500}@", re.I),
     rf"\g<head>:{HIDDEN}@"),
    (re.compile(r"(?P<head>\bhttps?://)[^\s/:@'\"<>]{1,500}@", re.I), rf"\g<head>{HIDDEN}@"),
    # Oracle's thin driver: user/password@
    (re.compile(r"(?P<head>\bjdbc:oracle:\w{1,20}:[^\s/@]{1,200})/[^\s@]{1,500}@", re.I), rf"\g<head>/{HIDDEN}@"),
    (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{16}\b"), HIDDEN),
    (re.compile(r"(?P<head>\bbearer\s+)[^\s\"',;]{8,}", re.I), rf"\g<head>{HIDDEN}"),
    (re.compile(r"(?P<head>\bauthorization[\"']?\s*[:=]\s*[\"']?basic\s+)[^\s\"',;]+", re.I), rf"\g<head>{HIDDEN}"),
    (re.compile(r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*"), HIDDEN),
    (re.compile(r"(?P<head>[?&](?:sig|se_sig|x-amz-signature|x-amz-credential|x-amz-security-token|x-goog-signature)=)"
                r"[^\s&'\"]+", re.I), rf"\g<head>{HIDDEN}"),
)  # fmt: skip

# nothing above matches these, and most texts of a record are such: names of columns, types
_SHORT_NAME = re.compile(r"\w{0,18}")

_told: set[str] = set()


def redacted(text: str) -> str:
    """The text without its secrets. O(length of the text times number of known secrets)."""
    return _hidden(text, _known())


def redacted_value(value: Any, name: str = "") -> Any:
    """A nested JSON value without its secrets; what stands under a secret's name is hidden whole.

    In a list of arguments, what follows an option with a secret's name is hidden too. The secrets are gathered once for
    the whole value, and a text that comes again in it is searched once.
    """
    return _redacted(value, name, cache(partial(_hidden, known=_known())))


def _redacted(value: Any, name: str, hidden: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return HIDDEN if value and is_secret_name(name) else hidden(value)
    if isinstance(value, Mapping):
        return {key: _redacted(inner, str(key), hidden) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return _redacted_items(value, name, hidden)
    return value


def _hidden(text: str, known: Iterable[str]) -> str:
    for secret in known:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    if _SHORT_NAME.fullmatch(text):
        return text
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    text = _ASSIGNED.sub(_hide_value, text)
    return _OPTION.sub(_hide_value, text)


def remember_secrets(value: Any, name: str = "") -> None:
    """Tells of settings: those under a secret's name are hidden in all text from now on."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            remember_secrets(inner, str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            remember_secrets(inner, name)
    elif isinstance(value, str) and is_secret_name(name) and value.strip("*"):
        _told.update(_spellings(value))


def forget_secrets() -> None:
    """Forgets what `remember_secrets` was told; for tests."""
    _told.clear()


def is_secret_name(name: str) -> bool:
    """Whether a setting of this name holds a secret."""
    return bool(_SECRET_NAME.search(name)) and not _HARMLESS_NAME.search(name)


def has_credentials(uri: str) -> bool:
    """Whether a URI carries a password or a signature in itself."""
    return any(pattern.search(uri) for pattern, _ in _PATTERNS) or bool(_ASSIGNED.search(uri))


def secret_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of the environment that hold secrets, by their names."""
    found = os.environ if environment is None else environment
    return {
        name: value
        for name, value in found.items()
        if _VARIABLE.search(name) and not _HARMLESS_VARIABLE.search(name) and len(value) >= MIN_SECRET_CHARS
    }


def _known() -> list[str]:
    """Every secret in each of its spellings, the longest first: one may be a part of another."""
    spelled = _told.union(*(_spellings(value) for value in secret_variables().values()))
    return sorted(spelled, key=len, reverse=True)


def _spellings(secret: str) -> Iterable[str]:
    """As it is, as it stands in a URL, and as it stands in JSON and in Python's text."""
    if len(secret) < MIN_SECRET_CHARS:
        return ()
    import json

    plain, ascii_only = (json.dumps(secret, ensure_ascii=is_ascii)[1:-1] for is_ascii in (False, True))
    return {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), plain, ascii_only, repr(secret)[1:-1]}


def _redacted_items(items: Sequence[Any], name: str, hidden: Callable[[str], str]) -> list[Any]:
    out: list[Any] = []
    for place, item in enumerate(items):
        before = items[place - 1] if place else ""
        is_told = isinstance(before, str) and before.startswith("-") and "=" not in before and is_secret_name(before)
        out.append(HIDDEN if is_told and isinstance(item, str) and item else _redacted(item, name, hidden))
    return out


def _hide_value(match: re.Match[str]) -> str:
    if _HARMLESS_NAME.search(match["name"]):
        return match[0]
    value = match["value"]
    mark = value[0] if value[0] in "\"'" else ""
    return f"{match['name']}{match['sign']}{mark}{HIDDEN}{mark}"
