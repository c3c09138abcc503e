"""Live transcription over a WebSocket. docs/stream.md describes the protocol."""

import contextlib

import structlog
from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from api.live.closing import SessionClosed
from api.live.opening import opening_of, require_own_origin
from api.live.post import Post
from api.live.relay import Relay
from api.services import Services
from shared.live import SessionEnd

PROTOCOL = "shrutlekh"
"""Subprotocol. Browsers cannot set headers, so a page offers it with a second one, ``key.<API key>``."""

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


async def authorised(websocket: WebSocket) -> None:
    """Admit the client, or raise SessionClosed with SessionEnd.UNAUTHORISED. Admits everybody.

    The key is in the ``Authorization`` header or, from a browser, in the subprotocol ``key.<API key>``.
    """


async def _serve(websocket: WebSocket) -> None:
    services: Services = websocket.app.state.services
    settings = services.settings
    require_own_origin(websocket.headers, settings.cors_origins)
    await authorised(websocket)
    opening = await services.threads.file(lambda: opening_of(websocket.query_params, settings))
    post = Post(services.live_redis, opening)
    with services.live.counted():
        await Relay(websocket, post, opening, settings, services.live.stopping).run()


async def _refuse(websocket: WebSocket, closed: SessionClosed) -> None:
    log.info("live_session_closed", code=closed.code, close_code=closed.end.close_code)
    await websocket.send_json({"type": "error", "code": closed.code, "message": closed.message}, mode="text")
    await websocket.close(closed.end.close_code, closed.code)
