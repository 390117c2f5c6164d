#!/bin/sh
# The whole way on the packaged examples, every step one `curate` command shown as it runs. Safe to stop and repeat.
# YES=1: nobody is waited for, a machine account decides instead, and all that it decides is marked as a machine's.
set -eu

step() {
    printf '\n\033[1m$ curate %s\033[0m\n' "$*"
    "$BIN/curate" "$@"
}

step init "$DEMO"
step -C "$DEMO" add packaged
step -C "$DEMO" generate --assume-label
step -C "$DEMO" status
step -C "$DEMO" review serve --detach
trap '"$BIN/curate" -C "$DEMO" review stop' EXIT
if [ "${YES:-}" = 1 ]; then
    step -C "$DEMO" review annotators add bot --machine
    step -C "$DEMO" review push
    CURATE_PASSWORD=$("$BIN/curate" -C "$DEMO" review annotators reset-password bot --json 2>/dev/null |
        "$BIN/python" -c 'import json, sys; print(json.load(sys.stdin)["password"])')
    export CURATE_PASSWORD
    step -C "$DEMO" review answer bot
else
    step -C "$DEMO" review annotators add reviewer
    step -C "$DEMO" review push
    step -C "$DEMO" review annotators reset-password reviewer
    printf '\nArgilla is open with the queue in it, at the address above: log in as reviewer and answer a few records.\n'
    printf 'Press Enter here when you have seen enough (`make demo YES=1` lets a machine account answer instead). '
    read -r _ || true
fi
step -C "$DEMO" review pull
step -C "$DEMO" review status
# Nobody, or next to nobody, has reviewed these rows: the card says so in its first line.
[ -d "$DEMO/releases/v1" ] ||
    step -C "$DEMO" export --name v1 --size 80 --mix harmful=45,benign=35 --allow-unreviewed
# A few minutes: to see the structure come. docs/cpu-proof.md has twice the rows and three seeds.
[ -f "$DEMO/runs/smollm2-cpu-0/record.json" ] ||
    step -C "$DEMO" train releases/v1 --preset smollm2-cpu --samples 0 --resume
step -C "$DEMO" eval runs/smollm2-cpu-0 --baseline base --limit 60 --max-tokens 200 --batch-size 32
printf '\nnext: %s -C %s show      a table of drafts, then `show ID` for one of them\n\n' "$BIN/curate" "$DEMO"
