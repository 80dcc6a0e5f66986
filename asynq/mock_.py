"""The former name of :mod:`asynq.mock`."""

from .mock import patch

__all__ = ["patch"]

__traceback_hide__ = True
