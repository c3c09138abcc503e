"""``make bench PEERS=1``: other speech recognisers against this one, on the same recordings and cores.

onnx-asr and sherpa-onnx run the weights of our default model, exported to their layouts; faster-whisper runs
Whisper base. They are installed to an environment below `.work/peers`, never to `.venv`. Each program runs in
a separate process, `benchmarks.peers.child`, in turn with all others.
"""
