"""OpenTelemetry: one trace from an upload to the commit of its result, where a collector is named.

A job carries the trace of its upload through the queue in W3C's form. Spans hold ids, sizes, seconds and
codes, never words, names or keys. Without a collector the API's own no-op tracer costs next to nothing.
"""

from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

tracer: Final = trace.get_tracer("shrutlekh")
_W3C: Final = TraceContextTextMapPropagator()


def configure_traces(service: str, endpoint: str) -> None:
    """Send what `tracer` records to the collector at ``endpoint``; "" sends nothing.

    To be called once in each process, after any fork: it starts a thread.
    """
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from shared.version import VERSION

    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service, SERVICE_VERSION: VERSION}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def stop_traces() -> None:
    """Send what has not been sent yet."""
    shutdown = getattr(trace.get_tracer_provider(), "shutdown", None)
    if shutdown is not None:
        shutdown()


def traceparent() -> str | None:
    """The current span in W3C's form; None outside of any."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent")


def context_of(carrier: Mapping[str, str]) -> Context:
    """The context that a `traceparent` names; an empty one without."""
    return _W3C.extract(carrier, Context())
