#!/bin/sh
# The whole way on the packaged examples, every step one `curate` command shown as it runs. Safe to stop and repeat.
set -eu

step() {
    printf '\n\033[1m$ curate %s\033[0m\n' "$*"
    "$BIN/curate" "$@"
}

step init "$DEMO"
step -C "$DEMO" add packaged
step -C "$DEMO" generate --assume-label
step -C "$DEMO" status
printf '\nnext: %s -C %s show      a table of drafts, then `show ID` for one of them\n' "$BIN/curate" "$DEMO"
