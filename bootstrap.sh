# Sourced by ./run and ./test: makes a bare Debian or Ubuntu machine able to build, and says what it does.
# Everything it makes lies under one cache directory outside the clone, so that two clones share the long builds.

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

RUST_NEEDED=1.95
export MOCKFACTORY_CACHE="${MOCKFACTORY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mockfactory}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$MOCKFACTORY_CACHE/target}"
mkdir -p "$MOCKFACTORY_CACHE"

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo -n "$@" || sudo "$@"; else
        say "this needs root, and there is no sudo: $*"; return 1
    fi
}

# need PACKAGE...: installs those that dpkg does not have.
need() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed$' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    say "installing with apt: ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

rust_is_new_enough() {
    command -v cargo >/dev/null && command -v rustc >/dev/null || return 1
    local have; have=$(rustc --version | cut -d' ' -f2 | cut -d- -f1)
    [ "$(printf '%s\n' "$RUST_NEEDED" "$have" | sort -V | head -n1)" = "$RUST_NEEDED" ]
}

# Debian 12 carries a current Rust for its browsers (rustc-web); newer releases carry rustup.
need_rust() {
    [ -d "$HOME/.cargo/bin" ] && PATH="$HOME/.cargo/bin:$PATH"
    rust_is_new_enough && return
    say "Rust $RUST_NEEDED or newer is needed; looking for one"
    as_root apt-get update -qq
    if apt-cache show rustc-web >/dev/null 2>&1; then need rustc-web cargo-web; fi
    rust_is_new_enough && return
    if apt-cache show rustup >/dev/null 2>&1; then need rustup; else
        need curl ca-certificates
        say "installing rustup from its own site"
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal --default-toolchain none
        PATH="$HOME/.cargo/bin:$PATH"
    fi
    rustup toolchain install "$RUST_NEEDED" --profile minimal --component clippy,rustfmt
    export RUSTUP_TOOLCHAIN="$RUST_NEEDED"
    rust_is_new_enough
}

# RocksDB is C++ and takes minutes: built once per machine and version, then linked by every build, whatever its features.
# Its checksums want instructions that every x86-64 processor since 2010 has (SSE 4.2, carry-less multiplication).
need_rocksdb() {
    local version; version=$(sed -n '/^name = "librocksdb-sys"/{n;s/.*"\(.*\)"/\1/p}' Cargo.lock)
    export ROCKSDB_LIB_DIR="$MOCKFACTORY_CACHE/rocksdb-$version" ROCKSDB_STATIC=1
    [ -f "$ROCKSDB_LIB_DIR/librocksdb.a" ] && return
    say "compiling RocksDB, once for this machine: 10 to 25 minutes on two cores"
    local build="$MOCKFACTORY_CACHE/rocksdb-build"
    local flags=""
    [ "$(uname -m)" = x86_64 ] && flags="-msse4.2 -mpclmul"
    CXXFLAGS="${CXXFLAGS:-} $flags" ROCKSDB_COMPILE=1 CARGO_TARGET_DIR="$build" \
        cargo build --quiet --release --locked -p storage --lib &
    local builder=$!
    while kill -0 "$builder" 2>/dev/null; do
        sleep 20
        say "  $(find "$build" -path '*librocksdb-sys*' -name '*.o' 2>/dev/null | wc -l) of about 350 files"
    done
    wait "$builder"
    mkdir -p "$ROCKSDB_LIB_DIR"
    cp "$(find "$build" -name librocksdb.a | head -n1)" "$ROCKSDB_LIB_DIR/librocksdb.a.new"
    mv "$ROCKSDB_LIB_DIR/librocksdb.a.new" "$ROCKSDB_LIB_DIR/librocksdb.a"
    rm -rf "$build"
}

# build TARGETS...: one profile and one feature set for running and testing.
build() {
    [ -d "$CARGO_TARGET_DIR/release/deps" ] || say "first build: about 300 crates, 5 to 10 minutes on two cores"
    cargo build --quiet --release --locked --workspace "$@"
}

bootstrap() {
    need gcc g++ make cmake pkg-config libclang-dev ca-certificates
    need_rust
    need_rocksdb
}
