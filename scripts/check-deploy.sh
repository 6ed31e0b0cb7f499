#!/usr/bin/env bash
# Has kubectl render the manifests, and systemd verify the unit. Needs kubectl (or kustomize, as `kubectl kustomize`) and systemd-analyze.
#   check-deploy.sh [BINARY]    the one that the unit would start: <target>/release/goyt
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binary=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/goyt}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { echo "check-deploy: $*" >&2; }
fail() { say "$@"; exit 1; }
for tool in kubectl systemd-analyze; do command -v "$tool" >/dev/null || fail "$tool is not installed"; done

kubectl kustomize --load-restrictor LoadRestrictionsNone deploy/kubernetes/example >"$work/rendered.yaml"
kinds=$(sed -n 's/^kind: //p' "$work/rendered.yaml" | sort | uniq | tr '\n' ' ')
wanted='ConfigMap NetworkPolicy PodDisruptionBudget PodMonitor PrometheusRule Service StatefulSet '
[ "$kinds" = "$wanted" ] || fail "rendered: $kinds, not $wanted"
# Without labels, these would concern all pods of the namespace.
for kind in NetworkPolicy PodDisruptionBudget PodMonitor StatefulSet Service; do
  awk -v RS='---\n' -v kind="kind: $kind\n" 'index($0, kind)' "$work/rendered.yaml" |
    grep -A 2 -iE '^  (pod)?selector:$' | grep -q 'app.kubernetes.io/name: goyt' || fail "the selector of the $kind names no pods"
done
# What a generator makes has a hash in its name, and is meant by that name where it is used.
for name in settings topologies events; do
  grep -qE "^ +name: goyt-$name-[a-z0-9]+$" "$work/rendered.yaml" || fail "goyt-$name is not made"
  ! grep -qE "name: goyt-$name$" "$work/rendered.yaml" || fail "goyt-$name is used and not made"
done
say "manifests: $(grep -c '^kind: ' "$work/rendered.yaml") resources rendered"

sed "s:/usr/bin/goyt:$binary:" deploy/systemd/goyt.service >"$work/goyt.service"
systemd-analyze verify --man=no "$work/goyt.service"
systemd-analyze security --offline=true --threshold=20 "$work/goyt.service" | tail -n 1 >&2
