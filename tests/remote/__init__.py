"""Parts of the service on different hosts: networks that break, clocks that differ, TLS, failover."""
