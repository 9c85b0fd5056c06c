"""OBJ and MTL as exporters write them, catalogues, and what is made of a model's mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segstudio.models.prompt_training.rendering.catalogue import Piece, read_catalogues
from segstudio.models.prompt_training.rendering.meshes import read_mesh
from segstudio.models.prompt_training.rendering.obj_files import (
    read_materials,
    read_obj,
)

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def written(folder: Path, text: str, name: str = "model.obj") -> Path:
    path = folder / name
    path.write_bytes(text.encode("latin-1"))
    return path


def areas(path: Path) -> np.ndarray:
    mesh = read_obj(path)
    a, b, c = (mesh.positions[mesh.faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)[:, 2] / 2


def test_negative_indices_count_from_the_end(tmp_path):
    backwards = read_obj(written(tmp_path, SQUARE + "f -4 -3 -2\nv 5 5 5\nf -5 -3 -2\n"))
    assert backwards.faces.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_corners_may_have_textures_normals_both_or_neither(tmp_path):
    text = SQUARE + "vt 0.25 0.75\nvn 0 0 1\nf 1 2 3\nf 1/1 2/1 3/1\nf 1//1 2//1 3//1\n"
    mesh = read_obj(written(tmp_path, text + "f 1/1/1 2/1/1 3/1/1\n"))
    assert mesh.uvs[:, 0].tolist() == [[0, 0], [0.25, 0.75], [0, 0], [0.25, 0.75]]
    assert mesh.normals[:, 0, 2].tolist() == [0, 0, 1, 1]


def test_lines_go_on_after_a_backslash_and_colours_of_vertices_are_passed_over(tmp_path):
    text = SQUARE.replace("v 1 1 0", "v 1 1 0 0.5 0.5 0.5") + "f 1 2 \\\r\n 3\n"
    assert areas(written(tmp_path, text)).tolist() == [0.5]


def test_faces_that_name_what_is_not_there_are_left_out(tmp_path):
    assert len(read_obj(written(tmp_path, SQUARE + "f 1 2 3\nf 1 2 9\n")).faces) == 1


def test_a_file_without_faces_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no face"):
        read_obj(written(tmp_path, SQUARE))


@given(st.lists(st.floats(0.2, 1.0), min_size=3, max_size=12))
def test_polygons_of_any_shape_are_cut_without_overlaps(tmp_path_factory, radii):
    turn = np.arange(len(radii)) / len(radii) * 2 * np.pi
    x, y = np.array(radii) * np.cos(turn), np.array(radii) * np.sin(turn)
    rows = "".join(f"v {a:.9f} {b:.9f} 0\n" for a, b in zip(x, y, strict=True))
    face = "f " + " ".join(str(k + 1) for k in range(len(radii)))
    found = areas(written(tmp_path_factory.mktemp("polygon"), f"{rows}{face}\n"))
    shoelace = (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2
    assert len(found) == len(radii) - 2
    assert found.sum() == pytest.approx(shoelace, rel=1e-6)
    assert np.abs(found).sum() == pytest.approx(shoelace, rel=1e-6)


def test_materials_find_their_textures_whatever_the_case_and_the_system(tmp_path):
    (tmp_path / "maps").mkdir()
    Image.new("RGB", (2, 2)).save(tmp_path / "maps" / "Oak Wood.JPG", "JPEG")
    text = (
        "newmtl a\nKd 1 0.5 2\nmap_Kd -s 2 2 1 maps\\oak wood.jpg\nillum 2\nKs 0.5 0.5 0.5\n"
        "newmtl b\nTr 0.25\nmap_Kd gone.png\nKs 1 1 1\nillum 1\nNs nonsense\n"
        "newmtl c\n\td 0.4\nmap_Kd C:\\elsewhere\\maps\\Oak Wood.jpg\n"
    )
    found = read_materials(written(tmp_path, text, "model.mtl"))
    assert found["a"].diffuse == (1, 0.5, 1)
    assert found["a"].specular == (0.5, 0.5, 0.5)
    assert found["a"].texture is not None
    assert found["a"].texture.samefile(tmp_path / "maps" / "Oak Wood.JPG")
    assert found["b"].opacity == 0.75
    assert found["b"].specular == (0, 0, 0)
    assert found["b"].texture is None
    assert found["c"].opacity == 0.4


def test_a_library_that_is_gone_leaves_plain_materials(tmp_path):
    text = f"mtllib gone.mtl\n{SQUARE}usemtl m\u00e9tal\nf 1 2 3\nusemtl b\nf 1 3 4\n"
    mesh = read_obj(written(tmp_path, text))
    assert [material.name for material in mesh.materials] == ["m\u00e9tal", "b"]
    assert mesh.material.tolist() == [0, 1]


CATALOGUE = (
    "id=x\nname#1=Chaise d\u00e9co\ncategory#1=Bedroom\nmodel#1=/all/chair/chair.obj\nwidth#1=50\n"
    "depth#1=40.0\nheight#1=90\nelevation#1=10\nmodelRotation#1=1 0 0 0 0 1 0 -1 0\n"
    "name#2=Window\ncategory#2=Doors and windows\nmodel#2=/all/window_1/window_1.obj\n"
    "name#3=Gone\nmodel#3=/all/gone/gone.obj\n"
)


def test_catalogues_say_what_models_are_and_how_large(tmp_path):
    written(tmp_path, CATALOGUE, "PluginFurnitureCatalog.properties")
    for name in ("chair", "window_1"):
        (tmp_path / "all" / name).mkdir(parents=True)
        written(tmp_path / "all" / name, SQUARE + "f 1 2 3\n", f"{name}.obj")
    chair, window = read_catalogues(tmp_path)
    assert (chair.name, chair.size, chair.elevation) == ("Chaise d\u00e9co", (0.5, 0.9, 0.4), 0.1)
    assert chair.rotation == (1, 0, 0, 0, 0, 1, 0, -1, 0)
    assert (chair.useful, window.useful) == (True, False)


def box(x0: float, x1: float, first: int = 0) -> str:
    """A box of 1 x 1 across, from x0 to x1, of six quadrangles."""
    corners = [(x, y, z) for x in (x0, x1) for y in (0, 1) for z in (0, 1)]
    rows = "".join(f"v {x} {y} {z}\n" for x, y, z in corners)
    quads = ((1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4))
    return rows + "".join("f " + " ".join(str(first + k) for k in quad) + "\n" for quad in quads)


def piece(path: Path, size: tuple[float, float, float] = (2.0, 1.0, 0.5)) -> Piece:
    return Piece("box", path, "Box", "Bedroom", size)


def test_a_mesh_stands_on_the_floor_as_large_as_the_catalogue_says(tmp_path):
    mesh = read_mesh(piece(written(tmp_path, box(3, 7))))
    points = mesh.corners.reshape(-1, 3)
    np.testing.assert_allclose(points.min(axis=0), [-1, 0, -0.25], atol=1e-6)
    np.testing.assert_allclose(points.max(axis=0), [1, 1, 0.25], atol=1e-6)


def test_a_box_keeps_its_edges(tmp_path):
    mesh = read_mesh(piece(written(tmp_path, box(0, 1))))
    assert np.abs(mesh.normals).max(axis=2).min() == pytest.approx(1)


def test_a_pipe_of_many_sides_is_round_and_its_lid_is_flat(tmp_path):
    turn = np.arange(24) / 24 * 2 * np.pi
    ring = [(np.cos(t), np.sin(t)) for t in turn]
    rows = "".join(f"v {x} {y} {z}\n" for y in (0, 1) for x, z in ring)
    sides = "".join(
        f"f {k + 1} {k + 25} {(k + 1) % 24 + 25} {(k + 1) % 24 + 1}\n" for k in range(24)
    )
    lid = "f " + " ".join(str(k + 25) for k in range(24)) + "\n"
    mesh = read_mesh(piece(written(tmp_path, rows + sides + lid), (2.0, 1.0, 2.0)))
    upright = np.abs(mesh.normals[..., 1]) > 0.5
    outwards = np.einsum("tck,tck->tc", mesh.normals, mesh.corners * [1, 0, 1])
    assert upright.all(axis=1).sum() == 22  # a lid of 24 corners
    np.testing.assert_allclose(np.abs(outwards[~upright.any(axis=1)]), 1, atol=1e-3)


def test_parts_are_materials_and_a_tiny_one_is_its_neighbours(tmp_path):
    text = f"usemtl seat\n{box(0, 2)}usemtl back\n{box(2, 4, 8)}"
    text += "usemtl screw\nv 4 0 0\nv 4 0.02 0\nv 4 0 0.02\nf 17 18 19\n"
    mesh = read_mesh(piece(written(tmp_path, text)))
    assert mesh.parts == 2
    seat, back, screw = (set(mesh.part[mesh.material == k].tolist()) for k in range(3))
    assert len(seat) == len(back) == 1
    assert screw == back != seat


def test_two_boxes_of_one_material_are_two_parts(tmp_path):
    mesh = read_mesh(piece(written(tmp_path, box(0, 1) + box(2, 3, 8))))
    assert mesh.parts == 2
    assert (np.sign(mesh.corners.mean(axis=1)[:, 0]) == np.sign(mesh.part - 0.5)).all() or (
        np.sign(mesh.corners.mean(axis=1)[:, 0]) == -np.sign(mesh.part - 0.5)
    ).all()
