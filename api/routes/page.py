"""The page for people: one document and its modules, which load nothing from elsewhere."""

from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from api.http.caching import is_known, weak_etag
from api.http.dependencies import PathsDep
from api.page_files import INDEX, PageFile, page_files

# Nothing but the service's own files runs, and no text can become markup or a script.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Vary": "Accept-Encoding",
}
# The version in the URL changes with the files.
FOREVER: Final = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


@router.get("/")
async def get_page(request: Request, paths: PathsDep) -> Response:
    """Get the page."""
    index = page_files().index(paths.prefix)
    headers = {"ETag": weak_etag(index.plain), "Cache-Control": "no-cache"}
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=HEADERS | headers)
    return _response(request, index, headers)


@router.get("/web/{version}/{name:path}")
async def get_page_file(request: Request, version: str, name: str) -> Response:
    """Get a module, a style sheet or a picture of the page."""
    files = page_files()
    file = files.files.get(name)
    if file is None or name == INDEX:
        raise HTTPException(404)
    # An older page gets today's file, but must not keep it under the old URL.
    return _response(request, file, {"Cache-Control": FOREVER if version == files.version else "no-store"})


def _response(request: Request, file: PageFile, headers: dict[str, str]) -> Response:
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers = headers | {"Content-Encoding": "gzip"}
        return Response(file.compressed, 200, HEADERS | headers, file.media_type)
    return Response(file.plain, 200, HEADERS | headers, file.media_type)
