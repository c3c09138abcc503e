"""The full ``shrutlekh`` command line: the client's commands and those that run or inspect a service."""

from shrutlekh.cli import make_app, run
from shrutlekh.deferred import Deferred, add_deferred

from shared.exiting import exit_fast
from shared.version import VERSION

COMMANDS = (
    Deferred(
        "serve",
        "ops.commands.serve:serve",
        "Run the whole service on this machine: Redis, API and workers.",
    ),
    Deferred(
        "transcribe",
        "ops.commands.transcribe:transcribe",
        "Transcribe recordings in this process, without a service.",
    ),
    Deferred(
        "models",
        "ops.commands.models:models",
        "List the models of a running service; add, compare and remove models of this machine.",
    ),
    Deferred(
        "train",
        "ops.commands.train:train",
        "Fine-tune a model with your own recordings, measure it, and install it if it is better.",
    ),
    Deferred(
        "doctor",
        "ops.commands.doctor:doctor",
        "Check a whole installation, as the settings describe it, and say what to do about each finding.",
    ),
    Deferred(
        "admin",
        "ops.admin.app:admin",
        "List, retry and erase jobs and drain the workers, for the operator of an installation.",
    ),
    Deferred("keys", "ops.keys.app:keys", "Make, list and revoke the API keys of an installation."),
)

app = make_app(
    "Begin with `shrutlekh serve`, then `shrutlekh submit FOLDER` in another terminal.", lambda: VERSION
)
add_deferred(app, COMMANDS)


def main() -> None:
    """Run the command line."""
    exit_fast()
    run(app)
