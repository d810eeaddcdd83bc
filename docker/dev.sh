#!/usr/bin/env bash
# Runs a command with everything set up: in the project's container where a Docker engine answers, otherwise in a
# virtual environment on this machine. The first call installs; later ones start at once. No command: a shell.
#
#   bash docker/dev.sh [--host|--container] [COMMAND...]
#   bash docker/dev.sh pytest
#   bash docker/dev.sh --host python train.py --help
#
# Commands run at the root of the repository. stdin, stdout, signals and the exit code are the command's own.
#
# Environment:
#   IMAGE            the image to use, built when missing       (robotics-rl:latest unless set)
#   BASE_IMAGE       what to build it on                        (see docker/Dockerfile)
#   DOCKER_RUN_ARGS  further flags for `docker run`, DOCKER_BUILD_ARGS for `docker build`: "--network host", say
#   TENSORBOARD_PORT the port of this machine for TensorBoard   (6006 unless set)
#   MUJOCO_GL, PYOPENGL_PLATFORM    the renderer                (egl where there is one)
#   PYTHON           on the host, the Python 3.11 or 3.12 to make the environment with
set -euo pipefail
# By its real name: it may have been called through a symbolic link.
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

# --- on this machine ----------------------------------------------------------------------------------------------

fits='import sys; (3, 11) <= sys.version_info[:2] <= (3, 12) and print(sys.executable)'

# Every Python 3.11 or 3.12 on the PATH that can make environments, the preferred first. By the names they give
# themselves: the PATH may hold a launcher, which starts another Python in another folder.
candidates() {
  local name path found=$'\n'
  for name in ${PYTHON:+"$PYTHON"} python3.12 python3.11 python3 python; do
    while IFS= read -r path; do
      path=$("$path" -c "import ensurepip, venv; $fits" 2>/dev/null </dev/null) || continue
      # Not the one of an environment of ours, which may be active and about to be emptied.
      [[ -n $path && $path != "$root"/.venv* && $found != *$'\n'"$path"$'\n'* ]] || continue
      found+=$path$'\n'
      printf '%s\n' "$path"
    done < <(type -aP "$name")
  done
}

# The first candidate whose torch can be inherited, or just the first.
host_python() {
  local found path
  found=$(candidates)
  if [ -z "$found" ] && can_apt; then
    say "no Python 3.11 or 3.12 with venv: installing python3-venv with apt-get"
    apt_install python3-venv >>"$venv/setup.log" 2>&1 || true
    hash -r
    found=$(candidates)
  fi
  [ -n "$found" ] || die "needs Python 3.11 or 3.12 with venv and ensurepip; try: sudo apt-get install python3-venv"
  while IFS= read -r path; do
    if has_torch "$path"; then printf '%s\n' "$path"; return; fi
  done <<<"$found"
  printf '%s\n' "${found%%$'\n'*}"
}

