"""The beginning of a live session: what its URL and headers ask for, checked."""

from urllib.parse import urlsplit

from shrutlekh_contract.declarations import Form, OptionError
from shrutlekh_contract.decoders import BEAM, decoders_of
from shrutlekh_contract.options import Numerals, RecognitionOptions, SubmissionOptions, options_in
from starlette.datastructures import Headers, QueryParams
from uuid_utils.compat import uuid7

from api.live.closing import SessionClosed
from shared.errors import DecoderUnavailable, ModelNotInstalled
from shared.installed_models import find_model
from shared.live import HIGHEST_RATE, LOWEST_RATE, PCM, Opening, SessionEnd
from shared.settings import Settings

DEFAULT_PORTS = {"http": 80, "https": 443}


def opening_of(query: QueryParams, settings: Settings) -> Opening:
    """Check a session's parameters.

    Raises:
        SessionClosed: one is unknown, repeated, invalid, or the default model does not support it.
    """
    options = options_in(Form.LIVE)
    for name in query:
        if name not in {"sample_rate", "format", *options}:
            raise _invalid(f"There is no parameter {name[:40]!r}.")
        if len(query.getlist(name)) > 1:
            raise _invalid(f"{name}: Give it once.")
    if query.get("format", PCM) != PCM:
        raise _invalid(f"format: The only one is {PCM}: signed 16-bit little-endian samples of one channel.")
    rate = query.get("sample_rate", "")
    if not (
        rate.isascii() and rate.isdecimal() and len(rate) < 6 and LOWEST_RATE <= int(rate) <= HIGHEST_RATE
    ):
        raise _invalid(f"sample_rate: Give the hertz of the audio, from {LOWEST_RATE} to {HIGHEST_RATE}.")
    try:
        chosen = SubmissionOptions.of_form({name: query[name] for name in query if name in options})
    except OptionError as error:
        raise _invalid(f"{error.option}: {error.message}") from error
    _require_support(chosen.recognition(), settings)
    return Opening(
        session=str(uuid7()),
        sample_rate=int(rate),
        options=chosen.recognition().json(),
        numerals=chosen.numerals or Numerals.SPOKEN.value,
    )


def require_own_origin(headers: Headers, allowed: list[str]) -> None:
    """Refuse pages of other sites. Programs send no ``Origin``, browsers always do.

    WebSockets are not subject to the same-origin policy, so that any page that a user visits could otherwise
    open a session in that user's name.

    Args:
        allowed: origins whose pages may call the API; "*" allows all.

    Raises:
        SessionClosed: the page is neither of the host that it connects to, nor of an allowed origin.
    """
    origin = headers.get("origin")
    if (
        origin is None
        or "*" in allowed
        or origin in allowed
        or _is_same_host(origin, headers.get("host", ""))
    ):
        return
    raise SessionClosed(
        SessionEnd.FORBIDDEN,
        "Pages of this origin may not open sessions. SHRUTLEKH_CORS_ORIGINS lists those that may.",
    )


def _is_same_host(origin: str, host: str) -> bool:
    try:
        page = urlsplit(origin)
        here = urlsplit(f"{page.scheme}://{host}")
        default = DEFAULT_PORTS.get(page.scheme)
        return bool(page.hostname) and (page.hostname, page.port or default) == (
            here.hostname,
            here.port or default,
        )
    except ValueError:
        return False


def _require_support(options: RecognitionOptions, settings: Settings) -> None:
    try:
        folder = find_model(settings.models_dir, settings.default_model)
    except ModelNotInstalled as error:
        raise SessionClosed(SessionEnd.UNAVAILABLE, error.message) from error
    if options.needs_beam and BEAM not in decoders_of(folder):
        raise SessionClosed(
            SessionEnd.INVALID,
            "Beam search and hot-words need a language model, which the default model lacks.",
            DecoderUnavailable.code,
        )


def _invalid(message: str) -> SessionClosed:
    return SessionClosed(SessionEnd.INVALID, message)
