# What SageMaker's script for the entry point needs: bash, python3, pip and torchrun on PATH. The source and the
# data come with the job. Root by default, as SageMaker's own folders below /opt/ml are root's; any user may run it.
ARG PACKAGES=korean-news-packages:cpu
FROM ${PACKAGES}
ARG BUILD=none
LABEL workshop.build=${BUILD}
RUN mkdir -p /opt/ml && chmod 0777 /opt/ml
WORKDIR /opt/ml
