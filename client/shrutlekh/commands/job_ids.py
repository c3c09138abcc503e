"""Job ids as a command line takes them."""

import uuid

from shrutlekh.errors import ClientError


class JobIdInvalid(ClientError):
    """The text is not a job id."""

    code = "invalid_job_id"


def checked_id(text: str) -> str:
    """Return a job id in its usual form.

    Raises:
        JobIdInvalid: the text is not a UUID.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise JobIdInvalid(
            f"'{text}' is not a job id. `shrutlekh status` lists jobs with their ids."
        ) from error
