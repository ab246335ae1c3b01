# syntax=docker/dockerfile:1
# docs/operations.md says how to run it.

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
COPY . .
# There is no git directory here to find it in.
ARG LDK_SERVER_COMMIT=
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package ldk-server --package ldk-server-cli \
    && install -D --target-directory=/out target/release/ldk-server target/release/ldk-server-cli

FROM debian:bookworm-slim
COPY --from=build /out/ /usr/local/bin/
RUN useradd --uid 1000 --create-home ldk-server \
    && install --directory --mode=700 --owner=ldk-server --group=ldk-server \
        /home/ldk-server/.ldk-server
USER 1000
WORKDIR /home/ldk-server
# Keys, state, log and config.toml. Daemon and client look there by themselves.
VOLUME /home/ldk-server/.ldk-server
# Clients, and Lightning peers.
EXPOSE 3536 9735
STOPSIGNAL SIGTERM
# A node that is not ready yet must not be restarted for it, one that does not answer may be.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["ldk-server-cli", "health", "--live"]
ENTRYPOINT ["ldk-server"]
