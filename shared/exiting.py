"""Fast exit of a process."""

import atexit
import gc


def exit_fast() -> None:
    """Spare this process the garbage collections that the interpreter runs at its exit.

    They visit every object of every imported library, which takes up to a second. The kernel frees the
    memory anyway. All other clean-up still runs.
    """
    atexit.register(gc.freeze)
