"""Compressed bodies, decompressed no further than is allowed: a few kilobytes can stand for gigabytes.

The names are those of kombu's compression registry. What an app has registered there itself can't be stopped midway
and is measured afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from fleet.protocol.words import MalformedMessage, cause, cut, shown, too_large

_CHUNK = 1 << 20


def decompress(body: bytes, method: str, most: int) -> bytes:
    """Raises MalformedMessage, also when it would be more than `most` bytes."""
    try:
        reader = _READERS.get(method.lower())
        text = _by_kombu(body, method) if reader is None else reader(body, most + 1)
    except MalformedMessage:
        raise
    except KeyError:
        raise MalformedMessage(f"unknown compression {shown(method)}") from None
    except Exception as error:  # zlib.error, lzma.LZMAError, OSError, EOFError, ImportError …
        raise MalformedMessage(f"the {cut(method, 40)} body can't be decompressed: {cause(error)}") from None
    if len(text) > most:
        raise MalformedMessage(too_large("the decompressed body", most))
    return text


def _by_kombu(body: bytes, method: str) -> bytes:
    from kombu.compression import decompress as theirs

    return bytes(theirs(body, method))


def _zlib(body: bytes, most: int) -> bytes:
    import zlib

    reader = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, whatever it says
    text = reader.decompress(body, most)
    if len(text) < most and not reader.eof:
        raise EOFError("it ends too early")
    return text


def _in_steps(module: str, make: Callable[[Any], Any]) -> Callable[[bytes, int], bytes]:
    """For the decompressors of the standard library that know a `max_length`."""

    def read(body: bytes, most: int) -> bytes:
        reader, parts, left = make(import_module(module)), [], most
        while left > 0 and not reader.eof:
            part = reader.decompress(body, min(left, _CHUNK))
            if not part and not reader.eof and reader.needs_input:
                raise EOFError("it ends too early")
            body = b""
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    return read


def _zstd(body: bytes, most: int) -> bytes:
    zstandard = import_module("zstandard")
    with zstandard.ZstdDecompressor().stream_reader(body) as reader:
        parts, left = [], most
        while left > 0 and (part := reader.read(min(left, _CHUNK))):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)


def _brotli(body: bytes, most: int) -> bytes:
    brotli = import_module("brotli")
    reader = brotli.Decompressor()
    try:
        parts = [reader.process(body, output_buffer_limit=_CHUNK)]
    except TypeError:
        raise MalformedMessage("brotli before 1.2 can't be stopped midway: it is not accepted") from None
    while sum(map(len, parts)) < most and not reader.is_finished():
        part = reader.process(b"", output_buffer_limit=_CHUNK)
        if not part:
            raise EOFError("it ends too early")
        parts.append(part)
    return b"".join(parts)


_bz2 = _in_steps("bz2", lambda module: module.BZ2Decompressor())
_lzma = _in_steps("lzma", lambda module: module.LZMADecompressor())
_READERS: dict[str, Callable[[bytes, int], bytes]] = {
    **dict.fromkeys(("application/x-gzip", "gzip", "zlib"), _zlib),
    **dict.fromkeys(("application/x-bz2", "bzip2", "bzip"), _bz2),
    **dict.fromkeys(("application/x-lzma", "lzma", "xz"), _lzma),
    **dict.fromkeys(("application/zstd", "zstd", "zstandard"), _zstd),
    **dict.fromkeys(("application/x-brotli", "brotli"), _brotli),
}
