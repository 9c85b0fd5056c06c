"""What a camera sees of triangles, against rays that are cut with them one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from segstudio.models.prompt_training.rendering.rasterizer import (
    Camera,
    Layer,
    Materials,
    Surfaces,
    Textures,
    edge_functions,
    empty_layer,
    majority,
    rasterize,
)
from segstudio.models.prompt_training.rendering.shading import place_on

WHOLE = Textures(np.full((1, 4), 255, np.uint8), np.ones((1, 11, 3), np.int64) * [0, 1, 1])
PLAIN = Materials(
    np.ones((1, 3), np.float32),
    np.zeros((1, 3), np.float32),
    np.ones(1, np.float32),
    np.ones(1, np.float32),
    np.full(1, -1, np.int32),
    np.zeros(1, np.uint8),
)


def drawn(camera, corners, uvs=None, materials=PLAIN, textures=WHOLE) -> Layer:
    corners = np.asarray(corners, np.float32)
    count = len(corners)
    surfaces = Surfaces(
        corners,
        np.zeros_like(corners),
        np.zeros((count, 3, 2), np.float32) if uvs is None else np.asarray(uvs, np.float32),
        np.zeros(count, np.int32),
        np.arange(1, count + 1, dtype=np.int32),
        np.ones(count, np.uint8),
    )
    layer = empty_layer(camera)
    rasterize(*edge_functions(camera, corners), surfaces, materials, textures, 1, layer)
    return layer


def rays(camera):
    """(H, W, 3) from the camera through pixel centres, 1 metre ahead."""
    y, x = np.mgrid[: camera.height, : camera.width] + 0.5
    flat = np.stack([x - camera.width / 2, y - camera.height / 2, np.full(x.shape, camera.focal)])
    return np.moveaxis(flat / camera.focal, 0, -1) @ camera.turn


def cut(camera, triangle):
    """Metres ahead, inf where a ray misses, and how near to an edge it goes
    (Moeller and Trumbore, 1997)."""
    way = rays(camera)
    a, b, c = (np.asarray(corner, float) for corner in triangle)
    p = np.cross(way, c - a)
    det = p @ (b - a)
    det = np.where(np.abs(det) < 1e-12, 1e-12, det)
    u = p @ (camera.place - a) / det
    q = np.cross(camera.place - a, b - a)
    v, far = way @ q / det, q @ (c - a) / det
    inner = np.minimum(np.minimum(u, v), 1 - u - v)
    return np.where((inner >= 0) & (far > 0.02), far, np.inf), inner


numbers = st.floats(-3, 3).map(lambda value: float(np.float32(value)))
triangles = st.lists(st.tuples(*[st.tuples(numbers, numbers, numbers)] * 3), min_size=1, max_size=4)


@given(triangles, numbers, numbers)
@settings(max_examples=60)
def test_each_pixel_sees_the_nearest_triangle_that_its_ray_meets(corners, height, side):
    camera = Camera.looking((side, height, 4), (0, 0, 0), 14.0, (19, 13), roll=0.2)
    layer = drawn(camera, corners)
    cuts = [cut(camera, triangle) for triangle in corners]
    nearest = np.stack([depth for depth, _ in cuts]).min(axis=0)
    sure = np.stack([np.abs(inner) > 1e-4 for _, inner in cuts]).all(axis=0) & (nearest > 0.03)
    areas = [np.linalg.norm(np.cross(np.subtract(b, a), np.subtract(c, a))) for a, b, c in corners]
    assume(min(areas) > 1e-3)
    seen = layer.triangle >= 0
    np.testing.assert_array_equal(seen[sure], np.isfinite(nearest)[sure])
    both = sure & seen
    np.testing.assert_allclose(1 / layer.nearness[both], nearest[both], rtol=1e-3)


def test_a_square_before_the_camera_covers_just_its_pixels():
    camera = Camera.looking((0, 0, 4), (0, 0, 0), 8.0, (12, 8))
    square = [[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]
    layer = drawn(camera, [[square[0], square[1], square[2]], [square[0], square[2], square[3]]])
    expected = np.zeros((8, 12), bool)
    expected[2:6, 4:8] = True  # 2 metres at 4 metres: 8 * 2 / 4 pixels
    np.testing.assert_array_equal(layer.triangle >= 0, expected)
    np.testing.assert_allclose(layer.nearness[expected], 1 / 4)


def test_a_floor_that_passes_under_the_camera_is_seen_up_to_the_horizon():
    camera = Camera.looking((0, 1, 0), (0, 1, -1), 10.0, (10, 10))
    far = 1000
    floor = [[-far, 0, far], [far, 0, far], [far, 0, -far], [-far, 0, -far]]
    layer = drawn(camera, [[floor[0], floor[1], floor[2]], [floor[0], floor[2], floor[3]]])
    np.testing.assert_array_equal((layer.triangle >= 0).all(axis=1), np.arange(10) >= 5)
    down = (np.arange(5, 10) + 0.5 - 5) / 10
    np.testing.assert_allclose(layer.nearness[5:, 3], down, rtol=1e-5)


def test_textures_lie_right_in_perspective():
    camera = Camera.looking((0, 1, 3), (0, 0, 0), 20.0, (16, 16))
    floor = np.array([[[-4, 0, 2], [4, 0, 2], [0, 0, -9]]], np.float32)
    edges, _ = edge_functions(camera, floor)
    layer = drawn(camera, floor)
    points = camera.place + rays(camera) / np.maximum(layer.nearness, 1e-9)[..., None]
    seen = np.argwhere(layer.triangle >= 0)
    assert len(seen) > 60
    for y, x in seen[::7]:
        u, v = place_on(edges[0], floor[0][:, [0, 2]], x + 0.5, y + 0.5)
        assert (u, v) == pytest.approx((points[y, x, 0], points[y, x, 2]), abs=1e-5)


def test_holes_of_a_texture_are_seen_through_and_v_points_up():
    camera = Camera.looking((0, 0, 4), (0, 0, 0), 8.0, (4, 4))
    square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    uvs = (square[:, :2] + 1) / 2
    pick = [[0, 1, 2], [0, 2, 3]]
    pixels = np.full((2, 2, 4), 255, np.uint8)
    pixels[0, 1, 3] = 0  # above, on the right
    levels = np.ones((1, 11, 3), np.int64) * [0, 1, 1]
    levels[0, 0] = 0, 2, 2
    holes = PLAIN._replace(texture=np.zeros(1, np.int32), holes=np.ones(1, np.uint8))
    layer = drawn(camera, square[pick], uvs[pick], holes, Textures(pixels.reshape(-1, 4), levels))
    expected = np.ones((4, 4), bool)
    expected[:2, 2:] = False
    np.testing.assert_array_equal(layer.triangle >= 0, expected)


def test_cameras_project_to_where_their_pixels_look():
    camera = Camera.looking((1, 2, 3), (0, 0.5, 0), 30.0, (20, 10), roll=0.4)
    points = camera.place + rays(camera) * 2.5
    y, x = np.mgrid[:10, :20] + 0.5
    np.testing.assert_allclose(camera.project(points), np.stack([x, y, x * 0 + 2.5], -1), atol=1e-9)
    np.testing.assert_allclose(camera.turn @ camera.turn.T, np.eye(3), atol=1e-12)
    assert camera.project(np.array([0.0, 0.5, 0.0]))[:2] == pytest.approx((10, 5))


def test_of_four_samples_the_most_frequent_wins_and_of_equals_the_nearest():
    fine = np.array(
        [[1, 1, 4, 5, 0, 3], [2, 1, 5, 4, 0, 6], [7, 0, 0, 0, 0, 0], [8, 9, 0, 0, 0, 9]], np.int32
    )
    near = np.array(
        [[1, 1, 2, 1, 0, 1], [9, 1, 1, 1, 0, 2], [1, 0, 0, 0, 0, 0], [3, 2, 0, 0, 0, 1]], float
    )
    out = np.zeros((2, 3), np.int32)
    majority(fine, near, out)
    assert out.tolist() == [[1, 4, 6], [8, 0, 0]]
