"""The FastAPI application: routes, error handlers, middleware and services."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from api.http.heads import HeadAsGet
from api.http.instrumentation import MeasureRequests, Metrics
from api.http.lingering import LingeringClose
from api.http.openapi import install_openapi, operation_id
from api.http.problems import install_problem_handlers
from api.http.proxies import BehindProxies
from api.http.query_parameters import refuse_unknown_parameters
from api.http.rate_limits import RateLimitHeaders
from api.http.safe_headers import SafeHeaders
from api.routes import (
    batches,
    events,
    health,
    jobs,
    models,
    page,
    recordings,
    results,
    revisions,
    simple,
    stream,
    transcriptions,
    webhooks,
)
from api.routes import metrics as measurements
from api.services import open_services
from shared.settings import Settings
from shared.version import VERSION

ROUTES = (
    jobs,
    results,
    revisions,
    recordings,
    events,
    batches,
    webhooks,
    simple,
    transcriptions,
    stream,
    models,
    health,
    measurements,
    page,
)


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
        dependencies=[Depends(refuse_unknown_parameters)],
        generate_unique_id_function=operation_id,
    )
    for module in ROUTES:
        app.include_router(module.router)
    install_openapi(app, [route for module in ROUTES for route in module.router.routes])
    install_problem_handlers(app)
    app.add_middleware(RateLimitHeaders)
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
            "RateLimit",
            "RateLimit-Policy",
            "Retry-After",
            "X-Request-Id",
        ],
    )
    app.add_middleware(SafeHeaders, embeddable=bool(settings.cors_origins))
    app.add_middleware(MeasureRequests, metrics=metrics)
    app.add_middleware(HeadAsGet)
    app.add_middleware(BehindProxies, trusted=settings.trusted_proxies, root_path=settings.root_path)
    return app
