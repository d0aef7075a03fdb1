"""Group commit: everybody gets an answer of their own, whatever happens to the others."""

import threading
import time

import pytest

from apps.core.errors import Conflict
from apps.core.gather import Gatherer


class TestGatherer:
    def test_goes_at_once_when_nobody_is_at_work(self):
        batches = []
        gatherer = Gatherer(lambda requests: batches.append(list(requests)) or list(requests))

        assert gatherer.submit("a") == "a"
        assert batches == [["a"]]

    def test_gathers_those_who_come_meanwhile(self):
        batches, started, go_on = [], threading.Event(), threading.Event()

        def work(requests):
            batches.append(list(requests))
            started.set()
            go_on.wait(5)
            return [request * 10 for request in requests]

        gatherer, results = Gatherer(work), {}
        threads = [
            threading.Thread(target=lambda n=n: results.update({n: gatherer.submit(n)})) for n in range(1, 9)
        ]
        threads[0].start()
        started.wait(5)
        for thread in threads[1:]:
            thread.start()
        while len(gatherer._waiting) < 7:
            time.sleep(0.001)
        go_on.set()
        for thread in threads:
            thread.join(5)

        assert results == {n: n * 10 for n in range(1, 9)}
        assert [len(batch) for batch in batches] == [1, 7]

    def test_raises_each_callers_own_refusal(self):
        gatherer = Gatherer(lambda requests: [Conflict(n=n) if n else n for n in requests])

        assert gatherer.submit(0) == 0
        with pytest.raises(Conflict):
            gatherer.submit(1)

    def test_lets_the_others_go_on_when_one_spoils_the_batch(self):
        started, go_on = threading.Event(), threading.Event()

        def work(requests):
            started.set()
            go_on.wait(5)
            if "bad" in requests:
                raise ZeroDivisionError
            return list(requests)

        gatherer, results = Gatherer(work), {}

        def call(name):
            try:
                results[name] = gatherer.submit(name)
            except ZeroDivisionError as error:
                results[name] = type(error)

        threads = [threading.Thread(target=call, args=(name,)) for name in ("first", "bad", "good")]
        threads[0].start()
        started.wait(5)
        for thread in threads[1:]:
            thread.start()
        while len(gatherer._waiting) < 2:
            time.sleep(0.001)
        go_on.set()
        for thread in threads:
            thread.join(5)

        assert results == {"first": "first", "bad": ZeroDivisionError, "good": "good"}

    def test_leaves_nobody_waiting_under_load(self):
        gatherer = Gatherer(lambda requests: [request + 1 for request in requests])
        results = []

        def call(number):
            results.extend(gatherer.submit(number + step) - step for step in range(200))

        threads = [threading.Thread(target=call, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

        assert not any(thread.is_alive() for thread in threads)
        assert len(results) == 3_200
