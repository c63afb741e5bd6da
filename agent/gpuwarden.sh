#!/bin/sh
# The first thing that runs. The Node.js that comes with gpuwarden needs a library that a bare machine may lack; the
# loader then names the library, but not the package that has it.
root=$(dirname "$(readlink -f "$0")")/..
node=$root/node_modules/.bin/node
# Without it any Node.js will do to say what is missing: see gpuwarden.mjs.
[ -x "$node" ] || node=node
if ! why=$("$node" --version 2>&1); then
  echo "gpuwarden: Node.js does not run here: $why" >&2
  case $why in
    *libatomic*) echo 'gpuwarden: install it: "apt-get install libatomic1" (Debian, Ubuntu) or "dnf install libatomic" (Fedora, RHEL)' >&2 ;;
  esac
  exit 1
fi
# Young objects get less room than Node gives them by itself: with 1,000 containers that is 60 MB less, for some more CPU.
exec "$node" --max-semi-space-size=8 "$root/agent/gpuwarden.mjs" "$@"
