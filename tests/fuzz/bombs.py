"""Files built to hurt: hours in a few kilobytes, tables without end, references to other files."""

import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import soundfile

from tests.speech.media import amr_wb, encode
from tests.speech.sounds import wav_bytes

HOURS = 7
"""More than the six that SHRUTLEKH_MAX_AUDIO_SECONDS allows by default."""


def box(kind: bytes, *parts: bytes, size: int | None = None) -> bytes:
    """An MP4 box, its size a lie at will."""
    body = b"".join(parts)
    return struct.pack(">I", (8 + len(body) if size is None else size) & 0xFFFFFFFF) + kind + body


def mp4(
    *tables: bytes, rate: int = 16_000, channels: int = 1, entry: bytes = b"sowt", bits: int = 16
) -> bytes:
    """An MP4 file with one PCM track, whose sample tables are the caller's."""
    data = bytes(4000)
    sound = bytes(6) + struct.pack(">H8xHHHHI", 1, channels, bits, 0, 0, (rate << 16) & 0xFFFFFFFF)
    stsd = box(b"stsd", struct.pack(">II", 0, 1), box(entry, sound))
    mdhd = box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, rate & 0xFFFFFFFF, 2000, 0, 0))
    hdlr = box(b"hdlr", bytes(8), b"soun", bytes(13))
    stbl = box(b"stbl", stsd, *tables)
    trak = box(b"trak", box(b"mdia", mdhd, hdlr, box(b"minf", stbl)))
    mvhd = box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 2000) + bytes(80))
    return box(b"ftyp", b"isom", bytes(4)) + box(b"mdat", data) + box(b"moov", mvhd, trak)


def table(kind: bytes, *numbers: int, version: int = 0) -> bytes:
    return box(kind, struct.pack(f">I{len(numbers)}I", version, *numbers))


STTS = table(b"stts", 1, 2000, 1)
STSC = table(b"stsc", 1, 1, 2000, 1)
STSZ = table(b"stsz", 2, 2000)
STCO = table(b"stco", 1, 24)
MOST = 0xFFFFFFFF


def element(identity: bytes, body: bytes, size: int | None = None) -> bytes:
    """A Matroska element with an eight-byte length, which may lie."""
    return identity + struct.pack(">Q", (1 << 56) | (len(body) if size is None else size)) + body


def _number(identity: bytes, value: int) -> bytes:
    return element(identity, struct.pack(">Q", value))


EBML = element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", b"matroska"))
AUDIO = element(
    b"\xe1", element(b"\xb5", struct.pack(">d", 16_000.0)) + _number(b"\x9f", 1) + _number(b"\x62\x64", 16)
)
TRACK = element(
    b"\xae", _number(b"\xd7", 1) + _number(b"\x73\xc5", 1) + _number(b"\x83", 2)
    + element(b"\x86", b"A_PCM/INT/LIT") + AUDIO
)  # fmt: skip


def cluster(milliseconds: int, body: bytes, size: int | None = None) -> bytes:
    block = element(b"\xa3", b"\x81\0\0\x80" + body)
    return element(b"\x1f\x43\xb6\x75", _number(b"\xe7", milliseconds) + block, size)


def matroska(*clusters: bytes, tracks: int = 1, size: int | None = None) -> bytes:
    info = element(b"\x15\x49\xa9\x66", _number(b"\x2a\xd7\xb1", 1_000_000))
    head = info + element(b"\x16\x54\xae\x6b", TRACK * tracks)
    return EBML + element(b"\x18\x53\x80\x67", head + b"".join(clusters), size)


def flac_hours() -> bytes:
    file = BytesIO()
    with soundfile.SoundFile(file, "w", 8_000, 1, format="FLAC") as sound:
        block = np.zeros(8_000 * 600, np.int16)
        for _ in range(HOURS * 6):
            sound.write(block)
    return file.getvalue()


