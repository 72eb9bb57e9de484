"""A wrong setting stops the start with one line that names it and the way out."""

from pathlib import Path

import pytest

from lab.core.errors import SetupError
from lab.core.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_nothing_has_to_be_set() -> None:
    settings = load_settings()
    assert settings.sqlalchemy_url == "sqlite:///data/pilotlab.sqlite"
    assert settings.duckdb_path == Path("data/samples.duckdb")
    assert settings.spool_path == Path("data/spool.sqlite")


def test_command_line_goes_before_environment_before_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pilotlab.toml").write_text('lab = "of-the-file"\nport = 1\nhost = "::1"\n')
    monkeypatch.setenv("PILOTLAB_LAB", "of-the-environment")
    monkeypatch.setenv("PILOTLAB_PORT", "2")
    settings = load_settings(lab="of-the-command-line", port=None)
    assert (settings.lab, settings.port, settings.host) == ("of-the-command-line", 2, "::1")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PILOTLAB_PORT", "many", r"^setting port: .*set PILOTLAB_PORT or correct pilotlab.toml"),
        ("PILOTLAB_PORT", "70000", r"^setting port: .*65535"),
        ("PILOTLAB_LAB", "Gliwice 1", r"^setting lab: .*pattern"),
        ("PILOTLAB_TIME_ZONE", "Europe/Gliwice", r"^setting time_zone: 'Europe/Gliwice' is no IANA time zone"),
        ("PILOTLAB_TIME_ZONE", "../secret", r"^setting time_zone: "),
        ("PILOTLAB_BROKER", "emqx", r"^setting broker: .*'external'"),
        ("PILOTLAB_STORE", "influxdb", r"^settings: store 'influxdb' needs influxdb_token"),
        ("PILOTLAB_SMTP_HOST", "mail.example.org", r"^settings: smtp_host needs mail_from"),
        ("PILOTLAB_SMTP_USERNAME", "lab", r"^settings: smtp_username and smtp_password belong together"),
        ("PILOTLAB_SMTP_SECURITY", "ssl", r"^setting smtp_security: .*'starttls'"),
        ("PILOTLAB_MAIL_FROM", "the lab", r"^setting mail_from: 'the lab' is no mail address"),
        ("PILOTLAB_MAIL_FROM", "lab@example.org\nBcc: all@example.org", r"^setting mail_from: "),
        ("PILOTLAB_OPENING_HOURS", "always", r"^the environment cannot be read: .*opening_hours.*JSON"),
        ("PILOTLAB_OPENING_HOURS", '{"mon": 8}', r"^setting opening_hours.mon: .*PILOTLAB_OPENING_HOURS "),
        ("PILOTLAB_PROT", "8000", r"^PILOTLAB_PROT is in the environment, but .*did you mean port\?"),
    ],
)
def test_wrong_variable_is_refused_in_one_line(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=said) as refused:
        load_settings()
    assert "\n" not in refused.value.message
    assert isinstance(refused.value, SetupError)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 8000\n", r"^setting prot: there is no such setting; did you mean port\?; correct pilotlab.toml"),
        ("port = \n", r"^pilotlab.toml cannot be read: "),
        ("port = 99999\n", r"^setting port: "),
    ],
)
def test_wrong_file_is_refused_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "pilotlab.toml").write_text(text)
    with pytest.raises(SettingsError, match=said) as refused:
        load_settings()
    assert "\n" not in refused.value.message


def test_variables_of_the_simulators_and_of_ci_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTLAB_REQUIRE_SERVICES", "1")
    monkeypatch.setenv("PILOTLAB_SIMULATORS_PASSWORD", "secret")
    load_settings()


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    settings = load_settings(
        broker_password="of the broker", influxdb_token="of the store", smtp_username="lab", smtp_password="of the mail"
    )
    assert "of the" not in f"{settings!r} {settings}"


def test_what_is_handed_on_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SMTP_HOST", "SMTP_USERNAME", "SMTP_PASSWORD", "MAIL_FROM"):
        monkeypatch.setenv(f"PILOTLAB_{name}", "")
    settings = load_settings()
    assert (settings.smtp_host, settings.smtp_username, settings.smtp_password, settings.mail_from) == (None,) * 4


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
