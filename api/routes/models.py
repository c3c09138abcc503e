"""List the installed models, for clients of this API and of OpenAI's."""

from dataclasses import asdict
from pathlib import Path

from fastapi import APIRouter
from shrutlekh_contract.model_card import FILE_NAME

from api.http.dependencies import ModelName, Reading, ServicesDep
from api.http.openai_errors import ErrorShape
from api.http.openai_schemas import OpenAIModelOut
from api.http.openapi import problems
from api.http.service_schemas import ModelOut, ModelsOut, RetrievedModelOut
from shared.errors import InvalidRequest, ModelNotInstalled
from shared.installed_models import find_model, installed_models, read_card

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", responses=problems(InvalidRequest, shape=ErrorShape.BOTH))
async def list_models(services: ServicesDep, _: Reading) -> ModelsOut:
    """List the installed models and their measured error rates."""
    folder = services.settings.models_dir

    def read() -> ModelsOut:
        models = installed_models(folder)
        return ModelsOut(
            default=services.settings.default_model,
            models=[ModelOut(**asdict(model)) for model in models],
            data=[_openai_model(folder / model.name) for model in models],
        )

    return await services.threads.file(read)


@router.get("/{model}", responses=problems(InvalidRequest, ModelNotInstalled, shape=ErrorShape.BOTH))
async def get_model(services: ServicesDep, _: Reading, model: ModelName) -> RetrievedModelOut:
    """Get an installed model and its measured error rates."""

    def read() -> RetrievedModelOut:
        folder = find_model(services.settings.models_dir, model)
        card = read_card(folder)
        if card is None:
            raise ModelNotInstalled("The folder of the requested model has no valid model.json.")
        return RetrievedModelOut(**asdict(card), **_openai_model(folder).model_dump())

    return await services.threads.file(read)


def _openai_model(folder: Path) -> OpenAIModelOut:
    return OpenAIModelOut(id=folder.name, created=int((folder / FILE_NAME).stat().st_mtime))
