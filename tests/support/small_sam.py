"""A network of the SAM family whose encoder is too small to matter, with plausible masks."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import torch
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)
from torch import Tensor, nn

from segstudio.models.benchmarks.pair import SEEDED, Pair
from segstudio.models.benchmarks.plausible_weights import Shape, plausible_state
from segstudio.models.benchmarks.timing import Clock
from segstudio.models.prompt.sam_model import SamModel
from segstudio.models.registry import prompt_model


def build_small_sam() -> Any:
    return Sam(
        image_encoder=ImageEncoderViT(
            depth=1,
            embed_dim=32,
            num_heads=2,
            out_chans=256,
            window_size=14,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
        ),
        prompt_encoder=PromptEncoder(256, (64, 64), (1024, 1024), mask_in_chans=16),
        mask_decoder=MaskDecoder(
            transformer_dim=256,
            transformer=TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8),
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        ),
    )


# Looks at fewer points than else, to be quick.
SHAPE = Shape(looked_at=3)


@cache
def small_state() -> dict[str, Tensor]:
    return plausible_state(build_small_sam().eval(), shape=SHAPE)


def small_network() -> Any:
    network = build_small_sam().eval().requires_grad_(False)
    network.load_state_dict(small_state())
    return network


def small_pair(changed: float = 0.0) -> Pair:
    """With `changed` the official side's weights differ a little, so that its answers do."""
    threads = torch.get_num_threads()
    official = small_network()
    official.mask_decoder.output_upscaling[3].bias[16] += changed
    official.image_encoder.neck[3].bias.add_(changed * torch.arange(256.0) / 256)
    model = SamModel(prompt_model("mobile_sam"), "cpu", small_network(), "0" * 64)
    return Pair(model, official, SEEDED, Clock("cpu"), threads, threads)
