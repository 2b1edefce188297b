"""The flow, deployments and the command line: the one layer that knows Prefect, which it imports when it must."""

from lakebed.connectors.blocks import read_blocks_with


def _secret(name: str) -> str:
    from prefect.blocks.system import Secret

    return str(Secret.load(name).get())  # type: ignore[union-attr]


read_blocks_with(_secret)
