"""What every process of C18 imports first: a wall clock that is wrong by as many seconds as a file says.

All of Python's wall clocks are moved (time.time, datetime.now and their kin), the monotonic one is not,
as when an operator or NTP sets a machine's time. libfaketime would be the usual tool, but under it a
Python that sleeps fails with EINVAL while the clock is behind.
"""

import os
import time

import time_machine

_FILE = os.environ["BEZANT_TEST_CLOCK"]
_LOOK_S = 0.05
_right_ns = time_machine.escape_hatch.time.time_ns
_known = [float("-inf"), 0]


def _offset_ns():
    now_s = time.monotonic()
    if now_s - _known[0] > _LOOK_S:
        with open(_FILE) as file:
            _known[:] = now_s, int(file.read()) * 10**9
    return _known[1]


time_machine.Traveller.time_ns = lambda _: _right_ns() + _offset_ns()
time_machine.travel(0).start()
