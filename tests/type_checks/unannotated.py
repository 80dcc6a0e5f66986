"""Code without types, which checkers that are not strict have to take, and which has to run."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators, allow-any-generics
# mypy: check-untyped-defs
# pyright: basic

from asynq import AsyncContext, BatchBase, BatchItemBase, ConstFuture, async_proxy, asynq, result
from asynq.decorators import lazy, make_async_decorator
from asynq.generator import Value, async_generator, list_of_generator
from asynq.tools import alru_cache, amap, deduplicate


class Table(object):
    def __init__(self, rows):
        self.rows = rows
        self.batch = Lookups(self)

    def get(self, key):
        return Lookup(self.batch, key)


class Lookup(BatchItemBase):
    def __init__(self, batch, key):
        super(Lookup, self).__init__(batch)
        self.key = key


class Lookups(BatchBase):
    def __init__(self, table):
        super(Lookups, self).__init__()
        self.table = table

    def _try_switch_active_batch(self):
        if self.table.batch is self:
            self.table.batch = type(self)(self.table)

    def _flush(self):
        for item in self.items:
            item.set_value(self.table.rows[item.key])

    def get_priority(self):
        return (-1, len(self.items))


users = Table({1: "Ada", "Ada": "Ada"})


@asynq()
def name_of_user(uid):
    return (yield users.get(uid))


@asynq()
def name_by_result(uid):
    name = yield name_of_user.asynq(uid)
    result(name)


@asynq()
def plain_by_result(uid):
    result(uid)


class User(object):
    def __init__(self, uid):
        self.uid = uid

    @asynq()
    def name(self, default=""):
        return (yield users.get(self.uid)) or default

    @asynq()
    @classmethod
    def above(cls, aid):
        return cls((yield users.get(aid)))

    @classmethod
    @asynq()
    def below(cls, aid):
        return cls((yield users.get(aid)))

    @asynq()
    @staticmethod
    def outside(uid, aid):
        return (yield users.get(aid)) == uid

    @staticmethod
    @asynq()
    def inside(uid, aid):
        return (yield users.get(aid)) == uid

    @asynq(pure=True)
    def pure(self, aid):
        return (yield users.get(aid))

    @async_proxy()
    def proxy(self, uid):
        return ConstFuture("nobody") if uid is None else users.get(uid)

    @deduplicate()
    @alru_cache()
    @asynq()
    def cached(self, aid):
        return (yield users.get(aid))


user = User(1)
calls = [
    name_of_user(1),
    name_of_user.asynq(uid=1).value(),
    name_by_result(1),
    plain_by_result.asynq(1).value(),
    user.name(),
    user.name.asynq(default="").value(),
    User.name(user, "a"),
    user.above(1).name(),
    User.above.asynq(aid=1).value().name(),
    user.below(1).name(),
    User.below.asynq(aid=1).value().name(),
    user.outside(1, aid=1),
    User.outside.asynq(1, 1).value(),
    user.inside(1, aid=1),
    User.inside.asynq(1, 1).value(),
    user.pure(1).value(),
    user.proxy(None),
    user.proxy.asynq(1).value(),
    user.cached(1),
    user.cached.asynq(1).value(),
    amap(name_of_user, [1]),
    amap.asynq(User.above, [1]).value(),
]
user.cached.dirty(1)


def with_title(fn):
    @asynq(pure=True)
    def wrapper(*args):
        return "Dr. " + (yield fn.asynq(*args))

    return make_async_decorator(fn, wrapper, "with_title")


@with_title
@asynq()
def doctor(uid):
    return (yield users.get(uid))


@lazy
def answer():
    return 6 * 7


@async_generator()
def names(uids):
    for uid in uids:
        name = yield name_of_user.asynq(uid)
        yield Value(name)


class Tagged(AsyncContext):
    def resume(self):
        pass

    def pause(self):
        pass


with Tagged():
    calls += [doctor(1), doctor.asynq(1).value(), answer().value(), list_of_generator(names([1]))]


# The number of arguments is checked all the same.
def wrong():
    name_of_user(1, 2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    user.name.asynq(1, 2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    User.inside()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
