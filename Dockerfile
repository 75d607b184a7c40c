# One image for all roles: `loadify all | serve | work | migrate | health`.
#
# Built by any engine, without BuildKit's own instructions. tests/deploy builds it too, with substitutes for the two base
# images, with PROFILE=dev and CARGO_SELECTION=--workspace, so that it can use what the other tests have compiled.

# The version is that of rust-toolchain.toml, the Debian release that of the runtime image below.
FROM rust:1.95.0-bookworm AS tools
WORKDIR /src
# Trunk, wasm-bindgen, wasm-opt and the WebAssembly target, at the versions that development uses: built again only when
# one of these files changes.
COPY rust-toolchain.toml Trunk.toml ./
COPY scripts/setup scripts/
RUN scripts/setup build

# All manifests and no source: what depends on this is built again only when a dependency changes.
FROM tools AS manifests
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo/
# The leaf crates rarely change, so they are copied whole.
COPY crates crates/
COPY shared/Cargo.toml shared/
COPY backend/Cargo.toml backend/
COPY frontend/Cargo.toml frontend/
COPY tests/Cargo.toml tests/
RUN mkdir -p shared/src backend/src frontend/src tests/support \
    && touch shared/src/lib.rs tests/support/lib.rs \
    && echo 'fn main() {}' >backend/src/main.rs && cp backend/src/main.rs frontend/src/main.rs

FROM manifests AS page
COPY scripts/build-page scripts/
RUN scripts/build-page --dependencies
COPY shared shared/
COPY frontend frontend/
# Copied files keep their modification times, which are older than those of the empty files that cargo has built.
RUN find shared frontend -name '*.rs' -exec touch {} + && scripts/build-page

FROM manifests AS program
ARG PROFILE=release
ARG CARGO_SELECTION="--package backend"
# hadolint ignore=SC2086
RUN cargo build --locked --profile "$PROFILE" $CARGO_SELECTION --bin loadify
COPY shared shared/
COPY migrations migrations/
COPY backend backend/
# hadolint ignore=SC2086
RUN find shared backend -name '*.rs' -exec touch {} + \
    && cargo build --locked --profile "$PROFILE" $CARGO_SELECTION --bin loadify \
    && install -D target/*/loadify /out/loadify

FROM debian:12.12-slim
# For https to webhooks and S3, and amqps.
COPY --from=tools /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# For a volume, if files are stored in a folder.
RUN install -d -o 65532 -g 65532 /var/lib/loadify
COPY --from=page /src/dist /usr/local/share/loadify/dist
COPY --from=program /out/loadify /usr/local/bin/loadify
ENV BIND=0.0.0.0:8000 \
    STATIC_DIR=/usr/local/share/loadify/dist \
    STORAGE_URL=file:///var/lib/loadify
WORKDIR /var/lib/loadify
# By number, so that Kubernetes can verify that it is not root.
USER 65532:65532
EXPOSE 8000
# For the web server. Workers do not listen, so they disable it (compose.yaml).
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["loadify", "health"]
# No ENTRYPOINT: Heroku and Dokku run the commands of a Procfile in a shell.
CMD ["loadify", "all"]
