"""Live transcription over a WebSocket. docs/stream.md describes the protocol."""

import contextlib

import structlog
from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from api.http.dependencies import authenticated
from api.live.closing import SessionClosed
from api.live.opening import opening_of, require_own_origin
from api.live.post import Post
from api.live.relay import Relay
from api.services import Services
from shared.errors import ServiceError
from shared.keys import Scope
from shared.live import SessionEnd

PROTOCOL = "shrutlekh"
"""Subprotocol. Browsers cannot set headers, so a page offers it with a second one, ``key.<API key>``."""

KEY = "key."
REFUSALS = {401: SessionEnd.UNAUTHORISED, 403: SessionEnd.FORBIDDEN, 429: SessionEnd.FLOODED}
"""Ends of sessions that authentication refuses, by the status of its error. Otherwise it is not available."""

router = APIRouter()
log = structlog.get_logger(__name__)


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """Transcribe live audio."""
    offers = websocket.scope.get("subprotocols", ())
    await websocket.accept(PROTOCOL if PROTOCOL in offers else None)
    with contextlib.suppress(WebSocketDisconnect):
        try:
            await _serve(websocket)
            if websocket.client_state is WebSocketState.CONNECTED:
                await websocket.close(SessionEnd.DONE.close_code)
        except SessionClosed as closed:
            await _refuse(websocket, closed)
        except WebSocketDisconnect:
            raise
        except Exception:
            log.exception("live_session_failed")
            await _refuse(
                websocket,
                SessionClosed(
                    SessionEnd.INTERNAL, "The server hit an unexpected error. Its log has the details."
                ),
            )


async def _admit(websocket: WebSocket) -> None:
    """Check the API key, which is in a header or, from a browser, in the subprotocol ``key.<API key>``.

    Raises:
        SessionClosed: there is none, it is not valid, or it may not be used for this.
    """
    offers = websocket.scope.get("subprotocols", ())
    key = next((offer.removeprefix(KEY) for offer in offers if offer.startswith(KEY)), None)
    try:
        await authenticated(websocket, Scope.SUBMIT, key)
    except ServiceError as error:
        raise SessionClosed(
            REFUSALS.get(error.status, SessionEnd.UNAVAILABLE), error.message, error.code
        ) from error


async def _serve(websocket: WebSocket) -> None:
    services: Services = websocket.app.state.services
    settings = services.settings
    require_own_origin(websocket.headers, settings.cors_origins)
    await _admit(websocket)
    opening = await services.threads.file(lambda: opening_of(websocket.query_params, settings))
    post = Post(services.live_redis, opening)
    with services.live.counted():
        await Relay(websocket, post, opening, settings, services.live.stopping).run()


async def _refuse(websocket: WebSocket, closed: SessionClosed) -> None:
    log.info("live_session_closed", code=closed.code, close_code=closed.end.close_code)
    await websocket.send_json({"type": "error", "code": closed.code, "message": closed.message}, mode="text")
    await websocket.close(closed.end.close_code, closed.code)
