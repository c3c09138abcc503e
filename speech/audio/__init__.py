"""Decode recordings into blocks of samples."""

from speech.audio.reader import MAX_TRACKS, AudioReader, open_audio
from speech.audio.resampling import Resampler
from speech.audio.sound_files import MAX_CHANNELS

__all__ = ["MAX_CHANNELS", "MAX_TRACKS", "AudioReader", "Resampler", "open_audio"]
