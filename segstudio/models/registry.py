"""Every prompt model that SegStudio knows. Adding one is one file and one row here.

Those that were tuned on this machine come besides, from the user's own folder.
"""

from __future__ import annotations

from segstudio.core.errors import BadInputError
from segstudio.models.card import ModelCard, WeightsFile
from segstudio.models.prompt import tuned

_PROMPTS = frozenset({"point", "box", "prior"})
_SAM = "https://dl.fbaipublicfiles.com/segment_anything/"
_MOBILE_SAM = (
    "https://raw.githubusercontent.com/ChaoningZhang/MobileSAM/"
    "f706ad9c4eb7f219c00d9050e46328518ffb65d2/weights/"
)

PROMPT_MODELS: tuple[ModelCard, ...] = (
    ModelCard(
        key="graph_cut",
        title="Graph cut (built in)",
        description="Always there, no download: minimum cuts over superpixels.",
        accepts=_PROMPTS,
        weights=None,
        loader="segstudio.models.prompt.graph_cut:load",
        # What SAM's default of 0.88 keeps, this model, honest about itself, scores at 0.33 or more.
        score_scale=0.33 / 0.88,
        by_grid=False,
    ),
    ModelCard(
        key="segstudio_nano",
        title="Nano (built in)",
        description="SegStudio's own small network, no download: instant on any processor, coarser "
        "than MobileSAM and SAM, which are a click away in this list. Mean IoU on COCO objects: "
        "0.43 after one click, 0.63 after three, 0.72 after five, 0.70 for a box.",
        accepts=_PROMPTS,
        weights=WeightsFile(
            name="segstudio_nano.safetensors",
            url="",
            size=7_307_394,
            sha256="a86182912a488a822bf5fd9c990c826a9f07383f5150d66ae1f73b5ce87fb597",
            licence="Apache-2.0",
        ),
        score_scale=0.5 / 0.88,
        loader="segstudio.models.prompt.nano:load",
        converted=False,
    ),
    ModelCard(
        key="mobile_sam",
        title="MobileSAM",
        description="Fast on a laptop's CPU; 39 MB.",
        accepts=_PROMPTS,
        weights=WeightsFile(
            name="mobile_sam.pt",
            url=_MOBILE_SAM + "mobile_sam.pt",
            size=40_728_226,
            sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
            licence="Apache-2.0",
        ),
        loader="segstudio.models.prompt.mobile_sam:load",
    ),
    ModelCard(
        key="sam_vit_b",
        title="SAM ViT-B",
        description="Better edges than MobileSAM; 358 MB, wants a GPU.",
        accepts=_PROMPTS,
        weights=WeightsFile(
            name="sam_vit_b_01ec64.pth",
            url=_SAM + "sam_vit_b_01ec64.pth",
            size=375_042_383,
            sha256="ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            licence="Apache-2.0",
        ),
        loader="segstudio.models.prompt.sam:load_vit_b",
    ),
    ModelCard(
        key="sam_vit_l",
        title="SAM ViT-L",
        description="Large SAM; 1.2 GB, needs a GPU.",
        accepts=_PROMPTS,
        weights=WeightsFile(
            name="sam_vit_l_0b3195.pth",
            url=_SAM + "sam_vit_l_0b3195.pth",
            size=1_249_524_607,
            sha256="3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
            licence="Apache-2.0",
        ),
        loader="segstudio.models.prompt.sam:load_vit_l",
    ),
    ModelCard(
        key="sam_vit_h",
        title="SAM ViT-H",
        description="The largest SAM; 2.4 GB, needs a GPU.",
        accepts=_PROMPTS,
        weights=WeightsFile(
            name="sam_vit_h_4b8939.pth",
            url=_SAM + "sam_vit_h_4b8939.pth",
            size=2_564_550_879,
            sha256="a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
            licence="Apache-2.0",
        ),
        loader="segstudio.models.prompt.sam:load_vit_h",
    ),
)

_BY_KEY = {card.key: card for card in PROMPT_MODELS}

# What answers where nothing else can, as where torch fails.
EMBEDDED_MODEL = "graph_cut"
# The best one that comes with the app; it needs torch.
BOX_MODEL = "segstudio_nano"


def prompt_models() -> tuple[ModelCard, ...]:
    """The models above, then those tuned here, the newest first; reads their small cards."""
    return (*PROMPT_MODELS, *tuned.cards(_BY_KEY))


def prompt_model(key: str) -> ModelCard:
    """The card of that key. Raises BadInputError, naming the known keys, if there is none."""
    if key in _BY_KEY:
        return _BY_KEY[key]
    known = {card.key: card for card in prompt_models()}
    try:
        return known[key]
    except KeyError:
        names = ", ".join(known)
        raise BadInputError(f"There is no prompt model {key!r}; the models are {names}.") from None
