"""A text that rests on a source may leave out, join and reword; it may not deny, affirm, permit or exchange."""

from __future__ import annotations

import pytest

from app.likeness.faithfulness import sentences, unfaithful

POOL = "The payment worker timed out because the pool in app/pool.py had only 5 connections.\nWe raised it to 20, and the timeouts ended."
FRIDAY = "We never deploy the gateway on Fridays, since nobody is there to roll it back."
RESTARTS = "The importer must not be restarted while the index is rebuilt. The exporter may be restarted at any time."
CALLS = (
    "The gateway calls the worker over HTTP. The worker never calls the gateway. The cache does not store errors, and it does not expire."
)
PORTS = "In staging the gateway listens on port 8443 and the mesh on port 9443. Retries are disabled by default; enable them with RETRY=1."
TESTS = "Tests aren't run in parallel because the database fixture is not isolated. Use --workers=1. Do not commit the lock file."
MIGRATION = "The scheduler can't read the old table, so it must never be started before the migration has finished."
PEOPLE = (
    "Alice approves the releases and Bob writes the notes. The staging cluster uses 3 replicas. The production cluster uses 5 replicas."
)
INDEX = "Wir dürfen den Index nicht während des Imports neu bauen, weil der Cache nicht geleert wird. Der Worker liest die Warteschlange."
TOKENS = "Requests without a token are refused unless they come from the mesh."

FAITHFUL = [
    (POOL, "The payment worker timed out because the pool had only 5 connections."),
    (POOL, "The payment worker timed out because its pool in app/pool.py had only 5 connections; raising it to 20 ended the timeouts."),
    (FRIDAY, "The gateway is never deployed on Fridays, since nobody is there to roll it back."),
    (FRIDAY, "Never deploy the gateway on Fridays: nobody is there to roll it back."),
    (FRIDAY, "We do not deploy the gateway on Fridays."),
    (RESTARTS, "The importer must not be restarted while the index is rebuilt."),
    (RESTARTS, "While the index is rebuilt, the importer must not be restarted."),
    (RESTARTS, "The exporter may be restarted at any time, but the importer must not be restarted while the index is rebuilt."),
    (CALLS, "The gateway calls the worker over HTTP."),
    (CALLS, "The worker never calls the gateway; the gateway calls the worker over HTTP."),
    (CALLS, "Errors are not stored in the cache."),
    (CALLS, "The cache does not store errors and does not expire."),
    (PORTS, "In staging the gateway listens on port 8443."),
    (PORTS, "The mesh listens on port 9443 in staging."),
    (PORTS, "Retries are disabled by default; RETRY=1 enables them."),
    (TESTS, "Tests are not run in parallel because the database fixture isn't isolated; use --workers=1."),
    (TESTS, "Don't commit the lock file."),
    (MIGRATION, "The scheduler cannot read the old table."),
    (PEOPLE, "Bob writes the notes and Alice approves the releases."),
    (PEOPLE, "The staging cluster uses 3 replicas, the production cluster 5 replicas."),
    (INDEX, "Der Index darf nicht während des Imports neu gebaut werden, weil der Cache nicht geleert wird."),
    (INDEX, "Der Worker liest die Warteschlange."),
    (TOKENS, "Requests without a token are refused unless they come from the mesh."),
    (TOKENS, "Unless they come from the mesh, requests without a token are refused."),
    ("We stopped the worker, since the job fails to finish.", "The job fails to finish."),
    ("Stop using the old endpoint in the importer.", "The importer must stop using the old endpoint."),
]

TURNED = [
    (POOL, "The payment worker never timed out because the pool had only 5 connections."),
    (POOL, "The payment worker timed out because the pool had not only 5 connections."),
    (POOL, "We raised it to 5, and the pool had 20 connections."),
    (FRIDAY, "We deploy the gateway on Fridays, since nobody is there to roll it back."),
    (FRIDAY, "We never deploy the gateway on Fridays, since somebody is there to roll it back."),
    (FRIDAY, "We always deploy the gateway on Fridays, since nobody is there to roll it back."),
    (FRIDAY, "We never deploy the gateway on Fridays, since nobody is not there to roll it back."),
    (RESTARTS, "The importer must be restarted while the index is rebuilt."),
    (RESTARTS, "The importer may be restarted at any time. The exporter must not be restarted while the index is rebuilt."),
    (RESTARTS, "The exporter must not be restarted while the index is rebuilt."),
    (RESTARTS, "The importer may be restarted at any time."),
    (RESTARTS, "The importer must be restarted while the index is not rebuilt."),
    (RESTARTS, "The exporter must be restarted at any time, the importer must not be restarted while the index is rebuilt."),
    (CALLS, "The worker calls the gateway over HTTP."),
    (CALLS, "The gateway never calls the worker."),
    (CALLS, "The worker calls the gateway. The cache does not store errors, and it does not expire."),
    (CALLS, "The worker never calls the gateway. The cache does not store errors, and it expires."),
    (CALLS, "The worker never calls the gateway. The cache stores errors, and it does not expire."),
    (CALLS, "The gateway never calls the worker over HTTP. The worker calls the gateway."),
    (CALLS, "The cache stores errors and does not expire."),
    (PORTS, "In staging the gateway listens on port 9443 and the mesh on port 8443."),
    (PORTS, "Retries are enabled by default; disable them with RETRY=1."),
    (PORTS, "In staging the gateway does not listen on port 8443."),
    (TESTS, "Tests are run in parallel because the database fixture is not isolated."),
    (TESTS, "Tests aren't run in parallel because the database fixture is isolated."),
    (TESTS, "Do not use --workers=1. Commit the lock file."),
    (TESTS, "Use --workers=1. Commit the lock file."),
    (MIGRATION, "The scheduler can read the old table, so it must never be started before the migration has finished."),
    (MIGRATION, "The scheduler can't read the old table, so it must be started before the migration has finished."),
    (MIGRATION, "The scheduler must never be started after the migration has finished."),
    (MIGRATION, "The migration must never be started before the scheduler has finished."),
    (PEOPLE, "Bob approves the releases and Alice writes the notes."),
    (PEOPLE, "The staging cluster uses 5 replicas. The production cluster uses 3 replicas."),
    (PEOPLE, "Alice writes the notes."),
    (PEOPLE, "The staging cluster uses 5 replicas."),
    (INDEX, "Wir dürfen den Index während des Imports neu bauen, weil der Cache nicht geleert wird."),
    (INDEX, "Wir dürfen den Index nicht während des Imports neu bauen, weil der Cache geleert wird."),
    (TOKENS, "Requests with a token are refused unless they come from the mesh."),
    (TOKENS, "Requests without a token are refused if they come from the mesh."),
    (CALLS, "The gateway does call the worker, and the worker calls the gateway."),
]

