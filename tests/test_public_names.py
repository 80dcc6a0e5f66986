"""The public surface is what is listed, documented, and found where the original has it."""

import importlib
import inspect

import pytest

import asynq

MODULES = [
    "async_task",
    "batching",
    "contexts",
    "debug",
    "decorators",
    "futures",
    "generator",
    "mock",
    "mock_",
    "profiler",
    "scheduler",
    "scoped_value",
    "tools",
    "utils",
]


# ``asynq_to_async`` is there once it was imported.
UNLISTED = ("mock_", "asynq_to_async", "absolute_import")


def test_everything_that_is_listed_is_there_and_nothing_else():
    own = {
        name
        for name in dir(asynq)
        if not name.startswith("_") and name not in UNLISTED
    }
    assert own == set(asynq.__all__)
    assert len(asynq.__all__) == len(set(asynq.__all__))


@pytest.mark.parametrize("name", MODULES)
def test_every_module_lists_its_names_and_documents_them(name):
    module = importlib.import_module("asynq." + name)
    assert module.__doc__
    for public in module.__all__:
        value = getattr(module, public)
        if callable(value):
            assert value.__doc__, public


@pytest.mark.parametrize("name", MODULES)
def test_every_public_method_is_documented(name):
    module = importlib.import_module("asynq." + name)
    for public in module.__all__:
        value = getattr(module, public)
        if not inspect.isclass(value):
            continue
        for attribute, member in vars(value).items():
            if attribute.startswith("_") or not (
                inspect.isfunction(member) or isinstance(member, property)
            ):
                continue
            inherited = any(attribute in vars(base) for base in value.__mro__[1:])
            assert member.__doc__ or inherited, "%s.%s" % (public, attribute)


def test_star_import_gives_the_public_names():
    namespace = {}
    exec("from asynq import *", namespace)
    assert namespace["asynq"] is asynq.decorators.asynq
    assert set(asynq.__all__) <= set(namespace)


def test_mock_can_be_imported_as_a_module_under_both_names():
    import asynq.mock
    import asynq.mock_

    assert asynq.mock.patch is asynq.mock_.patch


def test_the_names_of_the_original_are_where_the_original_has_them():
    for module, names in {
        "async_task": "AsyncTask AsyncTaskResult AsyncTaskCancelledError MAX_DUMP_INDENT unwrap "
        "extract_futures",
        "batching": "BatchBase BatchItemBase BatchingError BatchCancelledError DebugBatch "
        "DebugBatchItem sync LocalDebugBatchState _debug_batch_state",
        "contexts": "AsyncContext NonAsyncContext enter_context leave_context",
        "debug": "options DUMP_ALL enable_complex_assertions disable_complex_assertions "
        "dump_error format_error AsynqStackTracebackFormatter extract_tb format_tb dump_stack "
        "dump_asynq_stack format_asynq_stack dump write str repr async_exception_hook "
        "ipython_custom_exception_handler attach_exception_hook detach_exception_hook "
        "is_attached original_hook enable_original_exc_handler enable_filter_traceback "
        "enable_traceback_syntax_highlight filter_traceback syntax_highlight_tb sync get_frame "
        "stderr stdout",
        "decorators": "asynq async_proxy lazy async_call make_async_decorator has_async_fn "
        "is_async_fn is_pure_async_fn get_async_fn get_async_or_sync_fn PureAsyncDecorator "
        "PureAsyncDecoratorBinder AsyncDecorator AsyncDecoratorBinder AsyncAndSyncPairDecorator "
        "AsyncAndSyncPairDecoratorBinder AsyncProxyDecorator AsyncAndSyncPairProxyDecorator "
        "AsyncWrapper",
        "futures": "FutureBase Future FutureIsAlreadyComputed ConstFuture ErrorFuture "
        "none_future _none",
        "generator": "async_generator Value END_OF_GENERATOR list_of_generator take_first",
        "profiler": "flush append reset incr_counter LocalProfileState _state",
        "scheduler": "TaskScheduler AsyncTaskError get_scheduler get_active_task reset _state",
        "scoped_value": "AsyncScopedValue async_override _AsyncScopedValueOverrideContext "
        "_AsyncPropertyOverrideContext",
        "tools": "amap afilter afilterfalse asorted amax amin asift acached_per_instance "
        "alru_cache alazy_constant aretry call_with_context deduplicate DeduplicateDecorator "
        "DeduplicateDecoratorBinder AsyncTimer AsyncEventHook",
        "utils": "result",
    }.items():
        found = importlib.import_module("asynq." + module)
        for name in names.split():
            assert hasattr(found, name), "%s.%s" % (module, name)
    assert asynq._debug.options is asynq.debug.options
