"""The loaded models of one worker process."""

import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from shared.errors import ModelNotInstalled
from shared.installed_models import Stamp, find_model, stamp_of
from speech import Device, Engine, ModelFolder, SpeechError
from worker import metrics
from worker.ceiling import is_want_of_memory
from worker.resident_memory import private_bytes, return_unused

LOAD_TRIES: Final = 3
"""How often a load begins again because the folder was replaced in the middle of it."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class LoadedModel:
    """A warm engine.

    Attributes:
        bytes: memory that it takes.
        stamp: of the folder as it was loaded.
        seen: of the folder when it was last looked at; None if it was gone.
        used: when a job last asked for it, monotonic.
    """

    engine: Engine
    bytes: int
    stamp: Stamp | None
    seen: Stamp | None
    used: float = 0.0


class Engines:
    """Engines by model name, loaded at their first job, within a memory budget.

    When a model does not fit, those that were not used for longest are unloaded. The one that was asked for
    last always stays. A model whose folder was replaced is loaded again at its next job; if the new folder is
    broken or gone, the loaded engine is kept.

    Create it after the fork, because ONNX Runtime's sessions and threads do not survive one.
    """

    def __init__(
        self,
        models_dir: Path,
        threads: int,
        budget: int | None = None,
        device: Device = "cpu",
        gpu_memory: int = 0,
    ) -> None:
        """
        Args:
            models_dir: folder of the installed models.
            threads: ONNX Runtime threads of each engine.
            budget: bytes for all loaded models together. None: no limit. A model that takes more is loaded
                all the same, alone.
            device: where they run, see `Engine.load`.
            gpu_memory: bytes of a GPU for each of them. 0: no limit.
        """
        self._models_dir = models_dir
        self._threads = threads
        self._budget = budget
        self._device = device
        self._gpu_memory = gpu_memory
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()  # least recently used first
        self._sizes: dict[str, int] = {}  # as measured when they were last loaded

    @property
    def loaded(self) -> dict[str, int]:
        """Bytes of each loaded model, least recently used first."""
        return {name: model.bytes for name, model in self._loaded.items()}

    def has_current(self, name: str) -> bool:
        """Return whether `get` would return at once, without loading anything."""
        model = self._loaded.get(name)
        return model is not None and stamp_of(self._models_dir / name) == model.seen

    def get(self, name: str) -> Engine:
        """Return the warm engine of a model. Load it if it is not loaded or its folder was replaced.

        Raises:
            ModelNotInstalled: no such model is installed.
            SpeechError: the model folder is invalid.
        """
        if name not in self._loaded:
            self._add(name, self._load(name))
        elif not self.has_current(name):
            self._update(name)
        self._loaded.move_to_end(name)
        model = self._loaded[name]
        model.used = time.monotonic()
        return model.engine

    def _add(self, name: str, model: LoadedModel) -> None:
        self._loaded[name] = model
        self._evict(0, keep=name)

    def _update(self, name: str) -> None:
        """Load the new version of a model whose folder has changed. Keep the old one if that fails."""
        old = self._loaded[name]
        old.seen = stamp_of(self._models_dir / name)  # a broken version is tried once
        if old.seen == old.stamp:
            return
        try:
            ModelFolder.load(find_model(self._models_dir, name)).verify_hashes()
            new = self._load(name)
        except (ModelNotInstalled, SpeechError) as error:
            if is_want_of_memory(error):
                raise
            version = old.engine.folder.version
            log.warning("model_update_refused", model=name, kept_version=version, reason=error.message)
            return
        del old
        self._add(name, new)
        return_unused()

    def _load(self, name: str) -> LoadedModel:
        """Load and warm a model. Repeat that if its folder is replaced meanwhile: it may be of two versions.

        Raises:
            ModelNotInstalled, SpeechError: as `get`.
        """
        for _ in range(LOAD_TRIES - 1):
            stamp = stamp_of(self._models_dir / name)
            try:
                model = self._load_once(name, stamp)
            except (ModelNotInstalled, SpeechError):
                if stamp_of(self._models_dir / name) == stamp:
                    raise
            else:
                if stamp_of(self._models_dir / name) == stamp:
                    return model
        return self._load_once(name, stamp_of(self._models_dir / name))

    def _load_once(self, name: str, stamp: Stamp | None) -> LoadedModel:
        folder = find_model(self._models_dir, name)
        in_files = ModelFolder.load(folder).loaded_bytes
        self._evict(max(self._sizes.get(name, 0), in_files), keep=name)
        before, began = private_bytes(), time.perf_counter()
        engine = Engine.load(folder, threads=self._threads, device=self._device, gpu_memory=self._gpu_memory)
        engine.warm()
        seconds = time.perf_counter() - began
        # Not less than its files: a load may reuse free memory of the process, or map files into it.
        size = max(private_bytes() - before, in_files)
        self._sizes[name] = size
        metrics.MODEL_LOAD_SECONDS.labels(name).observe(seconds)
        metrics.MODEL_BYTES.labels(name).set(size)
        version = engine.folder.version
        log.info("model_loaded", model=name, version=version, seconds=round(seconds, 3), bytes=size)
        if self._budget and size > self._budget:  # 0 is "one at a time"
            log.warning("model_exceeds_budget", model=name, bytes=size, budget_bytes=self._budget)
        return LoadedModel(engine, size, stamp, stamp)

    def _evict(self, wanted: int, keep: str) -> None:
        """Unload models, least recently used first, until ``wanted`` more bytes fit.

        ``keep`` stays also if they do not fit without it.
        """
        if self._budget is None:
            return
        for name in [name for name in self._loaded if name != keep]:
            if sum(model.bytes for model in self._loaded.values()) + wanted <= self._budget:
                return
            self._unload(name)

    def _unload(self, name: str) -> None:
        before = private_bytes()
        model = self._loaded.pop(name)
        size, idle = model.bytes, time.monotonic() - model.used
        del model
        return_unused()
        metrics.MODEL_EVICTIONS.labels(name).inc()
        freed = max(before - private_bytes(), 0)
        log.info("model_evicted", model=name, bytes=size, freed_bytes=freed, idle_seconds=round(idle, 1))