# Installs the libraries that rendering and provenance need, or says how to. Never a reason to stop.
host_libraries() {
  local missing=() note=$venv/.libraries_noted package
  installed=$(libraries) || return 0
  [[ $installed == *libEGL.so.1* ]] || missing+=(libegl1)
  [[ $installed == *libGL.so.1* ]] || missing+=(libgl1)
  [[ $installed == *libOSMesa.so* ]] || missing+=(libosmesa6)
  command -v git >/dev/null || missing+=(git)
  # Said, or tried, once on a machine: a note with its name tells, because environments get copied between machines.
  [ ${#missing[@]} -gt 0 ] && [ "$(cat "$note" 2>/dev/null)" != "$HOSTNAME ${missing[*]}" ] || return 0
  mkdir -p "$venv" && printf '%s\n' "$HOSTNAME ${missing[*]}" >"$note" || return 0
  if can_apt; then
    say "installing ${missing[*]} with apt-get, about 20 seconds"
    # One by one where they do not come together: recent distributions have no OSMesa.
    apt_install "${missing[@]}" >>"$venv/setup.log" 2>&1 ||
      for package in "${missing[@]}"; do apt_install "$package" >>"$venv/setup.log" 2>&1 && continue
        say "$package did not install (log: ${venv##*/}/setup.log); going on without it"
      done
    installed=$(libraries)
  else
    say "for rendering and provenance: sudo apt-get install ${missing[*]}"
  fi
}

on_host() {  # [COMMAND...]
  local installed=
  venv=$root/.venv-host venv_kind=host venv_basis=host
  ensure_venv host_python
  host_libraries
  choose_renderer "$installed"
  run_in_venv "$@"
}

# --- in the container ---------------------------------------------------------------------------------------------

# Sets image to IMAGE, which is built once, or to its base where that fails.
find_image() {
  local built_on failed=$root/.venv/.build_failed facts='{{.Id}} {{index .Config.Labels "robotics-rl.base"}}'
  image=$IMAGE
  if built_on=$(docker image inspect -f "$facts" "$image" 2>/dev/null); then
    image_id=${built_on%% *} built_on=${built_on#* }
    [ -z "${BASE_IMAGE:-}" ] || [ "$built_on" = "$BASE_IMAGE" ] ||
      say "$image was built on ${built_on:-another base}; for $BASE_IMAGE run: bash docker/build.sh $image"
    return
  fi
  # Ctrl-C ends the build, not only the docker client: without this it would count as a build that failed.
  trap 'exit 130' INT
  # A build that just failed for this base is not tried again at every command.
  if [ "$(cat "$failed" 2>/dev/null)" = "$image on $(base_image)" ] && [ "$failed" -nt "$root/docker/Dockerfile" ] &&
    [ -n "$(find "$failed" -mmin -60)" ]; then
    say "WARNING: building $image failed less than an hour ago; \`bash docker/build.sh\` tries again"
  else
    say "building $image, once (the default base is more than 10 GB to download)"
    if bash "$root/docker/build.sh" "$image" >&2; then rm -f "$failed"; find_image; return; fi
    mkdir -p "$root/.venv" && printf '%s\n' "$image on $(base_image)" >"$failed"
  fi
  image=$(base_image)
  docker image inspect "$image" >/dev/null 2>&1 || docker pull "$image" >&2 ||
    die "neither $IMAGE could be built nor its base $image pulled; check the network, or use: bash docker/dev.sh --host"
  say "WARNING: $IMAGE is not available, using its base $image as it is; rendering may be unavailable in it"
  image_id=$(docker image inspect -f '{{.Id}}' "$image")
  trap - INT
}

in_container() {  # [COMMAND...]
  find_image
  container_flags "$image_id"
  exec docker run "${flags[@]}" --entrypoint bash "$image" /workspace/docker/dev.sh -- "$@"
}

container_python() {
  local path
  path=$(type -P python3 || type -P python) || die "this image has no Python"
  [ -n "$("$path" -c "$fits")" ] || die "this image has $("$path" --version 2>&1); Python 3.11 or 3.12 is needed"
  printf '%s\n' "$path"
}

# The container's half of this script.
inside() {  # [COMMAND...]
  local found
  # Not the host's .venv-host: the same folder is mounted, with another Python and another torch.
  venv=$root/.venv venv_kind=container venv_basis=$ROBOTICS_RL_CONTAINER
  found=$(libraries) || found=none
  if [[ ${MUJOCO_GL:-} == egl && $found != *libEGL.so.1* ]]; then
    unset MUJOCO_GL PYOPENGL_PLATFORM
    choose_renderer "$found"
    say "no EGL in this image: MUJOCO_GL=$MUJOCO_GL"
  fi
  ensure_venv container_python
  # A home that stays: caches of fonts, shaders and compiled kernels are worth keeping between calls.
  mkdir -p "$venv/home" && export HOME=$venv/home
  run_in_venv "$@"
}

# --- which --------------------------------------------------------------------------------------------------------

mode=
while [ $# -gt 0 ]; do
  case $1 in
    --host) mode=host; shift ;;
    --container) mode=container; shift ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    --) shift; break ;;
    -*) die "unknown option $1; usage: bash docker/dev.sh [--host|--container] [COMMAND...]" 2 ;;
    *) break ;;
  esac
done

case $mode in
  host) on_host "$@" ;;
  container)
    engine_answers || die "$no_engine; without --container this machine's own Python is used"
    in_container "$@" ;;
  # A call inside of the container (from its shell, or the one that starts it) is already where it should be.
  *) if [ -n "${ROBOTICS_RL_CONTAINER:-}" ]; then inside "$@"; fi
     if engine_answers; then in_container "$@"; fi
     say "$no_engine: using this machine's Python, in .venv-host"
     on_host "$@" ;;
esac
