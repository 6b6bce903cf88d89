#!/usr/bin/env bash
# Makes a Rust compiler that can build guests: a rustc together with a standard library
# for wasm32-unknown-unknown, from Debian packages and crates.io alone.
#
# Where rustup reaches its server this is not needed (`rustup target add
# wasm32-unknown-unknown` does it); `cargo xtask wasm-std` tries that first. Debian's
# `rustc-web` is recent enough for us but ships no WebAssembly std, so std is built once
# from `rust-web-src` by that very compiler. Linkers (rust-lld, wasm-component-ld) come
# from the Rust toolchain that is already here.
#
# Nothing is installed system-wide and no root is needed: packages are unpacked below
#   ${XDG_CACHE_HOME:-~/.cache}/polyreme/wasm-std/<Debian version>/
# and the symlink `current` beside it names the newest. Everything is made in a temporary
# folder and renamed at the end, so a killed run leaves nothing that looks finished.
#
# Output: one `wasm-std: …` line per step, last line the path of the compiler.
# Exit: 0 made or already there, 1 failed, 3 this machine has no apt packages for it.
set -euo pipefail

readonly target=wasm32-unknown-unknown
readonly compiler=rustc-web sources=rust-web-src
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/polyreme/wasm-std
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The toolchain of the repository, not of whatever folder this was called from.
sysroot=$(cd "$here" && rustc --print sysroot)
host=$("$sysroot/bin/rustc" -vV | sed -n 's/^host: //p')
readonly here sysroot host

say() { echo "wasm-std: $*"; }
fail() { echo "wasm-std: $*" >&2; exit 1; }
unsupported() { echo "wasm-std: $*" >&2; exit 3; }

# apt with package lists of our own when the system's do not know the package: this needs
# no root and leaves the system's lists as they are.
apt_options=()
use_private_lists() {
  say "fetching package lists"
  mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
  apt_options=(-o "Dir::State::Lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache" -o "APT::Sandbox::User=$(id -un)")
  # One unreachable source (a third party's) must not stop the others.
  apt-get "${apt_options[@]}" -q update >"$work/apt/update.log" 2>&1 \
    || say "apt-get update had errors: $(grep -m1 -E '^(E|W):' "$work/apt/update.log" || true)"
}
candidate() { apt-cache "${apt_options[@]}" policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p' | grep -v '(none)' || true; }

# The shared libraries the compiler needs and this system has not got, and its own parts.
packages() {
  apt-cache "${apt_options[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts \
    --no-breaks --no-replaces --no-enhances "$compiler" \
    | grep -E '^lib[a-z0-9.+-]+$' | grep -vE '^libc6' | sort -u \
    | while read -r name; do
        case $name in
          libstd-rust-web*) echo "$name" ;;
          *-dev) ;;
          *) dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q '^install ok' || echo "$name" ;;
        esac
      done
}

download() {
  mkdir -p "$work/debs"
  local names=("$compiler" "$sources")
  while read -r name; do names+=("$name"); done < <(packages)
  say "downloading ${#names[@]} packages ($compiler $version)"
  (cd "$work/debs" && apt-get "${apt_options[@]}" -q download "${names[@]}") >"$work/download.log" 2>&1 && return
  # Lists that are too old name files that are gone from the mirror.
  [ ${#apt_options[@]} -eq 0 ] || { tail -5 "$work/download.log" >&2; return 1; }
  use_private_lists
  version=$(candidate "$compiler")
  download
}

unpack() {
  say "unpacking"
  local deb
  for deb in "$work"/debs/*.deb; do
    case ${deb##*/} in
      "$sources"_*) dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$prefix" --wildcards './usr/src/rustc-*/library/*' ./usr/lib/rustlib/src/rust ;;
      *) dpkg -x "$deb" "$prefix" ;;
    esac
  done
  rm -rf "$work/debs" "$prefix/usr/share/doc"
  local source
  source=$(echo "$prefix"/usr/src/rustc-*)
  ln -sfn "../../../src/${source##*/}" "$prefix/usr/lib/rustlib/src/rust"
}

