"""Pictures of models: ids, light, cut-outs and whole scenes."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segstudio.models.prompt_training import scene as scenes_on_disk
from segstudio.models.prompt_training.rendering import __main__ as command
from segstudio.models.prompt_training.rendering import lighting
from segstudio.models.prompt_training.rendering.catalogue import Piece, read_catalogues
from segstudio.models.prompt_training.rendering.cut_outs import large_parts
from segstudio.models.prompt_training.rendering.placing import arrange
from segstudio.models.prompt_training.rendering.rasterizer import Camera
from segstudio.models.prompt_training.rendering.scenes import Supplies, make_scene
from segstudio.models.prompt_training.rendering.stage import Model, Stage, load
from segstudio.models.prompt_training.rendering.surfaces import read_texture

CORNERS = "".join(f"v {x} {y} {z}\n" for x in (0, 1) for y in (0, 1) for z in (0, 1))
OUTWARDS = ((1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4))
UVS = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"


def box(folder: Path, name: str, *, inside_out: bool = False, opacity: float = 1) -> Path:
    """A box with a red top; its sides have a texture, blue above and green below."""
    folder = folder / name
    folder.mkdir(parents=True)
    Image.fromarray(np.array([[[20, 20, 200]], [[20, 200, 20]]], np.uint8)).save(folder / "t.png")
    text = f"newmtl top\nKd 0.9 0.1 0.1\nd {opacity}\nnewmtl side\nKd 1 1 1\nmap_Kd T.PNG\n"
    (folder / "box.mtl").write_text(text + f"d {opacity}\n")
    rows = []
    for index, quad in enumerate(OUTWARDS):
        order = quad[::-1] if inside_out else quad
        rows.append("usemtl " + ("top" if index == 3 else "side"))
        height = {1: 1, 2: 1, 3: 4, 4: 4, 5: 1, 6: 1, 7: 4, 8: 4}
        rows.append("f " + " ".join(f"{k}/{height[k]}" for k in order))
    path = folder / "box.obj"
    path.write_text("mtllib box.mtl\n" + CORNERS + UVS + "\n".join(rows) + "\n")
    return path


def piece(path: Path, size=(1.0, 1.0, 1.0)) -> Piece:
    return Piece(path.parent.name, path, "Box", "Living room", size)


def evenly(brightness: float = 1.0) -> lighting.Lights:
    """No sun, the same from all sides."""
    way, solid = lighting.directions()
    around = np.full((lighting.SIDE, lighting.SIDE, 3), brightness)
    return lighting.Lights(
        lighting.irradiance(around, way, solid).astype(np.float32),
        around.astype(np.float32),
        np.zeros(3, np.float32),
        np.array([0, 1, 0], np.float32),
    )


def sunny(rng: int = 0) -> lighting.Lights:
    return lighting.lights(np.random.default_rng(rng), outside=True)


FRONT = Camera.looking((0, 0.5, 4.5), (0, 0.5, 0), 40.0, (24, 16))


def test_ids_are_exact_where_one_thing_hides_another(tmp_path):
    model = load(piece(box(tmp_path, "a")))
    stage = Stage()
    stage.put(model, 1, (0, 0, 0))
    stage.put(model, 11, (0.25, 0, -4.5))
    ids = stage.photograph(FRONT, evenly()).ids
    # The front of the nearer one: 40 pixels a metre at 1 / 4; the other's at 1 / 8.5.
    near, far = np.zeros((16, 24), bool), np.zeros((16, 24), bool)
    near[3:13, 7:17] = True
    far[6:10, 11:15] = True
    np.testing.assert_array_equal(np.isin(ids, (1, 2)), near)
    assert set(np.unique(ids)) == {0, *np.unique(ids[near])}  # it is hidden wholly
    stage = Stage()
    stage.put(model, 11, (1.25, 0, -4.0))
    stage.put(model, 1, (0, 0, 0))
    ids = stage.photograph(FRONT, evenly()).ids
    np.testing.assert_array_equal(np.isin(ids, (1, 2)), near)
    columns = np.flatnonzero(np.isin(ids, (11, 12)).any(axis=0))
    assert (columns.min(), columns.max()) == (17, 20)  # from 8 m: 40 (0.75 .. 1.75) / 8 + 12


def test_depth_is_metres_ahead(tmp_path):
    stage = Stage()
    stage.put(load(piece(box(tmp_path, "a"))), 1)
    picture = stage.photograph(FRONT, evenly())
    np.testing.assert_allclose(picture.depth[picture.ids > 0], 4, rtol=1e-5)
    assert np.isinf(picture.depth[picture.ids == 0]).all()
    np.testing.assert_array_equal(picture.cover, picture.ids > 0)


def test_textures_are_upright_and_in_light(tmp_path):
    stage = Stage()
    stage.put(load(piece(box(tmp_path, "a"))), 1)
    light = stage.photograph(FRONT, evenly(), nearby=1e-3).light
    above, below = light[5, 12], light[10, 12]  # the middles of its two texels
    assert above.argmax() == 2
    assert below.argmax() == 1
    assert below[1] == pytest.approx(((200 / 255 + 0.055) / 1.055) ** 2.4, abs=0.06)


def test_both_sides_of_faces_are_lit_alike(tmp_path):
    seen = []
    for name, turned in (("a", False), ("b", True)):
        stage = Stage()
        stage.put(load(piece(box(tmp_path, name, inside_out=turned))), 1, turn=0.5)
        camera = Camera.looking((0, 1.5, 4), (0, 0.5, 0), 40.0, (24, 24))
        seen.append(stage.photograph(camera, sunny()).light)
    assert seen[0].max() > 0.1
    np.testing.assert_allclose(*seen, atol=0.02)


def test_things_cast_shadows_on_the_floor(tmp_path):
    overhead = evenly(0.0)._replace(sun=np.ones(3, np.float32))
    stage = Stage()
    stage.put(load(piece(box(tmp_path, "a"))), 1, (0, 0.5, 0))
    stage.put_rectangle((-9, 0, 9), ((18, 0, 0), (0, 0, -18)), 9, None, tile=1)
    camera = Camera.looking((0, 1.5, 4), (0, 0.2, 0), 30.0, (24, 24))
    picture = stage.photograph(camera, overhead, softness=0.5, nearby=1e-3)
    y, x = np.mgrid[:24, :24] + 0.5
    way = np.stack([(x - 12) / 30, (y - 12) / 30, np.ones_like(x)], -1) @ camera.turn
    floor = camera.place + way * (-camera.place[1] / way[..., 1])[..., None]
    inner, outer = (np.abs(floor[..., [0, 2]]).max(axis=-1) < half for half in (0.35, 0.7))
    bare = picture.ids == 9
    assert (bare & inner).sum() > 3
    assert picture.light[bare & inner].max() < 0.1
    assert picture.light[bare & ~outer].min() > 0.3


def test_glass_has_its_own_ids_and_shows_what_is_behind(tmp_path):
    solid, clear = (load(piece(box(tmp_path, n, opacity=o))) for n, o in (("a", 1), ("b", 0.3)))
    seen = {}
    for name, front in (("with", True), ("without", False)):
        stage = Stage()
        stage.put(solid, 1, (0, 0, -4), scale=3)
        if front:
            stage.put(clear, 11)
        seen[name] = stage.photograph(FRONT, evenly(), nearby=1e-3)
    middle = (slice(4, 7), slice(9, 15))
    assert (seen["with"].ids[middle] > 10).all()
    assert (np.isin(seen["without"].ids[middle], (1, 2))).all()
    alone = Stage()
    alone.put(clear, 11)
    assert alone.photograph(FRONT, evenly()).cover[8, 12] == pytest.approx(0.6)


def test_even_light_is_the_same_on_every_side():
    way, solid = lighting.directions()
    assert solid.sum() == pytest.approx(4 * np.pi)
    np.testing.assert_allclose((way * solid[..., None]).sum(axis=(0, 1)), 0, atol=1e-9)
    around = np.full((lighting.SIDE, lighting.SIDE, 3), 0.7)
    weights = lighting.irradiance(around, way, solid)
    basis = np.stack(lighting.polynomials(*np.moveaxis(way, -1, 0)), axis=-1)
    np.testing.assert_allclose(basis @ weights, 0.7, atol=0.01)


def test_light_from_one_side_falls_off_as_its_cosine():
    way, solid = lighting.directions()
    around = np.where(way[..., 1:2] > 0, 1.0, 0.0) * np.ones(3)
    weights = lighting.irradiance(around, way, solid)
    normals = np.array([[0, 1, 0], [1, 0, 0], [0, -1, 0]], float)
    basis = np.stack(lighting.polynomials(*normals.T), axis=-1)
    np.testing.assert_allclose((basis @ weights)[:, 0], [1, 0.5, 0], atol=0.03)


def test_a_texture_that_is_no_image_is_left_out(tmp_path):
    (tmp_path / "t.jpg").write_bytes(b"no image")
    assert read_texture(tmp_path / "t.jpg") is None
    assert read_texture(tmp_path / "gone.jpg") is None


@given(st.integers(0, 2**32))
def test_no_two_things_on_the_floor_meet(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(0.2, 2.0, (4, 3))
    bare = Model(None, ())  # type: ignore[arg-type]
    names = ("chair", "table", "dog", "desk")
    pieces = [
        Piece(n, Path(f"{n}.obj"), n, "Office", (a, b, c))
        for n, (a, b, c) in zip(names, sizes.tolist(), strict=True)
    ]
    cup = Piece("cup", Path("cup.obj"), "Cup", "Kitchen", (0.08, 0.1, 0.08))
    made = arrange([(p, bare) for p in pieces], [(cup, bare)], 8, rng)
    for one, other in itertools.combinations(made.things, 2):
        if one.on == other.on:
            meet, _ = cv2.rotatedRectangleIntersection(one.footprint, other.footprint)
            assert meet == cv2.INTERSECT_NONE
    for thing in made.things:
        below = None if thing.on is None else made.things[thing.on]
        height = 0 if below is None else below.piece.size[1] * below.scale
        assert thing.place[1] == pytest.approx(height)
        if below is not None:
            inside, _ = cv2.rotatedRectangleIntersection(thing.footprint, below.footprint)
            assert inside != cv2.INTERSECT_NONE


def test_small_parts_go_to_the_neighbour_that_they_touch_most():
    parts = np.zeros((20, 30), np.int32)
    parts[2:18, 2:14] = 3
    parts[2:18, 14:28] = 7
    parts[8:10, 13:15] = 5
    parts[8:10, 14:16] = 5
    found = large_parts(parts)
    assert set(np.unique(found)) == {0, 1, 2}
    np.testing.assert_array_equal(found > 0, parts > 0)
    assert (found[8:10, 14:16] == 2).all()


@pytest.fixture
def models(tmp_path) -> Path:
    folder = tmp_path / "models"
    rows = []
    for number, name in enumerate(("crate", "table", "dog"), 1):
        path = box(folder / "all", name)
        rows.append(f"name#{number}={name}\ncategory#{number}=Living room\n")
        rows.append(f"model#{number}=/{path.relative_to(folder).as_posix()}\n")
        rows.append(f"width#{number}={60 + 20 * number}\ndepth#{number}=50\nheight#{number}=30\n")
    (folder / "PluginFurnitureCatalog.properties").write_text("".join(rows))
    return folder


def test_cut_outs_are_made_once_and_always_the_same(models, tmp_path, capsys):
    target = tmp_path / "cut_outs"
    order = ["cut-outs", str(models), str(target), "--seed", "4", "--count", "1"]
    assert command.main(order) == 0
    first = {path.name: path.read_bytes() for path in target.iterdir()}
    lines = list(scenes_on_disk.cut_out_lines(target))
    assert len({line.subject for line in lines}) == len(lines) == 3
    for line in lines:
        made = scenes_on_disk.read_cut_out(target, line)
        assert 180 <= max(made.rgba.shape) <= 322
        assert made.parts is not None  # low things are seen from above
        assert (made.parts[made.rgba[..., 3] > 127] > 0).all()
        assert set(np.unique(made.parts)) == {0, 1, 2}
    (target / f"{lines[1].name}.png").unlink()
    stamps = {path.name: path.stat().st_mtime_ns for path in target.glob("*_00.png")}
    assert command.main(order) == 0
    assert {path.name: path.read_bytes() for path in target.iterdir()} == first
    assert all((target / name).stat().st_mtime_ns == stamp for name, stamp in stamps.items())
    assert "left out" not in capsys.readouterr().err


def test_scenes_hold_all_things_that_are_seen(models):
    pieces = read_catalogues(models)
    choice = [(one, load(one)) for one in pieces]
    supplies = Supplies("room", choice, choice)
    found = (make_scene(supplies, np.random.default_rng(seed), (48, 64)) for seed in range(9))
    scene = next(one for one in found if one is not None)
    assert scene.image.shape[:2] == scene.ids.shape
    assert 48 <= max(scene.ids.shape) <= 64
    objects = [scene.mask(target) for target in scene.targets if target.kind == "object"]
    assert len(objects) >= 2
    assert np.sum(objects, axis=0).max() == 1
    whole = [target for target in scene.targets if target.kind == "object"]
    for target in scene.targets:
        if target.kind == "part":
            assert sum(set(target.ids) < set(other.ids) for other in whole) == 1
        assert scene.mask(target).sum() >= 40
    assert {"region"} <= {target.kind for target in scene.targets}
    named = set(np.unique(scene.ids)) - set(range(5))
    assert named <= {number for target in whole for number in target.ids} | _unlisted(scene)


def _unlisted(scene: scenes_on_disk.Scene) -> set[int]:
    """Ids of things too small to be asked for."""
    areas = np.bincount(scene.ids.ravel())
    return {int(number) for number in np.flatnonzero(areas) if areas[number] < 40}
