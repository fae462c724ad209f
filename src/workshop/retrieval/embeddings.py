"""Vectors of texts from the embedding endpoint, each asked for once: what was asked for lies on the disk.

embedder = Embedder(aws, plan.endpoint_name)
passages = embedder.passages(texts)        # (num_texts, 384) float32, each of length 1
queries = embedder.queries(["..."])
scores = queries @ passages.T              # cosines
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes.files import atomic_write
from workshop.errors import WorkshopError
from workshop.serving.embeddings import MAX_CLIENT_BATCH_SIZE

if TYPE_CHECKING:
    import numpy as np

    from workshop.aws.session import Aws

QUERY, PASSAGE = "query: ", "passage: "
"""What E5 models were trained with before each text; TEI adds nothing by itself.

Source: https://huggingface.co/intfloat/multilingual-e5-small, "Each input text should start with ...".
"""

NUM_DIMENSIONS = 384
_LENGTH_TOLERANCE = 1e-3
_MAX_ATTEMPTS = 8
_FIRST_WAIT_S = 0.25
_BUSY = (429, 503)
"""Statuses with which a container says that it has no room, or is not ready yet."""


class Embedder:
    """Ask an embedding endpoint for vectors.

    Args:
        aws: Connection of the notebook.
        endpoint_name: An endpoint with TEI's image.
        cache_dir: Where vectors are kept; the mode's home, by the model's name, when None.

    Attributes:
        num_requests: That were sent to the endpoint.
        num_cached: Vectors that came from the disk instead.
    """

    def __init__(self, aws: Aws, endpoint_name: str, cache_dir: Path | None = None) -> None:
        from botocore.config import Config

        self._endpoint_name, self._model = endpoint_name, aws.settings.embedding_model
        folder = self._model.replace("/", "--")
        self._cache_dir = cache_dir or aws.settings.home / "embeddings" / folder
        # What AWS itself throttles botocore repeats.
        retries = Config(retries={"mode": "standard", "total_max_attempts": _MAX_ATTEMPTS})
        self._runtime = aws.boto_session.client("sagemaker-runtime", config=retries)
        self.num_requests = self.num_cached = 0

    def passages(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of what is searched: (num_texts, 384) float32, each of length 1."""
        return self._vectors([PASSAGE + text for text in texts])

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of what is asked: (num_texts, 384) float32, each of length 1."""
        return self._vectors([QUERY + text for text in texts])

    def _vectors(self, texts: list[str]) -> np.ndarray:
        import numpy as np
        from tqdm.auto import tqdm

        found = {text: self._cached(text) for text in texts}
        missing = [text for text, vector in found.items() if vector is None]
        self.num_cached += len(found) - len(missing)
        starts = range(0, len(missing), MAX_CLIENT_BATCH_SIZE)
        # A question alone is answered at once; a bar would only flicker.
        for start in tqdm(starts, desc="embedding", unit="batch", leave=False, disable=len(starts) < 2):
            batch = missing[start : start + MAX_CLIENT_BATCH_SIZE]
            for text, vector in zip(batch, self._ask(batch), strict=True):
                self._keep(text, vector)
                found[text] = vector
        if not texts:
            return np.empty((0, NUM_DIMENSIONS), dtype=np.float32)
        return np.stack([found[text] for text in texts])

    def _ask(self, texts: list[str]) -> np.ndarray:
        """Return the vectors of a batch; what has more than 512 tokens is cut, as E5's own code does it.

        Raises:
            WorkshopError: The endpoint answered with something else than vectors of this model.
        """
        import numpy as np

        answer = self._invoke(json.dumps({"inputs": texts, "normalize": True, "truncate": True}))
        try:
            vectors = np.array(json.loads(answer), dtype=np.float32)
        except (ValueError, TypeError):
            raise self._wrong(f"no vectors but {answer[:100]!r}") from None
        if vectors.shape != (len(texts), NUM_DIMENSIONS):
            raise self._wrong(f"vectors of shape {vectors.shape} for {len(texts)} texts")
        lengths = np.linalg.norm(vectors, axis=1)
        if not np.allclose(lengths, 1, atol=_LENGTH_TOLERANCE):
            raise self._wrong(f"vectors of length {lengths.min():.3f} to {lengths.max():.3f}")
        return vectors

    def _invoke(self, body: str) -> bytes:
        """Send a body until the container takes it, and return its answer.

        Raises:
            WorkshopError: It refused, failed, or stayed busy.
            ClientError: AWS did.
        """
        for attempt in range(_MAX_ATTEMPTS):
            try:
                answer = self._runtime.invoke_endpoint(
                    EndpointName=self._endpoint_name, ContentType="application/json", Body=body
                )
                self.num_requests += 1
                return answer["Body"].read()
            except self._runtime.exceptions.ModelError as error:
                status = error.response.get("OriginalStatusCode")
                if status not in _BUSY or attempt == _MAX_ATTEMPTS - 1:
                    raise self._refused(status, error.response.get("OriginalMessage", "")) from None
                time.sleep(_FIRST_WAIT_S * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _path(self, text: str) -> Path:
        digest = hashlib.sha256(f"{self._model}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()
        return self._cache_dir / digest[:2] / f"{digest}.npy"

    def _cached(self, text: str) -> Any:
        import numpy as np

        try:
            vector = np.load(self._path(text), allow_pickle=False)
        except (OSError, ValueError):  # none yet, or cut off by a full disk
            return None
        return vector if vector.shape == (NUM_DIMENSIONS,) else None

    def _keep(self, text: str, vector: np.ndarray) -> None:
        import io

        import numpy as np

        path, file = self._path(text), io.BytesIO()
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, vector)
        atomic_write(path, file.getvalue())

    def _refused(self, status: int | None, message: str) -> WorkshopError:
        return WorkshopError(
            found=f"the container of the endpoint {self._endpoint_name} answered {status}: {message[:300]}",
            expected="vectors: TEI takes up to 32 texts a request, and is given no more",
            next_step="run the cell again; when it stays so, the endpoint's log in CloudWatch has the reason",
        )

    def _wrong(self, found: str) -> WorkshopError:
        return WorkshopError(
            found=f"{found} from the endpoint {self._endpoint_name}",
            expected=f"a vector of {NUM_DIMENSIONS} numbers and of length 1 for each text, as "
            f"{self._model} gives it",
            next_step="see that the endpoint serves embedding_model of workshop.yaml, with TEI's image",
        )
