"""Other languages' cue words are read as English; English and code stay as they are."""

from __future__ import annotations

import pytest

from app.knowledge.extraction.noise import is_transient
from app.knowledge.extraction.prose import statements
from app.likeness.gloss import Language, gloss, is_foreign, languages
from app.sessions.event import Event
from app.trajectory.events.turns import ending


@pytest.mark.parametrize(
    "text",
    [
        "Never edit the lock file by hand.",
        "Fix typo in `die_der_das()`",
        "Adds support for solo mode",
        "Important: super admins bare minimum",
        "`nunca` `siempre` `porque`",
        "Rate limits count per tenant, e.g. 100 requests",
        "No breaking changes, e.g. renamed columns",
        "Serve static files behind nginx",
        "Reset NIC offload before benchmarks",
        "Car rental API returns cents",
        "Naming convention: snake case everywhere",
        "Non root user required",
        "",
        "12345 --- 678",
    ],
)
def test_english_and_code_stay_as_they_are(text: str) -> None:
    assert gloss(text) == text
    assert not is_foreign(text)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Bitte nie `weil.py` ändern, weil der Build sonst bricht", "never"),
        ("Ce service ne doit jamais lire la base", "never"),
        ("Este serviço deve usar a fila, porque o banco é lento", "because"),
        ("Dit moet altijd via de queue", "always"),
        ("このサービスは必ずキューを使うこと", "always"),
        ("이 서비스는 항상 큐를 사용합니다", "always"),
        ("Сервис всегда пишет в очередь", "always"),
        ("Сервіс завжди пише в чергу", "always"),
        ("يجب أن تمر الطلبات عبر الطابور دائمًا", "always"),
        ("服务必须使用队列", "must"),
    ],
)
def test_a_cue_is_read_in_english(text: str, word: str) -> None:
    assert is_foreign(text)
    assert word in gloss(text).split()


def test_code_keeps_its_words_in_a_foreign_text() -> None:
    assert "`weil.py`" in gloss("Bitte nie `weil.py` ändern, weil der Build sonst bricht")


def test_hostile_text_takes_linear_work() -> None:
    """Text that ends no sentence is read once, not again from its beginning at each possible end."""
    for text in ("a. " * 10_000, "ab. " * 10_000, "@@" + " " * 30_000 + "a b"):
        assert len(statements(Event("e", "user", "prompt", text, "L1"))) <= 1


def test_of_two_languages_in_one_script_the_likelier_is_read() -> None:
    assert "never" in gloss("Ніколи не змінюйте файл, бо це наше правило")
    assert "never" in gloss("Никогда не меняйте файл, это наше правило")


@pytest.mark.parametrize("language", languages(), ids=lambda each: each.code)
def test_each_language_says_yes_and_no(language: Language) -> None:
    words = {english for _, english in language.forms}
    assert {"thanks", "wrong", "never", "always", "because", "we decided", "the root cause is", "the fix is"} <= words


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Danke, passt", "accepted"),
        ("gracias, perfecto", "accepted"),
        ("ありがとうございます", "accepted"),
        ("Спасибо, работает", "accepted"),
        ("Nein, falsche Datei", "corrected"),
        ("Non, utilise la branche main", "corrected"),
        ("不对，应该用队列", "corrected"),
        ("違います、キューを使ってください", "corrected"),
        ("Weiter mit dem nächsten Schritt", "open"),
    ],
)
def test_a_yes_and_a_no_are_understood(said: str, meant: str) -> None:
    assert ending(said) == meant


@pytest.mark.parametrize(
    "text",
    [
        "We chose to hold off until job 8123 finishes, because the runners are busy.",
        "The deploy waits because the cluster is full this evening.",
        "I opted to open config.py before anything else, because I must see how it is built.",
        "The build folder is empty because nothing was compiled yet.",
        "The index is current because no documents changed since then.",
        "Wir warten auf Build 77, weil heute alle Runner belegt sind.",
        "J'ai décidé de lire d'abord `setup.cfg`, parce que je dois comprendre le projet.",
        "我决定先阅读 main.go，因为我需要了解这个仓库。",
    ],
)
def test_what_holds_for_this_moment_only_is_passing(text: str) -> None:
    assert is_transient(text)


@pytest.mark.parametrize(
    "text",
    [
        "We decided to read the settings from the environment, because containers have no files.",
        "The worker must wait for the lock before it claims a job.",
        "The cache is empty because no TTL was set, so Redis drops each key.",
        "We chose to check signatures at the gateway, because services are many.",
        "We decided to write the row first and publish afterwards, because a lost event can be repaired.",
        "We chose an API-first design because clients are generated from the schema.",
        "The index is stale because no trigger runs when a row is changed.",
        "Workers must wait for job 0 before they claim rows, because it creates the schema.",
        "The Today tab must query the replica, never the primary.",
        'The "this week" filter uses ISO weeks.',
        "We decided to validate tokens before touching the database, because that is slow.",
        "Uploads are idempotent since no file is committed twice.",
        "All requests pass through the gateway before any service sees them.",
        "Never migrate while the worker is running.",
        "Wir haben beschlossen, die Einstellungen aus der Umgebung zu lesen, weil Container keine Dateien haben.",
    ],
)
def test_what_lasts_is_not_passing(text: str) -> None:
    assert not is_transient(text)
