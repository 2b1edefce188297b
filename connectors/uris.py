"""Addresses: local paths, and prefixes of object stores."""

OBJECT_STORES = ("s3://", "s3a://", "gs://", "gcs://", "abfs://", "abfss://")


def is_object_store(uri: str) -> bool:
    """Whether `uri` names an object store, not a local path."""
    return uri.startswith(OBJECT_STORES)


def join_uri(root: str, *parts: str) -> str:
    """`root` and the parts below it, with one slash between them."""
    below = "/".join(part.strip("/") for part in parts if part.strip("/"))
    return f"{root.rstrip('/')}/{below}" if below else root
