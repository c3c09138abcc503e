"""The FastAPI application: routes, error handlers, middleware and services."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from api.http.heads import HeadAsGet
from api.http.instrumentation import MeasureRequests, Metrics
from api.http.lingering import LingeringClose
from api.http.openapi import install_openapi
from api.http.problems import install_problem_handlers
from api.http.proxies import BehindProxies
from api.routes import health, jobs, models, results, simple, stream
from api.routes import metrics as measurements
from api.services import open_services
from shared.settings import Settings
from shared.version import VERSION


def create_app(settings: Settings) -> FastAPI:
    """Create the application. It opens its connections at startup, not here."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings, metrics) as services:
            app.state.services = services
            yield

    app = FastAPIOffline(
        redoc_url=None,
        title="Shrutlekh",
        summary="Hindi recordings to text.",
        version=VERSION,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    for module in (jobs, results, simple, stream, models, health, measurements):
        app.include_router(module.router)
    install_openapi(app)
    install_problem_handlers(app)
    app.add_middleware(LingeringClose)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=[
            "Content-Disposition",
            "ETag",
            "Idempotent-Replayed",
            "Link",
            "Location",
            "Retry-After",
        ],
    )
    app.add_middleware(MeasureRequests, metrics=metrics)
    app.add_middleware(HeadAsGet)
    app.add_middleware(BehindProxies, trusted=settings.trusted_proxies, root_path=settings.root_path)
    return app
