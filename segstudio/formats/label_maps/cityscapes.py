"""What Cityscapes calls things: ids, names, groups, colours (Cordts et al. 2016, and its scripts'
`labels.py`), the names of its files, and the numbers in its instance maps."""

from __future__ import annotations

import re

from segstudio.formats.category_table import TableRow
from segstudio.formats.found import Place

# NAME_gtFine_labelIds.png belongs to NAME_leftImg8bit.png.
MAP_NAME = re.compile(r"(.+)_gt(?:Fine|Coarse)_(labelIds|instanceIds)\.png", re.IGNORECASE)
OTHER_NAME = re.compile(r".+_gt(?:Fine|Coarse)_(?!labelIds|instanceIds)\w+\.png", re.IGNORECASE)
PHOTO = "_leftImg8bit"
PER_CLASS = 1000  # pixel = class id * 1000 + number of the object; below 1000 it is a class id
MOST_THING_ID = 64  # that leaves room for all numbers in 16 bits
MOST_STUFF_ID = 255

_LABELS = """\
0 unlabeled void - ignore 0 0 0
1 ego,vehicle void - ignore 0 0 0
2 rectification,border void - ignore 0 0 0
3 out,of,roi void - ignore 0 0 0
4 static void - - 0 0 0
5 dynamic void - - 111 74 0
6 ground void - - 81 0 81
7 road flat - - 128 64 128
8 sidewalk flat - - 244 35 232
9 parking flat - - 250 170 160
10 rail,track flat - - 230 150 140
11 building construction - - 70 70 70
12 wall construction - - 102 102 156
13 fence construction - - 190 153 153
14 guard,rail construction - - 180 165 180
15 bridge construction - - 150 100 100
16 tunnel construction - - 150 120 90
17 pole object - - 153 153 153
18 polegroup object - - 153 153 153
19 traffic,light object - - 250 170 30
20 traffic,sign object - - 220 220 0
21 vegetation nature - - 107 142 35
22 terrain nature - - 152 251 152
23 sky sky - - 70 130 180
24 person human thing - 220 20 60
25 rider human thing - 255 0 0
26 car vehicle thing - 0 0 142
27 truck vehicle thing - 0 0 70
28 bus vehicle thing - 0 60 100
29 caravan vehicle thing - 0 0 90
30 trailer vehicle thing - 0 0 110
31 train vehicle thing - 0 80 100
32 motorcycle vehicle thing - 0 0 230
33 bicycle vehicle thing - 119 11 32
"""


def cityscapes_table() -> tuple[TableRow, ...]:
    """The 34 labels; those that mark no place of the scene (0 to 3) are ignored."""
    rows = []
    for line in _LABELS.splitlines():
        number, name, group, thing, ignore, *rgb = line.split()
        red, green, blue = (int(value) for value in rgb)
        rows.append(
            TableRow(
                id=int(number),
                name=name.replace(",", " "),
                place=Place("Cityscapes", f"label {number}"),
                rgb=(red, green, blue),
                supercategory=group,
                isthing=thing == "thing",
                ignore=ignore == "ignore",
            )
        )
    return tuple(rows)
