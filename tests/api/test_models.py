"""GET /v1/models. tests/api/test_transcriptions.py reads it with OpenAI's client."""

from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_installed_models(client: httpx.AsyncClient, models_dir: Path) -> None:
    created = int((models_dir / "hi-ctc-base" / "model.json").stat().st_mtime)
    openai = {"id": "hi-ctc-base", "object": "model", "created": created, "owned_by": "shrutlekh"}
    answer = (await client.get("/v1/models")).json()
    assert answer == {
        "default": "hi-ctc-base",
        "models": [
            {
                "name": "hi-ctc-base",
                "language": "hi",
                "sample_rate": 16000,
                "licence": "Apache-2.0",
                "description": "A card without weights.",
                "evaluation": [{"set": "none", "wer": 1.0, "cer": 1.0}],
                "decoders": ["greedy"],
                "default_decoder": "greedy",
            }
        ],
        "object": "list",
        "data": [openai],
    }
    (model,) = answer["models"]
    assert (await client.get("/v1/models/hi-ctc-base")).json() == model | openai
