"""Which track of a container is heard, by which decoder, and what that gives."""

from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from speech.errors import AudioUnreadable, AudioUnsupported

Samples = npt.NDArray[np.float32]

DECODERS = (
    "aac,aac_latm,ac3,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,adpcm_swf,adpcm_yamaha,alac,amrnb,amrwb,eac3,flac,"
    "g722,g723_1,g726,g726le,gsm,gsm_ms,mp1,mp1float,mp2,mp2float,mp3,mp3float,nellymoser,opus,pcm_alaw,pcm_f32be,"
    "pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,pcm_s16le,pcm_s24be,pcm_s24le,pcm_s32be,pcm_s32le,"
    "pcm_s8,pcm_u8,speex,tta,vorbis,wavpack,wmalossless,wmapro,wmav1,wmav2,wmavoice"
)

_LOSSLESS = frozenset({"flac", "tta", "wavpack"})
"""Codecs with a checksum, which FFmpeg heeds on request alone."""

_BETTER_DECODERS = {"amrnb": "libopencore_amrnb", "amrwb": "libopencore_amrwb"}
"""FFmpeg's own give up where a telephone did not transmit (DTX)."""

_PROTECTED_TAGS = frozenset({"drms", "enca", "aavd"})

_MAX_FRAME_SAMPLES = 1 << 20
"""Samples of one channel that a codec frame may hold; real ones have at most 65,536."""


class NoCodec(AudioUnsupported):
    """No track is in a codec that is read."""


def choose_track(container: InputContainer) -> AudioStream:
    """Of the tracks that can be decoded the one marked as default, else the first.

    Raises:
        AudioUnreadable: there is no sound.
        NoCodec, AudioUnsupported.
    """
    tracks = container.streams.audio
    if not tracks:
        raise AudioUnreadable("There is no sound in the file, only pictures or text.")
    allowed = DECODERS.split(",")
    heard = [track for track in tracks if _codec(track) in allowed]
    if not heard:
        names = ", ".join(sorted({_codec(track) for track in tracks}))
        raise NoCodec(f"The sound is coded as {names}, which is not read. Convert it to WAV or FLAC.")
    chosen = next((track for track in heard if track.disposition & Disposition.default), heard[0])
    if _tag(chosen) in _PROTECTED_TAGS:
        raise AudioUnsupported("The recording is encrypted (DRM), so it cannot be read.")
    return chosen


def make_decoder(track: AudioStream) -> AudioCodecContext:
    """The decoder of a track, on one thread."""
    context = track.codec_context
    better = _BETTER_DECODERS.get(context.name)
    if better in av.codecs_available:
        rate, layout = context.sample_rate, context.layout
        context = cast("AudioCodecContext", av.CodecContext.create(better, "r"))
        context.sample_rate, context.layout = rate, layout
    context.thread_count = 1
    context.thread_type = "NONE"
    context.options = {"max_samples": str(_MAX_FRAME_SAMPLES)}
    if context.name in _LOSSLESS:
        context.options |= {"err_detect": "crccheck+explode"}
    return context


def as_float(frame: AudioFrame) -> Samples:
    """Shape (samples, channels), full scale 1."""
    channels = frame.layout.nb_channels
    if frame.format.is_planar and channels >= 8:
        # Frame.planes of PyAV (18.1) reads beyond the end where FFmpeg has eight planes or more.
        (frame,) = av.AudioResampler(format=frame.format.packed).resample(frame)
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, channels)
    if values.dtype == np.uint8:
        return ((values.astype(np.float32) - 128.0) / 128.0).astype(np.float32)
    if values.dtype.kind == "i":
        return values.astype(np.float32) / np.float32(2 ** (8 * values.itemsize - 1))
    return values.astype(np.float32)


def _codec(track: AudioStream) -> str:
    return "an unknown codec" if track.codec_context is None else track.codec_context.name


def _tag(track: AudioStream) -> str:
    try:
        return track.codec_tag
    except UnicodeDecodeError:  # any four bytes
        return ""
