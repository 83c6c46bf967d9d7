# One image for all five services; the command picks one: docker run cassini run api
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS packages
RUN pip install --no-cache-dir "uv>=0.13"
WORKDIR /src
ENV UV_PROJECT_ENVIRONMENT=/opt/cassini UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
# Packages change less often than the code, so they are a layer of their own.
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-dev --extra distributed --no-install-project --compile-bytecode
COPY README.md LICENSE ./
COPY cassini cassini
COPY services services
# uv's cache knows our own package by pyproject.toml alone, and would give the code of an older build.
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-dev --extra distributed --no-editable --compile-bytecode \
    --reinstall-package cassini

FROM ${PYTHON_IMAGE}
# The builder builds with BuildKit where these two are; no daemon comes with them.
RUN apt-get update && apt-get install -y --no-install-recommends docker-buildx docker-cli \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --user-group --home-dir /var/lib/cassini --create-home cassini
COPY --from=packages /opt/cassini /opt/cassini
# Without PYTHONSAFEPATH a directory services/ on the path would hide Python's own module secrets.
ENV PATH=/opt/cassini/bin:$PATH PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 \
    CASSINI_HOME=/var/lib/cassini CASSINI_HOST=0.0.0.0 CASSINI_INTERNAL_HOST=0.0.0.0
USER 10001
WORKDIR /var/lib/cassini
EXPOSE 8765 8766
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8766/health/ready', timeout=4)"]
ENTRYPOINT ["cassini"]
CMD ["--help"]
