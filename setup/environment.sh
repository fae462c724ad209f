#!/usr/bin/env bash
# Make the environments of this repository. Called by the Makefile; by hand:
#   setup/environment.sh notebooks           .venv              kernel, tests, training
#   setup/environment.sh lab                 .envs/lab          JupyterLab, which starts its kernels in .venv
#   setup/environment.sh tgi-libraries       .envs/...          what TGI reads models with, for the artifact's tests
#   setup/environment.sh slides              .envs/slides       reveal.js, for `make slides`
#   setup/environment.sh browser             .envs/browser      Selenium, for `make test-browser`
# PYTHON chooses the interpreter (3.11 or 3.12), TORCH_INDEX_URL where torch comes from, KIT an offline kit
# (`make offline-kit`) that everything comes from.
# Runs under the bash 3.2 of macOS.
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=.venv
UV_PIN=0.13.8
NEEDED_GIB=4        # .venv with the CPU build of torch 2.8, results 0.1, downloads
NEEDED_CUDA_GIB=15  # with the CUDA build
CUDA_13_DRIVER=580  # the oldest for PyPI's torch 2.13, which is built for CUDA 13
CUDA_12_INDEX_URL=https://download.pytorch.org/whl/cu126
FEW_FILES=1024      # what may be open at a time; macOS starts with 256
PYTHON_EXPECTED="Python 3.11 or 3.12 with its modules venv and ensurepip, 64-bit, on Linux with glibc 2.28 or newer,\
 on a Mac built for Apple silicon"
PYTHON_PACKAGES="Debian 12: sudo apt install python3.11-venv; Ubuntu 24.04: sudo apt install python3.12-venv;\
 Ubuntu 22.04: sudo apt install python3.11 python3.11-venv; macOS: brew install python@3.12"
case "${KIT:-}" in "~/"*) KIT=$HOME/${KIT#"~/"} ;; esac # zsh leaves it as it is in KIT=~/kit
LOGS=$(mktemp -d)
trap 'rm -rf "$LOGS"' EXIT

say() { printf '== %s\n' "$*"; }
fail() { # found, expected, next step
    printf 'found     %s\nexpected  %s\ndo next   %s\n' "$1" "$2" "$3" >&2
    exit 1
}

# Everything that would end an installation later is looked at before the first download.
check_system() {
    local system machine release
    system=$(uname -s) machine=$(uname -m)
    case "$system $machine" in
        "Linux x86_64" | "Linux aarch64" | "Linux arm64") ;;
        "Darwin arm64" | "Darwin x86_64") # an Intel Mac, or a terminal under Rosetta: the interpreter tells
            release=$(sw_vers -productVersion)
            [ "${release%%.*}" -ge 14 ] || fail "macOS $release" \
                "macOS 14 or newer: bitsandbytes has no package for older ones" "update macOS, or use Linux"
            ;;
        Linux*) fail "Linux on $machine" "a 64-bit x86 or Arm processor and system: torch has no other packages" \
            "use another machine, for example SageMaker Studio" ;;
        *) fail "$system" "Linux, macOS on Apple silicon, or Windows through WSL2" \
            "on Windows: 'wsl --install' in PowerShell, then clone the repository in the Linux that it opens" ;;
    esac
}

check_folder() {
    local place
    case "$PWD" in
        *:*) fail "a colon in the folder's name: $PWD" "a folder without one: PATH separates folders by colons" \
            "move the clone to another folder" ;;
    esac
    for place in . .venv .envs; do
        [ ! -e "$place" ] || [ -w "$place" ] || fail "$PWD/$place, which $(id -un) may not write to" \
            "a clone of one's own" "sudo chown -R $(id -un) '$PWD', or clone into your home; never sudo make"
    done
}

