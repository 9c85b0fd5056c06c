"""MobileSAM: SAM's prompt encoder and mask decoder behind a small encoder, TinyViT.

Zhang et al. 2023, "Faster Segment Anything: Towards Lightweight SAM for Mobile Applications".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

from segstudio.models.card import ModelCard
from segstudio.models.nets.tiny_vit import TinyViT
from segstudio.models.prompt.frame import SIDE
from segstudio.models.prompt.sam_encoder import PIXEL_MEAN, PIXEL_STD
from segstudio.models.prompt.sam_model import SamModel, load_sam

CHANNELS = 256
GRID = SIDE // 16  # cells along one side of the image embedding


def build_mobile_sam() -> Any:
    """The network, untrained; parameter names are those of `mobile_sam.pt`."""
    return Sam(
        image_encoder=TinyViT(SIDE),
        prompt_encoder=PromptEncoder(
            embed_dim=CHANNELS,
            image_embedding_size=(GRID, GRID),
            input_image_size=(SIDE, SIDE),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=CHANNELS,
            transformer=TwoWayTransformer(
                depth=2, embedding_dim=CHANNELS, mlp_dim=2048, num_heads=8
            ),
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        ),
        pixel_mean=list(PIXEL_MEAN),
        pixel_std=list(PIXEL_STD),
    )


def load(card: ModelCard, weights: Path | None, device: str) -> SamModel:
    """Loader of the card "mobile_sam"; see `ModelCard.load`."""
    return load_sam(build_mobile_sam, card, weights, device)
