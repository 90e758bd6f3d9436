#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every header of the program is used by a unit test or a fuzz target; what is not is named."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

tests = "\n".join(p.read_text() for folder in ("unit", "fuzz") for p in (ROOT / "tests" / folder).glob("*.[ch]"))
used = set(re.findall(r'^#include "([^"]+)"', tests, re.M))
bare = [str(p.relative_to(ROOT)) for folder in ("include", "checks", "entry") for p in sorted((ROOT / folder).rglob("*.h"))
        if str(p.relative_to(ROOT / folder)) not in used]
for header in bare:
    print(f"{header}: no file of tests/unit or tests/fuzz includes it", file=sys.stderr)
sys.exit(1 if bare else 0)
