"""A worker that is told to stop notices at once."""

from types import SimpleNamespace

from celery import Celery
from kombu.asynchronous import Hub

from worker.wakeup import WakeUp


def test_the_event_loop_wakes_for_each_connection() -> None:
    celery = Celery("made")
    wake_up = WakeUp(celery)
    (listen,) = celery.steps["consumer"]
    for _ in range(2):  # a new loop after a connection was lost
        hub = Hub()
        consumer = SimpleNamespace(hub=hub, steps=[])
        listen(consumer).start(consumer)
        assert hub.poller.poll(0) in (None, [])
        wake_up.wake()
        wake_up.wake()
        ((reader, _),) = hub.poller.poll(5)
        callback, arguments = hub.readers[reader]
        callback(*arguments)
        assert hub.poller.poll(0) in (None, [])
        hub.close()


def test_a_full_pipe_is_no_error() -> None:
    wake_up = WakeUp(Celery("made"))
    for _ in range(100_000):
        wake_up.wake()
