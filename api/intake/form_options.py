"""The options of a submission: read from its form, completed, and checked against the installed models."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from shrutlekh_contract.declarations import OptionError
from shrutlekh_contract.decoders import BEAM, decoders_of
from shrutlekh_contract.options import LONGEST_CLIENT, SubmissionOptions
from starlette.requests import Request

from api.http.authentication import Caller
from api.http.invalid_fields import invalid_field
from api.services import Services
from shared.destinations import Destination, Refused
from shared.errors import DecoderUnavailable, WebhookRefused
from shared.installed_models import find_model
from shared.model_check import require_usable


def settled_options(
    request: Request, services: Services, caller: Caller, fields: dict[str, str]
) -> SubmissionOptions:
    """Return the options of a form, with model, client and the defaults of the others filled in.

    Raises:
        InvalidRequest: a field is invalid, or the options contradict each other.
        WebhookRefused: webhooks are switched off, or may not go to the URL.
    """
    try:
        options = SubmissionOptions.of_form(fields)
    except OptionError as error:
        raise invalid_field(error.option, error.message) from error
    _refuse_webhook(services, options)
    model = options.model or services.settings.default_model
    client = options.client or caller.name or _address_of(request)
    return replace(options, model=model, client=client).settled()


def require_supported(services: Services, options: SubmissionOptions) -> None:
    """Check that the model is installed, usable and supports the options. Blocks.

    Raises:
        ModelNotInstalled, ModelBroken, DecoderUnavailable: it is not, or does not.
    """
    folder = find_model(services.settings.models_dir, options.model or services.settings.default_model)
    require_usable(folder)
    if options.needs_beam:
        _require_beam(folder)


def _refuse_webhook(services: Services, options: SubmissionOptions) -> None:
    """Refuse a webhook that can't be delivered, as far as that is known without resolving its host."""
    if options.webhook_url is None:
        return
    if not services.settings.webhooks:
        raise WebhookRefused("This service sends no webhooks. Omit `webhook_url` and poll the job.")
    try:
        services.webhook_policy.check(Destination.parse(options.webhook_url))
    except Refused as error:
        raise WebhookRefused(str(error)) from error


def _address_of(request: Request) -> str:
    """Return the client's address; empty for a Unix socket, or if a proxy forwarded something else."""
    host = request.client.host if request.client else ""
    try:
        return str(ip_address(host))[:LONGEST_CLIENT]
    except ValueError:
        return ""


def _require_beam(folder: Path) -> None:
    if BEAM not in decoders_of(folder):
        raise DecoderUnavailable(
            "Beam search and hot-words need a language model, which the requested model lacks. "
            "GET /v1/models lists the decoders of each model."
        )