# Finds its own folder at run time, because the prefix is renamed into place and reached
# through the `current` link.
write_wrapper() {
  mkdir -p "$prefix/bin"
  cat >"$prefix/bin/rustc" <<'WRAPPER'
#!/bin/sh
# rustc with a wasm32-unknown-unknown standard library; made by hack/wasm-std.sh.
prefix=$(dirname "$(dirname "$(readlink -f "$0")")")
for folder in "$prefix"/usr/lib/*-linux-gnu "$prefix"/lib/*-linux-gnu; do
  [ -d "$folder" ] && libraries=${libraries:+$libraries:}$folder
done
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$prefix/usr/bin/rustc" "$@"
WRAPPER
  chmod +x "$prefix/bin/rustc"
}

link_linkers() {
  local tools=$prefix/usr/lib/rustlib/$host/bin tool
  mkdir -p "$tools"
  for tool in rust-lld wasm-component-ld; do
    [ -x "$sysroot/lib/rustlib/$host/bin/$tool" ] || fail "$tool is not in $sysroot: install the toolchain with rustup, its minimal profile has it"
    ln -sfn "$sysroot/lib/rustlib/$host/bin/$tool" "$tools/$tool"
  done
}

build_std() {
  say "building std for $target (about a minute)"
  local crate=$work/empty libraries=$prefix/usr/lib/rustlib/$target/lib
  mkdir -p "$crate/src" "$libraries"
  : >"$crate/src/lib.rs"
  printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[profile.release]\nopt-level = 3\ncodegen-units = 1\n' >"$crate/Cargo.toml"
  # -Z build-std is unstable, hence RUSTC_BOOTSTRAP, for this one build only.
  (cd "$crate" && env -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_TARGET -u RUSTC_WRAPPER \
    CARGO_TARGET_DIR="$work/target" RUSTC="$prefix/bin/rustc" RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes \
    "$sysroot/bin/cargo" build --release --target "$target" -Z build-std=std,panic_abort 2>&1)
  cp "$work/target/$target/release/deps/"*.rlib "$libraries/"
  rm -f "$libraries"/libempty-*
  rm -rf "$prefix/usr/src" "$prefix/usr/lib/rustlib/src"
}

# Whether a compiler really builds and links a module; a toolchain removed since would
# leave its linkers dangling.
works() {
  [ -x "$1" ] || return 1
  local module
  module=$(mktemp -d)
  echo '#[unsafe(no_mangle)] pub extern "C" fn answer() -> usize { std::env::args().count() }' >"$module/probe.rs"
  local status=0
  "$1" --edition 2024 --crate-type cdylib --target "$target" -o "$module/probe.wasm" "$module/probe.rs" >/dev/null 2>&1 || status=1
  rm -rf "$module"
  return $status
}

command -v apt-get >/dev/null && command -v apt-cache >/dev/null && command -v dpkg-deb >/dev/null \
  || unsupported "no apt here to take $compiler from"

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { say "waiting for another run"; flock 9; }

if works "$cache/current/bin/rustc"; then
  say "already there: $(readlink "$cache/current")"
  echo "$cache/current/bin/rustc"
  exit 0
fi

work=$(mktemp -d "$cache/.making.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
prefix=$work/prefix
mkdir -p "$prefix"

version=$(candidate "$compiler")
if [ -z "$version" ] || [ -z "$(candidate "$sources")" ]; then
  use_private_lists
  version=$(candidate "$compiler")
fi
[ -n "$version" ] || unsupported "apt knows no package $compiler"

download
unpack
write_wrapper
link_linkers
build_std
works "$prefix/bin/rustc" || fail "the compiler made from $compiler $version cannot build a module for $target"

rm -rf "${cache:?}/$version"
mv "$prefix" "$cache/$version"
ln -sfn "$version" "$cache/.current.new"
mv -T "$cache/.current.new" "$cache/current"
say "made $version with $("$cache/current/bin/rustc" --version)"
echo "$cache/current/bin/rustc"
