# Two images: `serve`, the web app, and `train`, the whole project. docs/deploy-aws.md tells how they are used.
#
#   docker build --target serve --tag chest-cancer:serve .

# By digest, so that the same commit gives the same image. Any Debian image with Python 3.11 to 3.13 and pip will do.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285


FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DO_NOT_TRACK=true
# A fixed number: volumes and policies name it.
RUN groupadd --gid 10001 app && useradd --uid 10001 --gid app --no-create-home --home-dir /tmp --shell /usr/sbin/nologin app
WORKDIR /srv/chest-cancer


# Packages are installed in stages of their own: what pip needs and leaves behind stays there.
FROM base AS serve-packages
COPY requirements/serve.txt requirements/
# Without the tests that packages carry along: 18 MB.
RUN python3 -m venv --without-pip /opt/venv \
    && pip --python /opt/venv install --no-cache-dir --require-hashes --requirement requirements/serve.txt \
    && find /opt/venv -type d -name tests -prune -exec rm -r {} +


FROM base AS train-packages
COPY requirements/train.txt requirements/
RUN python3 -m venv --without-pip /opt/venv \
    && pip --python /opt/venv install --no-cache-dir --require-hashes --requirement requirements/train.txt


FROM base AS train
COPY --from=train-packages /opt/venv /opt/venv
COPY . .
# What a run writes lies in data/, mlartifacts/ and conf/local/ (the project's key), often volumes, and here. A model that
# was copied is root's.
RUN python3 -m compileall -q src app && mkdir mlartifacts \
    && find . ! -perm -444 -exec chmod a+rX {} + \
    && chown app:app . && chown -R app:app conf/local data mlartifacts
ENV PYTHONPATH=/srv/chest-cancer/src
USER 10001:10001
ENTRYPOINT ["kedro"]
CMD ["run"]
ARG VERSION=0 REVISION=unknown
LABEL org.opencontainers.image.title="chest-cancer-train" \
      org.opencontainers.image.description="Chest CT slices to a VGG16 classifier: the pipelines. For research only." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"


# The last stage is what a build without a target makes.
FROM base AS serve
COPY --from=serve-packages /opt/venv /opt/venv
COPY conf conf
# The model, if there is one where the image is built; else it comes as a volume.
COPY data data
COPY src src
COPY app app
# Where it is built, files may be for their owner alone (umask 077): the image's user reads them all the same.
RUN python3 -m compileall -q src app && find . ! -perm -444 -exec chmod a+rX {} +
# Few pools of memory: otherwise threads keep one each.
ENV PYTHONPATH=/srv/chest-cancer/src \
    MALLOC_ARENA_MAX=2 \
    HOST=0.0.0.0 \
    PORT=8080
USER 10001:10001
EXPOSE 8080
# Unhealthy without a model, yet running: the page and /readyz say what is missing.
HEALTHCHECK --interval=15s --timeout=5s --start-period=15s CMD ["python3", "-c", \
    "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/readyz', timeout=4)"]
# gunicorn itself is process 1: the signal to stop reaches it, and it lets requests in flight finish.
ENTRYPOINT ["gunicorn", "--config", "app/gunicorn.conf.py", "app:create_app()"]
ARG VERSION=0 REVISION=unknown
LABEL org.opencontainers.image.title="chest-cancer-serve" \
      org.opencontainers.image.description="Chest CT slices to a VGG16 classifier: the web app. For research only." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
