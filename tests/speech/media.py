"""Recordings in every format: encoded in memory by PyAV, or assembled by hand if it has no encoder."""

import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import OutputContainer
from av.video.stream import VideoStream

LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 6: "5.1", 8: "7.1"}
BIT_RATES = {"libopencore_amrnb": 12_200, "g723_1": 6_300}
EXPERIMENTAL = ("vorbis", "opus")


def encode(
    container: str,
    codec: str,
    samples: npt.NDArray[np.floating],
    rate: int,
    *,
    options: Mapping[str, str] | None = None,
    codec_options: Mapping[str, str] | None = None,
    start: float = 0.0,
    video: bool = False,
    metadata: Mapping[str, str] | None = None,
    gaps: Mapping[float, float] | None = None,
) -> bytes:
    """A file of `container` with one track.

    Args:
        samples: shape (samples,) or (channels, samples), full scale 1.
        options: of the muxer; codec_options of the encoder.
        start: seconds by which the track begins late.
        video: a track of pictures comes before it.
        gaps: seconds of missing packets by the second before which they are missing.
    """
    block = np.ascontiguousarray(np.atleast_2d(np.asarray(samples, np.float32)))
    layout = LAYOUTS[len(block)]
    with tempfile.NamedTemporaryFile() as file:
        with av.open(file.name, "w", format=container, options=dict(options or {})) as output:
            output.metadata.update(metadata or {})
            pictures = _pictures(output) if video else None
            stream = output.add_stream(codec, rate=rate)
            context = stream.codec_context
            formats = [form.name for form in context.codec.audio_formats or ()]
            context.layout = layout
            context.format = next((form for form in ("s16", "s16p", *formats) if form in formats), "s16")
            context.bit_rate = BIT_RATES.get(codec, 64_000)
            context.options = dict(codec_options or {})
            if codec in EXPERIMENTAL:
                context.options |= {"strict": "experimental"}
            context.open()
            if pictures is not None:
                for index in range(int(10 * block.shape[1] / rate)):
                    image = av.VideoFrame(64, 48, "yuvj420p")
                    image.pts = index
                    output.mux(pictures.encode(image))
            frame = av.AudioFrame.from_ndarray(block.T.reshape(1, -1).copy(), "flt", layout)
            frame.sample_rate = rate
            fifo = av.AudioFifo()
            converter = av.AudioResampler(context.format, layout, rate)
            for part in [*converter.resample(frame), *converter.resample(None)]:
                part.pts = None
                fifo.write(part)
            shift, done = round(start * rate), 0
            missing = dict(gaps or {})
            while part := fifo.read(context.frame_size or 1024) or fifo.read(0, partial=True):
                for place in [place for place in missing if done >= place * rate]:
                    shift += round(missing.pop(place) * rate)
                part.pts, done = done + shift, done + part.samples
                output.mux(stream.encode(part))
            output.mux(stream.encode(None))
        return Path(file.name).read_bytes()


def _pictures(output: OutputContainer) -> VideoStream:
    stream = output.add_stream("mjpeg", rate=10)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
    return stream


def amr_wb(frames: int, mode: int = 2) -> bytes:
    """AMR-WB with random speech frames of 20 ms (RFC 4867, section 5), because there is no encoder for it."""
    size = (17, 23, 32, 36, 40, 46, 50, 58, 60)[mode]
    dice = np.random.default_rng(mode)
    body = b"".join(bytes([(mode << 3) | 4]) + dice.bytes(size) for _ in range(frames))
    return b"#!AMR-WB\n" + body


def id3(size: int) -> bytes:
    """An ID3v2.3 tag with a picture of the given size, as players prepend to MP3 and AAC files."""
    picture = b"\0image/jpeg\0\3\0" + b"\xff\xd8" + b"\xff\xfb" * (size // 2)
    frame = b"APIC" + struct.pack(">I", len(picture)) + b"\0\0" + picture
    length = len(frame)
    return b"ID3\3\0\0" + bytes(length >> shift & 127 for shift in (21, 14, 7, 0)) + frame
