#!/usr/bin/env bash
# Builds the project's image.
#
#   bash docker/build.sh [TAG]          # TAG: robotics-rl:latest unless given
#
# Environment:
#   BASE_IMAGE         another base than the Dockerfile's
#   DOCKER_BUILD_ARGS  further flags for `docker build`, for instance "--network host" or "--pull"
set -euo pipefail
# By its real name: it may have been called through a symbolic link.
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;;
  -*) die "unknown option $1; usage: bash docker/build.sh [TAG]" 2 ;;
esac
[ $# -le 1 ] || die "one TAG at most; usage: bash docker/build.sh [TAG]" 2
engine_answers || die "$no_engine"

# Proxies travel as Docker's predefined build arguments: taken from the environment, kept in no layer.
proxies=()
for name in "${proxy_variables[@]}"; do
  [ -z "${!name:-}" ] || proxies+=(--build-arg "$name")
done
read -ra more <<<"${DOCKER_BUILD_ARGS:-}"

exec docker build "${proxies[@]}" "${more[@]}" --build-arg "BASE_IMAGE=$(base_image)" \
  -t "${1:-$IMAGE}" -f "$root/docker/Dockerfile" "$root"
