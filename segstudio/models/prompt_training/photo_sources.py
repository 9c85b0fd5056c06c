"""Packages that hold photographs."""

from __future__ import annotations

from segstudio.models.prompt_training.source_records import (
    PUBLIC_DOMAIN,
    PYPI,
    Source,
    Take,
    debian,
    words,
)

_GCOMPRIS_PHOTOS = {
    "explore_world_animals/resource/animals": "crocodile moose panda",
    "categorization/resource/images/renewable": "windmill",
    "categorization/resource/images/monuments": (
        "zimniPalace mountRushmore leaningTowerOfPisa leMusee greatWall"
    ),
    "categorization/resource/images/others": "pan pencil bucket buffetset igloo",
    "categorization/resource/images/tools": "wrench screwDriver nailCutter",
}
_GCOMPRIS_FISH = (
    "QueenAngel blueking2 butfish cichlid1 cichlid4 collaris discus2 discus3 f00 f01 f02 f03 f04 "
    "f05 f06 f07 f08 f09 f10 f11 f12 f13 manta newf1 shark1 six_barred"
)
_GCOMPRIS_FILES = r"usr/share/gcompris-qt/rcc/[^/]+\.rcc/gcompris/src/activities/"
_COMMONS = "https://commons.wikimedia.org/wiki/File:"

_GCOMPRIS = debian(
    "gcompris",
    "GCompris",
    "3.1-2",
    "bookworm",
    "g/gcompris-qt/gcompris-qt-data_3.1-2_all.deb",
    size=44_196_292,
    sha256="e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
    licence=f"{PUBLIC_DOMAIN} AND CC-BY-1.0 AND CC-BY-2.0 AND CC-BY-3.0",
    stated="debian/copyright, file by file",
    taken="17 photographs; 26 drawings of fish in two postures (from xfishtank, public domain)",
    takes=(
        *(
            Take(f"{_GCOMPRIS_FILES}{folder}/({words(names)}\\.webp)", r"gcompris/photos/\1")
            for folder, names in _GCOMPRIS_PHOTOS.items()
        ),
        Take(
            rf"{_GCOMPRIS_FILES}clickgame/resource/({words(_GCOMPRIS_FISH)}\.webp)",
            r"gcompris/fish_cutouts/\1",
        ),
    ),
    left_out="pictures under the GPL or share-alike, and numbered files that do not show what the "
    "licence's entry says",
    credit=(
        f"crocodile: Kmanoj (CC-BY-3.0), {_COMMONS}Marsh_Crocodiles_basking_in_the_sun.JPG",
        f"greatWall: Hao Wei (CC-BY-2.0), {_COMMONS}The_Great_wall_-_by_Hao_Wei.jpg",
        "leMusee: Jean-Pierre Dalbéra (CC-BY-2.0), "
        f"{_COMMONS}Le_mus%C3%A9e_du_Louvre_(4750261198).jpg",
        f"leaningTowerOfPisa: Dan Kamminga (CC-BY-2.0), {_COMMONS}Torre_di_Pisa.jpg",
        "mountRushmore: Dean Franklin (CC-BY-2.0), "
        f"{_COMMONS}Dean_Franklin_-_06.04.03_Mount_Rushmore_Monument_(by-sa)-3_new.jpg",
        f"panda: Aaron Logan (CC-BY-1.0), {_COMMONS}Lightmatter_panda.jpg",
        "pencil: Ole Palnatoke Andersen (CC-BY-2.0), "
        f"{_COMMONS}2014-01-16-Hittegods_(12009261426).jpg",
        f"zimniPalace: Dezidor (CC-BY-3.0), {_COMMONS}Zimn%C3%AD_pal%C3%A1c_%283%29.jpg",
    ),
)

_BUDGIE_3 = debian(
    "budgie-backgrounds-3",
    "Budgie's backgrounds, older",
    "3.0-1",
    "trixie",
    "b/budgie-backgrounds/budgie-backgrounds_3.0-1_all.deb",
    size=12_169_452,
    sha256="b91c2d5209558bc11d8d3a161f22a608857e3f8c735980cfab0d6650b03014ca",
    licence="CC0-1.0",
    taken="13 photographs",
    takes=(
        Take(
            r"usr/share/backgrounds/budgie/([^/]+\.jpg)",
            r"budgie-backgrounds/\1",
            "abstract|waves|saturnian|valley-midnight",
        ),
    ),
    left_out="abstract pictures and paintings",
)

_BUDGIE_4 = debian(
    "budgie-backgrounds-4",
    "Budgie's backgrounds, newer",
    "4.2-1",
    "sid",
    "b/budgie-backgrounds/budgie-backgrounds_4.2-1_all.deb",
    size=19_413_168,
    sha256="114f980efcd2924b49b9201286ee212c97b4f3b0b84add4e983238f9a7b11896",
    licence="CC0-1.0",
    taken="4 photographs (JPEG XL)",
    takes=(
        Take(
            r"usr/share/backgrounds/budgie/"
            r"((?:sunning-anhinga|perched-shrike|the-spices-of-life|pondering-heron)\.jxl)",
            r"budgie-backgrounds/\1",
        ),
    ),
    left_out="what the older package has, and abstract pictures",
)

