import gc

import pytest

from asynq import (
    END_OF_GENERATOR,
    ConstFuture,
    ErrorFuture,
    Value,
    async_generator,
    asynq as async_fn,
    list_of_generator,
    take_first,
)

from .helpers import Client, collect_garbage, counts_references


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def names(client):
    @async_generator()
    def names(keys):
        """Names."""
        for key in keys:
            value = yield client.get(key)
            yield Value(value)

    return names


def test_the_list_of_a_generator_has_all_its_elements(client, names):
    assert list_of_generator(names([1, 2])) == [("client", 1), ("client", 2)]
    assert client.requests == [[1], [2]]


def test_generators_that_run_at_once_share_batches(client, names):
    @async_fn()
    def both():
        yield list_of_generator.asynq(names([1, 2])), list_of_generator.asynq(names([3, 4]))

    both()
    assert client.requests == [[1, 3], [2, 4]]


def test_take_first_asks_for_no_more_elements_than_it_takes(client, names):
    assert take_first(names([1, 2, 3]), 2) == [("client", 1), ("client", 2)]
    assert client.requests == [[1], [2]]


def test_take_first_of_none_is_an_empty_list_and_runs_nothing(client, names):
    generator = names([1])
    assert take_first(generator, 0) == []
    assert generator.last_task is None
    assert client.requests == []


def test_take_first_returns_all_if_there_are_too_few(names):
    assert take_first(names([1]), 5) == [("client", 1)]


def test_a_generator_can_be_continued_after_take_first(client, names):
    generator = names([1, 2, 3])
    assert take_first(generator, 1) == [("client", 1)]
    assert take_first(generator, 1) == [("client", 2)]
    assert list_of_generator(generator) == [("client", 3)]
    assert list_of_generator(generator) == []
    assert client.requests == [[1], [2], [3]]


def test_an_element_known_at_once_is_a_computed_future():
    @async_generator()
    def body():
        yield Value(1)

    generator = body()
    future = next(generator)
    assert isinstance(future, ConstFuture)
    assert future.value() == 1
    assert generator.last_task is future


def test_the_last_future_is_the_end_if_the_body_ends_after_waiting():
    @async_generator()
    def body():
        yield Value(1)
        yield ConstFuture(2)

    generator = body()
    assert [future.value() for future in generator] == [1, END_OF_GENERATOR]
    assert generator.is_stopped
    assert list_of_generator(body()) == [1]
    assert take_first(body(), 2) == [1]
    assert repr(END_OF_GENERATOR) == "end of generator"


def test_an_exhausted_generator_raises_stop_iteration(names):
    generator = names([])
    assert not generator.is_stopped
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(generator)
        assert generator.is_stopped
    with pytest.raises(StopIteration):
        generator.send(None)


def test_a_generator_is_iterated_with_for_and_with_next(names):
    generator = names([1])
    assert iter(generator) is generator
    assert generator.next().value() == ("client", 1)


def test_the_previous_element_has_to_be_computed_first(names):
    generator = names([1, 2])
    first = next(generator)
    with pytest.raises(RuntimeError) as caught:
        next(generator)
    assert str(caught.value) == (
        "You must compute the previous task before advancing the generator"
    )
    assert first.value() == ("client", 1)
    assert next(generator).value() == ("client", 2)


def test_send_puts_a_value_into_the_body():
    @async_generator()
    def body():
        sent = yield Value("first")
        while True:
            sent = yield Value(("got", sent))

    generator = body()
    assert generator.send(None) == "first"
    assert generator.send(1) == ("got", 1)
    assert generator.send.asynq(2).value() == ("got", 2)


def test_a_body_that_has_not_started_takes_no_value_and_stays_usable():
    @async_generator()
    def body():
        yield Value(1)

    generator = body()
    with pytest.raises(TypeError):
        generator.send(1)
    assert not generator.is_stopped
    assert list_of_generator(generator) == [1]


def test_errors_of_what_the_body_waits_for_are_thrown_into_it(client):
    client.errors[1] = KeyError("one")

    @async_generator()
    def body():
        for key in (1, 2):
            try:
                value = yield client.get(key)
            except KeyError as error:
                value = error.args[0]
            yield Value(value)

    assert list_of_generator(body()) == ["one", ("client", 2)]


@pytest.mark.parametrize("error", [KeyError("a"), KeyboardInterrupt()])
def test_errors_that_the_body_does_not_catch_are_those_of_the_element(error):
    @async_generator()
    def body():
        yield Value(1)
        yield ErrorFuture(error)

    generator = body()
    assert next(generator).value() == 1
    with pytest.raises(type(error)) as caught:
        next(generator).value()
    assert caught.value is error
    assert generator.is_stopped
    with pytest.raises(StopIteration):
        next(generator)


def test_an_error_before_the_first_yield_is_raised_by_next():
    @async_generator()
    def body():
        raise KeyError("a")
        yield

    generator = body()
    with pytest.raises(KeyError):
        next(generator)
    assert generator.is_stopped


def test_what_can_not_be_waited_for_is_a_type_error_in_the_body():
    @async_generator()
    def body():
        try:
            yield 1
        except TypeError:
            yield Value("refused")

    assert list_of_generator(body()) == ["refused"]


def test_dropping_the_future_of_an_element_throws_nothing_into_the_body(client):
    seen = []

    @async_generator()
    def body():
        try:
            yield client.get(1)
        except BaseException as error:
            seen.append(type(error))
            raise

    def abandon_an_element():
        task = next(body())

        @async_fn()
        def abandons():
            task.set_value("from outside")

        @async_fn()
        def root():
            yield task, abandons.asynq()

        root()
        assert seen == []

    abandon_an_element()
    collect_garbage()
    assert seen == [GeneratorExit]


def test_a_generator_exit_of_what_was_yielded_is_thrown_into_the_body(client):
    seen = []

    @async_generator()
    def body():
        try:
            yield [ConstFuture(1), client.get(1)]
        except GeneratorExit as error:
            seen.append(error)
        yield Value("more")

    client.errors[1] = GeneratorExit("of an item")
    assert list_of_generator(body()) == ["more"]
    assert seen == [client.errors[1]]


def test_decorated_generator_functions_keep_their_name_and_documentation(names):
    assert names.__name__ == "names"
    assert names.__doc__ == "Names."


def test_generators_and_values_have_a_repr(names):
    assert repr(names([])) == "<async generator names>"
    assert repr(Value(1)) == "<Value: 1>"
    assert repr(Value((1, 2))) == "<Value: (1, 2)>"
    assert Value(1).value == 1


@counts_references
def test_a_finished_generator_leaves_no_cycles(names):
    generator = names([1])
    list_of_generator(generator)
    gc.collect()
    gc.disable()
    try:
        del generator
        assert gc.collect() == 0
    finally:
        gc.enable()
