"""What a process sets for itself before torch loads."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
if sys.argv[1] == "prepared":
    from farfield.process import prepare
    prepare()
import numpy as np
counts = []
for _ in range(6):
    block = np.ones(64 * 2**20, dtype=np.uint8)
    del block
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(counts[-1] - counts[1])
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc that gives memory back")
def test_memory_that_was_freed_is_not_asked_for_again():
    assert faults("prepared") < 0.1 * faults("plain")


@pytest.mark.parametrize("module", ["stages", "farfield.command"])
def test_waiting_threads_sleep_unless_the_user_says_otherwise(module):
    code = f"import {module}, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    for given, policy in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
        environment |= {} if given is None else {"OMP_WAIT_POLICY": given}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
        )
        assert done.stdout.split() == [policy, "False"]
