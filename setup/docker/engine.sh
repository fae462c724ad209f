#!/usr/bin/env bash
# A Docker engine with Compose 2 for a machine that runs the tests: where a person may install packages, in a minute.
#   setup/docker/engine.sh start     installs what is missing (as root, by apt), and starts dockerd if no engine answers
#   setup/docker/engine.sh stop      ends the dockerd that it started, and no other
# Exit status 1: one line says why there is none that can be used, and nothing runs that did not run before.
set -euo pipefail

STATE=/run/workshop-docker # of the engine that this script started
PID_FILE=/var/run/docker.pid
PLUGINS=/usr/local/lib/docker/cli-plugins
NEXT_RELEASE=trixie # Debian 12 has Compose 1 alone; the one of Debian 13 is a single program, which runs there, too
INSTALL_TIMEOUT_S=300
START_TIMEOUT_S=60
STOP_TIMEOUT_S=60

fail() { printf 'no Docker engine: %s\n' "$*" >&2; exit 1; }
answers() { timeout 20 docker info >/dev/null 2>&1; }
has_compose() { docker compose version --short 2>/dev/null | grep -qE '^v?([2-9]|[1-9][0-9])\.'; }
apt() { DEBIAN_FRONTEND=noninteractive timeout "$INSTALL_TIMEOUT_S" apt-get -qq "$@" </dev/null >/dev/null 2>&1; }

check_rights() {
    [ "$(id -u)" = 0 ] || fail "no engine answers, and only root can install and start one"
    command -v apt-get >/dev/null || fail "no engine answers, and there is no apt to install one with"
}

install_engine() {
    local wanted=
    command -v dockerd >/dev/null || wanted="docker.io"
    command -v iptables >/dev/null || wanted="$wanted iptables"
    [ -n "$wanted" ] || return 0
    apt update || true # what cannot be installed then is told
    # shellcheck disable=SC2086 # names of packages
    apt install -y --no-install-recommends $wanted || fail "apt could not install: $wanted"
}

# Compose under whatever name this release has it, else the next release's from the same source.
install_compose() {
    local name
    for name in docker-compose-plugin docker-compose-v2 docker-compose; do
        apt-cache policy "$name" 2>/dev/null | grep -qE 'Candidate: ([2-9]|[1-9][0-9])\.' || continue
        apt install -y --no-install-recommends "$name" && has_compose && return
    done
    compose_of_next_release || fail "no Compose 2 within apt's reach"
    has_compose || fail "Compose 2 does not run (docker compose version)"
}

compose_of_next_release() (
    url=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Created-By: Packages' |
        awk '!/security/ && !n++')
    [ -n "$url" ] || return 1
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    chmod 0755 "$folder" # apt fetches as a user of its own
    mkdir -p "$folder/lists/partial" "$folder/parts"
    echo "deb $url $NEXT_RELEASE main" >"$folder/parts/next.list"
    of_next() {
        apt -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$folder/parts" \
            -o Dir::State::lists="$folder/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
    }
    cd "$folder"
    of_next update && of_next download docker-compose || return 1
    dpkg-deb --extract docker-compose_*.deb "$folder/files"
    program=$(find "$folder/files" -path '*/cli-plugins/docker-compose' -type f)
    [ -n "$program" ] || return 1
    mkdir -p "$PLUGINS" && install -m 0755 "$program" "$PLUGINS/docker-compose"
)

is_dockerd() { [ -n "$1" ] && [ "$(cat "/proc/$1/comm" 2>/dev/null)" = dockerd ]; }

# A second engine beside one that is only slow to answer would take its socket, its files and its network away.
start_engine() {
    local waited=0 other
    other=$(cat "$PID_FILE" 2>/dev/null || true)
    ! is_dockerd "$other" || fail "dockerd runs (process $other), but does not answer \`docker info\`"
    mkdir -p "$STATE"
    # Of a session of its own: Ctrl-C in the terminal is not for it.
    setsid dockerd --pidfile "$PID_FILE" >"$STATE/log" 2>&1 </dev/null &
    echo $! >"$STATE/pid"
    until answers; do
        kill -0 $! 2>/dev/null || fail "dockerd ended: $(tail -n 1 "$STATE/log")"
        if [ $((waited += 1)) -gt $((START_TIMEOUT_S * 5)) ]; then
            fail "dockerd does not answer \`docker info\` of $(command -v docker) after $START_TIMEOUT_S s"
        fi
        sleep 0.2
    done
}

# An engine may answer where the kernel lets it start no container (inside another container, for example): one with
# nothing but this machine's own programs tells.
check_container() {
    local told image=workshop-nothing:$$ folder folders=
    for folder in /bin /lib /lib64 /usr; do
        [ ! -d "$folder" ] || folders="$folders --volume $folder:$folder:ro"
    done
    tar -c --files-from /dev/null | docker import - "$image" >/dev/null || fail "docker import does not work"
    # shellcheck disable=SC2086 # options
    told=$(timeout "$START_TIMEOUT_S" docker run --rm $folders "$image" /bin/true 2>&1) ||
        { docker rmi "$image" >/dev/null; fail "it starts no container: $(printf '%s\n' "$told" | grep -v -e --help -e '^$' | tail -n 1)"; }
    docker rmi "$image" >/dev/null
}

stop_engine() {
    local pid waited=0
    [ -f "$STATE/pid" ] || return 0
    pid=$(cat "$STATE/pid")
    if is_dockerd "$pid"; then
        kill "$pid"
        while kill -0 "$pid" 2>/dev/null && [ $((waited += 1)) -le $((STOP_TIMEOUT_S * 10)) ]; do sleep 0.1; done
    fi
    rm -rf "$STATE"
}

case "${1:-}" in
    start)
        trap '[ $? = 0 ] || stop_engine' EXIT
        if ! command -v docker >/dev/null || ! answers; then
            check_rights
            install_engine
            answers || start_engine
        fi
        check_container
        has_compose || { check_rights && install_compose; }
        # For base.sh, which has to do where no image registry answers.
        command -v debootstrap >/dev/null || apt install -y --no-install-recommends debootstrap || true
        ;;
    stop) stop_engine ;;
    *) fail "'${1:-}' is not start or stop" ;;
esac
