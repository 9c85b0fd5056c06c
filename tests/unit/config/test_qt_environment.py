"""OpenCV's Qt plugins must not reach PySide6."""

from __future__ import annotations

from segstudio.config.qt_environment import drop_foreign_qt_plugins


def test_the_folders_of_opencv_are_dropped_and_others_stay() -> None:
    environ = {
        "QT_QPA_PLATFORM_PLUGIN_PATH": "/venv/lib/python3.11/site-packages/cv2/qt/plugins",
        "QT_QPA_FONTDIR": "/venv/lib/python3.11/site-packages/cv2/qt/fonts",
        "QT_PLUGIN_PATH": "/opt/qt/plugins",
        "HOME": "/home/someone",
    }
    removed = drop_foreign_qt_plugins(environ)
    assert removed == ["QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"]
    assert environ == {"QT_PLUGIN_PATH": "/opt/qt/plugins", "HOME": "/home/someone"}


def test_nothing_set_is_nothing_removed() -> None:
    environ: dict[str, str] = {}
    assert drop_foreign_qt_plugins(environ) == []
    environ = {"QT_QPA_PLATFORM_PLUGIN_PATH": "/home/me/mycv2/qtplugins"}
    assert drop_foreign_qt_plugins(environ) == []
