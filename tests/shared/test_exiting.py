import subprocess
import sys

CODE = """
import atexit, gc
from shared.exiting import exit_fast
atexit.register(lambda: print("frozen" if gc.get_freeze_count() else "not frozen"))
exit_fast()
"""


def test_the_last_collections_find_nothing_and_other_handlers_run() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == "frozen\n"
