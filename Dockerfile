# The image: one static binary, nothing else.
#
#   docker build --tag endpoints-operator .
#   docker build --tag endpoints-operator --platform linux/arm64 .     (built nowhere yet, so untested)
#
#   RUST      the image that compiles; its version is rust-toolchain.toml's
#   PROFILE   release, or quick-release: not linked as one, compiled in a fraction of the time
#   VERSION   for the label
ARG RUST=docker.io/library/rust:1.95.0-bookworm
FROM ${RUST} AS build
ARG PROFILE=release
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY docs docs
COPY benches benches
COPY src src
# Static, since there is no libc in the image; for a named target, since macros are built for the
# host and cannot be. What an earlier build left is used for dependencies only: files of another
# checkout may be older than it, and different all the same. Seeds are the kernel's (and the
# processor's, where it has a generator): to measure the jitter of its clock as well, as the
# library does by default, takes longer than all the rest of a sidecar's start.
RUN --mount=type=cache,target=/cargo --mount=type=cache,target=/src/target \
    target=$(rustc -vV | sed -n 's/^host: //p') && \
    touch src/lib.rs src/main.rs && \
    CARGO_HOME=/cargo RUSTFLAGS="-C target-feature=+crt-static" AWS_LC_SYS_NO_JITTER_ENTROPY=1 \
    cargo build --locked --profile "$PROFILE" --target "$target" --bin endpoints && \
    mkdir /out && \
    install -m 0755 "target/$target/$PROFILE/endpoints" /out/endpoints

FROM scratch
ARG VERSION=0.2.0
LABEL org.opencontainers.image.title="endpoints-operator" \
      org.opencontainers.image.description="Cloud Endpoints for every Kubernetes cluster: operator and sidecar" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /out/endpoints /endpoints
USER 65532:65532
ENTRYPOINT ["/endpoints"]
