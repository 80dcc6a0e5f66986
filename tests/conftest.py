"""What the options mean; and which files are left out, whose subject a Python does not know."""

import sys

import pytest

try:
    import tracemalloc
except ImportError:  # on Python 2 and PyPy
    tracemalloc = None

collect_ignore = []
if sys.version_info >= (3, 7):
    # There, the old spelling is a syntax error.
    collect_ignore.append("test_async_spelling.py")
else:
    # There, classes can't be subscripted.
    collect_ignore.append("test_types.py")
if sys.version_info < (3,):
    # There is no async def.
    collect_ignore.append("test_native.py")
if sys.version_info < (3, 8):
    # The examples for asyncio are written for Python 3.8, and so is what they need.
    collect_ignore += ["test_asgi_example.py", "test_sql_example.py"]
if sys.version_info < (3, 8) or tracemalloc is None:
    # The benchmarks are written for Python 3.8, and measure what tracemalloc traces.
    collect_ignore.append("test_benchmarks.py")
if sys.version_info < (3, 7):
    # The driver for event loops needs Python 3.7.
    collect_ignore += [
        "test_asyncio.py",
        "test_asyncio_cancellation.py",
        "test_asyncio_faults.py",
        "test_drivers.py",
    ]
if sys.version_info < (3, 11):
    # There are no asyncio.timeout and asyncio.TaskGroup.
    collect_ignore.append("test_asyncio_scopes.py")


def pytest_addoption(parser):
    parser.addoption(
        "--driver",
        choices=("synchronous", "asyncio", "uvloop"),
        default="synchronous",
        help="what runs the tests' functions (Python 3.8+; see tests/drivers.py)",
    )
    parser.addoption(
        "--bodies",
        choices=("generator", "native"),
        default="generator",
        help="whether these are turned into async def (Python 3.8+; see tests/native_bodies.py)",
    )


def pytest_configure(config):
    for marker in (
        "synchronous(reason): leave the test out where an event loop is the driver",
        "generator(reason): leave the test out where the bodies are native",
        "not_uvloop(reason): leave the test out where uvloop is the driver",
    ):
        config.addinivalue_line("markers", marker)
    if config.getoption("--bodies") == "native":
        from . import native_bodies

        native_bodies.install()


def pytest_runtest_setup(item):
    driver = item.config.getoption("--driver")
    bodies = item.config.getoption("--bodies")
    for marker, leaves_out in (
        ("synchronous", driver != "synchronous"),
        ("not_uvloop", driver == "uvloop"),
        ("generator", bodies != "generator"),
    ):
        found = item.get_closest_marker(marker)
        if found is not None and leaves_out:
            pytest.skip(*found.args)


@pytest.fixture(autouse=True)
def _driver(request):
    """Have the chosen driver run what the test calls."""
    name = request.config.getoption("--driver")
    if name == "synchronous":
        yield
    else:
        from .drivers import LoopDriver

        driver = LoopDriver(name)
        with pytest.MonkeyPatch.context() as monkeypatch:
            driver.install(monkeypatch)
            yield
        driver.close()
