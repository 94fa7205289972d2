"""A misspelt option is told the nearest one, by every command alike."""

import pytest

from segx.cli.main import COMMANDS, main
from segx.cli.parser import Parser
from segx.config import config_keys, read_config, stock_configs


def parser() -> Parser:
    made = Parser(prog="segx try", description="Try.")
    made.add_argument("paths", nargs="*")
    made.add_argument("--polygons", action="store_true")
    made.add_argument("--budget")
    return made


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        parser().parse_with_keys(words)
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_knows_what_was_meant(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name, "--hlep"])
    assert stop.value.code == 2
    shown = capsys.readouterr().err
    assert "there is no option --hlep. Did you mean --help?" in shown


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["a", "--ploygons"], "--polygons"),
        (["--bugdet=3m"], "--budget"),
        (["--batch_size", "3"], "--data.batch_size"),
        (["--batch-size", "3"], "--data.batch_size"),
        (["--epochs", "3"], "--trainer.max_epochs"),
        (["--max_epoch", "3"], "--trainer.max_epochs"),
    ],
)
def test_the_nearest_option_or_key_is_offered(
    words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"Did you mean {meant}?" in refused(words, capsys)


def test_what_is_like_nothing_is_sent_to_the_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "there is no option --zzz. Options: --help" in refused(["--zzz"], capsys)


def test_abbreviations_are_not_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--poly"])
    assert "there is no option --poly" in capsys.readouterr().err


def test_known_options_and_keys_go_their_ways() -> None:
    words = [
        "a",
        "--data.crop",
        "[64, 64]",
        "--budget",
        "3m",
        "--seed=1",
        "--trainer.x",
    ]
    arguments, given = parser().parse_with_keys([*words, "2"])
    assert (arguments.paths, arguments.budget) == (["a"], "3m")
    assert given == [("data.crop", [64, 64]), ("seed", 1), ("trainer.x", 2)]


def test_plain_names_are_the_keys_that_they_stand_for() -> None:
    _, given = parser().parse_with_keys(["a", "--max_epochs", "3", "--lr=0.1"])
    assert given == [("trainer.max_epochs", 3), ("training.optimizer.lr", 0.1)]
    assert read_config("unet", given).trainer["max_epochs"] == 3


@pytest.mark.parametrize("number", ["0", "-3", "2.5", "many"])
@pytest.mark.parametrize(
    "words",
    [
        ["bench", "run", "--tile"],
        ["bench", "run", "--repeats"],
        ["decoders", "UNet", "--size"],
        ["describe", "xception41", "--size"],
        ["predict", "run", "a.png", "-o", "out", "--tile"],
        ["predict", "run", "a.png", "-o", "out", "--batch-size"],
    ],
)
def test_what_is_counted_is_a_whole_number_above_0(
    words: list[str], number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*words, number])
    assert stop.value.code == 2
    told = f"argument {words[-1]}: {number}: take a whole number, 1 or more"
    assert told in capsys.readouterr().err


def test_what_follows_two_dashes_is_no_option() -> None:
    assert parser().parse_args(["--", "--ploygons"]).paths == ["--ploygons"]


def test_the_help_of_fit_explains_every_key_and_names_the_stock_configs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for key in config_keys():
        meaning = " ".join(key.meaning.split()).removesuffix(".")
        assert f"--{key.name} {meaning} ({key.default})" in shown
    assert all(f" {path.stem} " in shown for path in stock_configs())
