"""One module a DVC stage: what it reads and what it writes."""

from farfield.parents import end_with_dvc
from farfield.process import prepare

end_with_dvc()
prepare()
