"""``python -m benchmarks.bare_upload FOLDER PORT``: a FastAPI route that only saves the upload.

What the API's submissions are compared with: the route that a tutorial would write, without a database, a
queue, a checksum or a sync to disk.
"""

import shutil
import sys
import uuid
from pathlib import Path

import uvicorn
from fastapi import FastAPI, UploadFile


def make(folder: Path) -> FastAPI:
    """Make the application; uploads go to ``folder``."""
    app = FastAPI()

    @app.post("/upload", status_code=202)
    def save(file: UploadFile) -> dict[str, str]:
        name = uuid.uuid4().hex
        with (folder / name).open("wb") as saved:
            shutil.copyfileobj(file.file, saved)
        return {"id": name}

    return app


if __name__ == "__main__":
    uvicorn.run(make(Path(sys.argv[1])), port=int(sys.argv[2]), log_level="error")
