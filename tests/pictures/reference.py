"""The pixels that a picture should have: Pillow's, with named exceptions.

Each exception has its reason beside it. Everything else is what Pillow, with pillow-heif, shows:
orientation applied, alpha over white, ICC profiles ignored, the first frame.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

pillow_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False

Pixels = NDArray[np.uint8]

MAX_PIXELS = 50_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF", "MPO")


class NoPicture(Exception):
    """The reference finds no picture."""


@dataclass
class Reference:
    """Upright RGB pixels, and how far another decoder's may be off on average."""

    pixels: Pixels
    format: str
    tolerance: float = 0.0


def read(data: bytes, page: int = 0) -> Reference:
    """The picture of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = _read(data, page)
            if not found.pixels.size:
                raise NoPicture("no pixels")
            return found
        except NoPicture:
            raise
        # Whatever a decoder raises: it finds no picture.
        except Exception as error:
            raise NoPicture(f"{type(error).__name__}: {error}") from error


def _read(data: bytes, page: int) -> Reference:
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return Reference(_tiff(data, page), "TIFF")
    if data[:3] == b"\xff\xd8\xff":
        if (rare := _rare_jpeg(data)) is not None:
            return Reference(rare, "JPEG")
        data = _whole_jpeg(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        data = _png_as_libpng_takes_it(data)
    try:
        image = Image.open(io.BytesIO(data))
        if image.width * image.height <= MAX_PIXELS:
            image.load()
    except (OSError, SyntaxError, ValueError):
        # Exceptions: files that Pillow refuses and other decoders show.
        if data[:4] == b"\x89PNG":
            image = Image.open(io.BytesIO(_bare_png(data)))
        elif data[:2] == b"BM":
            return Reference(_masked_bmp(data), "BMP")
        else:
            raise
    if image.format not in FORMATS:
        raise NoPicture(f"{image.format} is not one of our formats")
    if image.width * image.height > MAX_PIXELS:
        raise NoPicture("larger than the limit")
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[24] == 16:
        return Reference(_wide_png(data, image), "PNG")
    # HEVC and AV1 leave the upsampling of chroma to the decoder; WebP's is the same everywhere.
    name = image.format or ""
    tolerance = 2.0 if name in ("HEIF", "AVIF") else 0.0
    # libwebp rounds where it blends the first frame of an animation with its canvas.
    if name == "WEBP" and getattr(image, "is_animated", False):
        tolerance = 0.1
    # HEIF states rotation in its container; as in libheif and browsers, metadata does not count.
    if name in ("HEIF", "AVIF"):
        image.info.pop("xmp", None)
    return Reference(_pillow(image), "JPEG" if name == "MPO" else name, tolerance)


def _pillow(image: Image.Image) -> Pixels:
    image = _upright(image)
    if image.mode in ("I", "I;16", "I;16B", "F", "LAB", "HSV"):
        raise NoPicture(f"Pillow's mode {image.mode} has no plain RGB")
    if image.has_transparency_data:
        samples = np.asarray(image.convert("RGBA"))
        # Exception: a BMP whose alpha is zero everywhere is opaque. Programs leave the byte unset, and
        # every viewer shows the picture.
        if image.format == "BMP" and not samples[..., 3].any():
            return np.ascontiguousarray(samples[..., :3])
        return over_white(samples)
    return np.asarray(image.convert("RGB"))


def _bare_png(data: bytes) -> bytes:
    """A PNG's pixels alone: text, profiles and animation that Pillow refuses do not change them."""
    kept, place = [data[:8]], 8
    while place + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        if name in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept.append(data[place : place + length + 12])
        place += length + 12
    return b"".join(kept)


