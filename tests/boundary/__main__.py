"""`python -m tests.boundary`: write the snapshot as it now is."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.boundary import OUTPUTS, STATIC, write
from tests.boundary.outputs import outputs
from tests.boundary.static import static

write(STATIC, static())
with tempfile.TemporaryDirectory() as folder:
    write(OUTPUTS, outputs(Path(folder)))
