"""The categories of the data sets that published models were trained on, in their models' order."""

from __future__ import annotations

from segstudio.core.category import category_colour
from segstudio.core.prediction import ModelCategory

# A "~" marks stuff; all others are things.
_VOC = (
    "~background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, "
    "dog, horse, motorbike, person, pottedplant, sheep, sofa, train, tvmonitor"
)
# Zhou et al. 2017: the 150 most frequent, by the first of their names; things and stuff as in the
# data set's panoptic form (100 and 50).
_ADE20K = (
    "~wall, ~building, ~sky, ~floor, ~tree, ~ceiling, ~road, bed, window, ~grass, cabinet, "
    "~sidewalk, person, ~earth, door, table, ~mountain, ~plant, curtain, chair, car, ~water, "
    "painting, sofa, shelf, ~house, ~sea, mirror, ~rug, ~field, armchair, seat, fence, desk, "
    "~rock, wardrobe, lamp, tub, rail, cushion, ~base, box, column, signboard, chest of drawers, "
    "counter, ~sand, sink, ~skyscraper, fireplace, refrigerator, ~grandstand, ~path, stairs, "
    "~runway, case, pool table, pillow, screen door, ~stairway, ~river, ~bridge, bookcase, "
    "~blind, coffee table, toilet, flower, book, ~hill, bench, countertop, stove, palm, kitchen "
    "island, computer, swivel chair, boat, ~bar, arcade machine, ~hovel, bus, towel, light, "
    "truck, ~tower, chandelier, awning, street lamp, booth, tv, plane, ~dirt track, clothes, "
    "pole, ~land, bannister, ~escalator, ottoman, bottle, ~buffet, ~poster, ~stage, van, ship, "
    "fountain, ~conveyer belt, ~canopy, washer, plaything, ~pool, stool, barrel, basket, ~falls, "
    "~tent, bag, minibike, ~cradle, oven, ball, food, step, ~tank, trade name, microwave, pot, "
    "animal, bicycle, ~lake, dishwasher, screen, ~blanket, sculpture, hood, sconce, vase, traffic "
    "light, tray, trash can, fan, ~pier, ~crt screen, plate, monitor, bulletin board, ~shower, "
    "radiator, glass, clock, flag"
)
# Cordts et al. 2016: the 19 that are evaluated, with the data set's own colours.
_CITYSCAPES = (
    ("~road", "#804080"),
    ("~sidewalk", "#f423e8"),
    ("~building", "#464646"),
    ("~wall", "#66669c"),
    ("~fence", "#be9999"),
    ("~pole", "#999999"),
    ("~traffic light", "#faaa1e"),
    ("~traffic sign", "#dcdc00"),
    ("~vegetation", "#6b8e23"),
    ("~terrain", "#98fb98"),
    ("~sky", "#4682b4"),
    ("person", "#dc143c"),
    ("rider", "#ff0000"),
    ("car", "#00008e"),
    ("truck", "#000046"),
    ("bus", "#003c64"),
    ("train", "#005064"),
    ("motorcycle", "#0000e6"),
    ("bicycle", "#770b20"),
)


def _category(name: str, colour: str) -> ModelCategory:
    plain = name.removeprefix("~")
    return ModelCategory(plain, colour, not name.startswith("~"), plain == "background")


def _listed(names: str) -> tuple[ModelCategory, ...]:
    split = names.split(", ")
    return tuple(_category(name, category_colour(index)) for index, name in enumerate(split))


VOC: tuple[ModelCategory, ...] = _listed(_VOC)
ADE20K: tuple[ModelCategory, ...] = _listed(_ADE20K)
CITYSCAPES: tuple[ModelCategory, ...] = tuple(
    _category(name, colour) for name, colour in _CITYSCAPES
)
