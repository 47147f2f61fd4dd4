"""Bytes from the network, of a limited number."""

from http.client import HTTPException
from typing import cast
from urllib.request import urlopen


def fetched(url: str, *, largest: int, cure: str, timeout: float = 60) -> bytes:
    """What is at an address.

    Args:
        url: The address.
        largest: Bytes to read at most.
        cure: What a reader can do without the network: a sentence.
        timeout: Seconds to wait for an answer.

    Raises:
        FileNotFoundError: If nothing answers, or not to the end.
        ValueError: If it is larger.
    """
    try:
        with urlopen(url, timeout=timeout) as response:
            content = cast(bytes, response.read(largest + 1))
    except (OSError, HTTPException) as error:
        raise FileNotFoundError(
            f"{url} must be downloaded, got no answer ({error}). {cure}"
        ) from error
    if len(content) > largest:
        raise ValueError(f"{url} must have at most {largest} bytes, got more.")
    return content
