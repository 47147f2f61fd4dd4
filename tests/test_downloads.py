"""Downloads: read whole up to a limit, else an error that says what to do."""

import http.client
import io
import urllib.error

import pytest

from geomlib import downloads

URL = "https://example.org/file"


@pytest.fixture
def network(monkeypatch):
    """Makes the network answer with a content, or fail with an error."""

    def answers(content):
        def opened(url, timeout):
            assert (url, timeout) == (URL, 60)
            if isinstance(content, Exception):
                raise content
            return io.BytesIO(content)

        monkeypatch.setattr(downloads, "urlopen", opened)

    return answers


def test_content_up_to_the_limit_is_returned(network):
    network(b"12345")
    assert downloads.fetched(URL, largest=5, cure="") == b"12345"
    network(b"12345")
    with pytest.raises(ValueError, match="must have at most 4 bytes, got more"):
        downloads.fetched(URL, largest=4, cure="")


@pytest.mark.parametrize(
    "error",
    [urllib.error.URLError("no network"), TimeoutError(), http.client.BadStatusLine("?")],
)
def test_without_an_answer_the_cure_is_named(network, error):
    network(error)
    with pytest.raises(FileNotFoundError, match=f"{URL} must be downloaded.* Put it here"):
        downloads.fetched(URL, largest=5, cure="Put it here.")