HEADINGS = [
    (FRIDAY, "Gateway on Fridays"),
    (FRIDAY, "Never deploy the gateway on Fridays"),
    (RESTARTS, "Restarting the importer"),
    (CALLS, "Errors in the cache"),
    (FRIDAY, "We never deploy the gateway on"),
    (TESTS, "Lock file"),
]

TURNED_HEADINGS = [
    (FRIDAY, "Deploy the gateway on Fridays"),
    (CALLS, "The cache stores errors"),
    (RESTARTS, "The importer must be restarted while the index is rebuilt"),
    (TESTS, "Commit the lock file"),
    (CALLS, "The gateway never calls the worker"),
]


@pytest.mark.parametrize(("source", "text"), FAITHFUL)
def test_what_leaves_out_joins_and_rewords_is_faithful(source: str, text: str) -> None:
    assert unfaithful(text, source) == ()


@pytest.mark.parametrize(("source", "text"), TURNED)
def test_what_denies_affirms_permits_or_exchanges_is_not(source: str, text: str) -> None:
    assert unfaithful(text, source)


@pytest.mark.parametrize(("source", "text"), HEADINGS)
def test_a_heading_may_name_a_matter_without_its_negation(source: str, text: str) -> None:
    assert unfaithful(text, source, heading=True) == ()


@pytest.mark.parametrize(("source", "text"), TURNED_HEADINGS)
def test_a_heading_may_not_say_the_opposite(source: str, text: str) -> None:
    assert unfaithful(text, source, heading=True)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "We don't need to sync on every read, since the merge runs on failures.",
            "We do need to sync on every read, since the merge runs on failures.",
        ),
        ("The cache does not work with the proxy.", "The cache works with the proxy."),
        ("Changing the schema is not allowed on Fridays.", "Changing the schema is allowed on Fridays."),
    ],
)
def test_a_negation_counts_though_a_synonym_without_one_stands_for_its_phrase(source: str, text: str) -> None:
    assert unfaithful(text, source)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("The cache fails to expire after an hour.", "The cache expires after an hour."),
        ("Stop using the old endpoint in the importer.", "Use the old endpoint in the importer."),
        ("We used to store session tokens in keydb.", "Store session tokens in keydb."),
        ("Never, under any circumstances, store tokens in keydb.", "Store tokens in keydb."),
        ("It would be wrong to store tokens in keydb.", "Store tokens in keydb."),
        ("The index is rarely rebuilt at night.", "The index is rebuilt at night."),
        ("I doubt that the race in the parser is fixed.", "The race in the parser is fixed."),
        ("It is impossible to roll the release back.", "It is possible to roll the release back."),
        ("Use at least 5 workers.", "Use at most 5 workers."),
        ("Mindestens 5 Worker laufen und der Rest ist aus.", "Höchstens 5 Worker laufen und der Rest ist aus."),
        ("Some requests are logged.", "Every request is logged."),
        ("Der Index wird nachts selten neu gebaut.", "Der Index wird nachts neu gebaut."),
        ("Il est impossible de reconstruire l'index la nuit.", "Il est possible de reconstruire l'index la nuit."),
        ("El índice raramente se reconstruye por la noche.", "El índice se reconstruye por la noche."),
    ],
)
def test_a_phrase_that_denies_or_bounds_without_a_not_counts(source: str, text: str) -> None:
    assert unfaithful(text, source)
    assert not unfaithful(source, source)


def test_a_text_that_is_all_of_its_source_denies_as_often_where_two_clauses_have_the_same_words() -> None:
    source = (
        "The new client writes a marker file into its folder, and the old client has no marker file in its folder at all, says the manual."
    )
    assert unfaithful(source.replace("has no", "has a"), source)
    assert unfaithful(source.replace("writes a", "writes no"), source)


@pytest.mark.parametrize("source", [POOL, FRIDAY, RESTARTS, CALLS, PORTS, TESTS, MIGRATION, PEOPLE, INDEX, TOKENS])
def test_a_source_and_each_of_its_sentences_are_faithful_to_it(source: str) -> None:
    assert unfaithful(source, source) == ()
    assert [each for each in sentences(source) if unfaithful(each, source)] == []


@pytest.mark.parametrize(("text", "source"), [("", FRIDAY), (FRIDAY, ""), ("No.", FRIDAY), ("...", "..."), ("—", FRIDAY), ("not", "not")])
def test_texts_without_words_are_compared_too(text: str, source: str) -> None:
    assert isinstance(unfaithful(text, source), tuple)
