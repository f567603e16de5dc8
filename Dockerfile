# The program of a clone, its aggregates and sagas included: saga serve, saga worker, saga migrate and all others.
# docs/deploy.md

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY domain domain
COPY eventstore eventstore
COPY workflows workflows
COPY app app
RUN python -m venv /opt/saga \
    && /opt/saga/bin/python -m pip install --no-cache-dir --disable-pip-version-check -c constraints.txt .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin saga
COPY --from=build /opt/saga /opt/saga
ENV PATH=/opt/saga/bin:$PATH PYTHONUNBUFFERED=1 SAGA_LOG_FORMAT=json
USER 10001
WORKDIR /tmp
EXPOSE 8000
ENTRYPOINT ["saga"]
CMD ["serve"]
