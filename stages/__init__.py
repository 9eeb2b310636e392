"""One module a DVC stage: what it reads and what it writes."""

import os

from farfield.parents import end_with_dvc

end_with_dvc()

# Idle OpenMP threads sleep instead of spinning. Where other processes want the same cores, spinning makes
# loops of small operations up to fifty times slower. It is read once, when torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
