"""Settings survive a restart, a broken file, another version and a full disk."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segstudio.config.settings import (
    Settings,
    load_settings,
    options,
    save_settings,
    settings_path,
)
from segstudio.core.errors import StorageError

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


def test_the_first_start_has_defaults_and_writes_nothing(own_home: Path) -> None:
    said: list[str] = []
    assert load_settings(complain=said.append) == Settings()
    assert said == [] and not settings_path().exists()
    assert settings_path().is_relative_to(own_home)


@given(
    opacity=st.floats(0, 1),
    memory=st.integers(0, 262_144),
    theme=st.sampled_from(["system", "light", "dark"]),
    shortcuts=st.dictionaries(texts, texts, max_size=4),
    recent=st.lists(texts, max_size=10),
    state=texts,
)
def test_what_is_saved_is_read_again(
    tmp_path_factory: pytest.TempPathFactory,
    opacity: float,
    memory: int,
    theme: str,
    shortcuts: dict[str, str],
    recent: list[str],
    state: str,
) -> None:
    path = tmp_path_factory.mktemp("settings") / "deep" / "settings.toml"
    settings = Settings(
        theme=theme,
        mask_opacity=opacity,
        embedding_memory_mb=memory,
        shortcuts=shortcuts,
        recent_projects=tuple(recent),
        window_state=state,
    )
    save_settings(settings, path)
    assert load_settings(path, complain=pytest.fail) == settings
    assert [file.name for file in path.parent.iterdir()] == ["settings.toml"]


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"{'a': 1}", b"mask_opacity = ", b"\x00" * 99]
)
def test_a_broken_file_is_set_aside_and_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.toml"
    said: list[str] = []
    for number in (1, 2):
        path.write_bytes(content)
        assert load_settings(path, complain=said.append) == Settings()
        assert (tmp_path / f"settings.toml.broken-{number}").read_bytes() == content
    assert len(said) == 2 and "set aside" in said[0] and "broken-2" in said[1]
    assert not path.exists()


def test_one_bad_value_costs_only_that_value(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(
        'theme = "mauve"\nmask_opacity = nan\nmodel = 3\nprefetch_neighbours = true\n'
        'shortcuts = {undo = 1}\nrecent_projects = "a"\ndevice = "cpu"\n'
    )
    said: list[str] = []
    assert load_settings(path, complain=said.append) == Settings(device="cpu")
    assert len(said) == 6 and path.exists()


def test_numbers_out_of_bounds_are_moved_to_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("mask_opacity = 7\nembedding_memory_mb = -3\nprefetch_neighbours = 2.9\n")
    settings = load_settings(path, complain=pytest.fail)
    assert settings.mask_opacity == 1.0 and isinstance(settings.mask_opacity, float)
    assert settings.embedding_memory_mb == 0
    assert settings.prefetch_neighbours == 2 and isinstance(settings.prefetch_neighbours, int)


def test_infinite_numbers_meet_their_bounds_too(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("mask_opacity = -inf\nembedding_disk_mb = inf\n")
    settings = load_settings(path)
    assert settings.mask_opacity == 0.0
    assert settings.embedding_disk_mb == options()["embedding_disk_mb"].high


def test_keys_of_a_newer_version_are_kept_when_saving(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('future = "kept"\ntheme = "dark"\n[novel]\nx = 1\n')
    save_settings(replace(load_settings(path), theme="light"), path)
    table = tomllib.loads(path.read_text())
    assert table["future"] == "kept" and table["novel"] == {"x": 1} and table["theme"] == "light"


def test_a_setting_of_a_former_name_is_read_and_saved_under_the_name_that_it_has(
    tmp_path: Path,
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("prediction_disk_mb = 77\n")
    assert load_settings(path).predictions_disk_mb == 77
    save_settings(load_settings(path), path)
    table = tomllib.loads(path.read_text())
    assert table["predictions_disk_mb"] == 77 and "prediction_disk_mb" not in table
    path.write_text("prediction_disk_mb = 77\npredictions_disk_mb = 5\n")
    assert load_settings(path).predictions_disk_mb == 5


def test_the_ten_projects_opened_last_are_remembered_once_each(tmp_path: Path) -> None:
    settings = Settings()
    for number in range(14):
        settings = settings.with_recent(tmp_path / f"{number % 12}.segstudio")
    names = [Path(path).stem for path in settings.recent_projects]
    assert names == ["1", "0", "11", "10", "9", "8", "7", "6", "5", "4"]


def test_every_setting_says_what_it_is() -> None:
    described = options()
    assert next(iter(described)) == "model"
    assert all(option.label for option in described.values())
    assert all(option.help for option in described.values() if option.shown)
    default = Settings()
    for name, option in described.items():
        if option.low is not None and option.high is not None:
            assert option.low <= getattr(default, name) <= option.high
        if option.choices:
            assert getattr(default, name) in option.choices


def test_a_file_in_the_way_of_the_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="SEGSTUDIO_HOME"):
        save_settings(Settings(), tmp_path / "taken" / "settings.toml")


def test_a_folder_named_like_the_file_is_not_fatal(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.mkdir()
    said: list[str] = []
    assert load_settings(path, complain=said.append) == Settings()
    assert len(said) == 1
    with pytest.raises(StorageError):
        save_settings(Settings(), path)
    left = [file.name for file in tmp_path.iterdir()]
    assert left == ["settings.toml"], "no temporary file stays behind"
