#!/usr/bin/env bash
# Make the environments of this repository. Called by the Makefile; by hand:
#   setup/environment.sh notebooks           .venv              kernel, tests, training
#   setup/environment.sh lab                 .envs/lab          JupyterLab, which starts its kernels in .venv
#   setup/environment.sh transformers-4.57   .envs/...          an older transformers for one artifact test
# PYTHON chooses the interpreter (3.11 or 3.12), TORCH_INDEX_URL where torch comes from.
# Runs under the bash 3.2 of macOS.
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=.venv
UV_PIN=0.13.8
LOGS=$(mktemp -d)
trap 'rm -rf "$LOGS"' EXIT

say() { printf '== %s\n' "$*"; }
fail() { # found, expected, next step
    printf 'found     %s\nexpected  %s\ndo next   %s\n' "$1" "$2" "$3" >&2
    exit 1
}

# A version manager leaves shims on PATH that exist and fail, so an interpreter counts only when it runs.
is_usable_python() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
        </dev/null >/dev/null 2>&1
}

find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        is_usable_python "$PYTHON" || fail "PYTHON=$PYTHON does not run as Python 3.11 or 3.12 with venv" \
            "an interpreter of version 3.11 or 3.12 with its venv module" \
            "give another one, for example: make test PYTHON=python3.12"
        printf '%s' "$PYTHON"
        return
    fi
    for candidate in python3.11 python3.12 python3 python; do
        if is_usable_python "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    fail "no python3.11, python3.12 or python3 on PATH runs as Python 3.11 or 3.12 with venv" \
        "Python 3.11 or 3.12" \
        "install one (Ubuntu 24.04: sudo apt install python3.12-venv; 22.04: sudo apt install python3.11-venv; macOS: brew install python@3.12), or: make sample PYTHON=/path/to/python"
}

make_venv() { # folder, interpreter
    [ -x "$1/bin/python" ] && is_usable_python "$1/bin/python" && return
    say "$1: $("$2" -V) ($2)"
    rm -rf "$1"
    "$2" -m venv "$1"
}

pip_install() { "$VENV/bin/python" -m pip install --disable-pip-version-check -c setup/constraints.txt "$@"; }

# uv takes a fifth of pip's time but does not read pip's configuration (mirrors, certificates): where it
# cannot reach an index, pip does the same work with the settings it has.
install_fast() { # interpreter, arguments of `pip install`
    local python=$1
    shift
    "$VENV/bin/python" -m uv pip install --python "$python" "$@" && return
    say "uv could not install this; trying pip, which is slower but reads pip's configuration"
    "$python" -m pip install --disable-pip-version-check "$@"
}

# Which torch: the pin in requirements.txt, in the build that suits the machine.
#   any 2.13.0 that is already there                   stays
#   TORCH_INDEX_URL set                                the plain pin, with that index beside pip's own
#                                                      (2.13.0+cu130 or +cpu there sorts above PyPI's 2.13.0)
#   macOS, or a machine with an NVIDIA driver          the plain pin: PyPI's wheel is the right one
#   Linux without a driver                             the CPU build, 190 MB instead of 3 GB of CUDA libraries:
#     1. `+cpu` from where pip's own configuration points (a mirror, a folder of wheels); PyPI has no
#        such version, so this answers within a second or two everywhere else
#     2. the same from the PyTorch project's own index, which uv knows by the name of the build; one retry
#        and a short timeout, so that a network without that host does not hang
#     3. the plain pin from PyPI, said aloud, because it is large
install_torch() {
    local pin version
    pin=$(sed -n 's/^torch==//p' requirements.txt)
    version=$("$VENV/bin/python" -c 'import importlib.metadata as m; print(m.version("torch"))' 2>/dev/null || true)
    [ "${version%%+*}" = "$pin" ] && return
    if [ -n "${TORCH_INDEX_URL:-}" ]; then
        say "torch $pin, with $TORCH_INDEX_URL beside pip's own index"
        pip_install "torch==$pin" --extra-index-url "$TORCH_INDEX_URL"
    elif [ "$(uname -s)" != Linux ] || command -v nvidia-smi >/dev/null 2>&1; then
        say "torch $pin"
        pip_install "torch==$pin"
    else
        say "torch $pin, CPU build (no NVIDIA driver found)"
        pip_install "torch==$pin+cpu" 2>"$LOGS/1" && return
        UV_HTTP_TIMEOUT=15 UV_HTTP_RETRIES=1 "$VENV/bin/python" -m uv pip install --python "$VENV/bin/python" \
            -c setup/constraints.txt --torch-backend cpu "torch==$pin" 2>"$LOGS/2" && return
        say "no CPU build within reach; taking PyPI's build with CUDA, about 3 GB"
        pip_install "torch==$pin"
    fi
}

make_notebooks() {
    local python
    python=$(find_python)
    make_venv "$VENV" "$python"
    pip_install --quiet "uv==$UV_PIN"
    install_torch
    say "everything else, pinned"
    install_fast "$VENV/bin/python" -r requirements.txt
    install_fast "$VENV/bin/python" --no-deps -e .
    "$VENV/bin/python" -m pip check
}

# JupyterLab lives beside the kernel's environment: inside it, it slows `import sagemaker` threefold.
make_lab() {
    make_venv .envs/lab "$VENV/bin/python"
    install_fast .envs/lab/bin/python -r setup/lab-requirements.txt
    "$VENV/bin/python" -m ipykernel install --prefix .envs/lab --name python3 --display-name "Python (workshop)"
}

# Put before .venv's site-packages by PYTHONPATH: only what differs from it.
make_transformers_4_57() {
    rm -rf .envs/transformers-4.57
    say "transformers 4.57, for the test that the trained model loads there"
    install_fast "$VENV/bin/python" --no-deps --target .envs/transformers-4.57 -r setup/transformers-4.57.txt
}

started_s=$SECONDS
case "${1:-}" in
    notebooks) make_notebooks ;;
    lab) make_lab ;;
    transformers-4.57) make_transformers_4_57 ;;
    *) fail "'${1:-}'" "notebooks, lab or transformers-4.57" "make help" ;;
esac
say "$1: ready after $((SECONDS - started_s)) s"
