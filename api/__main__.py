"""``python -m api``: run the front end until SIGTERM or Ctrl-C."""

import socket

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.services import Services
from shared.exiting import exit_fast
from shared.logs import configure_logging
from shared.settings import Settings

FRAME_BYTES = 2**20  # of a WebSocket message: 10 s of audio at the highest rate
LIVE_SECONDS = 3.0  # for the rest of the text of live sessions
DRAIN_SECONDS = (
    6  # for uploads in progress; with the time above, less than the 10 s after which container runtimes kill
)


class Server(uvicorn.Server):
    """Uvicorn server that ends pending long polls before draining other requests."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End long polls and live sessions, let other requests finish, then stop."""
        services: Services = self._app.state.services
        services.watcher.stop()
        await services.live.stop(LIVE_SECONDS)
        await super().shutdown(sockets)


def main() -> None:
    """Run the front end, configured from the environment."""
    exit_fast()
    settings = Settings()
    configure_logging(settings.log_level)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        access_log=settings.log_level == "DEBUG",  # thousands of polls would bury other lines
        server_header=False,
        ws_max_size=FRAME_BYTES,
        ws_per_message_deflate=False,  # audio does not shrink
        proxy_headers=False,  # the application has its own setting for proxies
    )
    Server(app, config).run()


if __name__ == "__main__":
    main()
