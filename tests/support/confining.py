# SPDX-License-Identifier: Apache-2.0
"""What a confined service tries, and kernels that cannot confine all of it."""

import subprocess
from world import ROOT


def program(world, *flags):
    """A command that withholds a call from what it starts."""
    path = str(world.path.parent / ("forbid" + "-".join(flags).replace("/", "")))
    subprocess.run(["gcc", "-O1", "-o", path, *flags, ROOT / "tests/programs/forbid.c"], check=True)
    return path


def older_landlock(abi):
    """The kernel says that its Landlock is older; each process asks once before it makes a ruleset."""
    return ["strace", "-f", "-o", "/dev/null", "-e", "trace=landlock_create_ruleset", "-e", f"inject=landlock_create_ruleset:retval={abi}:when=1+2"]
