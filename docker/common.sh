# shellcheck shell=bash
# What dev.sh, run.sh and build.sh share: words on stderr, the virtual environment, the libraries of a host, the
# flags of a container. Sourced, never run. stdout belongs to the command that the user asked for.

# With CDPATH set, cd would go elsewhere and print where it went.
root=$(CDPATH='' cd -- "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd -P)
IMAGE=${IMAGE:-robotics-rl:latest}

# The CUDA image brings its own torch, and the numpy that this torch was compiled against: neither is replaced, so
# neither is pinned in requirements.txt. Where Python has none, or one older than the second list, these are installed.
pins=(torch==2.13.0 numpy==2.4.6)
oldest=(torch==2.8 numpy==1.26)

say() { printf 'dev: %s\n' "$*" >&2; }
die() { say "$1"; exit "${2:-1}"; }

# --- the virtual environment --------------------------------------------------------------------------------------

# The pins, with what PYTHON can use and does not own (what a venv inherits) in the place of ours.
resolve_pins() {  # PYTHON
  "$1" -P - "${pins[@]}" "${oldest[@]}" 2>/dev/null <<'PY'
import importlib, importlib.metadata, re, sys

def number(version):
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])

pins, oldest = sys.argv[1:3], dict(pair.split("==") for pair in sys.argv[3:])
for pin in pins:
    name = pin.split("==")[0]
    try:
        module = importlib.import_module(name)
        version = importlib.metadata.version(name)
        ours = sys.prefix != sys.base_prefix and module.__file__.startswith(sys.prefix)
        print(pin if ours or number(version) < number(oldest[name]) else f"{name}=={version}  # inherited")
    except Exception:  # absent or broken: either way it cannot be inherited
        print(pin)
PY
}

has_torch() {  # PYTHON
  local resolved
  resolved=$(resolve_pins "$1")
  [[ ${resolved%%$'\n'*} == *inherited ]]
}

# A venv is whole when its Python runs, is the version it was made with, and it was not moved here from elsewhere.
venv_whole() {
  local running line
  [ -r "$venv/pyvenv.cfg" ] || return 1
  running=$("$venv/bin/python" -S -E -c 'import sys; print("%d.%d." % sys.version_info[:2])' 2>/dev/null) || return 1
  while IFS= read -r line; do
    case $line in
      "version = "*) [[ ${line#version = } == "$running"* ]] || return 1 ;;
      "command = "*) [[ $line == *" $venv" ]] || return 1 ;;
    esac
  done <"$venv/pyvenv.cfg"
  venv_python=$running
}

# One hash over everything that decides what is installed. Fails where the venv is not whole.
venv_hash() {
  venv_whole || return 1
  {
    printf '%s\n' "$venv_python" "$venv_basis" "${pins[@]}"
    cat "$root/requirements.txt" "$root/pyproject.toml" 2>/dev/null || true
  } | sha256sum
}

venv_current() {
  local now known
  # Another call may take the file away at any moment: a failed read is an answer, and nothing to report.
  { read -r known <"$venv/.requirements_hash"; } 2>/dev/null || return 1
  now=$(venv_hash) && [ "$known" = "${now%% *}" ]
}

# Runs a step with its output in the log, and shows the end of it where the step fails. Nothing here may eat the stdin
# that is meant for the user's command.
logged() { "$@" >>"$venv/setup.log" 2>&1 </dev/null || { tail -n 15 "$venv/setup.log" >&2; return 1; }; }

create_venv() {  # PYTHON
  local inherit=()
  # A host's Python is inherited only for a torch that is worth it: the environment stays isolated otherwise.
  if [ "$venv_kind" = container ] || has_torch "$1"; then inherit=(--system-site-packages); fi
  say "making ${venv##*/} with $("$1" --version 2>&1)${inherit:+, inheriting its packages}"
  # The lock and other notes (dot files) stay: who waits for the lock has this very file open.
  find "$venv" -mindepth 1 -maxdepth 1 ! -name '.*' -exec rm -rf {} +
  # Without ensurepip (a bare base image, and no right to install it) the image's own pip serves through inheritance.
  if ! "$1" -c 'import ensurepip' 2>/dev/null; then inherit+=(--without-pip); fi
  logged "$1" -m venv "${inherit[@]}" "$venv" || die "${venv##*/} could not be made with $1"
}

# Makes $venv fit requirements.txt. The hash is written last, so that a setup that ends early is done again.
ensure_venv() {  # FUNCTION that prints the Python to make it with
  local now base
  if venv_current; then return; fi
  [ -r "$root/requirements.txt" ] || die "no requirements.txt in $root"
  mkdir -p "$venv" 2>/dev/null && [ -w "$venv" ] ||
    die "cannot write $venv (made by another user?); delete it, or run as its owner"
  exec 9>"$venv/.setup.lock"
  if command -v flock >/dev/null && ! flock -n 9; then
    say "another call is setting up ${venv##*/}; waiting for it"
    flock 9 || true  # a file system without locks: going on is all that is left
  fi
  if ! venv_current; then
    rm -f "$venv/.requirements_hash"
    # A killed pip can leave half a package that looks whole to the next one: begin again after it.
    if [ -e "$venv/.installing" ] || ! venv_whole || ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
      base=$("$1") || exit 1
      touch "$venv/.installing"
      create_venv "$base"
    fi
    touch "$venv/.installing"
    say "installing requirements.txt into ${venv##*/}, about 2 minutes (log: ${venv##*/}/setup.log)"
    resolve_pins "$venv/bin/python" >"$venv/constraints.txt"
    cd "$root"
    # The image's PIP_CONSTRAINT pins every package it came with, ours included; our constraints keep what must stay.
    logged env -u PIP_CONSTRAINT -u PIP_USER -u PIP_TARGET -u PIP_PREFIX "$venv/bin/python" -m pip install \
      --no-input --disable-pip-version-check -c "$venv/constraints.txt" -r requirements.txt || {
      rm -f "$venv/.installing"  # pip ended by itself, so what is there is whole
      die "the installation failed (whole log: ${venv##*/}/setup.log); the same command tries again"
    }
    now=$(venv_hash) || die "${venv##*/} does not work after its setup; delete it and try again"
    printf '%s\n' "${now%% *}" >"$venv/.requirements_hash.new"
    mv "$venv/.requirements_hash.new" "$venv/.requirements_hash"
    rm -f "$venv/.installing"
  fi
  exec 9>&-
}

# Replaces this shell by the command, or by an interactive one, with the environment active.
run_in_venv() {  # [COMMAND...]
  export VIRTUAL_ENV=$venv PATH="$venv/bin:$PATH"
  unset PYTHONHOME
  cd "$root"
  # For programs that print the next command: it has to be typed outside of this environment, as this one was.
  if [ $# -gt 0 ]; then exec -- env -- ROBOTICS_RL_DEV=1 "$@"; fi
  # bash reads this after the user's own file, which may put another Python in front.
  exec bash --rcfile <(printf '[ -f ~/.bashrc ] && . ~/.bashrc\n. %q/bin/activate\n' "$venv")
}

# --- libraries ----------------------------------------------------------------------------------------------------

libraries() { PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null; }

# MuJoCo's renderer: what the user chose, or the first that this machine has a library for. A wrong choice makes
# rendering fail, and with some versions the import of mujoco too; `disabled` trains without pictures.
choose_renderer() {  # the output of `libraries`
  if [ -z "${MUJOCO_GL:-}" ]; then
    case $1 in
      '' | *libEGL.so.1*) MUJOCO_GL=egl ;;
      *libOSMesa.so*) MUJOCO_GL=osmesa ;;
      *) MUJOCO_GL=disabled ;;
    esac
  fi
  case $MUJOCO_GL in egl | osmesa) export PYOPENGL_PLATFORM=${PYOPENGL_PLATFORM:-$MUJOCO_GL} ;; esac
  export MUJOCO_GL
}

