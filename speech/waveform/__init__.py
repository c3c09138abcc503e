"""The waveform of a recording: peaks and a picture."""