def _png_as_libpng_takes_it(data: bytes) -> bytes:
    """A PNG without what libpng, and so every browser, passes over.

    Exceptions: a chunk that is not critical and has a wrong checksum is not there, for which Pillow refuses
    the file; nor is a `tRNS` of another length than the colours have, or behind the pixels, which Pillow
    refuses or applies. A transparent grey of 2 or 4 bits is scaled as the pixels are, which Pillow forgets.
    """
    kept, place, colours, seen = [data[:8]], 8, 0, False
    bits, kind = data[24], data[25] if len(data) > 25 else 0
    while place + 12 <= len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        whole = data[place : place + length + 12]
        content, place = whole[8:-4], place + length + 12
        critical = name[:1].isupper()
        if len(whole) < length + 12:
            return b"".join([*kept, whole if critical else b""])
        if not critical and zlib.crc32(name + content) != struct.unpack(">I", whole[-4:])[0]:
            continue
        colours, seen = length // 3 if name == b"PLTE" else colours, seen or name == b"IDAT"
        if name == b"tRNS":
            fits = 0 < length <= colours if kind == 3 else length == {0: 2, 2: 6}.get(kind)
            if seen or not fits:
                continue
            if kind == 0 and bits in (2, 4):
                key = min(struct.unpack(">H", content)[0] * 255 // ((1 << bits) - 1), 0xFFFF)
                whole = _chunk(name, struct.pack(">H", key))
        kept.append(whole)
    # What of a chunk's header stands behind the pixels is none.
    return b"".join([*kept, b"" if seen else data[place:]])


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def _with_right_checksums(data: bytes) -> bytes:
    """A PNG for a decoder that checks what Pillow does not: checksums, and the end."""
    kept, place = [data[:8]], 8
    while place + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        if name != b"IEND":
            kept.append(_chunk(name, data[place + 8 : place + 8 + length]))
        place += length + 12
    return b"".join([*kept, _chunk(b"IEND", b"")])


def _masked_bmp(data: bytes) -> Pixels:
    """A BMP whose masks Pillow's table lacks: each channel is scaled by its mask."""
    header, width, height = struct.unpack("<Iii", data[14:26])
    bits, compression = struct.unpack("<HI", data[28:34])
    if header < 40 or compression != 3 or bits not in (16, 32):
        raise NoPicture("neither Pillow nor bit masks")
    start = struct.unpack("<I", data[10:14])[0]
    masks = struct.unpack("<4I", data[54:70])
    alpha = masks[3] if header >= 56 and bits == 32 else 0
    stride = (width * bits // 8 + 3) // 4 * 4
    rows = np.frombuffer(data, np.uint8, stride * abs(height), start).reshape(abs(height), stride)
    values = np.ascontiguousarray(rows[:, : width * bits // 8]).view(f"<u{bits // 8}").astype(np.uint64)
    values = values if height < 0 else values[::-1]

    def channel(mask: int) -> NDArray[Any]:
        low = (mask & -mask).bit_length() - 1 if mask else 0
        return ((values & mask) >> low) * 255 // max(mask >> low, 1)

    planes = [channel(mask) for mask in masks[:3]]
    planes.append(channel(alpha) if alpha else np.full(values.shape, 255))
    samples = np.stack(planes, axis=2).astype(np.uint8)
    return over_white(samples) if samples[..., 3].any() else samples[..., :3]


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    frame_format = image.format
    # Exception: EXIF that cannot be read turns nothing, and XMP decides. Pillow raises an error or turns
    # nothing; viewers show the picture.
    try:
        Image.Exif().load(image.info.get("exif") or b"")
    except Exception:
        image = image.copy()
        del image.info["exif"]
    try:
        image = ImageOps.exif_transpose(image)
    except Exception:
        pass
    image.format = frame_format
    return image


def over_white(samples: NDArray[Any]) -> Pixels:
    """RGBA over white, rounded to nearest."""
    colour, alpha = samples[..., :3].astype(np.uint32), samples[..., 3:].astype(np.uint32)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def scaled(samples: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Samples to 8 bits by their range.

    Exception: samples wider than 8 bits are scaled by their range. Pillow clips most of them, so that
    pictures come out white or black. Signed pictures without a negative value use the positive half;
    floats are 0…1, 0…255 or 0…65535, whichever holds them, else they are stretched.
    """
    if samples.dtype.kind == "u":
        most = (1 << bits) - 1
        # NumPy has no wider numbers than these.
        if bits == 64:
            return ((samples.astype(object) * 255 + most // 2) // most).astype(np.uint8)
        return ((samples.astype(np.uint64) * 255 + most // 2) // most).astype(np.uint8)
    values = samples.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    if samples.dtype.kind == "i":
        half = float(1 << (bits - 1))
        low, high = (-half if low < 0 else 0.0), half - 1
    elif low >= 0 and high <= 65535:
        low, high = 0.0, next(most for most in (1.0, 255.0, 65535.0) if high <= most)
    width = high - low if high > low else 1.0
    with np.errstate(all="ignore"):
        result = np.floor((values - low) / width * 255 + 0.5)
    return np.nan_to_num(result.clip(0, 255), nan=0.0).astype(np.uint8)


def _wide_png(data: bytes, image: Image.Image) -> Pixels:
    image.load()
    exif = _orientation(image)
    samples = np.asarray(imagecodecs.png_decode(_with_right_checksums(data)))
    transparent = image.info.get("transparency")
    grey = scaled(samples, 16)
    if grey.ndim == 2:
        grey = grey[..., None]
    if grey.shape[2] in (1, 2):
        grey = np.concatenate([grey[..., :1]] * 3 + [grey[..., 1:]], axis=2)
    if transparent is not None and grey.shape[2] == 3:
        raw = samples if samples.ndim == 3 else samples[..., None]
        clear = (raw == np.asarray(transparent)).all(axis=2)
        grey = np.concatenate([grey, np.where(clear, 0, 255)[..., None].astype(np.uint8)], axis=2)
    pixels = over_white(grey) if grey.shape[2] == 4 else grey
    return turned(pixels, exif)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x112, 1))
    except Exception:
        return 1


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """As `ImageOps.exif_transpose` turns it."""
    turns = {
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, -1),
        7: lambda p: np.rot90(p.transpose(1, 0, 2), 2),
        8: lambda p: np.rot90(p),
    }
    return np.ascontiguousarray(turns.get(orientation, lambda p: p)(pixels))


def _rare_jpeg(data: bytes) -> Pixels | None:
    """Exception: lossless JPEG and 12 bits, which Pillow does not read, by libjpeg-turbo itself."""
    try:
        Image.open(io.BytesIO(data)).load()
    except UnidentifiedImageError:
        frame = re.search(rb"\xff[\xc1-\xc3]\x00.([\x02-\x10])", data)
        if frame is None:
            raise
        samples = np.asarray(imagecodecs.jpeg_decode(data))
        pixels = scaled(samples, frame.group(1)[0])
        return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
    except OSError:
        pass
    return None


def _whole_jpeg(data: bytes) -> bytes:
    """The file with an end marker.

    Exceptions: a JPEG whose pixels are all there needs no end marker, as browsers show it; one with
    missing scan data is refused, even where Pillow fills it with grey. Scan data is missing where what
    comes behind it changes the picture.
    """
    end = data.rfind(b"\xff\xd9")
    body = data if end < 0 else data[:end]
    tail = b"\xff\xd9" if end < 0 else data[end:]
    if not _missing(body) or b"\xff\xd8\xff" in tail:
        return body + tail
    raise NoPicture("JPEG scan data is missing")


def _missing(body: bytes) -> bool:
    def filled(byte: bytes) -> bytes | None:
        try:
            image = Image.open(io.BytesIO(body + byte * 4096 + b"\xff\xd9"))
            return image.convert("RGB").tobytes()
        except Exception:
            return None

    found = [pixels for pixels in map(filled, (b"", b"\x00", b"\x6b")) if pixels is not None]
    return not found or any(pixels != found[0] for pixels in found)


def _tiff(data: bytes, page: int) -> Pixels:
    image: Image.Image | None = None
    reason = ""
    try:
        image = Image.open(io.BytesIO(data))
        image.seek(page)
        if image.width * image.height > MAX_PIXELS:
            raise NoPicture("larger than the limit")
    except NoPicture:
        raise
    except Exception as error:
        image, reason = None, str(error)
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            tags = file.pages[page]
            if tags.compression == 6 and tags.samplesperpixel == 1:
                return _grey_old_jpeg(data, tags)
            if image is None or _needs_tifffile(tags):
                return _tifffile(tags)
    except Exception as error:
        if image is None:
            raise NoPicture(f"{reason}; {error}") from error
    if image is None:
        raise NoPicture(reason)
    return _pillow(image)


def _needs_tifffile(page: Any) -> bool:
    """Exceptions: what Pillow reads otherwise than libtiff's own tools, or not at all.

    Wide, signed and float samples (see `scaled`); associated alpha, which Pillow divides out with a loss
    and multiplies in again.
    """
    if 262 not in page.tags and page.compression not in (2, 3, 4, 6, 7):
        return True
    if page.photometric == 6 and page.compression == 1 and page.tags.valueof(530) in ((1, 1), None):
        return True
    # Exception: tiles whose places are in the tags for strips, which libtiff finds and Pillow does not.
    if 322 in page.tags and 324 not in page.tags:
        return True
    if page.photometric in (6, 8, 9, 10) or page.compression in (2, 3, 4, 6, 7):
        return False
    # Exception: a palette whose values all fit 8 bits is one of 8 bits, as libtiff's own tools take it.
    if page.photometric == 3 and page.colormap is not None and page.colormap.max() < 256:
        return True
    wide = page.bitspersample > 8 or page.sampleformat in (2, 3)
    odd = page.bitspersample not in (1, 2, 4, 8)
    return wide or odd or 1 in page.extrasamples


def _tifffile(page: Any) -> Pixels:
    photometric = _photometric(page)
    if photometric == 6 and page.compression == 1:
        return _ycbcr(page)
    if photometric not in (0, 1, 2, 3, 5) or page.imagewidth * page.imagelength > MAX_PIXELS:
        raise NoPicture(f"photometric interpretation {photometric}")
    if len(page.databytecounts) < len(page.dataoffsets):
        raise NoPicture("tifffile leaves strips black whose lengths are broken")
    samples = page.asarray()
    if samples.dtype == bool:
        samples = samples.astype(np.uint8)
    if int(page.planarconfig) == 2 and page.samplesperpixel > 1:
        samples = np.moveaxis(samples, 0, -1)
    samples = samples.reshape(page.imagelength, page.imagewidth, page.samplesperpixel)
    if photometric == 3:
        colours = (page.colormap.T >> 8) if page.colormap.max() > 255 else page.colormap.T
        pixels = colours.astype(np.uint8)[samples[..., 0]]
    else:
        pixels = _colours(scaled(samples, page.bitspersample), photometric, page)
    value = page.tags.valueof(274)
    return turned(np.ascontiguousarray(pixels), value if isinstance(value, int) else 1)


def _grey_old_jpeg(data: bytes, page: Any) -> Pixels:
    """Exception: libtiff fails with grey old-style JPEG. Its parts in order are a JPEG file."""
    start, length = (int(np.ravel(page.tags.valueof(tag, 0))[0]) for tag in (513, 514))
    strips = [data[at : at + size] for at, size in zip(page.dataoffsets, page.databytecounts, strict=True)]
    stream = data[start : start + length if length else None] + b"".join(strips)
    # The scan comes twice where the parts overlap.
    stream = stream[: stream.index(b"\xff\xd9") + 2]
    return np.asarray(Image.open(io.BytesIO(_whole_jpeg(stream))).convert("RGB"))


def _photometric(page: Any) -> int:
    """Exception: a picture without a stated colour space has the one that libtiff takes. Pillow and tifffile
    take white to be 0 whatever the samples, and refuse or invert most pictures."""
    if 262 in page.tags:
        return int(page.photometric)
    if page.compression in (2, 3, 4):
        return 0
    if page.samplesperpixel == 4 and 332 in page.tags:
        return 5
    if page.samplesperpixel not in (1, 3):
        raise NoPicture("no stated colour space")
    return {1: 1, 3: 2}[page.samplesperpixel]


def _ycbcr(page: Any) -> Pixels:
    """Exception: unpacked YCbCr has the file's own coefficients, which Pillow passes over."""
    stated = page.tags.valueof(529)
    fractions = stated if stated and all(stated[1::2]) else (299, 1000, 587, 1000, 114, 1000)
    red, green, blue = (fractions[i] / fractions[i + 1] for i in (0, 2, 4))
    y, cb, cr = np.moveaxis(page.asarray().astype(np.int64), -1, 0)
    factors = (2 - 2 * red, (2 - 2 * red) * red / green, (2 - 2 * blue) * blue / green, 2 - 2 * blue)
    # In the 16-bit fixed point of libtiff.
    to_red, red_to_green, blue_to_green, to_blue = (int(f * 65536 + 0.5) for f in factors)
    r = y + ((to_red * (cr - 128) + 32768) >> 16)
    g = y + ((-red_to_green * (cr - 128) - blue_to_green * (cb - 128) + 32768) >> 16)
    b = y + ((to_blue * (cb - 128) + 32768) >> 16)
    return np.stack([r, g, b], axis=2).clip(0, 255).astype(np.uint8)


def _colours(samples: Pixels, photometric: int, page: Any) -> Pixels:
    channels = {0: 1, 1: 1, 2: 3, 5: 4}[photometric]
    extra = samples[..., channels:]
    colour = samples[..., :channels]
    if photometric == 0:
        colour = 255 - colour
    if photometric == 5:
        light = 255 - colour[..., 3:].astype(np.uint32)
        colour = (light - (colour[..., :3] * light + 127) // 255).astype(np.uint8)
    elif channels == 1:
        colour = np.repeat(colour, 3, axis=2)
    kinds = tuple(int(kind) for kind in page.extrasamples)
    first = kinds[0] if kinds else (2 if photometric == 2 and samples.shape[2] == 4 else 0)
    if not extra.shape[2] or first == 0:
        return colour
    if first == 1:
        return np.minimum(colour.astype(np.uint32) + 255 - extra[..., :1], 255).astype(np.uint8)
    return over_white(np.concatenate([colour, extra[..., :1]], axis=2))
