"""Intake: from an incoming upload to a queued job."""
