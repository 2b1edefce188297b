from tests.settings import no_settings

__all__ = ["no_settings"]
