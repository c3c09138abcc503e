"""The loaded models of one worker process."""

from collections import OrderedDict
from pathlib import Path

from shared.installed_models import find_model
from speech import Engine


class Engines:
    """Engines by model name; the ones used least recently are let go.

    ONNX Runtime's sessions and their threads do not survive a fork: make this object after it.
    """

    LOADED_AT_MOST = 2

    def __init__(self, models_dir: Path, threads: int) -> None:
        self._models_dir = models_dir
        self._threads = threads
        self._loaded: OrderedDict[str, Engine] = OrderedDict()

    def get(self, name: str) -> Engine:
        """The warm engine of a model.

        Raises:
            ModelNotInstalled: there is no such model.
            SpeechError: the model folder is not in order.
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