def aac_hours(hours: float = HOURS) -> bytes:
    silence = encode("adts", "aac", np.zeros(8_000 * 4), 8_000)
    frames, place = [], 0
    while place < len(silence):
        length = (silence[place + 3] & 3) << 11 | silence[place + 4] << 3 | silence[place + 5] >> 5
        frames.append(silence[place : place + length])
        place += length
    return frames[0] + frames[len(frames) // 2] * int(hours * 3600 * 8_000 / 1024)


def opus_hours(container: str = "webm") -> bytes:
    """Packets of two bytes for 120 ms each: six frames that were not transmitted."""
    file = BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream("libopus", rate=48_000)
        stream.codec_context.layout = "mono"
        for index in range(int(HOURS * 3600 / 0.12)):
            packet = av.Packet(b"\xfb\x06")
            packet.stream, packet.time_base = stream, Fraction(1, 48_000)
            packet.pts = packet.dts = index * 5760
            packet.duration = 5760
            output.mux(packet)
    return file.getvalue()


def alac_frames() -> bytes:
    """A magic cookie with frames of 2^24 samples."""
    content = encode("mov", "alac", np.zeros(16_000), 16_000)
    cookie = content.index(b"alac", content.index(b"alac") + 4)
    return content[: cookie + 8] + struct.pack(">I", 1 << 24) + content[cookie + 12 :]


def compressed_index(megabytes: int = 900) -> bytes:
    """A movie header that is zlib's picture of so many zeros."""
    packer = zlib.compressobj(9)
    body = b"".join([*(packer.compress(bytes(2**20)) for _ in range(megabytes)), packer.flush()])
    cmov = box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", struct.pack(">I", megabytes * 2**20), body))
    return box(b"ftyp", b"qt  ", bytes(4)) + box(b"moov", cmov)


def deep(depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        body = box(b"moov", body)
    return box(b"ftyp", b"isom", bytes(4)) + body


def deep_matroska(depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        body = element(b"\xb6", body)  # a chapter in a chapter
    return EBML + element(b"\x18\x53\x80\x67", element(b"\x10\x43\xa7\x70", element(b"\x45\xb9", body)))


def text(words: str) -> Callable[[], bytes]:
    return words.encode


BOMBS: dict[str, Callable[[], bytes]] = {
    "7 h of silence, FLAC": flac_hours,
    "7 h of silence, AAC": aac_hours,
    "7 h of silence, Opus in WebM": opus_hours,
    "7 h of silence, Opus in Ogg": lambda: opus_hours("ogg"),
    "7 h of no data, AMR": lambda: b"#!AMR\n" + b"\x7c" * (HOURS * 3600 * 50),
    "7 h of no data, AMR-WB": lambda: b"#!AMR-WB\n" + b"\x7c" * (HOURS * 3600 * 50),
    "5.9 h of silence, AAC": lambda: aac_hours(5.9),
    "5.9 h of no data, AMR": lambda: b"#!AMR\n" + b"\x7c" * int(5.9 * 3600 * 50),
    "7 h of gaps in Matroska": lambda: matroska(*(cluster(n * 3_590_000, bytes(3200)) for n in range(8))),
    "a gap of centuries": lambda: matroska(cluster(0, bytes(3200)), cluster(2**61, bytes(3200))),
    "MP4: 2^32 samples of a constant size": lambda: mp4(STTS, STSC, table(b"stsz", 2, MOST), STCO),
    "MP4: 40 million samples in one chunk": lambda: mp4(
        table(b"stts", 1, 40_000_000, 1),
        table(b"stsc", 1, 1, 40_000_000, 1),
        table(b"stsz", 3, 40_000_000),
        STCO,
    ),
    "MP4: 100 million compressed samples": lambda: mp4(
        table(b"stts", 1, 100_000_000, 1024),
        table(b"stsc", 1, 1, 100_000_000, 1),
        table(b"stsz", 7, 100_000_000),
        STCO,
        entry=b"ulaw",
    ),
    "MP4: 100 million AAC samples": lambda: mp4(
        table(b"stts", 1, 100_000_000, 1024),
        table(b"ctts", 1, 100_000_000, 5),
        table(b"stsc", 1, 1, 100_000_000, 1),
        table(b"stsz", 7, 100_000_000),
        STCO,
        entry=b"mp4a",
    ),
    "MP4: sizes of 2^32 samples": lambda: mp4(STTS, STSC, table(b"stsz", 0, MOST), STCO),
    "MP4: sizes of 2^30 samples": lambda: mp4(STTS, STSC, table(b"stsz", 0, 2**30), STCO),
    "MP4: 2^32 chunks": lambda: mp4(STTS, STSC, STSZ, table(b"stco", MOST, 24)),
    "MP4: 2^32 times": lambda: mp4(table(b"stts", MOST, 1, 1), STSC, STSZ, STCO),
    "MP4: 2^32 chunk runs": lambda: mp4(STTS, table(b"stsc", MOST, 1, 1, 1), STSZ, STCO),
    "MP4: chunks of 2^32 samples": lambda: mp4(STTS, table(b"stsc", 1, 1, MOST, 1), STSZ, STCO),
    "MP4: samples of 4 GB": lambda: mp4(STTS, STSC, table(b"stsz", MOST, 2000), STCO),
    "MP4: 65,535 channels": lambda: mp4(STTS, STSC, STSZ, STCO, channels=65_535),
    "MP4: 4 GHz": lambda: mp4(STTS, STSC, STSZ, STCO, rate=MOST),
    "MP4: samples of 65,535 bits": lambda: mp4(STTS, STSC, STSZ, STCO, bits=65_535),
    "MP4: boxes 20,000 deep": lambda: deep(20_000),
    "MP4: an index of 900 MB in 900 kB": compressed_index,
    "MP4: box of 16 EB": lambda: box(b"ftyp", b"isom", bytes(4)) + b"\0\0\0\1mdat" + b"\xff" * 8 + bytes(900),
    "ALAC: frames of 2^24 samples": alac_frames,
    "Matroska: a cluster of 2^56 bytes": lambda: matroska(cluster(0, bytes(3200), 2**56 - 2)),
    "Matroska: a segment without end": lambda: matroska(cluster(0, bytes(3200)), size=2**56 - 1),
    "Matroska: 20,000 tracks": lambda: matroska(cluster(0, bytes(3200)), tracks=20_000),
    "Matroska: chapters 20,000 deep": lambda: deep_matroska(20_000),
    "WAV: 1,024 channels": lambda: wav_bytes(bytes(2_048_000), channels=1024),
    "WAV: 2^32 Hz": lambda: wav_bytes(bytes(4000), rate=MOST),
    "WAV: a codec and 65,535 channels": lambda: wav_bytes(bytes(4000), channels=65_535, encoding=0x11),
    "WAV: lists 20,000 deep": lambda: b"RIFF\xff\xff\xff\x7fWAVE" + b"LIST\xff\xff\xff\x7fINFO" * 20_000,
    "ID3: a tag of 256 MB": lambda: b"ID3\3\0\0\x7f\x7f\x7f\x7f" + bytes(4000),
    "ID3: 5,000 tags": lambda: b"ID3\3\0\0\0\0\0\0" * 5_000 + amr_wb(5),
    "FLAC: a picture of 16 MB that is not there": lambda: b"fLaC\x06\xff\xff\xff" + bytes(4000),
    "Ogg: pages of nothing": lambda: b"OggS\0\2" + bytes(20) + b"OggS\0\0" + bytes(21) * 5_000,
    "MPEG-TS: nothing but headers": lambda: (b"G@\0\x10" + bytes(184)) * 5_000,
    "playlist of files": text("#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\nhttp://127.0.0.1:9/a.ts\n"),
    "list of files to join": text("ffconcat version 1.0\nfile /etc/passwd\nfile http://127.0.0.1:9/\n"),
    "session description": text("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=audio 5004 RTP/AVP 0\n"),
    "DASH manifest": text('<?xml version="1.0"?><MPD><BaseURL>file:///etc/passwd</BaseURL></MPD>'),
    "stream redirect": text("[Reference]\nRef1=http://127.0.0.1:9/a\nASF http://127.0.0.1:9/\n"),
    "reference movie": lambda: box(b"ftyp", b"qt  ", bytes(4))
    + box(b"moov", box(b"rmra", box(b"rmda", box(b"rdrf", bytes(4), b"url ", b"file:///etc/passwd\0")))),
    "subtitles": text("WEBVTT\n\n00:00.000 --> 00:01.000\nनमस्ते\n"),
    "MIDI": lambda: b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0",
    "picture": lambda: b"\x89PNG\r\n\x1a\n" + bytes(4000),
    "zip": lambda: b"PK\3\4" + bytes(4000),
    "one byte": lambda: b"R",
    "nothing": lambda: b"",
}  # fmt: skip

SLOW = frozenset(
    name
    for name in BOMBS
    if "5.9 h" in name or "no data" in name or "900 MB" in name or name.endswith(", AAC")
)
"""Those that take seconds to make or to read."""
