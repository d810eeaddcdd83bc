#!/usr/bin/env bash
# A shell, or one command, in the image: the container of dev.sh without its virtual environment.
#
#   bash docker/run.sh [COMMAND...]
#   IMAGE=robotics-rl:latest bash docker/run.sh python -c 'import torch; print(torch.cuda.is_available())'
#
# Environment: IMAGE (robotics-rl:latest unless set), and what dev.sh reads (see `bash docker/dev.sh --help`).
set -euo pipefail
# By its real name: it may have been called through a symbolic link.
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;;
  --) shift ;;
  -*) die "unknown option $1; usage: bash docker/run.sh [COMMAND...]" 2 ;;
esac
engine_answers || die "$no_engine"
id=$(docker image inspect -f '{{.Id}}' "$IMAGE" 2>/dev/null) ||
  die "no image $IMAGE here; build it with: bash docker/build.sh $IMAGE"

[ $# -gt 0 ] || set -- bash
container_flags "$id"
# Through bash, not the image's entry point: NVIDIA's prints a banner to stdout, and sets up CUDA from BASH_ENV anyway.
exec docker run "${flags[@]}" --entrypoint bash "$IMAGE" -c 'exec "$@"' bash "$@"
