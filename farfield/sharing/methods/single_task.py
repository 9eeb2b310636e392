"""Single-Task: a network for each task, with nothing shared (first row of AdaShare's tables)."""

from farfield.sharing.methods.network import Columns


class SingleTask(Columns):
    """K networks in one module.

    No parameter gets a gradient from two tasks, and Adam treats each parameter alone, so they are trained
    as K separate runs would train them, on the same batches and augmentation.
    """
