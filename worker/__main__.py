"""``python -m worker``: run a worker with the settings of the environment."""

import sys

from shared.errors import ServiceError
from shared.logs import configure_logging
from shared.models import find_model
from shared.settings import Settings
from speech.errors import SpeechError
from speech.model import ModelFolder
from worker.app import Worker
from worker.cpus import share_out, usable_cpus


def main() -> None:
    """Start the worker, or say why it can't start."""
    settings = Settings()
    configure_logging(settings.log_level)
    try:
        folder = find_model(settings.models_dir, settings.default_model)
        ModelFolder.load(folder).verify_hashes()
    except (ServiceError, SpeechError) as error:
        sys.exit(f"{error.message} Look at SHRUTLEKH_MODELS_DIR and SHRUTLEKH_DEFAULT_MODEL.")
    if not Worker(settings, share_out(settings, usable_cpus())).run():
        sys.exit(1)


if __name__ == "__main__":
    main()
