"""The console script, and ``python -m ovstool``."""

import gc
import os
import sys
from contextlib import suppress


def main() -> int:
    """Run a command line; ends the process with its exit code."""
    # A command needs its objects until it ends, and collecting garbage every 700 objects would take a fifth of a short
    # command's time.
    gc.set_threshold(300_000)
    try:
        if sys.argv[1:3] == ["complete", "--line"]:  # a Tab, which needs none of the modules of a command
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
    # Finalizing the interpreter is of no use to a process with nothing left to release, and would be a twentieth of its time.
    os._exit(code)


def _cannot_start(error: Exception) -> int:
    """Print the error, without Python's buffers, and return the exit code."""
    # Python raises SystemError when it has no memory for a MemoryError.
    text = "out of memory" if isinstance(error, MemoryError | SystemError) else " ".join(str(error).split())
    with suppress(OSError):
        os.write(2, f"ovstool: cannot be started: {text}\n".encode("ascii", "backslashreplace"))
    return 6


if __name__ == "__main__":
    sys.exit(main())
