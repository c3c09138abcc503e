"""One module per program that is measured. Each defines `load`, which returns a `child.Program`.

A peer's module runs in the peers' environment. Of this project it imports only `benchmarks.peers.child`.
"""
