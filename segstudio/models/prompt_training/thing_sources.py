"""Packages of things with exact outlines: 3D models, clip art, emoji; and textures for floors."""

from __future__ import annotations

from segstudio.models.prompt_training.source_records import (
    NPM,
    PUBLIC_DOMAIN,
    Source,
    Take,
    debian,
)

_BLEND_SWAP = (
    "3dModeling, Asterlil, Atszgo, Aymanslman, B2przemo, Betomo16, Bgamage, Bheema, Bjo.bernis, "
    "Blenderik, Bloknayrb, Bocko, BrunoMatheus, Bulgakov, Cattail, Cephei, Cezar, Cisco336, "
    "Dalenryder, DennisH2010, Derte21, DooL, Dzerbs, Elhzar, Ericblender7, Fabbyone, Farcgs, "
    "Gerardbelnder, Gianmariaveronese, Giovagiova, Gwinna, Gyrocam, HeraSK, Hermescn, Hilux, "
    "Hsdevys, Jay-Artist, Jo.3D, Jswing, Kartoffelphantom, Krabz, LVlittering, LarryStephenRobb, "
    "Leximumxii, Loopo, MatBot, Mayollo, Muhtesemozcinar, NabHlEsCK, Nad451, Nikitron, Nmn9, "
    "North.star, Oldtimer, Pndrdm, Poifox, Priide, PrinterKiller, Pyrophorus, Radio hate, "
    "RegusTtef, Renderbob, Richu, Rodrigoalves123, Rosenth, Ruff, SaiZyca2, SirOccor, Sizzler, "
    "Songkro, SonnySee, Starapple, Starkerg, Swapnilrocks98, Tadine, TreyClaine, TripleJ, "
    "TrueCryer, Victorbied, Voodoc, Xablend1122, Zema"
)

_FURNITURE = debian(
    "sweethome3d-furniture",
    "3D models for Sweet Home 3D",
    "1.8-1",
    "bookworm",
    "s/sweethome3d-furniture/sweethome3d-furniture_1.8-1_all.deb",
    size=119_782_356,
    sha256="3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668",
    licence="CC0-1.0 AND CC-BY-3.0 AND CC-BY-3.0-US",
    stated="debian/copyright by folder, LICENSE.TXT in each catalogue, and licence files beside "
    "single models",
    taken="809 OBJ models with their textures: BlendSwap-CC-0 173 (CC0-1.0), BlendSwap-CC-BY 135 "
    "(CC-BY-3.0), KatorLegaz 90 and Reallusion 25 (CC-BY-3.0-US), Scopia 386 (CC-BY-3.0)",
    takes=(
        Take(
            r"usr/share/sweethome3d/furniture/([^/]+)\.sh3f/(.+)",
            r"sweethome3d-furniture/\1/\2",
            r"(?i:billet-|/iphone|/apple_pc|playstation4|ps4-joystick|medicoscopia|kitchenaid)"
            r"|Catalog_\w+\.properties$",
        ),
    ),
    left_out="bank notes and products that are known by their brand; translations of the catalogue",
    credit=(
        f"BlendSwap-CC-BY: {_BLEND_SWAP}; some adapted by eTeks (CC-BY-3.0)",
        "KatorLegaz: Andrew Kator & Jennifer Legaz (CC-BY-3.0-US)",
        "Reallusion: Reallusion, http://www.reallusion.com (CC-BY-3.0-US)",
        "Scopia: Emmanuel PUYBARET / eTeks and Scopia Visual Interfaces Systems, s.l., "
        "http://www.scopia.es (CC-BY-3.0)",
    ),
)

_CLIP_ART = debian(
    "openclipart-png",
    "Open Clip Art",
    "1:0.18+dfsg-19",
    "bookworm",
    "o/openclipart/openclipart-png_0.18+dfsg-19_all.deb",
    size=130_910_028,
    sha256="f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02",
    licence=PUBLIC_DOMAIN,
    stated='debian/copyright: "creative commons Public Domain Dedication"',
    taken="6,900 drawings with alpha; about 1,700 become cut-outs",
    takes=(Take(r"usr/share/openclipart/png/(.+\.png)", r"openclipart-png/\1"),),
    left_out="links; `preparing` passes over signs, flags, letters, logos, icons and patterns",
)

_EMOJI = Source(
    "fluent-emoji-3d",
    "Fluent Emoji, 3D",
    "@lobehub/fluent-emoji-3d",
    "1.1.0",
    "npm",
    (f"{NPM}@lobehub/fluent-emoji-3d/-/fluent-emoji-3d-1.1.0.tgz",),
    15_792_027,
    "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
    "MIT",
    "package.json and README.md; the pictures are of Microsoft's fluentui-emoji (MIT)",
    "about 1,600 pictures of 256 px with alpha; about 1,250 become cut-outs",
    (
        Take(
            r"package/assets/([0-9a-f-]+\.webp)",
            r"fluent-emoji-3d/\1",
            r"1f3f[b-f]|20e3|1f1[ef][0-9a-f]|1f3ae|1f4bb|e0067",
        ),
        Take(r"package/(README\.md|package\.json)", r"fluent-emoji-3d/\1"),
    ),
    "the same in other skin tones; flags, the game pad and technologists, which Microsoft did not "
    "release; whether every other picture is in Microsoft's repository was not checked one by one",
    ("Fluent Emoji: Copyright (c) Microsoft Corporation (MIT)",),
)

_MYPAINT = debian(
    "mypaint-backgrounds",
    "MyPaint's papers",
    "2.0.1-9",
    "bookworm",
    "m/mypaint/mypaint-data-extras_2.0.1-9_all.deb",
    size=2_873_864,
    sha256="9d5971baa5eb411309940ea2cfe11aa7f6ec2c39e7f9ecd2bbef81fc6404b1d1",
    licence="CC0-1.0",
    stated="debian/copyright: backgrounds/mrmamurk and backgrounds/ramon",
    taken="17 textures of paper, canvas and cork, for floors of rendered scenes",
    takes=(
        Take(
            r"usr/share/mypaint/backgrounds/((?:mrmamurk|ramon)/[^/]+\.png)",
            r"mypaint-backgrounds/\1",
        ),
    ),
    credit=("MrMamurk, Ramón Miranda (CC0-1.0)",),
)

THINGS = (_FURNITURE, _CLIP_ART, _EMOJI)
TEXTURES = (_MYPAINT,)
