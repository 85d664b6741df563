# `make image` builds the binary beside it, static (target-feature=+crt-static), and then this.
#   BINARY  path of the binary inside the build context
FROM scratch
ARG BINARY=endpoints
LABEL org.opencontainers.image.title="endpoints-operator" \
      org.opencontainers.image.description="Cloud Endpoints for every Kubernetes cluster: operator and sidecar" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY ${BINARY} /endpoints
USER 65532:65532
ENTRYPOINT ["/endpoints"]
