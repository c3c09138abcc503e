"""One trace from an upload to the commit of its result, as a collector receives it."""

import os
from typing import Any

import pytest

from tests.stack.two_jobs import CALLER, NAME, TRACE, TwoJobs

pytestmark = pytest.mark.stack


def test_one_trace_from_upload_to_commit(two_jobs: TwoJobs) -> None:
    spans = [(service, span) for service, span in two_jobs.spans if span.trace_id.hex() == TRACE]
    by_id = {span.span_id: span for _, span in spans}

    def one(service: str, name: str, job: str) -> Any:
        (found,) = [span for of, span in spans if (of, span.name, job_of(span)) == (service, name, job)]
        return found

    submit = one("shrutlekh-api", "submit", two_jobs.good)
    attempt = one("shrutlekh-worker", "attempt", two_jobs.good)
    assert attempt.parent_span_id == submit.span_id
    top = submit
    while top.parent_span_id in by_id:  # through the web framework's own spans
        top = by_id[top.parent_span_id]
    assert top.parent_span_id.hex() == CALLER
    steps = {"transcribe", "commit"}
    if os.environ.get("SHRUTLEKH_TEST_FILES") == "s3":
        steps.add("download")
    assert {span.name for _, span in spans if span.parent_span_id == attempt.span_id} == steps
    assert one("shrutlekh-worker", "attempt", two_jobs.bad).status.message == "audio_unreadable"
    assert two_jobs.words
    assert not [word for word in (*two_jobs.words, NAME) if word.encode() in two_jobs.sent]


def job_of(span: Any) -> str:
    return next((one.value.string_value for one in span.attributes if one.key == "shrutlekh.job_id"), "")