apt_install() {  # PACKAGE...
  export DEBIAN_FRONTEND=noninteractive
  # A bare machine has no package lists, an old one stale ones: fetch them only when the first try fails.
  local install=(apt-get install -y --no-install-recommends "$@")
  "${install[@]}" </dev/null || { apt-get update && "${install[@]}" </dev/null; }
}

can_apt() { [ "$EUID" -eq 0 ] && command -v apt-get >/dev/null; }

# --- the container ------------------------------------------------------------------------------------------------

proxy_variables=(HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy no_proxy all_proxy)

base_image() { printf '%s\n' "${BASE_IMAGE:-$(sed -n 's/^ARG BASE_IMAGE=//p' "$root/docker/Dockerfile")}"; }

# Sets engine_facts where a Docker engine answers, and no_engine to the reason where none does.
engine_answers() {
  no_engine="no Docker engine: docker is not installed"
  command -v docker >/dev/null || return 1
  local facts='{{.ServerVersion}} {{json .Runtimes}} {{json .SecurityOptions}}'
  engine_facts=$(timeout 20 docker info --format "$facts" 2>/dev/null) && [[ $engine_facts == [0-9]* ]] && return
  no_engine="no Docker engine answers (\`docker info\` fails; is it running?)"
  [[ $(timeout 20 docker info 2>&1) != *"permission denied"*socket* ]] ||
    no_engine="Docker refuses this user (is it in the group docker?)"
  return 1
}

gpu_flags() {
  timeout 20 nvidia-smi -L >/dev/null 2>&1 || return 0
  if [[ $engine_facts == *'"nvidia"'* ]] || command -v nvidia-container-runtime-hook nvidia-ctk >/dev/null; then
    flags+=(--gpus all)
  else
    say "there is a GPU, but Docker cannot pass it on: install the NVIDIA Container Toolkit. Going on without it"
  fi
}

