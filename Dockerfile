# syntax=docker/dockerfile:1
FROM python:3.12-slim AS build

# The CPU build of torch spares 5 GB of CUDA libraries. For a GPU:
#   docker build --build-arg TORCH_INDEX=https://pypi.org/simple --build-arg EXTRAS=pdf,postgres .
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=cpu,pdf,postgres

RUN python -m venv /opt/docradar
ENV PATH=/opt/docradar/bin:$PATH
# Before the sources, so that an edit of them does not fetch torch again.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --index-url "$TORCH_INDEX" "torch>=2.6,<2.14"

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY docradar docradar
COPY ingest ingest
COPY service service
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install ".[$EXTRAS]"

FROM python:3.12-slim

RUN useradd --uid 10001 --no-create-home docradar \
    && install --directory --owner=docradar --group=docradar /data
COPY --from=build /opt/docradar /opt/docradar

# Models from a hub are kept in the volume too.
ENV PATH=/opt/docradar/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HF_HOME=/data/hub \
    DOCRADAR_DATA_DIR=/data

USER docradar
WORKDIR /data
VOLUME /data
EXPOSE 8000

# 200 once the model has loaded; the first start of all unpacks it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]

ENTRYPOINT ["docradar"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
