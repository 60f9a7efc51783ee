"""The console script, and ``python -m ovstool``."""

import gc
import sys


def main() -> int:
    """Run a command line; returns the exit code."""
    # What a command makes it needs until it ends; searching that for garbage every 700 objects, and all of it once more
    # at exit, would be a fifth of a short command's time.
    gc.set_threshold(100_000)
    try:
        from ovstool import shell  # here, so that Ctrl-C is quiet while modules are still being imported

        return shell.main()
    except KeyboardInterrupt:
        return 130
    finally:
        gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
