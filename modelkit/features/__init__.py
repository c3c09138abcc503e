"""Features as ONNX graphs, made with the onnx package: waveform and lengths in, frames out.

They are joined to the acoustic model's graph, so that every CTC model takes waveforms.
"""
