"""Where each setting comes from, and what a recipe may and may not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.settings import BACKENDS
from common.errors import UserError
from configs.recipes import FOLDER, RECIPE_KEYS, TUNABLE, applicable, load_recipe, of_task, recipe_name, resolve
from configs.train_config import TrainConfig

ALGORITHMS = [("sac", False), ("sac", True), ("td3", False), ("td3", True), ("ppo", False)]
# No recipe of this project is for it.
FREE = {"env": "FetchReachDense-v9", "algo": "td3"}


def write(folder: Path, text: str) -> str:
    (folder / "r.yaml").write_text(text)
    return str(folder / "r.yaml")


def config(**known: Any) -> TrainConfig:
    return TrainConfig(**(FREE | known))


def test_an_encoder_has_no_input_map() -> None:
    """Neither flag would change anything, and a run with and without would be taken for an experiment."""
    for flags in ({"normalise": False}, {"relative_goal": False}):
        with pytest.raises(UserError, match="is for perceptrons: --encoder cnn"):
            resolve(config(encoder="cnn", **flags))
        # An encoder that stands outside the learner makes vectors for it.
        assert (
            resolve(config(algo="sac", backend="locating", encoder="locating", **flags)).settings.items()
            >= flags.items()
        )


@pytest.mark.parametrize(("algo", "her"), ALGORITHMS)
def test_every_gap_is_filled_and_says_from_where(algo: str, her: bool) -> None:
    done = resolve(config(algo=algo, her=her))
    # Hindsight waits for whole episodes, which may raise one default and says so.
    assert set(done.sources.values()) <= {"default", "raised to one episode of each environment"}
    assert done.recipe is None
    for key in done.sources:
        assert done.settings[key] is not None and getattr(done.config, key) is not None
    assert done.settings.keys() == done.sources.keys() | {"algo", "env", "her", "seed", "backend", "device"}
    assert done.config.out == f"checkpoints/{recipe_name(algo, 'FetchReachDense-v9', her)}_seed0"


def test_flag_over_recipe_over_default(tmp_path: Path) -> None:
    path = write(tmp_path, "settings: {gamma: 0.9, tau: 0.1, batch_size: 64}")
    done = resolve(config(config=path, gamma=0.5, n_envs=3))
    assert [done.settings[k] for k in ("gamma", "tau", "n_envs")] == [0.5, 0.1, 3]
    expected = {"gamma": "flag", "tau": "recipe", "batch_size": "recipe", "n_envs": "flag", "learning_rate": "default"}
    assert {k: done.sources[k] for k in expected} == expected
    assert done.settings["learning_rate"] == applicable("td3", False)["learning_rate"]
    assert done.recipe == "r"


def test_wrappers_and_options_of_the_environment(tmp_path: Path) -> None:
    """A run without any has the settings, and the hash, that it always had."""
    plain = resolve(config())
    assert not {"wrap", "env_option"} & (plain.settings.keys() | plain.sources.keys())
    path = write(tmp_path, "settings: {wrap: [lowpass, 'delay:steps=2'], env_option: [goal_range=0.1]}")
    done = resolve(config(config=path))
    assert done.settings["wrap"] == ["lowpass", "delay:steps=2"] and done.sources["wrap"] == "recipe"
    assert done.settings["env_option"] == ["goal_range=0.1"]
    flag = resolve(config(config=path, wrap=("scale",)))
    assert flag.settings["wrap"] == ["scale"] and flag.sources == done.sources | {"wrap": "flag"}
    assert of_task(config(config=path, wrap=("scale",))) == {"wrap": ("scale",), "env_option": ("goal_range=0.1",)}
    for wrong in ("wrap: lowpass", "wrap: [1]", "env_option: {goal_range: 0.1}"):
        with pytest.raises(UserError, match="not of the kind"):
            load_recipe(Path(write(tmp_path, f"settings: {{{wrong}}}")))


def test_an_id_with_a_module_names_a_file() -> None:
    assert recipe_name("sac", "my.module:space/Reach-v0", True) == "sac_her_space_Reach-v0"


def test_a_flag_that_repeats_the_default_is_still_a_flag() -> None:
    default = applicable("td3", False)["gamma"]
    assert resolve(config(gamma=default)).sources["gamma"] == "flag"


def test_a_zero_or_false_flag_counts() -> None:
    done = resolve(config(eval_every=0, learning_starts=0, backend="sb3"))
    assert (done.settings["eval_every"], done.sources["eval_every"]) == (0, "flag")
    assert (done.settings["learning_starts"], done.sources["learning_starts"]) == (0, "flag")


def test_smoke_makes_small_what_no_flag_fixed() -> None:
    done = resolve(config(smoke=True, total_steps=700))
    assert (done.settings["total_steps"], done.sources["total_steps"]) == (700, "flag")
    assert done.sources["eval_episodes"] == "smoke"
    assert resolve(config(smoke=True)).settings["total_steps"] <= 1000


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*_*.yaml")), ids=lambda p: p.stem)
def test_every_committed_recipe_is_found_and_resolves(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe_name(recipe["algo"], recipe["env"], recipe["her"]) == path.stem
    done = resolve(TrainConfig(algo=recipe["algo"], env=recipe["env"], her=recipe["her"]))
    assert done.recipe == path.stem
    for key in recipe["settings"]:
        assert done.sources[key] == "recipe"
    # The same by its name.
    named = TrainConfig(algo=recipe["algo"], env=recipe["env"], her=recipe["her"], config=path.stem)
    assert resolve(named).settings == done.settings


def test_every_setting_is_read_by_something() -> None:
    read = {key for algo, her in ALGORITHMS for key in applicable(algo, her)}
    read |= {key for name, backend in BACKENDS.items() for key in applicable(backend.algorithms[0], False, name)}
    assert read == set(TUNABLE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("settings: {gama: 0.9}", ["unknown setting 'gama'", "Did you mean gamma?"]),
        ("setings: {gamma: 0.9}", ["unknown key 'setings'", "Did you mean settings?"]),
        ("settings: {seed: 3}", ["unknown setting 'seed'"]),
        ("settings: {out: x}", ["unknown setting 'out'"]),
        ("settings: {clip_range: 0.2}", ["clip_range does not exist in td3"]),
        ("settings: {gamma: high}", ["gamma", "'high'"]),
        ("settings: {gamma: true}", ["gamma", "True"]),
        ("settings: {gamma: .nan}", ["gamma"]),
        ("settings: {gamma: .inf}", ["gamma"]),
        (f"settings: {{learning_rate: 1{'0' * 400}}}", ["learning_rate"]),
        ("settings: {gamma: 1.5}", ["gamma", "between 0 and 1"]),
        ("settings: {batch_size: 2.5}", ["batch_size", "2.5"]),
        ("settings: {batch_size: '64'}", ["batch_size"]),
        ("settings: {net_arch: 64}", ["net_arch"]),
        ("settings: {net_arch: [64, big]}", ["net_arch"]),
        ("settings: {net_arch: []}", ["net-arch"]),
        ("settings: {vec_env: nothing}", ["vec_env"]),
        ("settings: [1]", ["must be a mapping"]),
        ("- 1", ["no mapping"]),
        ("", ["no mapping"]),
        ("settings: {", ["not plain YAML"]),
        ("a: *b", ["not plain YAML"]),
        ("a: 2001-99-99", ["not plain YAML"]),
        ("a: !!int x", ["not plain YAML"]),
        ("a: !!bool x", ["not plain YAML"]),
        ("a: !!timestamp x", ["not plain YAML"]),
        (f"a: {'9' * 5000}", ["not plain YAML"]),
        ("[" * 5000, ["not plain YAML"]),
        ("a: \x00", ["not plain YAML"]),
        ("algo: sac\nsettings: {}", ["is for algo 'sac', this run has td3"]),
    ],
)  # fmt: skip
def test_a_bad_recipe_is_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        resolve(config(config=write(tmp_path, text)))
    line = str(caught.value)
    assert "\n" not in line and len(line) < 600
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch {marker}']",
        "settings: !!python/object/apply:os.system ['touch {marker}']",
        "settings: {{gamma: !!python/object/new:os.system ['touch {marker}']}}",
        "settings: {{gamma: !!python/object/apply:subprocess.check_output [[touch, {marker}]]}}",
        "!!python/module:os",
        "settings: {{gamma: !!python/name:os.system }}",
        "settings: {{? !!python/object/apply:os.system ['touch {marker}'] : 1}}",
    ],
)
def test_nothing_in_a_recipe_is_executed(tmp_path: Path, text: str) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(UserError, match="not plain YAML"):
        resolve(config(config=write(tmp_path, text.format(marker=marker))))
    assert not marker.exists()


def test_aliases_that_would_fill_the_memory(tmp_path: Path) -> None:
    lines = ["about:", "  - &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"  - &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20)]
    for use in ("settings: {gamma: *a19}", "algo: *a19", "settings: {net_arch: *a19}"):
        with pytest.raises(UserError) as caught:
            resolve(config(config=write(tmp_path, "\n".join([*lines, use]))))
        assert len(str(caught.value)) < 600


@settings(deadline=None, max_examples=150)
@given(text=st.text(max_size=60) | st.binary(max_size=60))
def test_whatever_a_recipe_holds(tmp_path_factory: pytest.TempPathFactory, text: str | bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    try:
        recipe = load_recipe(path)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert set(recipe) <= {*RECIPE_KEYS, "settings"}


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"algo": "ppo", "her": True}, "off-policy"),
        ({"n_epochs": 5}, "does not exist in td3"),
        ({"her_n_sampled_goal": 2}, "needs --her"),
        ({"seed": -1}, "--seed -1"),
        ({"out": "."}, "file name"),
        ({"tau": 1.5}, "--tau 1.5"),
        ({"gradient_steps": -2}, "--gradient-steps -2"),
        ({"action_noise": -0.1}, "--action-noise -0.1"),
        ({"learning_rate": float("nan")}, "--learning-rate nan"),
        ({"buffer_size": 10**13}, "--buffer-size"),
        ({"algo": "ppo", "batch_size": 1}, "--batch-size"),
    ],
)
def test_settings_that_cannot_be(known: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        resolve(config(**known))


def test_hindsight_waits_for_an_episode_of_each_environment() -> None:
    done = resolve(config(her=True, learning_starts=10, n_envs=3), episode=50)
    assert done.settings["learning_starts"] == 150
    assert "raised" in done.sources["learning_starts"]
    assert resolve(config(her=True, learning_starts=700, n_envs=3)).settings["learning_starts"] == 700


@pytest.mark.parametrize(("backend", "steps"), [("fast", 150), ("sb3", 10)])
def test_replay_of_whole_episodes_waits_for_them_too(backend: str, steps: int) -> None:
    known = {"her": False, "backend": backend, "learning_starts": 10, "n_envs": 3}
    assert resolve(config(**known), episode=50).settings["learning_starts"] == steps


def test_a_recipe_that_names_our_learner_for_ppo_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("settings: {backend: fast}")
    with pytest.raises(UserError, match="r.yaml: backend fast learns with sac and td3"):
        resolve(config(algo="ppo", her=False, config=str(path)))


def test_an_out_with_zip_is_the_same_run() -> None:
    assert resolve(config(out="a/b.zip")).config.out == resolve(config(out="a/b")).config.out == "a/b"


@pytest.mark.parametrize("key", BACKENDS["dagger"].ignores)
def test_what_an_imitator_does_not_use_is_refused(key: str) -> None:
    """As a flag; a recipe that serves several learners may have it."""
    asked = {"algo": "sac", "her": False, "env": "FetchPush-v4", "backend": "dagger"}
    value = True if key == "clip_targets" else 1
    with pytest.raises(UserError, match=f"--{key.replace('_', '-')} changes nothing with --backend dagger"):
        resolve(TrainConfig(**asked, **{key: value}))
    assert key in resolve(TrainConfig(**asked)).settings
