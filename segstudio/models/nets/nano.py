"""segstudio_nano: a small encoder with SAM's prompt encoder and two-way mask decoder behind it.

Kirillov et al. 2023, "Segment Anything" (interface, prompt encoder, two-way transformer, three
masks with predicted IoU), on EfficientNet-Lite0 (Tan & Le 2019; Google's Lite variants) with a
feature pyramid (Lin et al. 2017). Finer features go straight to the upscaling as in SAM 2 (Ravi et
al. 2024), and prompts are also drawn as pictures, as in RITM (Sofiiuk et al. 2021), some of which
follow the image's colours (`trails`).

It sees a square of SIDE pixels or any window of one whose corner and sides are multiples of
STRIDE: points are given in the square's coordinates, so that a token keeps its place in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import timm
import torch
from segment_anything.modeling import PromptEncoder, TwoWayTransformer
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn
from torch.nn import functional

from segstudio.models.nets.trails import TRAIL_CELL, TRAILS, Costs, colours, image_costs, trails

SIDE = 512
STRIDE = 8  # pixels of the square along one side of a token
CELL = 2  # and of a logit
MASKS = 4  # the first for prompts that leave no doubt, three for a single click

PIXEL_MEAN = (127.0, 127.0, 127.0)  # as the encoder's ImageNet weights were trained
PIXEL_STD = (128.0, 128.0, 128.0)

_DRAWN = 6 + TRAILS  # pictures of the points and of the box
_FINE = 16  # channels of a prompt at a quarter of the square's resolution


class Features(NamedTuple):
    """Of B images: tokens (B, D, H / 8, W / 8), and finer features for the masks' edges,

    `quarter` (B, 32, H / 4, W / 4) and `half` (B, 16, H / 2, W / 2); `colours` (B, 3, H / 4, W / 4)
    are the image's own, `borders` (B, 1, H / 4, W / 4) logits of where things meet.
    """

    tokens: Tensor
    quarter: Tensor
    half: Tensor
    colours: Tensor
    borders: Tensor


class Prompts(NamedTuple):
    """Of N prompts, in the square's coordinates.

    `points` (N, P, 2) xy and `labels` (N, P): 1, 0, or -1 for none; `boxes` (N, 4) xyxy, not a
    number where there is none; `prior` (N, 1, H / 2, W / 2) logits, or None where nobody has one;
    `has_prior` (N,) 1.0 or 0.0 says who of them has.
    """

    points: Tensor
    labels: Tensor
    boxes: Tensor
    prior: Tensor | None = None
    has_prior: Tensor | None = None


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _separable(channels: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        ChannelNorm(channels),
        nn.ReLU(),
    )


class NanoEncoder(nn.Module):
    """(B, 3, H, W) normalised pixels to Features; H and W are multiples of 32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.backbone = timm.create_model("tf_efficientnet_lite0", features_only=True)
        table: Any = self.backbone.feature_info
        half, quarter, *deep = table.channels()
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in deep)
        self.context = nn.Linear(deep[-1], width)
        self.merge = nn.ModuleList(_separable(width) for _ in deep[1:])
        self.smooth = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), ChannelNorm(width)
        )
        self.to_quarter = nn.Conv2d(quarter, 2 * _FINE, 1)
        self.to_half = nn.Conv2d(half, _FINE, 1)
        self.tokens_to_borders = nn.Conv2d(width, _FINE, 1)
        self.quarter_to_borders = nn.Conv2d(2 * _FINE, _FINE, 1)
        self.borders = nn.Sequential(
            nn.ReLU(), nn.Conv2d(_FINE, _FINE, 3, padding=1), nn.ReLU(), nn.Conv2d(_FINE, 1, 1)
        )

    def forward(self, x: Tensor) -> Features:
        half, quarter, *deep = self.backbone(x)
        levels = [layer(one) for layer, one in zip(self.lateral, deep, strict=True)]
        y = levels.pop() + self.context(deep[-1].mean((2, 3)))[..., None, None]
        for block in self.merge:
            y = functional.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)
            y = block(y + levels.pop())
        tokens, fine = self.smooth(y), self.to_quarter(quarter)
        wide = functional.interpolate(
            self.tokens_to_borders(tokens), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        borders = self.borders(wide + self.quarter_to_borders(fine))
        return Features(
            tokens, fine, self.to_half(half), colours(x, PIXEL_MEAN, PIXEL_STD), borders
        )


class PromptPictures(nn.Module):
    """Prompts drawn on the image's grid; without `drawn`, the prior alone, as in SAM."""

    def __init__(self, width: int, drawn: bool) -> None:
        super().__init__()
        self.drawn = drawn
        self.prior = nn.Conv2d(2, 8, 2, 2)
        first = nn.Conv2d(8 + (_DRAWN if drawn else 0), _FINE, 3, padding=1)
        if drawn:  # so that a training may begin without them
            nn.init.zeros_(first.weight[:, -TRAILS:])
        self.fine = nn.Sequential(first, ChannelNorm(_FINE), nn.ReLU())
        self.coarse = nn.Conv2d(_FINE, width, 2, 2)

    def forward(
        self,
        prompts: Prompts,
        costs: Sequence[Costs],
        corner: tuple[int, int],
        trailing: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """(N, 16, H / 4, W / 4) and (N, D, H / 8, W / 8) of the window at `corner` xy.

        For `costs` and `trailing` see `draw`.
        """
        height, width = (length * TRAIL_CELL // CELL for length in costs[0].shape[2:])
        count = len(prompts.points)
        prior = prompts.points.new_zeros(count, 2, height, width)
        if prompts.prior is not None:
            has = prompts.has_prior
            seen = 1.0 if has is None else has.view(-1, 1, 1, 1)
            prior[:, :1] = prompts.prior.clamp(-12, 12) / 6 * seen
            prior[:, 1:] = seen
        pictures = [self.prior(prior)]
        if self.drawn:
            pictures.append(draw(prompts, costs, corner, trailing))
        fine = self.fine(torch.cat(pictures, 1))
        return fine, self.coarse(fine)


def draw(
    prompts: Prompts, costs: Sequence[Costs], corner: tuple[int, int], trailing: bool = True
) -> Tensor:
    """(N, 14, H / 4, W / 4): discs around clicks of each kind, the box if any, and trails.

    `costs` of each prompt's image, or of the one that all are on; without `trailing`, trails are 0.
    """
    at = prompts.points
    rows, columns = costs[0].shape[2:]
    y = torch.arange(2, TRAIL_CELL * rows, TRAIL_CELL, device=at.device) + float(corner[1])
    x = torch.arange(2, TRAIL_CELL * columns, TRAIL_CELL, device=at.device) + float(corner[0])
    square = (x - at[..., :1])[:, :, None, :] ** 2 + (y - at[..., 1:])[:, :, :, None] ** 2
    pictures = []
    for label in (1, 0):
        far = square.masked_fill((prompts.labels != label)[..., None, None], 1e8).amin(1)
        pictures += [torch.exp(far / -200.0), torch.exp(far.clamp(min=1e-6).sqrt() / -50.0)]
    box = prompts.boxes[..., None]
    inside_x = torch.minimum(x - box[:, 0], box[:, 2] - x)[:, None, :]
    inside_y = torch.minimum(y - box[:, 1], box[:, 3] - y)[:, :, None]
    depth = (torch.minimum(inside_x, inside_y) / 8.0).clamp(-1.0, 1.0)
    known = torch.isfinite(prompts.boxes[:, 0]).to(at.dtype)[:, None, None]
    pictures += [depth.nan_to_num(0.0) * known, known.expand_as(depth)]
    found = at.new_zeros(len(at), TRAILS, rows, columns)
    if trailing:
        found = trails(costs, at, prompts.labels, prompts.boxes, corner)
    return torch.cat([torch.stack(pictures, 1), found], 1)


class NanoDecoder(nn.Module):
    """Tokens and prompts to four masks each, with predicted IoU; see `Nano.decode`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.transformer = TwoWayTransformer(
            depth=2, embedding_dim=width, mlp_dim=4 * width, num_heads=4
        )
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(MASKS, width)
        self.up_quarter = nn.ConvTranspose2d(width, 2 * _FINE, 2, 2)
        self.prompt_quarter = nn.Conv2d(_FINE, 2 * _FINE, 1)
        self.norm = ChannelNorm(2 * _FINE)
        self.refine = _separable(2 * _FINE, 5)
        self.up_half = nn.ConvTranspose2d(2 * _FINE, _FINE, 2, 2)
        self.hyper = nn.ModuleList(MLP(width, width, _FINE, 3) for _ in range(MASKS))
        self.iou_head = MLP(width, width, MASKS, 3)

    def forward(
        self, features: Features, place: Tensor, sparse: Tensor, fine: Tensor, coarse: Tensor
    ) -> tuple[Tensor, Tensor]:
        count = len(sparse)
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(count, -1, -1), sparse], 1)
        source = features.tokens + coarse
        read, y = self.transformer(source, place.expand(count, -1, -1, -1), tokens)
        y = y.transpose(1, 2).reshape(source.shape)
        y = self.up_quarter(y) + features.quarter + self.prompt_quarter(fine)
        y = functional.relu(self.norm(y))
        y = y + self.refine(y)
        y = functional.relu(self.up_half(y) + features.half)
        rows = torch.stack([head(read[:, 1 + i]) for i, head in enumerate(self.hyper)], 1)
        logits = torch.unflatten(rows @ y.flatten(2), 2, y.shape[2:])
        return logits, self.iou_head(read[:, 0])


class Nano(nn.Module):
    """The whole network; `width` is D, the channels of a token."""

    def __init__(self, width: int = 96, drawn: bool = True) -> None:
        super().__init__()
        grid = SIDE // STRIDE
        self.encoder = NanoEncoder(width)
        self.prompt_encoder = PromptEncoder(width, (grid, grid), (SIDE, SIDE), 16)
        # SAM's own way of taking a prior is not used: the pictures do it.
        del self.prompt_encoder.mask_downscaling, self.prompt_encoder.no_mask_embed
        self.pictures = PromptPictures(width, drawn)
        self.decoder = NanoDecoder(width)

    def encode(self, x: Tensor) -> Features:
        features: Features = self.encoder(x)
        return features

    def decode(
        self,
        features: Features,
        prompts: Prompts,
        corner: tuple[int, int] = (0, 0),
        trailing: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, 4, H / 2, W / 2) and predicted IoU (N, 4) of N prompts.

        `features` has N rows too, one for each prompt's image, of the window at `corner` xy; or
        one row for all. For `trailing` see `draw`.
        """
        rows, columns = features.tokens.shape[2:]
        place = self.place(rows, columns, corner)
        costs = list(map(image_costs, features.colours, features.borders))
        fine, coarse = self.pictures(prompts, costs, corner, trailing)
        answer: tuple[Tensor, Tensor] = self.decoder(
            features, place, self.sparse(prompts), fine, coarse
        )
        return answer

    def place(self, rows: int, columns: int, corner: tuple[int, int]) -> Tensor:
        """(1, D, rows, columns): where the tokens of a window lie in the square."""
        left, top = (length // STRIDE for length in corner)
        whole: Tensor = self.prompt_encoder.get_dense_pe()
        return whole[..., top : top + rows, left : left + columns]

    def sparse(self, prompts: Prompts) -> Tensor:
        """(N, P + 2, D): points, then the box's corners, or SAM's token for "none" twice."""
        encoder: Any = self.prompt_encoder
        points = encoder._embed_points(prompts.points, prompts.labels, pad=False)
        known = torch.isfinite(prompts.boxes[:, :1])[..., None]
        corners = encoder._embed_boxes(prompts.boxes.nan_to_num(0.0))
        corners = torch.where(known, corners, encoder.not_a_point_embed.weight)
        return torch.cat([points, corners], 1)
