#!/usr/bin/env bash
# Make a base image without an image registry: Debian 12 with Python 3.11, from where this machine's own apt gets
# its packages. Needs root, debootstrap and a Debian of any release. `make images` calls it where no registry
# answers; by hand:
#   setup/docker/base.sh korean-news-base:local
set -euo pipefail
IMAGE=${1:?name of the image}
RELEASE=bookworm

fail() { printf '%s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "debootstrap needs root"
command -v debootstrap >/dev/null || fail "no debootstrap here (Debian: apt-get install debootstrap)"
command -v apt-get >/dev/null || fail "no apt here to take the address of Debian's packages from"

# The first of Debian's sources that is not the one of security updates; apt reads its own files, in any form.
# shellcheck disable=SC2016 # the placeholder is apt's
url=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Created-By: Packages' |
    awk '!/security/ && !n++')
[ -n "$url" ] || fail "apt here has no source of Debian's packages (apt-get update)"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$RELEASE" "$folder/system" "$url" \
    >"$folder/log" 2>&1 || { tail -n 5 "$folder/log" >&2; fail "debootstrap failed"; }
rm -rf "$folder"/system/var/cache/apt/archives/*.deb "$folder"/system/var/lib/apt/lists/*
tar -C "$folder/system" -c . | docker import --change 'CMD ["python3"]' - "$IMAGE" >/dev/null
