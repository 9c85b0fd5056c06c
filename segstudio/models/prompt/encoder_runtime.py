"""Image encoders of the SAM family under OpenVINO, on the CPU.

Why OpenVINO: measured beside ONNX Runtime in one process (MobileSAM, one thread, AMD Zen 4), it
takes 1.07 s of CPU time to ONNX Runtime's 1.13 and eager torch's 2.11, and with two threads 1.10 to
1.19 and 3.22; and it reads torch's networks directly, where ONNX Runtime needs two more packages to
convert them.

The conversion goes through OpenVINO's frontend for PyTorch and not through its `convert_model`,
which reports its use to its makers over the network.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from segstudio.core.errors import Cancelled
from segstudio.core.progress import CancelToken
from segstudio.models.prompt.encoder_files import NETWORK, Facts, new_folder, write_facts

TOLERANCE = 1e-4  # largest difference to torch's embedding, whose standard deviation is about 1
_SLOWER = 1.1  # an encoder that takes this many times torch's time is not worth its memory
_LOOK_MS = 50  # how often a running inference looks at its token


class ConvertedEncoder:
    """A converted encoder, compiled for this processor with `threads` threads.

    Raises RuntimeError or OSError if the files are not a network that OpenVINO takes.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        # Takes half a second, and most commands never need it.
        import openvino  # noqa: PLC0415

        settings = {
            # On some processors the default is half precision.
            "INFERENCE_PRECISION_HINT": "f32",
            "EXECUTION_MODE_HINT": "ACCURACY",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads,
            # Pinned threads of two programs would share one core while another is idle.
            "ENABLE_CPU_PINNING": False,
        }
        self._compiled = openvino.Core().compile_model(folder / NETWORK, "CPU", settings)

    def __call__(self, pixels: npt.NDArray[np.float32], cancel: CancelToken) -> npt.NDArray[Any]:
        """The embedding (1, 256, 64, 64) float32 of normalised `pixels` (1, 3, 1024, 1024).

        Raises Cancelled within a tenth of a second, RuntimeError if the runtime fails.
        """
        request = self._compiled.create_infer_request()
        request.start_async([pixels], share_inputs=True)
        while not request.wait_for(_LOOK_MS):
            if cancel.cancelled:
                request.cancel()
                with contextlib.suppress(RuntimeError):  # says that it was cancelled
                    request.wait()
                raise Cancelled
        request.wait()  # raises what went wrong
        return np.array(request.get_output_tensor(0).data, dtype=np.float32)


def convert(encoder: nn.Module, pixels: Tensor, folder: Path, threads: int) -> Facts:
    """Convert an encoder on the CPU into `folder`, and compare it with torch on `pixels`.

    `pixels`: (1, 3, S, S) float32, a photo as the encoder gets it; the converted encoder takes that
    shape only. Takes some runs of the encoder, and holds the interpreter for parts of a second.
    Where the two differ by more than TOLERANCE, or torch is the faster, the facts say that it is
    refused, and that is all the folder holds. Raises OSError where the disk refuses, RuntimeError
    (or whatever else the runtime comes up with) where the encoder cannot be converted.
    """
    with new_folder(folder) as part:
        _write_network(encoder, pixels, part / NETWORK)
        facts = _compare(encoder, pixels, part, threads)
        if facts.refused:
            for file in part.iterdir():
                file.unlink()
        write_facts(part, facts)
    return facts


def refuse(folder: Path, why: str) -> Facts:
    """Keep in mind that the runtime cannot be used for this encoder; raises OSError."""
    facts = Facts(refused=why)
    with new_folder(folder) as part:
        write_facts(part, facts)
    return facts


def _write_network(encoder: nn.Module, pixels: Tensor, path: Path) -> None:
    import openvino  # noqa: PLC0415 - see ConvertedEncoder
    from openvino.frontend import FrontEndManager  # noqa: PLC0415
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder  # noqa: PLC0415

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # sizes become constants, which is what we want
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            encoder, (pixels,), check_trace=False
        )
        # The decoder must outlive the conversion, which reads the weights through it.
        decoder = TorchScriptPythonDecoder(torch.jit.freeze(traced))
        frontend = FrontEndManager().load_by_framework("pytorch")
        network = frontend.convert(frontend.load(decoder))
    network.reshape(list(pixels.shape))
    openvino.save_model(network, path, compress_to_fp16=False)


def _compare(encoder: nn.Module, pixels: Tensor, folder: Path, threads: int) -> Facts:
    converted = ConvertedEncoder(folder, threads)
    never = CancelToken()
    torch_s = runtime_s = np.inf
    for _ in range(2):  # the first run also lays out its memory
        start = time.perf_counter()
        with torch.inference_mode():
            expected = encoder(pixels).numpy()
        between = time.perf_counter()
        got = converted(pixels.numpy(), never)
        torch_s = min(torch_s, between - start)
        runtime_s = min(runtime_s, time.perf_counter() - between)
    difference = float(np.abs(got - expected).max())
    refused = ""
    if not difference <= TOLERANCE:  # as when it is not a number
        refused = f"its embeddings differ from torch's by {difference:.1e}"
    elif runtime_s > _SLOWER * torch_s:
        refused = f"it takes {runtime_s:.2f} s where torch takes {torch_s:.2f} s"
    return Facts(difference, float(torch_s), float(runtime_s), refused)
