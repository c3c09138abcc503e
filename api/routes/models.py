"""List the installed models."""

from dataclasses import asdict

from fastapi import APIRouter

from api.http.dependencies import Reading, ServicesDep
from api.http.service_schemas import ModelOut, ModelsOut
from shared.installed_models import installed_models

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("")
async def list_models(services: ServicesDep, _: Reading) -> ModelsOut:
    """List the installed models and their measured error rates."""
    models = await services.threads.file(lambda: installed_models(services.settings.models_dir))
    return ModelsOut(
        default=services.settings.default_model, models=[ModelOut(**asdict(model)) for model in models]
    )
