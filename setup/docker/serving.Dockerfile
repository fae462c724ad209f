# The container of an endpoint: `docker run IMAGE serve` answers on 8080 with the model in /opt/ml/model. It
# writes to /tmp alone.
ARG PACKAGES=korean-news-packages:cpu
FROM ${PACKAGES}
ARG BUILD=none
LABEL workshop.build=${BUILD}
COPY src /opt/workshop
# What nobody may write beside the source at run time is written now.
RUN python3 -m compileall -q /opt/workshop
ENV PYTHONPATH=/opt/workshop
WORKDIR /tmp
USER 1000:1000
EXPOSE 8080
# SageMaker's own: 200 as soon as the model is loaded.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python3", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\", 8080)}/ping')"]
ENTRYPOINT ["python3", "-m", "serve"]
CMD ["serve"]
# Last, so that the images for all dialects share what is above.
ARG DIALECT
ENV SERVE_DIALECT=${DIALECT}
