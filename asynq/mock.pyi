# pyright: reportPrivateUsage=false
from collections.abc import Callable
from typing import Any, overload, type_check_only
from unittest.mock import AsyncMock, MagicMock, _patch, _patch_dict

from typing_extensions import TypeVar

__all__ = ["patch"]

_T = TypeVar("_T")
_R = TypeVar("_R")
_Class = TypeVar("_Class", bound=type[Any])

# As a decorator it gives the function an argument more.
@type_check_only
class _PatchWithMock(_patch[_T]):
    @overload
    def __call__(self, func: _Class) -> _Class: ...
    @overload
    def __call__(self, func: Callable[..., _R]) -> Callable[..., _R]: ...

# As ``patch`` is in the standard ``unittest.mock``: the first overload is with ``new``, which is
# put in place, the second with ``new_callable``, which makes what is, and the third with neither.
@type_check_only
class _Patch:
    TEST_PREFIX: str
    dict: type[_patch_dict]
    @overload
    def __call__(  # type: ignore[overload-overlap]  # as there
        self,
        target: str,
        new: _T,
        spec: None = None,
        create: bool = False,
        mocksignature: bool = False,
        spec_set: None = None,
        autospec: None = None,
        new_callable: None = None,
    ) -> _patch[_T]: ...
    @overload
    def __call__(
        self,
        target: str,
        *,
        spec: Any = None,
        create: bool = False,
        mocksignature: bool = False,
        spec_set: Any = None,
        autospec: None = None,
        new_callable: Callable[..., _T],
        **kwargs: Any,
    ) -> _PatchWithMock[_T]: ...
    @overload
    def __call__(
        self,
        target: str,
        *,
        spec: Any = None,
        create: bool = False,
        mocksignature: bool = False,
        spec_set: Any = None,
        autospec: Any = None,
        new_callable: None = None,
        **kwargs: Any,
    ) -> _PatchWithMock[MagicMock | AsyncMock]: ...
    @overload
    @staticmethod
    def object(
        target: Any,
        attribute: str,
        new: _T,
        spec: None = None,
        create: bool = False,
        mocksignature: bool = False,
        spec_set: None = None,
        autospec: None = None,
        new_callable: None = None,
    ) -> _patch[_T]: ...
    @overload
    @staticmethod
    def object(
        target: Any,
        attribute: str,
        *,
        spec: Any = None,
        create: bool = False,
        mocksignature: bool = False,
        spec_set: Any = None,
        autospec: None = None,
        new_callable: Callable[..., _T],
        **kwargs: Any,
    ) -> _PatchWithMock[_T]: ...
    @overload
    @staticmethod
    def object(
        target: Any,
        attribute: str,
        *,
        spec: Any = None,
        create: bool = False,
        mocksignature: bool = False,
        spec_set: Any = None,
        autospec: Any = None,
        new_callable: None = None,
        **kwargs: Any,
    ) -> _PatchWithMock[MagicMock | AsyncMock]: ...
    @overload
    @staticmethod
    def multiple(
        target: Any,
        *,
        spec: Any = None,
        create: bool = False,
        spec_set: Any = None,
        autospec: None = None,
        new_callable: Callable[..., _T],
        **kwargs: Any,
    ) -> _PatchWithMock[_T]: ...
    @overload
    @staticmethod
    def multiple(
        target: Any,
        *,
        spec: Any = None,
        create: bool = False,
        spec_set: Any = None,
        autospec: Any = None,
        new_callable: None = None,
        **kwargs: Any,
    ) -> _patch[Any]: ...
    @staticmethod
    def stopall() -> None: ...

# In truth it is a function with attributes.
patch: _Patch
