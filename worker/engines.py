"""The loaded models of one worker process."""

from collections import OrderedDict
from pathlib import Path

from shared.installed_models import find_model
from speech import Engine


class Engines:
    """LRU cache of engines by model name.

    Create it after the fork, because ONNX Runtime's sessions and threads do not survive one.
    """

    LOADED_AT_MOST = 2

    def __init__(self, models_dir: Path, threads: int) -> None:
        self._models_dir = models_dir
        self._threads = threads
        self._loaded: OrderedDict[str, Engine] = OrderedDict()

    def get(self, name: str) -> Engine:
        """Return the warmed engine of a model. Loads it if it is not in the cache.

        Raises:
            ModelNotInstalled: no such model is installed.
            SpeechError: the model folder is invalid.
        """
        engine = self._loaded.get(name)
        if engine is None:
            engine = Engine.load(find_model(self._models_dir, name), threads=self._threads)
            engine.warm()
            self._loaded[name] = engine
            if len(self._loaded) > self.LOADED_AT_MOST:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(name)
        return engine