check_disk() { # GiB
    local free_kib made_kib
    # The column before the one in per cent: names of devices and folders may hold spaces.
    free_kib=$(df -Pk . | awk 'NR > 1 { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+%$/) free = $(i - 1) }
        END { print free }') || true
    made_kib=$(du -sk "$VENV" 2>/dev/null | cut -f1) || true
    [ $((${free_kib:-99999999} + ${made_kib:-0})) -ge $(($1 * 1048576)) ] || fail \
        "$((free_kib / 1024)) MiB of free disk at $PWD" "$1 GiB for the packages and what the notebooks make" \
        "free some, or clone to another disk"
}

# With an older driver torch finds no GPU, and nothing says so. Sample mode needs none: it is told, not refused.
check_driver() {
    local driver
    [ -z "${TORCH_INDEX_URL:-}${KIT:-}" ] || return 0
    command -v nvidia-smi >/dev/null 2>&1 || return 0
    driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1) || true
    case "${driver%%.*}" in
        "" | *[!0-9]*) return 0 ;; # no GPU, or a driver that does not run
    esac
    [ "${driver%%.*}" -ge "$CUDA_13_DRIVER" ] || say "NVIDIA driver $driver: torch will not use the GPU, since it is\
 built for CUDA 13, which needs driver $CUDA_13_DRIVER or newer. Update the driver, or: rm -rf .venv && make sample\
 TORCH_INDEX_URL=$CUDA_12_INDEX_URL"
}

raise_file_limit() { # the soft limit may rise as far as the hard one
    local files
    files=$(ulimit -Sn)
    if [ "$files" != unlimited ] && [ "$files" -lt "$FEW_FILES" ]; then
        ulimit -Sn "$FEW_FILES" 2>/dev/null || ulimit -Sn "$(ulimit -Hn)"
    fi
}

has_few_files() { [ "$(ulimit -Sn)" != unlimited ] && [ "$(ulimit -Sn)" -lt "$FEW_FILES" ]; }

# What is wrong with an interpreter, if anything is. A version manager leaves shims on PATH that exist and
# fail, so one counts only when it runs.
python_fault() {
    command -v "$1" >/dev/null 2>&1 || { printf 'is not on PATH'; return; }
    "$1" setup/check_python.py </dev/null 2>/dev/null || printf 'does not run'
}

is_usable_python() { [ -z "$(python_fault "$1")" ]; }

# What a kit says of itself; nothing where there is none, which check_kit.py tells.
kit_fact() { # name
    [ -z "${KIT:-}" ] || sed -n "s/^ *\"$1\": \"\([^\"]*\)\".*/\1/p" "$KIT/kit.json" 2>/dev/null
}

find_python() {
    local candidate fault faults= of_kit
    of_kit=$(kit_fact python) || true
    for candidate in ${PYTHON:+"$PYTHON"} ${of_kit:+"python$of_kit"} python3.11 python3.12 python3 python; do
        fault=$(python_fault "$candidate")
        if [ -z "$fault" ]; then
            printf '%s' "$candidate"
            return
        fi
        faults="$faults${faults:+; }$candidate $fault"
        [ -z "${PYTHON:-}" ] || break
    done
    fail "$faults" "$PYTHON_EXPECTED" \
        "install one ($PYTHON_PACKAGES), or name another: make sample PYTHON=/path/to/python"
}

make_venv() { # folder, interpreter
    [ -x "$1/bin/python" ] && is_usable_python "$1/bin/python" && return
    say "$1: $("$2" -V) ($2)"
    rm -rf "$1"
    "$2" -m venv "$1"
}

# With a kit it stands in place of every index, and of pip's and uv's own configuration, which may name some.
use_kit() { # interpreter
    local wheels
    [ -n "${KIT:-}" ] || return 0
    wheels=$("$1" setup/check_kit.py "$KIT") || exit 1
    unset PIP_CONSTRAINT UV_CONSTRAINT
    export PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1 PIP_FIND_LINKS="$wheels"
    export UV_NO_CONFIG=1 UV_NO_INDEX=1 UV_FIND_LINKS="$wheels" UV_OFFLINE=1
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
#   KIT set                                            the one that the kit has
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
    if [ -n "${KIT:-}" ]; then
        say "torch $(kit_fact torch), of the offline kit"
        pip_install "torch==$pin"
    elif [ -n "${TORCH_INDEX_URL:-}" ]; then
        say "torch $pin, with ${TORCH_INDEX_URL##*@} beside pip's own index"
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
        check_disk "$NEEDED_CUDA_GIB"
        pip_install "torch==$pin"
    fi
}

