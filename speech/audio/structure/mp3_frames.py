"""What the headers of MP3 and ADTS frames state: the length of a frame, and of the file by its index.

Sources: ISO/IEC 11172-3, section 2.4.2.3; ISO/IEC 13818-3; ISO/IEC 14496-3, section 1.A.2 (ADTS); for the
index of a file, the Xing and VBRI headers as LAME and Fraunhofer's encoder write them.
"""

from typing import Final

_RATES: Final = (44_100, 48_000, 32_000)
_KILOBITS: Final = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates by version (2 also for 2.5) and layer, from index 1."""

HEADER_BYTES: Final = 6
INDEX_REACH: Final = 4_096
"""Bytes from the first frame in which an index is looked for."""


def frame_bytes(head: bytes) -> int | None:
    """Return the length of the MPEG audio or ADTS frame that begins with `head`, in bytes.

    None if it is no frame, or one of free bit rate.
    """
    if len(head) < HEADER_BYTES or head[0] != 0xFF or head[1] < 0xE0:
        return None
    layer = 4 - (head[1] >> 1 & 3)
    if layer == 4:  # ADTS
        return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    version_bits, rate_index, bits = head[1] >> 3 & 3, head[2] >> 2 & 3, head[2] >> 4
    if version_bits == 1 or rate_index == 3 or bits in (0, 15):
        return None
    version = 1 if version_bits == 3 else 2
    rate = _RATES[rate_index] >> {3: 0, 2: 1, 0: 2}[version_bits]
    bit_rate = 1000 * _KILOBITS[version, layer][bits - 1]
    padding = head[2] >> 1 & 1
    if layer == 1:
        return (12 * bit_rate // rate + padding) * 4
    return (144 if version == 1 or layer == 2 else 72) * bit_rate // rate + padding


def indexed_seconds(head: bytes) -> float | None:
    """Return the length by the index in the first frame of an MP3 file; None if it has none.

    Args:
        head: the file's first INDEX_REACH bytes behind its tags.
    """
    if len(head) < HEADER_BYTES or head[0] != 0xFF or head[1] < 0xE0:
        return None
    version_bits, rate_index = head[1] >> 3 & 3, head[2] >> 2 & 3
    if version_bits == 1 or rate_index == 3:
        return None
    frames = _frames(head)
    if not frames:
        return None
    rate = _RATES[rate_index] >> {3: 0, 2: 1, 0: 2}[version_bits]
    return frames * (1152 if version_bits == 3 else 576) / rate


def _frames(head: bytes) -> int:
    """Return the number of frames that the index states; 0 if it states none."""
    for name in (b"Xing", b"Info"):
        place = head.find(name)
        if place > 0 and len(head) >= place + 12:
            return int.from_bytes(head[place + 8 : place + 12], "big") if head[place + 7] & 1 else 0
    place = head.find(b"VBRI")
    return int.from_bytes(head[place + 14 : place + 18], "big") if place > 0 else 0
