"""``python -m api``: run the front end until SIGTERM or Ctrl-C."""

import socket

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from shared.exiting import exit_fast
from shared.logs import configure_logging
from shared.settings import Settings

DRAIN_SECONDS = 8  # for uploads in progress; container runtimes kill after 10 seconds


class Server(uvicorn.Server):
    """Uvicorn server that ends pending long polls before draining other requests."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End long polls at once, let other requests finish, then stop."""
        self._app.state.services.watcher.stop()
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
        proxy_headers=False,  # the application has its own setting for proxies
    )
    Server(app, config).run()


if __name__ == "__main__":
    main()