_LOMIRI = debian(
    "lomiri-wallpapers",
    "Lomiri's wallpapers",
    "20.04.0-5",
    "sid",
    "l/lomiri-wallpapers/lomiri-wallpapers-16.04_20.04.0-5_all.deb",
    size=15_783_664,
    sha256="6ae551e92d1ca48939410231cf64cf2370671910423c9abe82c01acbb5b0094c",
    licence="CC-BY-4.0 AND CC0-1.0",
    stated="debian/copyright, file by file",
    taken="9 photographs",
    takes=(
        Take(
            r"usr/share/backgrounds/((?:(?:aitzgorri|friends|life|picosdeeuropa|sunset)_by_Aitzol_"
            r"Berasategi|Picture_(?:0B|1A)_by_freespace|seeding_by_Clements_Engelhardt|"
            r"Wine_by_Jakkub_Mede)\.jpg)",
            r"lomiri-wallpapers/\1",
        ),
    ),
    left_out="share-alike photographs, and an abstract one",
    credit=(
        "aitzgorri, friends, life, picosdeeuropa, sunset: Aitzol Berasategi, 2018 (CC-BY-4.0)",
        'Picture_0B, Picture_1A: Trevor "Freespace", 2018 (CC-BY-4.0)',
        "Wine: Jakub Mede, 2018 (CC-BY-4.0)",
        "seeding: Clemens Engelhardt, 2018 (CC0-1.0)",
    ),
)

_GRUB = debian(
    "grub2-splashimages",
    "Pictures for GRUB",
    "1.1.1",
    "sid",
    "g/grub2-splashimages/grub2-splashimages_1.1.1_all.deb",
    size=19_210_460,
    sha256="d751195cf6259b352ddb17f668be386e28ad750619faf8eb43144cf7f227dd86",
    licence=PUBLIC_DOMAIN,
    stated="debian/copyright, file by file",
    taken="5 photographs and a ray-traced picture",
    takes=(
        Take(
            r"usr/share/images/grub/((?:Apollo_17_The_Last_Moon_Shot_Edit1|BonsaiTridentMaple|"
            r"City_Lights_of_Asia_and_Middle_East_2016|Glasses_800_edit|Moraine_Lake_17092005|"
            r"Windbuchencom)\.[^/]+)",
            r"grub2-splashimages/\1",
        ),
    ),
    left_out="share-alike pictures and those under the GFDL",
    credit=(
        "Apollo_17, City_Lights: NASA; BonsaiTridentMaple: Peggy Greb, USDA; Glasses_800: Gilles "
        "Tran; Moraine_Lake: Gorgo; Windbuchencom: Richardfabi (public domain)",
    ),
)


def _theme(name: str, word: str, *, size: int, sha256: str, taken: str, but: str) -> Source:
    themes = f"usr/share/wordpress/wp-content/themes/{name}/"
    return debian(
        f"wordpress-{name}",
        f"WordPress' theme Twenty Twenty-{word}",
        "7.1.4+dfsg1-1",
        "sid",
        f"w/wordpress/wordpress-theme-{name}_7.1.4+dfsg1-1_all.deb",
        size=size,
        sha256=sha256,
        licence="CC0-1.0",
        stated="the theme's readme.txt, picture by picture",
        taken=taken,
        takes=(
            Take(rf"{themes}assets/images/([^/]+\.webp)", rf"wordpress-themes/{name}/\1", but),
            Take(f"{themes}readme.txt", f"COPYRIGHT/wordpress-{name}.readme.txt"),
        ),
        left_out="drawings, icons and crops of the same photograph",
    )


_THEME_25 = _theme(
    "twentytwentyfive",
    "Five",
    size=8_109_820,
    sha256="d7e8cac2b36e1b7e3d7837b727f9c4cf836f7b28bec752c75cee14fc7408a6e1",
    taken="30 photographs",
    but="poster-image|book-image|link-in-bio-image|screenshot|location|services-subscriber|typewriter-",
)
_THEME_24 = _theme(
    "twentytwentyfour",
    "Four",
    size=2_915_112,
    sha256="d5233a52cc31e0fb248a575d37d637c280436a8820e344f8b76fd24b8bac4e28",
    taken="8 photographs",
    but="icon-message|abstract-geometric|screenshot",
)

_JPEG_XL = debian(
    "libjxl-testdata",
    "Test pictures of JPEG XL",
    "0.0~git20250513.73695d3-4",
    "sid",
    "libj/libjxl-testdata/libjxl-testdata_0.0~git20250513.73695d3-4_all.deb",
    size=57_592_416,
    sha256="7b45b18792a3de1597c5ba362937a90a1e05ce6e06de1bbbaf54d1e410a718b5",
    licence="CC0-1.0 AND BSD-3-Clause",
    stated="debian/copyright: external/wesaturate CC0, all else BSD-3-clause",
    taken="6 photographs",
    takes=(
        Take(
            r"usr/share/libjxl-testdata/(?:external/wesaturate/500px|jxl/flower|"
            r"jxl/jpeg_reconstruction|jxl)/"
            r"([^/]+_srgb8\.png|flower\.png|bicycles_restarts\.jpg|hdr_room\.png)",
            r"libjxl-testdata/\1",
        ),
    ),
    left_out="the same pictures in other encodings, and charts",
    credit=("bicycles, flower, hdr_room: the JPEG XL Project Authors (BSD-3-Clause)",),
)

