from typing import NoReturn

# A stub cannot define ``await``, which is a keyword.
__all__ = ["result", "await"]  # noqa: F822  # pyright: ignore[reportUnsupportedDunderAll]

def result(value: object) -> NoReturn: ...
