# The layer below the training and the serving image: every package, in an environment of its own.
# `make images` builds it; the wheels come from this machine, and the build has no network.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS installed
# By it the parts of a build that failed are found and removed.
ARG BUILD=none
LABEL workshop.build=${BUILD}
COPY requirements.txt /
COPY wheels /wheels
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir --no-index --find-links /wheels --no-deps -r /requirements.txt \
    && /opt/venv/bin/python -m pip check

FROM ${BASE_IMAGE}
ARG BUILD=none
LABEL workshop.build=${BUILD}
COPY --from=installed /opt/venv /opt/venv
# Any user may run it, also one without a name or a home: HOME is where everybody may write, and getpass, which
# torch asks for the name of a cache, takes LOGNAME.
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/tmp \
    LOGNAME=workshop \
    LANG=C.UTF-8 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
ENTRYPOINT []
CMD ["python3"]
