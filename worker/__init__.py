"""The Celery worker: claims a job, keeps its lease, drives the engine, saves what comes out."""