# uv holds a file open for every package that is still to come, 210 of them: where the limit is low, in parts.
install_requirements() { # interpreter, file, and the file with all of its pins
    local part
    if has_few_files; then
        export UV_CONCURRENT_DOWNLOADS=8
        split -l 50 "$3" "$LOGS/pins-"
        for part in "$LOGS"/pins-*; do install_fast "$1" --quiet --no-deps -r "$part"; done
    fi
    install_fast "$1" -r "$2"
}

# The packages under src/ are imported from where they are. A path relative to the file that names it is
# plain ASCII, whatever the folder is called: an editable install fails under LC_ALL=C in a Korean one.
link_sources() {
    local site
    for site in "$VENV"/lib/python3.*/site-packages; do
        printf '../../../../src\n' >"$site/workshop.pth"
    done
}

expects_cuda() {
    case "$(kit_fact torch)" in
        *+cpu) return 1 ;;
    esac
    [ -n "${TORCH_INDEX_URL:-}" ] || { [ "$(uname -s)" = Linux ] && command -v nvidia-smi >/dev/null 2>&1; }
}

make_notebooks() {
    local python
    check_system
    check_folder
    if expects_cuda; then
        check_disk "$NEEDED_CUDA_GIB"
    else
        check_disk "$NEEDED_GIB"
    fi
    check_driver
    python=$(find_python)
    if is_usable_python "$VENV/bin/python"; then python=$VENV/bin/python; fi # it stays
    use_kit "$python"
    make_venv "$VENV" "$python"
    pip_install --quiet "uv==$UV_PIN"
    install_torch
    say "everything else, pinned"
    install_requirements "$VENV/bin/python" requirements.txt setup/constraints.txt
    link_sources
    "$VENV/bin/python" -m pip check
}

# JupyterLab lives beside the kernel's environment: inside it, it slows `import sagemaker` threefold.
make_lab() {
    check_folder
    use_kit "$VENV/bin/python"
    make_venv .envs/lab "$VENV/bin/python"
    install_requirements .envs/lab/bin/python setup/lab-requirements.txt setup/lab-requirements.txt
    # Told where JupyterLab looks, it does not warn that the kernel may not be found.
    JUPYTER_PATH="$PWD/.envs/lab/share/jupyter" "$VENV/bin/python" -m ipykernel install \
        --prefix .envs/lab --name python3 --display-name "Python (workshop)"
    # Long lines of code wrap, and no question about Jupyter's news covers a corner of the first page, unless the
    # reader's own settings say otherwise.
    mkdir -p .envs/lab/share/jupyter/lab/settings
    cp setup/lab-overrides.json .envs/lab/share/jupyter/lab/settings/overrides.json
}

# Put before .venv's site-packages by PYTHONPATH: only what differs from it.
make_tgi_libraries() {
    use_kit "$VENV/bin/python"
    rm -rf .envs/tgi-libraries
    say "the transformers that TGI has, for the tests that a trained model loads there"
    install_fast "$VENV/bin/python" --no-deps --target .envs/tgi-libraries -r setup/tgi-libraries.txt
}

make_slides() {
    use_kit "$VENV/bin/python"
    rm -rf .envs/slides
    say "reveal.js, for the talk"
    install_fast "$VENV/bin/python" --no-deps --target .envs/slides -r setup/slides.txt
}

make_browser() {
    use_kit "$VENV/bin/python"
    rm -rf .envs/browser
    say "Selenium, for the tests in a browser"
    install_fast "$VENV/bin/python" --no-deps --target .envs/browser -r setup/browser.txt
}

started_s=$SECONDS
raise_file_limit
case "${1:-}" in
    notebooks) make_notebooks ;;
    lab) make_lab ;;
    tgi-libraries) make_tgi_libraries ;;
    slides) make_slides ;;
    browser) make_browser ;;
    *) fail "'${1:-}'" "notebooks, lab, tgi-libraries, slides or browser" "make help" ;;
esac
say "$1: ready after $((SECONDS - started_s)) s"
