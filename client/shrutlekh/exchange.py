"""Build the requests of the API and read the responses. Nothing here sends."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Generic, TypeVar

import httpx
from shrutlekh_contract.hosts import is_loopback

from shrutlekh.api_keys import KEY_ERRORS, key_headers, key_in_force, with_advice
from shrutlekh.errors import ApiError, InvalidUrl, NotShrutlekh, Unreachable

CONNECT_SECONDS = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request of the API.

    Attributes:
        read: converts an accepted response to the result; KeyError, TypeError, ValueError and AttributeError
            mean that the response has a wrong shape.
        files: parts of the form with the name, content and media type of each.
        json: a document to send instead of a form.
        accept: status codes to accept besides 2xx.
        held_seconds: how long the service may delay the response.
        is_retried: whether a failed call is retried.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    files: Sequence[tuple[str, tuple[str, BinaryIO, str]]] = ()
    json: Mapping[str, Any] | None = None
    accept: frozenset[int] = frozenset()
    held_seconds: float = 0.0
    is_retried: bool = True

    def request(self, http: httpx.Client | httpx.AsyncClient, timeout: float) -> httpx.Request:
        """Build a request. Each try needs a new one, which reads the file from the start."""
        return http.build_request(
            self.method,
            self.path,
            params=self.params,
            headers=self.headers,
            data=self.form,
            files=list(self.files) or None,
            json=self.json,
            timeout=httpx.Timeout(timeout + self.held_seconds, connect=CONNECT_SECONDS, pool=None),
        )

    def result(self, response: httpx.Response, url: str) -> T:
        """Return the result of a response.

        Raises:
            ApiError: the answer is an error.
            NotShrutlekh: the answer has a wrong shape.
        """
        if not (response.is_success or response.status_code in self.accept):
            raise error_of(response)
        try:
            return self.read(response)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NotShrutlekh(f"The server at {url} is not Shrutlekh, or another version of it.") from error


def http_options(url: str, connections: int, api_key: str | None) -> dict[str, Any]:
    """Return the arguments of httpx's synchronous or asynchronous client.

    The client follows no redirects, so the key never goes to another host.

    Raises:
        InvalidUrl: the URL cannot be parsed.
        ApiKeyUnusable: the key has characters that no key has.
    """
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidUrl(f"{url} is not a URL: {error}") from error
    return {
        "base_url": base,
        "limits": httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        "headers": {"User-Agent": "shrutlekh-client"}
        | key_headers(key_in_force(api_key), authorization_is_taken=bool(base.userinfo)),
        "follow_redirects": False,
        "trust_env": not is_loopback(base.host),  # a proxy cannot reach a service on this machine
    }


def unreachable(error: httpx.TransportError | httpx.InvalidURL, url: str) -> Unreachable:
    """Return the error for a request without a response."""
    match error:
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return InvalidUrl(f"{url} is not a URL that begins with http:// or https://.")
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return Unreachable(f"No Shrutlekh answers at {url}. Start one with `shrutlekh serve`.")
    return Unreachable(f"The connection to {url} broke ({type(error).__name__}).")


def error_of(response: httpx.Response) -> ApiError:
    """Return the error of a response whose body was read."""
    status, after = response.status_code, _retry_after(response)
    try:
        problem = response.json()
        message = str(problem.get("detail") or problem.get("title") or response.reason_phrase)
        code = str(problem.get("code") or f"http_{status}")
        return ApiError(code, with_advice(code, message) if code in KEY_ERRORS else message, status, after)
    except (ValueError, AttributeError):
        message = f"The server answered {status} {response.reason_phrase}."
        return ApiError(f"http_{status}", message, status, after)


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):  # absent, or a date: the client's own backoff is good enough
        return None
