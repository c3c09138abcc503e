"""Drop files and folders onto the page, as a person's mouse does."""

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Locator

from tests.browser.visit import Visit

COPY = 1


def drag_over(visit: Visit, target: Locator, paths: Sequence[Path]) -> None:
    """Hold files and folders above an element."""
    _dispatch(visit, target, paths, "dragEnter", "dragOver")


def drop(visit: Visit, target: Locator, paths: Sequence[Path]) -> None:
    """Drop files and folders on an element.

    An event made by a script carries no folders; one that the browser is told through DevTools does.
    """
    _dispatch(visit, target, paths, "dragEnter", "dragOver", "drop")


def _dispatch(visit: Visit, target: Locator, paths: Sequence[Path], *kinds: str) -> None:
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    assert box is not None
    files = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": COPY}
    session = visit.debugger()
    for kind in kinds:
        session.send(
            "Input.dispatchDragEvent",
            {
                "type": kind,
                "x": box["x"] + box["width"] / 2,
                "y": box["y"] + box["height"] / 2,
                "data": files,
            },
        )
    session.detach()