# TensorBoard's port, on this machine only. A second container does without: a busy port must not stop a command.
port_flags() {
  local port=${TENSORBOARD_PORT:-6006} lock
  [[ ! ${DOCKER_RUN_ARGS:-} =~ --net(work)?[=\ ]host ]] || return 0  # every port is published then
  # The lock lives as long as the docker client, which inherits it: two calls at once cannot both find the port free.
  # It is opened for reading, because users share it.
  lock=/tmp/robotics-rl-port-$port.lock
  [ -f "$lock" ] || touch "$lock"
  exec 8<"$lock"
  if { command -v flock >/dev/null && ! flock -n 8; } || (exec 7<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    say "port $port is in use: TensorBoard in this container is not reachable (TENSORBOARD_PORT chooses another)"
    return 0
  fi
  flags+=(-p "127.0.0.1:$port:6006")
}

# Mounts a host path read-only where it is on the host, once, so that settings that name it hold inside too.
mount_same() {  # PATH or file:// URL; anything else is passed over
  local path=${1#file://}
  path=${path%/}
  # An index in a folder keeps its files beside its pages: the folder above, then, unless that is /opt or the like.
  if [[ $1 == file://* && ${path%/*} == /*/* ]]; then path=${path%/*}; fi
  [[ $path == /* && -e $path && " ${mounted:-} " != *" $path "* ]] || return 0
  mounted+=" $path"
  flags+=(-v "$path:$path:ro")
}

# The machine's own package index, proxies and certificates: variables by name (no value shows in a process list), and
# the files that they, or pip's configuration files, speak of.
index_flags() {
  local name file word users=
  for name in "${proxy_variables[@]}" PIP_{INDEX_URL,EXTRA_INDEX_URL,FIND_LINKS,NO_INDEX,TRUSTED_HOST,CONFIG_FILE} \
    PIP_{CERT,CLIENT_CERT,PROXY,DEFAULT_TIMEOUT,RETRIES} SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE; do
    [ -n "${!name:-}" ] || continue
    flags+=(-e "$name")
    for word in ${!name}; do mount_same "$word"; done
  done
  for file in "${PIP_CONFIG_FILE:-}" "${XDG_CONFIG_HOME:-${HOME:-}/.config}/pip/pip.conf" \
    "${HOME:-}/.pip/pip.conf" /etc/pip.conf; do
    [ -r "$file" ] || continue
    # pip reads the machine's file and one that the variable names; a user's own goes by the second way.
    if [ "$file" = /etc/pip.conf ] || [ "$file" = "${PIP_CONFIG_FILE:-}" ]; then
      mount_same "$file"
    elif [ -z "${PIP_CONFIG_FILE:-}$users" ]; then
      users=/etc/pip-user.conf
      flags+=(-v "$file:$users:ro" -e "PIP_CONFIG_FILE=$users")
    fi
    for word in $(sed -n 's/^[^#;]*=//p; s/^[[:space:]]\{1,\}//p' "$file"); do mount_same "$word"; done
  done
}

# Sets the array flags: everything of `docker run` between the verb and the image.
container_flags() {  # the image's id
  local name user common more ids
  ids=$(id -u):$(id -g)
  # In a rootless engine it is root that is this user outside.
  [[ $engine_facts != *name=rootless* ]] || ids=0:0
  flags=(--rm --init -i --ipc=host --user "$ids" -v "$root:/workspace" -w /workspace)
  # A terminal only where all three ends are one: it would merge stderr into stdout, and needs a keyboard.
  if [ -t 0 ] && [ -t 1 ] && [ -t 2 ]; then flags+=(-t); fi
  # The user has a number in the container but no name: HOME and USER stand in for the missing passwd entry.
  user=$(id -un 2>/dev/null) || user=$UID
  flags+=(-e HOME=/tmp -e "USER=$user" -e "LOGNAME=$user")
  flags+=(-e "ROBOTICS_RL_CONTAINER=$1" -e "MUJOCO_GL=${MUJOCO_GL:-egl}" -e NVIDIA_DRIVER_CAPABILITIES=all)
  flags+=(-e "PYOPENGL_PLATFORM=${PYOPENGL_PLATFORM:-${MUJOCO_GL:-egl}}" -e TENSORBOARD_HOST=0.0.0.0)
  # The checkout may belong to another user than the container's; git would not name its commit otherwise.
  flags+=(-e GIT_CONFIG_COUNT=1 -e GIT_CONFIG_KEY_0=safe.directory -e GIT_CONFIG_VALUE_0=/workspace)
  for name in NO_COLOR CI CUDA_VISIBLE_DEVICES OMP_NUM_THREADS MKL_NUM_THREADS; do
    [ -z "${!name:-}" ] || flags+=(-e "$name")
  done
  # A linked worktree keeps its history outside of the checkout, by absolute path.
  common=$(git -C "$root" rev-parse --path-format=absolute --git-common-dir 2>/dev/null) || common=
  [[ -z $common || $common == "$root"/* ]] || mount_same "$common"
  index_flags
  gpu_flags
  port_flags
  read -ra more <<<"${DOCKER_RUN_ARGS:-}"
  flags+=("${more[@]}")
}
