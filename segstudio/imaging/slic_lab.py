"""RGB to CIELAB planes of bytes, for superpixels: fast, and right to about one of their steps.

sRGB, D65, 2 degrees. The gamma curve is a polynomial, the cube root one Halley step from a guess
by its exponent (both right to 2e-5), so that all of it runs on vectors.
"""

from __future__ import annotations

import numpy as np

from segstudio.imaging.compiling import Array, Scalar, compiled

# One step of L is 1/2.55, as in OpenCV's 8-bit Lab; a and b have steps of 1 and are moved by 128.
L_STEPS = 2.55

_PIECE = 512  # pixels at a time: their floats stay in the first cache
_F = np.float32

# Least squares (Chebyshev) fit of ((v + 0.055) / 1.055) ** 2.4 on 0.04045 <= v <= 1.
_G0, _G1, _G2, _G3, _G4, _G5, _G6 = (
    _F(value)
    for value in (
        0.00094526,
        0.03244321,
        0.51648618,
        0.70084765,
        -0.40905549,
        0.20728501,
        -0.04896066,
    )
)
_XR, _XG, _XB = _F(0.4124564 / 0.950456), _F(0.3575761 / 0.950456), _F(0.1804375 / 0.950456)
_YR, _YG, _YB = _F(0.2126729), _F(0.7151522), _F(0.0721750)
_ZR, _ZG, _ZB = _F(0.0193339 / 1.088754), _F(0.1191920 / 1.088754), _F(0.9503041 / 1.088754)


@compiled
def lab_rows(rgb: Array, planes: Array, top: int) -> None:
    """Fill rows `top`, ... of `planes` (3, H, W) uint8 (L, a, b) from `rgb` (rows, W, 3) uint8."""
    rows, width = rgb.shape[:2]
    work, bytes_ = np.empty((6, _PIECE), _F), np.empty((3, _PIECE), np.uint8)
    for y in range(rows):
        for x in range(0, width, _PIECE):
            n = min(_PIECE, width - x)
            _split(rgb[y, x : x + n], bytes_[0, :n], bytes_[1, :n], bytes_[2, :n])
            for channel in range(3):
                _linear(bytes_[channel, :n], work[channel, :n])
            r, g, b = work[0, :n], work[1, :n], work[2, :n]
            _mix(r, g, b, work[3, :n], _XR, _XG, _XB)
            _mix(r, g, b, work[4, :n], _YR, _YG, _YB)
            _mix(r, g, b, work[5, :n], _ZR, _ZG, _ZB)
            for channel in range(3):
                _root(work[channel + 3, :n], work[channel, :n])
            light, red, blue = planes[0, top + y], planes[1, top + y], planes[2, top + y]
            _bytes(r, g, b, light[x : x + n], red[x : x + n], blue[x : x + n])


@compiled
def _split(row: Array, red: Array, green: Array, blue: Array) -> None:
    for k in range(len(row)):
        red[k], green[k], blue[k] = row[k, 0], row[k, 1], row[k, 2]


@compiled
def _linear(row: Array, out: Array) -> None:
    """sRGB bytes to linear light, 0 to 1."""
    for k in range(len(out)):
        v = _F(row[k]) * _F(1 / 255)
        high = _G0 + v * (_G1 + v * (_G2 + v * (_G3 + v * (_G4 + v * (_G5 + v * _G6)))))
        out[k] = v * _F(1 / 12.92) if v < _F(0.04045) else high


@compiled
def _mix(r: Array, g: Array, b: Array, out: Array, kr: Scalar, kg: Scalar, kb: Scalar) -> None:
    for k in range(len(out)):
        out[k] = kr * r[k] + kg * g[k] + kb * b[k]


@compiled
def _root(value: Array, out: Array) -> None:
    """CIELAB's f: the cube root, a line where it is dark."""
    bits, guess = value.view(np.int32), out.view(np.int32)
    for k in range(len(out)):
        # A third of a float's bits, and of the exponent's bias: right to some per cent.
        guess[k] = np.int32(_F(bits[k]) * _F(1 / 3)) + np.int32(709921077)
    for k in range(len(out)):
        t, y = value[k], out[k]
        cube = y * y * y
        y = y * (cube + t + t) / (cube + cube + t)
        out[k] = y if t > _F(0.008856) else _F(7.787) * t + _F(16 / 116)


@compiled
def _bytes(fx: Array, fy: Array, fz: Array, light: Array, red: Array, blue: Array) -> None:
    for k in range(len(light)):
        light[k] = np.uint8(np.int32(_F(L_STEPS * 116) * fy[k] - _F(L_STEPS * 16 - 0.5)))
    for k in range(len(light)):
        red[k] = np.uint8(np.int32(_F(500) * (fx[k] - fy[k]) + _F(128.5)))
    for k in range(len(light)):
        blue[k] = np.uint8(np.int32(_F(200) * (fy[k] - fz[k]) + _F(128.5)))
