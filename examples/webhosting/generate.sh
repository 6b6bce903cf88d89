#!/usr/bin/env bash
# generate.sh PROJECTS SITES [THEMES]: PROJECTS namespaces with SITES websites each, as YAML
# on stdout, for `kubectl apply --server-side -f -`. The sites run no Pods.
set -euo pipefail

if [[ $# -lt 2 || $# -gt 3 || ! "$*" =~ ^[1-9][0-9]*(\ [1-9][0-9]*)+$ ]]; then
  echo "usage: $0 PROJECTS SITES [THEMES, default 50]" >&2
  exit 2
fi
projects=$1 sites=$2 themes=${3:-50}
colors=(darkcyan darkgray teal olive maroon navy indigo sienna)
fonts=(Futura Times Helvetica Garamond Courier Verdana)

for ((t = 1; t <= themes; t++)); do
  cat <<YAML
---
apiVersion: webhosting.polyreme.dev/v1alpha1
kind: Theme
metadata: { name: theme-$t }
spec: { color: ${colors[t % ${#colors[@]}]}, fontFamily: ${fonts[t % ${#fonts[@]}]} }
YAML
done

for ((p = 1; p <= projects; p++)); do
  cat <<YAML
---
apiVersion: v1
kind: Namespace
metadata: { name: project-$p, labels: { webhosting.polyreme.dev/project: "true" } }
YAML
  for ((s = 1; s <= sites; s++)); do
    cat <<YAML
---
apiVersion: webhosting.polyreme.dev/v1alpha1
kind: Website
metadata: { name: site-$s, namespace: project-$p, labels: { webhosting.polyreme.dev/skip-workload: "true" } }
spec: { theme: theme-$(((p * sites + s) % themes + 1)) }
YAML
  done
done
