"""What people call beside the stages: compose, the runner, evaluate, predict, docs."""

import stages  # noqa: F401  sets what torch reads when it loads
