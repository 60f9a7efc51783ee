"""The console script, and ``python -m ovstool``."""

import gc
import os
import sys


def main() -> int:
    """Run a command line; ends the process with its exit code."""
    # What a command makes it needs until it ends, and searching that for garbage every 700 objects would be a fifth of a
    # short command's time.
    gc.set_threshold(100_000)
    try:
        from ovstool import shell  # here, so that Ctrl-C is quiet while modules are still being imported

        code = shell.main()
        sys.stdout.flush()
        sys.stderr.flush()
    except KeyboardInterrupt:
        return 130
    # Taking the interpreter apart object by object is of no use to a process that has nothing left to give back, and would
    # be a twentieth of its time.
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
