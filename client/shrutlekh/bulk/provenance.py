"""What made a transcript, and whether a run that asks for certain options would make the same."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from shrutlekh_contract.decoders import BEAM
from shrutlekh_contract.options import SubmissionOptions, declared

from shrutlekh.answers import Job

# These options change when a job runs or what is made beside the text, but not the text.
BESIDE_THE_TEXT: Final = frozenset({"transcript", "waveform", "spectrogram", "priority", "webhook_url"})
TEXT_OPTIONS: Final = tuple(
    name
    for name, option in declared(SubmissionOptions).items()
    if option.identifies and not option.of_answer and name not in BESIDE_THE_TEXT
)
"""The options that determine a text: all that identify a request, except those above."""


@dataclass(frozen=True, slots=True)
class ServiceModels:
    """The models of a service: the name of the default model, and the default decoder of each by name."""

    default: str
    decoders: Mapping[str, str]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read the answer of ``/v1/models``. Older services do not name the default decoders."""
        decoders = {model["name"]: model.get("default_decoder") for model in document["models"]}
        return cls(document["default"], {name: value for name, value in decoders.items() if value})

    def decoder(self, options: SubmissionOptions, model: str) -> str | None:
        """Return the decoder that a model uses with these options; None if unknown."""
        return BEAM if options.needs_beam else options.decoder or self.decoders.get(model)


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made a transcript.

    Attributes:
        requested: the options as requested. What is not set was left to the service.
        used: the options as the service settled them, with the model and the decoder that were used. The
            decoder is None if it is unknown.
    """

    requested: SubmissionOptions
    used: SubmissionOptions

    @classmethod
    def of_job(cls, job: Job, requested: SubmissionOptions, models: ServiceModels) -> Self:
        """Return what makes the transcript of ``job``."""
        settled = {name: getattr(job, name, getattr(requested, name)) for name in TEXT_OPTIONS}
        used = replace(requested, **settled).settled()
        return cls(requested, replace(used, decoder=models.decoder(used, job.model)))

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what made the transcript in NAME.json.

        Earlier versions did not record what was requested, and fewer options or none. Options that are
        missing count as left to the service, and so does the model.

        Raises:
            KeyError, TypeError, AttributeError: it is not a document of this program.
        """
        options = SubmissionOptions.of_json(document.get("options", {}))
        if "requested" in document:
            return cls(SubmissionOptions.of_json(document["requested"]), options)
        decoder = BEAM if options.needs_beam else options.decoder
        used = replace(options.settled(), model=document["model"], decoder=decoder)
        return cls(replace(options, model=None), used)

    def json(self) -> dict[str, Any]:
        """Return the entries of NAME.json that :meth:`of_document` reads."""
        return {"options": _text_options(self.used), "requested": _text_options(self.requested)}

    def satisfies(self, wanted: SubmissionOptions, models: ServiceModels) -> bool:
        """Return whether a run that asks for ``wanted`` can keep the transcript.

        Every option that determines the text must be the one that the service would use now, including those
        that are left out. What both requests leave to the service counts as equal, even if its default is
        another one by now: a changed default must not cause a whole archive to be transcribed again.
        """
        now = replace(
            wanted.settled(),
            model=wanted.model or models.default,
            decoder=models.decoder(wanted, self.used.model or models.default),
        )
        return all(
            getattr(self.requested, name) == getattr(wanted, name)
            or getattr(self.used, name) == getattr(now, name)
            for name in TEXT_OPTIONS
        )


def _text_options(options: SubmissionOptions) -> dict[str, Any]:
    values = options.json()
    return {name: values[name] for name in TEXT_OPTIONS}
