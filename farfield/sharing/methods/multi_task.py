"""Multi-Task: all blocks shared, one head a task (hard parameter sharing, Caruana 1997)."""

from farfield.sharing.methods.adashare import AdaShare
from farfield.sharing.methods.network import NetworkSettings, Tasks


class MultiTask(AdaShare):
    """Also AdaShare's warm-up, which is the first iterations of this training."""

    def __init__(self, tasks: Tasks, settings: NetworkSettings) -> None:
        super().__init__(tasks, settings)
