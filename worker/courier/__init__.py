"""Deliver webhooks: a thread of the sweeper. Several may run at once, each delivery is claimed by one."""

from worker.courier.loop import Courier, CourierThread
from worker.courier.sending import Sender

__all__ = ["Courier", "CourierThread", "Sender"]
