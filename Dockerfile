# docker build -t pravega-gateway .
# docker run --rm -p 8080:8080 -p 8081:8081 --stop-timeout 35 pravega-gateway --controller HOST:9090

# The same Debian release as below, so that the binary finds the libc that it was linked with. rust-toolchain.toml is
# left out: it would make rustup fetch a toolchain with clippy and rustfmt, which a build does not need.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build

# --build-arg CARGO_FLAGS=--no-default-features leaves the embedded Pravega out.
ARG CARGO_FLAGS=""

# The dependencies form a layer of their own, which is only rebuilt when one of these files changes. Cargo.toml names
# the benches, so they have to exist.
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY crates/protocol/Cargo.toml crates/protocol/build.rs crates/protocol/
COPY crates/protocol/proto crates/protocol/proto
COPY crates/http-server/Cargo.toml crates/http-server/
COPY crates/embedded/Cargo.toml crates/embedded/
RUN for package in . crates/protocol crates/http-server crates/embedded; do \
      mkdir -p "$package/src" && touch "$package/src/lib.rs" || exit 1; \
    done \
 && echo 'fn main() {}' > src/main.rs \
 && cargo build --release --locked -p pravega-gateway $CARGO_FLAGS \
 && rm -r src crates/*/src

# Cargo compares modification times, and these files may be older than the placeholders that they replace.
COPY crates crates
COPY src src
RUN touch src/lib.rs src/main.rs crates/*/src/lib.rs \
 && cargo build --release --locked -p pravega-gateway $CARGO_FLAGS

# The binary needs only libc and libgcc. This image has no shell and no package manager, and its user is not root.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/pravega-gateway /usr/local/bin/pravega-gateway
COPY config/gateway.toml LICENSE /usr/share/doc/pravega-gateway/

# Nothing outside of a container reaches its loopback address.
ENV PRAVEGA_GATEWAY__LISTEN=0.0.0.0:8080 \
    PRAVEGA_GATEWAY__MANAGEMENT=0.0.0.0:8081
EXPOSE 8080 8081

# A number, so that Kubernetes can verify that it is not root.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/pravega-gateway"]
