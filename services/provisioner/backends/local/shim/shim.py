# ruff: noqa: PTH100 - pathlib would cost the shim a third of its start
"""Where a shim begins. Short, as a file that is run is compiled each time; its imports are not.

As a plain file it belongs to no package. Its folder is made importable under the short name
``shim``: by its long name Python would import the whole platform above it first.
"""

import os
import sys

sys.path.append(os.path.abspath(__file__).rsplit(os.sep, 2)[0])
from shim.begin import begin  # type: ignore[import-not-found]

sys.path.pop()
begin()
