"""Opens sessions with the default model. Importing this module loads ONNX Runtime."""

from shrutlekh_contract.options import Numerals, RecognitionOptions

from shared.installed_models import InstalledModel, find_model, read_card
from shared.live import Opening
from shared.settings import Settings
from worker.engines import Engines
from worker.streaming.session import Session


class Opener:
    """Opens sessions, all on one engine: the default model's, loaded and warmed here.

    Raises:
        ModelNotInstalled, SpeechError: the model cannot be loaded.
    """

    THREADS = 1

    def __init__(self, settings: Settings) -> None:
        engines = Engines(settings.models_dir, self.THREADS, device=settings.device)
        self._engine = engines.get(settings.default_model)
        card = read_card(find_model(settings.models_dir, settings.default_model))
        assert card is not None, "the engine has read it"
        self.card: InstalledModel = card

    def open(self, opening: Opening) -> Session:
        """Open a session.

        Raises:
            SpeechError, ValueError, TypeError: the model does not support its options.
        """
        options = RecognitionOptions.of_json(opening.options)
        live = self._engine.transcribe_live(opening.sample_rate, options)
        return Session(opening.session, live, Numerals(opening.numerals), self.card.language, self.card.name)
