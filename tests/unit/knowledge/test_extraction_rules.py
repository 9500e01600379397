"""What each rule takes out of a session: its type, its words, its source."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from app.knowledge.extraction.classifier import type_odds
from app.knowledge.extraction.features import features_of
from app.knowledge.extraction.types import CUE, INTENT, USUAL, cues_of, type_of
from app.knowledge.item import KNOWLEDGE_TYPES
from tests.unit.knowledge.sessions import learnt, texts

CAUSE = (
    "The root cause was that `pool_recycle` exceeded the load balancer's idle timeout, so asyncpg wrote to dead sockets. "
    "I fixed this by setting `pool_recycle` to 300 seconds in `app/db.py`."
)


def test_a_bug_is_told_with_its_cause_and_its_fix() -> None:
    (found,) = learnt(
        ("ask", "The nightly job dies:\nConnectionDoesNotExistError: connection was closed in the middle of operation\nFix it"),
        ("edit", "app/db.py"),
        ("say", CAUSE),
    )
    assert found.type == "bug_solution"
    assert "idle timeout" in found.text
    assert "300 seconds" in found.text
    assert (found.locator, found.intent) == ("L3", "debugging")
    assert found.excerpt == CAUSE


def test_a_cause_that_was_only_supposed_is_not_known() -> None:
    assert not learnt(
        ("ask", "The job dies, why"),
        ("edit", "app/db.py"),
        ("say", "The root cause is probably that `pool_recycle` exceeds the idle timeout of the load balancer in front of it."),
    )


def test_a_decision_with_its_reason_is_kept() -> None:
    chosen = "We chose NATS over Kafka because one binary without ZooKeeper is all that the on-call team can run."
    assert [(each.type, each.text) for each in learnt(("ask", "Write the ADR"), ("say", chosen))] == [("architectural_decision", chosen)]


def test_what_a_person_lays_down_is_kept_in_their_words() -> None:
    (found,) = learnt(("ask", "We never mock the database in tests, the fixtures start a real PostgreSQL. Add a test for `Store.save`"))
    assert found.type == "testing_strategy"
    assert found.text == "We never mock the database in tests, the fixtures start a real PostgreSQL."
    assert found.confidence >= 0.75


@pytest.mark.parametrize(
    "report",
    [
        "Two tenants of the lettings portal got the same invoice on Monday. Both had paid by direct debit that morning. Find out why",
        "Die Nachtläufe der Inventur brachen am Dienstag ab, im Log stand E_LOCKED. Bitte schau nach, woran das liegt",
        "Le tableau des retards affichait hier les trains de la veille à la gare de Lyon. Regarde pourquoi",
        "ok works on the two scanners in hall 4, tried it at nine this morning. thx",
    ],
)
def test_what_a_person_reports_is_no_lesson(report: str) -> None:
    assert not learnt(("ask", report))


def test_what_a_person_puts_right_is_a_gotcha_and_what_was_said_before_is_dropped() -> None:
    found = learnt(
        ("ask", "Where does the retry limit live"),
        ("say", "The retry limit `MAX_RETRIES` is configured in `settings/base.py`, which is read once when the process starts."),
        ("ask", "No, that's wrong. The retry limit must come from `config/retry.toml` since the workers reload that file."),
    )
    assert [each.type for each in found] == ["gotcha"]
    assert "config/retry.toml" in found[0].text


def test_a_command_that_worked_after_another_had_failed_tells_both() -> None:
    (found,) = learnt(
        ("ask", "Run the tests of the worker"),
        ("run", "pytest workers/ --cov=app --cov-report=xml", "ERROR: unrecognized arguments: --cov=app --cov-report=xml", "failed"),
        ("run", "pytest workers/ -n 4 --dist loadfile", "12 passed"),
    )
    assert found.type == "testing_strategy"
    assert "`pytest workers/ -n 4 --dist loadfile` worked" in found.text
    assert "`pytest workers/ --cov=app --cov-report=xml` had failed" in found.text
    assert found.locator == "L3"


def test_a_command_that_fails_until_the_code_is_mended_teaches_nothing_of_the_command() -> None:
    found = learnt(
        ("ask", "Run the tests of the worker"),
        ("run", "pytest workers/ -n 4 --dist loadfile", "1 failed", "failed"),
        ("run", "pytest workers/ -n 4 --dist loadfile", "12 passed"),
    )
    assert not any("had failed" in text for text in texts(found))


@pytest.mark.parametrize("command", ["npm test", "pytest", "go test ./...", "pip install requests", "ls -la app", "git status"])
def test_an_obvious_command_is_not_worth_keeping(command: str) -> None:
    assert not learnt(("ask", "Run it"), ("run", command, "ok"))


@pytest.mark.parametrize(
    ("said", "type_"),
    [
        ("`SELECT … FOR UPDATE SKIP LOCKED` does not work inside a read-only transaction on the replica.", "gotcha"),
        ("The payments service listens on port 8443 and its certificate is configured in `deploy/tls.yaml`.", "deployment_approach"),
    ],
)
def test_gotchas_and_facts_of_configuration(said: str, type_: str) -> None:
    (found,) = learnt(("ask", "Explore the repository"), ("say", said))
    assert (found.type, found.text) == (type_, said)


def test_a_question_that_was_answered() -> None:
    (found,) = learnt(
        ("ask", "How does the ledger avoid double settlement?"),
        (
            "say",
            "Each hold has one row per attempt with a unique key on `(request_id, attempt)`. A settle updates that row only while its state is `held`.",
        ),
    )
    assert found.title != "How does the ledger avoid double settlement?"
    assert "only while its state is `held`" in found.text


def test_what_was_done_point_by_point() -> None:
    (found,) = learnt(
        ("ask", "Add rate limiting to the API"),
        ("edit", "app/limits.py"),
        (
            "say",
            "## Summary\n- Added a token bucket per API key in `app/limits.py`\n- Replaced the global semaphore in `app/main.py` with it\n",
        ),
    )
    assert found.type == "implementation_strategy"
    assert "token bucket per API key" in found.text
    assert "global semaphore" in found.text


def test_a_person_saying_yes_raises_the_confidence() -> None:
    session = (("ask", "The nightly job dies, fix it"), ("edit", "app/db.py"), ("say", CAUSE))
    (alone,) = learnt(*session)
    (accepted,) = learnt(*session, ("ask", "Great, that works. Thanks!"))
    assert accepted.confidence > alone.confidence


def test_tests_that_passed_raise_the_confidence() -> None:
    session = (("ask", "The nightly job dies, fix it"), ("edit", "app/db.py"))
    (alone,) = learnt(*session, ("say", CAUSE))
    (proved,) = learnt(*session, ("run", "pytest", "3 passed"), ("say", CAUSE))
    assert proved.confidence > alone.confidence


@pytest.mark.parametrize("no", ["No, still failing", "That's wrong", "It still crashes", "revert that", "不对"])
def test_what_a_person_rejected_is_not_known(no: str) -> None:
    assert not learnt(("ask", "The nightly job dies, fix it"), ("edit", "app/db.py"), ("say", CAUSE), ("ask", no))


def test_a_session_in_chinese() -> None:
    (found,) = learnt(
        ("ask", "登录接口报错"),
        ("edit", "app/auth.py"),
        ("say", "根本原因是 `token_ttl` 的单位是毫秒，而 `verify()` 按秒比较，所以所有令牌立即过期。修复：在 `app/auth.py` 中改为秒。"),
    )
    assert found.type == "bug_solution"
    assert "token_ttl" in found.text


@pytest.mark.parametrize(
    "correction",
    [
        "No, use pnpm here, the lockfile is pnpm-lock.yaml.",
        "Wrong, the limit must always come from `config/retry.toml`.",
        "Nein, hier immer `uv` benutzen, nie `pip`.",
    ],
)
def test_a_correction_is_learnt_under_a_title_of_its_own(correction: str) -> None:
    found = learnt(("ask", "Install the dependencies"), ("say", "I ran the installer."), ("ask", correction))
    assert len(found) == 1
    assert found[0].title != correction.rstrip(".")
    assert found[0].confidence >= 0.75


@pytest.mark.parametrize(
    "correction",
    [
        "No, usa uv qui, il file di lock è uv.lock.",
        "Sbagliato, in questo modulo scriviamo sempre i log su stderr.",
        "Não, usa bun aqui, o lockfile é bun.lock.",
        "不,这里用 uv,锁文件是 uv.lock。",
        "いや、ここでは uv を使って。ロックファイルは uv.lock です。",
        "아니, 여기서는 uv를 써야 해, 잠금 파일이 uv.lock이니까.",
        "Ne, použij tady bun, lockfile je bun.lock.",
        "Nem, itt bun-t használj, a lockfile a bun.lock.",
        "Feil, i denne tjenesten bruker vi alltid UTC, ikke lokal tid.",
        "No, fes servir bun aquí, el fitxer de bloqueig és bun.lock.",
        "לא, תשתמש כאן ב-bun, קובץ הנעילה הוא bun.lock.",
        "لا، استخدم bun هنا، ملف القفل هو bun.lock.",
    ],
)
def test_a_correction_in_another_language_is_learnt(correction: str) -> None:
    assert learnt(("ask", "Install the dependencies"), ("say", "I ran the installer."), ("ask", correction))


@pytest.mark.parametrize(
    "correction",
    [
        "No. Never, under any circumstances, restart the ledger while it replays.",
        "Nein. Niemals, unter keinen Umständen, starten wir den Ledger neu, während er nachspielt.",
        "Nein. Immer, ohne Ausnahme, wird der Ledger vor dem Neustart angehalten.",
    ],
)
def test_a_rule_whose_first_word_is_set_off_stays_one_in_a_correction(correction: str) -> None:
    (found,) = learnt(("ask", "Mend the ledger"), ("say", "I restarted it."), ("ask", correction))
    assert found.confidence > 0.8


@pytest.mark.parametrize(
    "report",
    [
        "No, that build still fails with a timeout after the last change.",
        "Nein, der Build bricht immer noch ab.",
        "No, la build fallisce ancora.",
        "Nem, a build még mindig hibás.",
        "Não, a build ainda falha.",
        "いや、まだビルドが失敗します。",
        "아니, 아직 빌드가 실패해.",
        "Nein, nimm jetzt erst mal den anderen Branch.",
    ],
)
def test_a_refusal_that_only_reports_is_no_lesson(report: str) -> None:
    assert not learnt(("ask", "Mend the build"), ("say", "I changed the timeout."), ("ask", report))


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("pytest workers/ -n 4 --dist loadfile | tail -5", "12 passed"),
        ("pytest workers/ -n 4 --dist loadfile || true", "12 passed"),
        ("pytest workers/ -n 4 --dist loadfile; echo done", "done"),
        ("pytest workers/ -n 4 --dist loadfile", "2 failed, 10 passed"),
    ],
)
def test_no_command_worked_whose_exit_code_was_hidden_or_whose_output_says_otherwise(command: str, output: str) -> None:
    assert not any("worked" in text for text in texts(learnt(("ask", "Run the tests of the worker"), ("run", command, output))))


def test_a_title_is_never_cut_within_a_word() -> None:
    said = (
        "The `exporter` never closes its cursor " + "however often the nightly reporting job restarts itself " * 4 + "because nobody asks."
    )
    for found in learnt(("ask", "Why"), ("edit", "a.py"), ("say", said)):
        words = set(said.replace("`", "").split())
        assert set(found.title.rstrip("…").replace("`", "").replace(":", "").split()) <= words | {"exporter"}


def test_the_coefficients_belong_to_the_examples() -> None:
    """Else run tests/performance/fit_extraction.py --write."""
    import json

    from app.knowledge.extraction.classifier import COEFFICIENTS, examples_digest

    assert json.loads(COEFFICIENTS.read_text())["examples"] == examples_digest()


def test_an_item_holds_what_stands_around_its_statement() -> None:
    (found,) = learnt(
        ("ask", "Why is the log empty before a session"),
        ("edit", "app/log.py"),
        (
            "say",
            "One file for each session makes debugging harder because:\n- `tail -f` can't follow a file that doesn't exist yet\n- Hooks must look up the session's id first\n",
        ),
    )
    assert "tail -f" in found.text
    assert "Hooks must look up" in found.text
    assert "makes debugging harder because:" in found.text
    assert len(found.text) <= 600


def test_a_no_takes_back_what_it_names_and_only_that() -> None:
    kept = "`os.rename` fails across two file systems, so the exporter copies and then deletes."
    gone = "The upload limit `MAX_UPLOAD` must be set in `nginx.conf`, because the proxy refuses larger bodies first."
    session = (("ask", "Why does the export fail"), ("edit", "a.py"), ("say", f"{kept}\n\n## Limits\n\n{gone}"))
    assert any("MAX_UPLOAD" in text for text in texts(learnt(*session)))
    after = learnt(*session, ("ask", "No, the upload limit is not in nginx.conf"))
    assert not any(each.excerpt.startswith("The upload limit") for each in after)


@pytest.mark.parametrize(
    "said",
    [
        "This change fixes the reader, which never closed `data.bin` before the next one opened it.",
        "It's part of `settings.py`, because the loader reads that file before any other one does.",
        "If `paginate` is given and the terminal is narrow: `less` never shows the last column of a table.",
        "app/reader.py:14:1: F401 `os` imported but never used because the loader was moved",
    ],
)
def test_no_title_points_at_what_stands_elsewhere(said: str) -> None:
    for found in learnt(("ask", "Why"), ("edit", "a.py"), ("say", said)):
        assert not found.title.casefold().startswith(("this ", "it", "if ", "app/reader"))
        assert len(found.title) <= 90


def test_a_session_has_room_for_more_items_the_more_was_asked() -> None:
    facts = [
        "`{0}` never retries a request, so the caller must do it itself.",
        "Values of `{0}` are cents, because floats lose precision when they are added.",
        "The cache of `{0}` ignores the language, so a German page is served to French visitors.",
        "`{0}` silently drops rows without an id, since the import can't match them.",
    ]
    names = ["OrderClient", "price_total", "page_cache", "row_import"]
    said = [fact.format(name) for fact, name in zip(facts, names, strict=True)]
    at_once = learnt(("ask", "Explain"), ("say", "\n\n".join(f"## {name}\n\n{fact}" for name, fact in zip(names, said, strict=True))))
    one_by_one = learnt(*(turn for fact in said for turn in (("ask", "And"), ("say", fact))))
    assert len(at_once) <= 2 < len(one_by_one) <= 4


@pytest.mark.parametrize(
    "said",
    [
        "Unsere Regel: `prices.yaml` nie ohne Ticket ändern.",
        "Wir haben uns für `arrow` statt Excel entschieden, weil große Zahlen sonst gerundet werden.",
        "Notre règle : ne jamais écrire dans `prices.yaml` à la main.",
        "Attention : `make report` ne fonctionne pas sans `REPORT_DIR`.",
        "Decidimos usar `arrow` em vez de Excel nos relatórios, porque os números grandes eram arredondados.",
        "Atenção: `make report` não funciona sem `REPORT_DIR`.",
        "注意：没有 `REPORT_DIR`，`make report` 默认不支持运行。",
        "我们决定用 `arrow` 而不是 Excel 来导出，因为大数字可能有误差。",
    ],
)
def test_what_is_said_in_other_languages_is_learnt_too(said: str) -> None:
    for session in ((("ask", said),), (("ask", "?"), ("edit", "a.py"), ("say", said))):
        (found,) = learnt(*session)
        assert found.text == said


@pytest.mark.parametrize(
    "said", ["All tests pass and the linter is clean.", "Everything was committed and pushed to `main`.", "Not run, nobody asked for it."]
)
def test_a_state_of_the_day_is_no_item(said: str) -> None:
    assert not learnt(("ask", "Go on"), ("edit", "a.py"), ("say", said))


def test_a_type_is_what_the_classifier_says_moved_by_the_first_cue_and_by_what_the_prompt_was_after() -> None:
    def odds(**more: float) -> NDArray[np.float64]:
        return np.array([more.get(name, -9.0) for name in KNOWLEDGE_TYPES])

    none = cues_of("…")
    assert not none.any()
    assert type_of(odds(optimization=-1.0, gotcha=-1.5 - USUAL), none, None) == "optimization"
    assert type_of(odds(optimization=-1.0, gotcha=-0.5 - USUAL), none, None) == "gotcha", "the commonest"
    close = odds(optimization=-1.0, bug_solution=-0.5 - INTENT)
    assert (type_of(close, none, "exploration"), type_of(close, none, "debugging")) == ("optimization", "bug_solution")
    cue = cues_of("The root cause was the second lock.")
    assert type_of(odds(optimization=-1.0, bug_solution=-0.5 - CUE), cue, None) == "bug_solution"
    assert type_of(odds(implementation_strategy=0.0), none, None, person=True) == "coding_pattern", "a person lays down how it is done"


@pytest.mark.parametrize(
    ("said", "type_"),
    [
        ("Contract tests replay the recorded cassettes, so no test ever reaches the real carrier.", "testing_strategy"),
        ("The nightly image is built by Buildkite, signed with cosign and promoted to staging by a tag.", "deployment_approach"),
        ("Batching the inserts in groups of 500 brought the import from nine minutes to forty seconds.", "optimization"),
        ("Der Webhook von Adyen wird mit HMAC signiert, die Prüfung steht in `adyen/verify.ts`.", "integration_pattern"),
    ],
)
def test_types_are_told_by_words_alone_too(said: str, type_: str) -> None:
    cues = cues_of(said)
    assert type_of(type_odds(np.hstack([features_of(said), cues])[None, :], None)[0], cues, None) == type_
