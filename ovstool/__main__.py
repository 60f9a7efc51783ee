"""The console script, and ``python -m ovstool``."""

import gc
import os
import sys
from contextlib import suppress


def main() -> int:
    """Run a command line; ends the process with its exit code."""
    # What a command makes it needs until it ends, and searching that for garbage every 700 objects would be a fifth of a
    # short command's time.
    gc.set_threshold(300_000)
    try:
        if sys.argv[1:3] == ["complete", "--line"]:  # a Tab, which needs nothing of what a command does
            from ovstool.completion import tab

            os._exit(tab.main(sys.argv[3:]))
        from ovstool import lazy_imports  # here, so that Ctrl-C is quiet while modules are still being imported

        with lazy_imports.in_force():
            from ovstool import shell

            code = shell.main()
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # while modules are imported; later ones are reported by the shell
        code = _cannot_start(error)
    # Taking the interpreter apart object by object is of no use to a process that has nothing left to give back, and would
    # be a twentieth of its time.
    os._exit(code)


def _cannot_start(error: Exception) -> int:
    """Say it without a buffer, or anything else that is made by Python."""
    # Python has SystemErrors where there is no memory for a MemoryError.
    text = "out of memory" if isinstance(error, MemoryError | SystemError) else " ".join(str(error).split())
    with suppress(OSError):
        os.write(2, f"ovstool: cannot be started: {text}\n".encode("ascii", "backslashreplace"))
    return 6


if __name__ == "__main__":
    sys.exit(main())
