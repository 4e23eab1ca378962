"""Ask the Triton ensemble directly, without the gateway: ``python triton_client.py xray.png --triton localhost:8001``.

Needs ``pip install "tritonclient[grpc]"`` and nothing of radiolucent. Works with NVIDIA's container on the model
repository, and with the embedded Triton where ``radiolucent serve`` gives it a port.
Research use only. Not for diagnosis.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException


def main() -> None:
    """Classify one image and print what every network says, and what they say together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path, help="PNG, JPEG or DICOM file of one frontal chest X-ray")
    parser.add_argument("--triton", default="localhost:8001", help="address of Triton's gRPC service")
    parser.add_argument("--timeout", type=float, default=60, help="seconds")
    options = parser.parse_args()

    # The whole encoded file is the input: the ensemble decodes and preprocesses it.
    image = triton.InferInput("IMAGE", [1, 1], "BYTES")
    image.set_data_from_numpy(np.array([[options.image.read_bytes()]], dtype=np.object_))
    try:
        with triton.InferenceServerClient(options.triton) as client:
            result = client.infer("chest_xray", [image], client_timeout=options.timeout)
    except InferenceServerException as error:
        raise SystemExit(f"Triton: {error.message()}") from None

    labels, models = ([text.decode() for text in result.as_numpy(name)[0]] for name in ("LABELS", "MODELS"))
    probabilities, versions = result.as_numpy("PROBABILITIES")[0], result.as_numpy("VERSIONS")[0]
    votes, majority, mean = (result.as_numpy(name)[0] for name in ("VOTES", "MAJORITY", "MEAN"))

    width = max(map(len, [*labels, "label"]))
    names = [f"{model}:{version}" for model, version in zip(models, versions, strict=True)]
    print(f"{'label':{width}}", *names, "votes", "majority", "mean", sep="  ")
    for column, label in enumerate(labels):
        cells = [f"{p:{len(name)}.3f}" for p, name in zip(probabilities[:, column], names, strict=True)]
        voted = f"{votes[column]}/{len(models)}"
        decided = "yes" if majority[column] else "no"
        print(f"{label:{width}}", *cells, f"{voted:>5}", f"{decided:>8}", f"{mean[column]:.3f}", sep="  ")
    unlikeness, threshold, _ = result.as_numpy("LIKENESS")[0]
    warning = "WARNING: " if unlikeness > threshold else ""
    print(warning + (result.as_numpy("LIKENESS_TEXT")[0, 0].decode() or "The model set has no guard."))
    print("Research use only. Not for diagnosis.")


if __name__ == "__main__":
    main()
