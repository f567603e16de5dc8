"""Settings from the environment."""

from pathlib import Path

import pytest

from app.settings import Settings, SettingsError


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_form_of_an_address_is_understood(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("SAGA_DATABASE_URL", f"{scheme}://saga:secret@db:5432/saga?sslmode=require")

    assert Settings.load().database_url == "postgresql://saga:secret@db:5432/saga?sslmode=require"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAGA_DATABASE_URL", "mysql://db/saga"),
        ("SAGA_DATABASE_URL", "postgresql://"),
        ("SAGA_PORT", "70000"),
        ("SAGA_PORT", "http"),
        ("SAGA_SLOTS", "0"),
        ("SAGA_POLLING_INTERVAL_SECONDS", "nan"),
        ("SAGA_LOG_FORMAT", "xml"),
        ("SAGA_CARRIER_URL", "carrier:80"),
        ("SAGA_CARRIER_TOKEN", "two words"),
        ("SAGA_OIDC_JWKS_URL", "http://login.example/jwks"),
        ("SAGA_OIDC_ROLES", "boss"),
        ("SAGA_OIDC_ROLES", "=admin"),
        ("SAGA_OIDC_ROLES", "boss=root"),
        ("SAGA_OIDC_ROLES", "clerks=operator:a b"),
        ("SAGA_OIDC_ROLES", "clerks=operator:"),
    ],
)
def test_a_bad_value_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as refused:
        Settings.load()

    message = str(refused.value)
    assert message.startswith(f"{name}: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    "url",
    [
        "pg://saga:secret@db/saga",
        "postgresql://saga:p%zzsecret@db/saga",
        "postgresql://saga:secret@db/saga?x=y",
    ],
)
def test_a_password_is_not_repeated_in_the_message(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SAGA_DATABASE_URL", url)

    with pytest.raises(SettingsError) as refused:
        Settings.load()

    assert "secret" not in str(refused.value)


def test_a_password_is_not_in_the_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_DATABASE_URL", "postgresql://saga:secret@db/saga")

    assert "secret" not in repr(Settings.load())


def test_the_command_line_wins_and_none_is_no_override(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_PORT", "9000")
    monkeypatch.setenv("SAGA_DATA_DIR", "elsewhere")

    settings = Settings.load(port=9001, data_dir=None)

    assert settings.port == 9001
    assert settings.data_dir == Path("elsewhere")


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_DATABASE_URL", "")

    assert Settings.load().database_url is None


def test_a_settings_file_with_an_unknown_name_is_refused() -> None:
    with pytest.raises(SettingsError, match="SAGA_PROT"):
        Settings.load(prot=1)


def test_an_issuer_needs_an_audience_and_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_OIDC_ISSUER", "https://login.example")

    with pytest.raises(SettingsError, match="go together"):
        Settings.load()
