"""GET /v1/models."""

import httpx
import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_installed_models(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/models")).json() == {
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
    }
