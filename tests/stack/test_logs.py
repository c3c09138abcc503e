"""What a whole service writes to its logs about a job."""

import json

import pytest

from tests.stack.two_jobs import CLIENT, HOTWORD, KEY, NAME, TwoJobs

pytestmark = pytest.mark.stack


def test_lines_are_json_with_the_jobs_id_and_nothing_private(two_jobs: TwoJobs) -> None:
    lines = two_jobs.lines
    assert all({"event", "level", "timestamp"} <= set(line) for name in lines for line in lines[name])
    assert [one["event"] for one in lines["api"] if one.get("job_id") == two_jobs.good] == ["job_submitted"]
    for job, end in ((two_jobs.good, "job_succeeded"), (two_jobs.bad, "job_failed")):
        events = [one["event"] for one in lines["worker"] if one.get("job_id") == job]
        assert (events[0], events[-1]) == ("job_started", end)
    text = json.dumps(lines, ensure_ascii=False)
    assert two_jobs.words
    for private in (*two_jobs.words, KEY, NAME, HOTWORD, CLIENT):
        assert private not in text, private
