"""``python -m worker``: run a worker, configured from the environment."""

import os
import sys

from shared.errors import ServiceError
from shared.exiting import exit_fast
from shared.installed_models import find_model
from shared.logs import configure_logging
from shared.machine import share_out, usable_cpus, within_container
from shared.settings import Settings
from speech import ModelFolder, SpeechError, gpu_memory_limit, usable_gpu_memory
from worker import exposition


def main() -> None:
    """Start the worker, or exit with the reason why it cannot start."""
    exit_fast()
    settings = Settings()
    configure_logging(settings.log_level)
    os.nice(settings.worker_nice)
    try:
        for name in settings.worker_models:
            find_model(settings.models_dir, name)
        ModelFolder.load(find_model(settings.models_dir, settings.first_model)).verify_hashes()
    except (ServiceError, SpeechError) as error:
        setting = "WORKER_MODELS" if settings.worker_models else "DEFAULT_MODEL"
        sys.exit(f"{error.message} Look at SHRUTLEKH_MODELS_DIR and SHRUTLEKH_{setting}.")
    if settings.worker_metrics_port:
        exposition.share_counts()
    from worker.app import Worker  # imports prometheus-client, which chooses its mode at import

    gpu = usable_gpu_memory(settings.device)
    share = share_out(settings, usable_cpus(), on_gpu=gpu is not None)
    limits = {"worker_memory_bytes": within_container(settings.worker_memory_bytes, share.processes)}
    if gpu is not None and not settings.gpu_memory_bytes:
        limits["gpu_memory_bytes"] = gpu_memory_limit(gpu, share.processes)
    settings = settings.model_copy(update=limits)
    try:
        exposition.serve_or_exit(settings.host, settings.worker_metrics_port)
        worked = Worker(settings, share).run()
    finally:
        exposition.stop_sharing()
    if not worked:
        sys.exit(1)


if __name__ == "__main__":
    main()
