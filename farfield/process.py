"""What every process that computes sets for itself, before torch loads. None of it changes a result."""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
KEPT = 2**31 - 1  # bytes, the most that mallopt takes


def prepare() -> None:
    """Threads of OpenMP that wait do not spin, and freed memory is kept for the next time it is asked for.

    Spinning: where other processes want the same cores, it makes loops of small operations up to fifty times
    slower. It is read once, when torch loads.

    Memory: glibc maps every block above 32 MB anew and gives it back when it is freed, so the kernel clears its
    pages again for each map of a network, in half of the time that EfficientNet-Lite0 takes on a CPU. In the
    place of that, blocks come from the heap, which keeps holes below what is still used, and up to 2 GB at its
    end.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, KEPT)
