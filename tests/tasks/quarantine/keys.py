"""The hash key of the tests' recipes."""

from lakebed.tasks.runtime.hash_key import HashKeys

KEY = bytes(range(32))
KEYS = HashKeys(KEY)