_KRANK = debian(
    "krank",
    "Krank",
    "0.7+dfsg2-4",
    "bookworm",
    "k/krank/krank_0.7+dfsg2-4_all.deb",
    size=58_065_456,
    sha256="9a3d16fe30cef98d18a4ed9049f879339d8840f8cc729136ce2e0c7dbee33042",
    licence=PUBLIC_DOMAIN,
    stated='debian/copyright: "Author of new images: Slava Anishenko. License: Public Domain"',
    taken="37 photographs, all under water",
    takes=(
        Take(
            r"usr/share/games/krank/levels/unera-backgrounds/([^/]+\.jpg)",
            r"krank/\1",
            r"menu-levels|menu-scores[12]\.|level-02\.",
        ),
    ),
    left_out="4 that hardly differ from others",
    credit=("Slava Anishenko (public domain)",),
)

_PALAPELI = debian(
    "palapeli",
    "Palapeli",
    "4:22.12.3-1",
    "bookworm",
    "p/palapeli/palapeli-data_22.12.3-1_all.deb",
    size=2_136_268,
    sha256="69a15dce2ac25ed8708ac518cd0cee5f4eb0c70ed15da2fdb8899a19ac0ee058",
    licence=PUBLIC_DOMAIN,
    stated='a .desktop file beside each: "License=Public Domain"',
    taken="3 photographs",
    takes=(
        Take(
            r"usr/share/palapeli/collection/"
            r"((?:cincinnati-bridge|citrus-fruits|european-honey-bee)\.jpg)",
            r"palapeli/\1",
        ),
        Take(
            r"usr/share/palapeli/collection/"
            r"((?:cincinnati-bridge|citrus-fruits|european-honey-bee)\.desktop)",
            r"COPYRIGHT/palapeli-\1",
        ),
    ),
    left_out="a photograph under the GFDL, and one whose licence was not checked",
    credit=(
        "cincinnati-bridge: Derek Jensen; citrus-fruits: US Department of Agriculture; "
        "european-honey-bee: John Severns (public domain)",
    ),
)

_SKLEARN = debian(
    "scikit-learn",
    "scikit-learn's sample photos",
    "1.2.1+dfsg-1",
    "bookworm",
    "s/scikit-learn/python3-sklearn_1.2.1+dfsg-1_all.deb",
    size=2_102_964,
    sha256="ca0c6be401d14871c7e93cfdd8d1f561595dc65e6e2ad2501d568aee7f7efc58",
    licence="CC-BY-2.0",
    stated="datasets/images/README.txt",
    taken="2 photographs",
    takes=(
        Take(
            r"usr/lib/python3/dist-packages/sklearn/datasets/images/([^/]+\.(?:jpg|txt))",
            r"scikit-learn/\1",
        ),
    ),
    credit=(
        "china: danielbuechele (CC-BY-2.0), "
        "https://www.flickr.com/photos/danielbuechele/6061409035/",
        "flower: vultilion (CC-BY-2.0), https://www.flickr.com/photos/vultilion/6056698931/",
    ),
)

_SKIMAGE = Source(
    "scikit-image",
    "scikit-image's sample photos",
    "scikit-image",
    "0.26.0",
    "PyPI",
    (
        f"{PYPI}a5/2a/e71c1a7d90e70da67b88ccc609bd6ae54798d5847369b15d3a8052232f9d/"
        "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    ),
    13_711_217,
    "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    f"CC0-1.0 AND {PUBLIC_DOMAIN}",
    "the functions' texts in skimage/data/_fetchers.py",
    "5 photographs: astronaut, camera, chelsea, coffee, rocket",
    (
        Take(
            r"skimage/data/((?:astronaut|camera|chelsea|coffee)\.png|rocket\.jpg)",
            r"scikit-image/\1",
        ),
        Take(r"skimage/data/(_fetchers\.py)", r"scikit-image/\1.txt"),
    ),
    "pictures without a stated licence, textures, measurements",
    (
        "astronaut: NASA; rocket: SpaceX (public domain); camera: Lav Varshney; chelsea: Stefan "
        "van der Walt; coffee: Rachel Michetti, Pikolo Espresso Bar (CC0-1.0)",
    ),
)

PHOTOGRAPHS = (
    _KRANK,
    _THEME_25,
    _THEME_24,
    _GCOMPRIS,
    _BUDGIE_3,
    _BUDGIE_4,
    _LOMIRI,
    _GRUB,
    _JPEG_XL,
    _SKIMAGE,
    _PALAPELI,
    _SKLEARN,
)
