from .mock import patch

__all__ = ["patch"]
