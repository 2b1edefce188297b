from tests.infra.conftest import packed

__all__ = ["packed"]
