"""OpenTelemetry tracing: one trace from an upload to the commit of its result, if a collector is configured.

The trace crosses the queue as a W3C ``traceparent`` in the job's row. Spans hold ids, sizes, durations and
codes, never words, names or keys. Without a collector, OpenTelemetry's no-op tracer costs next to nothing.
"""

from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

tracer: Final = trace.get_tracer("shrutlekh")
_W3C: Final = TraceContextTextMapPropagator()


def configure_traces(service: str, endpoint: str) -> None:
    """Export the spans of `tracer` to the OTLP collector at ``endpoint``; "" exports nothing.

    Call it once per process and after any fork: it starts a thread.
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
    """Export the remaining spans."""
    shutdown = getattr(trace.get_tracer_provider(), "shutdown", None)
    if shutdown is not None:
        shutdown()


def traceparent() -> str | None:
    """Return the current span as a W3C ``traceparent``, or None outside a span."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent")


def context_of(carrier: Mapping[str, str]) -> Context:
    """Return the trace context of ``carrier["traceparent"]``, or an empty one if it is absent."""
    return _W3C.extract(carrier, Context())
