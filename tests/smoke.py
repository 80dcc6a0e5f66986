"""Try an installed asynq, with nothing else there: ``python smoke.py``, outside of the checkout.

Ends with an error if something is wrong, and prints what was tried.

"""

from __future__ import print_function

import os
import sys

import asynq
from asynq.tools import alru_cache

HERE = os.path.dirname(os.path.abspath(__file__))
sent = []
current = []


class Batch(asynq.BatchBase):
    def _try_switch_active_batch(self):
        if current[0] is self:
            current[0] = Batch()

    def _flush(self):
        sent.append([item.key for item in self.items])
        for item in self.items:
            item.set_value(item.key * 2)


class Item(asynq.BatchItemBase):
    def __init__(self, key):
        super(Item, self).__init__(current[0])
        self.key = key


@asynq.asynq()
def double(number):
    value = yield Item(number)
    asynq.result(value)


@alru_cache()
@asynq.asynq()
def double_all(numbers):
    values = yield [double.asynq(number) for number in numbers]
    asynq.result(values)


def main():
    package = os.path.dirname(os.path.abspath(asynq.__file__))
    assert not package.startswith(os.path.dirname(HERE) + os.sep + "asynq"), package
    assert os.path.exists(os.path.join(package, "py.typed"))
    current.append(Batch())
    assert double_all((1, 2, 3)) == double_all((1, 2, 3)) == [2, 4, 6]
    assert sent == [[1, 2, 3]]
    try:
        double.asynq(asynq.FutureBase()).value()
    except TypeError:  # a future cannot be doubled
        pass
    else:
        raise AssertionError("the error of a flush was lost")
    print("%s on Python %s: all right" % (package, sys.version.split()[0]))


if __name__ == "__main__":
    main()
