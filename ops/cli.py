"""The whole ``shrutlekh`` command line: the client's commands and those that run or inspect a service."""

from shrutlekh.cli import make_app, run

from ops.admin.app import admin
from ops.commands.doctor import EPILOG as DOCTOR_EPILOG
from ops.commands.doctor import doctor
from ops.commands.serve import EPILOG as SERVE_EPILOG
from ops.commands.serve import serve
from ops.commands.transcribe import EPILOG as TRANSCRIBE_EPILOG
from ops.commands.transcribe import transcribe
from shared.version import VERSION

app = make_app(
    "Begin with `shrutlekh serve`, then `shrutlekh submit FOLDER` in another terminal.", lambda: VERSION
)
app.command(epilog=SERVE_EPILOG)(serve)
app.command(epilog=TRANSCRIBE_EPILOG)(transcribe)
app.command(epilog=DOCTOR_EPILOG)(doctor)
app.add_typer(admin, name="admin")


def main() -> None:
    """Run the command line."""
    run(app)
