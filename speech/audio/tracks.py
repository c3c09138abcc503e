"""Choose a container's audio track and decoder, and convert decoded frames to float32."""

from typing import Any, cast

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

_CHECKED = frozenset({"ac3", "eac3", "flac", "tta", "wavpack"})
"""Codecs with a checksum, which FFmpeg verifies only on request."""

_BETTER_DECODERS = {"amrnb": "libopencore_amrnb", "amrwb": "libopencore_amrwb"}
"""Replacements for FFmpeg's own decoders, which fail where a telephone did not transmit (DTX)."""

_PROTECTED_TAGS = frozenset({"drms", "enca", "aavd"})

_MAX_FRAME_SAMPLES = 1 << 20
"""Most samples per channel in a codec frame. Real codecs have at most 65,536."""

_UNSAFE_PLANES = 8
"""PyAV 18.1 bug: Frame.planes reads out of bounds if FFmpeg has eight planes or more."""

_DTYPES: dict[str, np.dtype[Any]] = {
    **{name: np.dtype(np.uint8) for name in ("u8", "u8p")},
    **{name: np.dtype(np.int16) for name in ("s16", "s16p")},
    **{name: np.dtype(np.int32) for name in ("s32", "s32p")},
    **{name: np.dtype(np.int64) for name in ("s64", "s64p")},
    **{name: np.dtype(np.float32) for name in ("flt", "fltp")},
    **{name: np.dtype(np.float64) for name in ("dbl", "dblp")},
}


class NoCodec(AudioUnsupported):
    """No track has a supported codec."""


def choose_track(container: InputContainer) -> AudioStream:
    """Choose the default track among those that can be decoded, or else the first of them.

    Raises:
        AudioUnreadable: the file has no audio track.
        NoCodec: no track has a supported codec.
        AudioUnsupported: the track is encrypted.
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
    """Make a single-threaded decoder for a track."""
    context = track.codec_context
    better = _BETTER_DECODERS.get(context.name)
    if better in av.codecs_available:
        rate, layout = context.sample_rate, context.layout
        context = cast("AudioCodecContext", av.CodecContext.create(better, "r"))
        context.sample_rate, context.layout = rate, layout
    context.thread_count = 1
    context.thread_type = "NONE"
    context.options = {"max_samples": str(_MAX_FRAME_SAMPLES)}
    if context.name in _CHECKED:
        context.options |= {"err_detect": "crccheck+explode"}
    return context


def as_float(frame: AudioFrame) -> Samples:
    """Convert a decoded frame to float32 of shape (samples, channels), full scale 1."""
    channels = frame.layout.nb_channels
    if channels >= _UNSAFE_PLANES and frame.format.is_planar:
        (frame,) = av.AudioResampler(format=frame.format.packed).resample(frame)
    dtype = _DTYPES[frame.format.name]
    planes, count = cast("Any", frame.planes), frame.samples
    if len(planes) == 1:  # also a planar frame of one channel
        values = np.frombuffer(planes[0], dtype, count * channels).reshape(count, channels)
    else:
        values = np.stack([np.frombuffer(plane, dtype, count) for plane in planes], axis=1)
    if dtype == np.float32:
        return values
    samples: Samples = values.astype(np.float32)
    if dtype == np.uint8:
        return (samples - np.float32(128)) / np.float32(128)
    return samples / np.float32(2 ** (8 * dtype.itemsize - 1)) if dtype.kind == "i" else samples


def _codec(track: AudioStream) -> str:
    return "an unknown codec" if track.codec_context is None else track.codec_context.name


def _tag(track: AudioStream) -> str:
    try:
        return track.codec_tag
    except UnicodeDecodeError:  # any four bytes
        return ""
