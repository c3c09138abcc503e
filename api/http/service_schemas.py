"""The JSON about the service itself: installed models, health, readiness."""

from typing import Annotated, Any, Literal

from pydantic import Field
from shrutlekh_contract.decoders import DECODERS

from api.http import examples
from api.http.openai_schemas import OpenAIModelOut
from api.http.schemas import Shape, with_example


class ModelOut(Shape):
    """An installed model, as described by its card."""

    name: str
    language: str
    sample_rate: int
    licence: str
    description: str
    evaluation: list[dict[str, Any]] = Field(
        description="Measured error rates, each with its test set and `decoder`: `beam` is with the model's "
        "language model, `greedy` without."
    )
    decoders: list[Annotated[str, Field(json_schema_extra={"enum": [*DECODERS]})]] = Field(
        description="Decoders that the model supports."
    )
    default_decoder: Annotated[str, Field(json_schema_extra={"enum": [*DECODERS]})] = Field(
        description="The decoder of a job that asks for none and has no hot-words."
    )


class ModelsOut(Shape):
    """The installed models."""

    model_config = with_example(examples.MODELS)

    default: str
    models: list[ModelOut]
    object: Literal["list"] = "list"
    data: list[OpenAIModelOut] = Field(description="The same models in the shape of OpenAI's API.")


class RetrievedModelOut(ModelOut, OpenAIModelOut):
    """An installed model, in the shapes of both APIs."""

    model_config = with_example(examples.RETRIEVED_MODEL)


class AliveOut(Shape):
    """The process answers."""

    model_config = with_example(examples.ALIVE)

    status: str


class CheckOut(Shape):
    """State of one part of the service."""

    ok: bool
    detail: str | None = None


class WorkersOut(Shape):
    """State of the workers that are ready."""

    ok: bool
    count: int


class ChecksOut(Shape):
    """State of each part of the service."""

    database: CheckOut
    migrations: CheckOut
    redis: CheckOut
    workers: WorkersOut
    disk: CheckOut


class ReadyOut(Shape):
    """Whether the service can transcribe now."""

    model_config = with_example(examples.READY)

    status: str
    checks: ChecksOut
    draining: bool = Field(
        description="Whether an operator told the workers to take no more jobs. Recordings are accepted, and "
        "wait until the drain ends."
    )
