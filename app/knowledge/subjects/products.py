"""Products that teams name by a plain word: tools that a developer runs, and services that a program talks to.

Ambiguous words (`go`, `make`, `next`, `express`, `spring`, `consul`) are left out: their form or their neighbours tell them.
"""

from __future__ import annotations

from typing import Final

from app.knowledge.item import SubjectKind

_TOOLS = """
    alembic ansible argocd babel bazel biome buildah cargo circleci clang cmake conda cypress dependabot docker esbuild
    eslint gcc git github gitlab gradle grpc gunicorn helm homebrew husky istio javac jenkins jest jupyter k3s kubectl
    kubernetes kustomize mkdocs mocha mypy mysqldump nix npm npx openapi openssl packer pdm phpunit pip pipenv pipx
    playwright pnpm podman poetry postman prettier protobuf psql pulumi pylint pyright pytest renovate rollup rsync
    rubocop ruff rustc rustfmt selenium sphinx storybook swagger systemd terraform tox tsc turborepo uv uvicorn vite
    vitest webpack yarn
"""
_SERVICES = """
    activemq airflow auth0 bigquery cassandra celery clickhouse cloudflare cockroachdb couchbase datadog dynamodb
    elasticsearch etcd fastly firebase grafana haproxy influxdb jetstream kafka keycloak kinesis loki mailgun mariadb
    memcached minio mongodb mysql nats neo4j newrelic nginx okta opensearch paypal postgres postgresql prometheus pulsar
    qdrant rabbitmq redis redpanda redshift s3 sendgrid sentry sidekiq slack snowflake solr sqlite sqs stripe supabase
    traefik twilio valkey vercel weaviate zookeeper
"""
_KINDS: tuple[tuple[SubjectKind, str], ...] = (("tool", _TOOLS), ("service", _SERVICES))
PRODUCTS: Final[dict[str, SubjectKind]] = {name: kind for kind, names in _KINDS for name in names.split()}
