"""The default model: installed, whole, and with the decoder it names."""

from importlib import import_module

from shrutlekh.quantities import counted
from shrutlekh_contract.decoders import BEAM, GREEDY, decoders_of

from ops.doctor.findings import Area, Check, Finding, ok, problem, skipped, warning
from ops.installation import Installation
from shared.errors import ModelNotInstalled
from shared.installed_models import find_model
from speech import ModelFolder, SpeechError
from speech.decoding import language_model_file

HASH_SECONDS = 60.0
ADVICE = (
    "Look at SHRUTLEKH_MODELS_DIR and SHRUTLEKH_DEFAULT_MODEL; docs/bring-a-model.md says how to install "
    "a model."
)


def installed(installation: Installation) -> Finding:
    """Is it installed, and can its card be read?"""
    settings = installation.settings
    try:
        model = _default(installation)
    except (ModelNotInstalled, SpeechError) as error:
        said = f"The default model {settings.default_model} of {settings.models_dir} cannot be used"
        return problem(f"{said}. {error.message}", ADVICE)
    return ok(f"{model.name} in {settings.models_dir}.")


def whole(installation: Installation) -> Finding:
    """Do its files match the digests in model.json?"""
    model = _default(installation)
    if not model.files:
        return warning(
            f"model.json of {model.name} lists no files, so they cannot be verified.",
            "Let `modelkit` install the model, which writes their sha256.",
        )
    try:
        model.weights()
        model.verify_hashes()
    except SpeechError as error:
        return problem(
            f"{error.message} Workers do not start with it.",
            "Install the model again from where it came from (in the repository: `git checkout models`, "
            "`git lfs pull`), or build the images again.",
        )
    return ok(f"Its {counted(len(model.files), 'file')} match model.json.")


def decoder(installation: Installation) -> Finding:
    """Can the model's default decoder be used?"""
    model = _default(installation)
    name = model.decoding.get("decoder", GREEDY)
    if name != BEAM:
        return ok(f"It decodes with {name}.")
    if BEAM not in decoders_of(model.path) or not language_model_file(model).is_file():
        return problem(
            f"{model.name} names beam search but has no language model.",
            "Install the model again, with its folder lm.",
        )
    try:
        import_module("flashlight.lib.text.decoder.kenlm")
    except ImportError as error:
        return warning(
            f"Beam search is not available ({installation.reason(error)}): words are decoded greedily, with "
            "more errors, and jobs with hot-words fail.",
            "Install flashlight-text (it has wheels for Python 3.11 and 3.12) and start the workers again.",
        )
    return ok("Beam search and its language model are available.")


def others(installation: Installation) -> Finding:
    """Is any other folder of models broken?"""
    broken, fine = [], 0
    for card in sorted(installation.settings.models_dir.glob("*/model.json")):
        try:
            ModelFolder.load(card.parent)
        except SpeechError as error:
            if card.parent.name != installation.settings.default_model:
                broken.append(error.message)
        else:
            fine += 1
    if broken:
        return warning(f"Not all installed models can be used. {' '.join(broken)}", ADVICE)
    return ok(f"{counted(fine, 'model')} installed.") if fine else skipped("No model is installed.")


def _default(installation: Installation) -> ModelFolder:
    settings = installation.settings
    return ModelFolder.load(find_model(settings.models_dir, settings.default_model))


CHECKS = (
    Check(Area.MODEL, "model", installed),
    Check(Area.MODEL, "model files", whole, needs=("model",), seconds=HASH_SECONDS),
    Check(Area.MODEL, "decoder", decoder, needs=("model",)),
    Check(Area.MODEL, "other models", others),
)
