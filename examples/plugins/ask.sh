#!/bin/sh
# Ask with curl alone: CAIRN_URL=http://127.0.0.1:8080 CAIRN_KEY=… ./ask.sh "why NATS?" [PROJECT]
# Prints the answer; exits with curl's status where the server refuses or can't be reached.
set -eu
: "${CAIRN_URL:?set it to the server, such as http://127.0.0.1:8080}" "${CAIRN_KEY:?set it to your key}"
body=$(python3 -c 'import json, sys; print(json.dumps({"query": sys.argv[1], "mode": "answer"} | ({"project": sys.argv[2]} if sys.argv[2:] else {})))' "$@")
# The key goes in by stdin: on the command line everybody on this machine could read it.
reply=$(printf 'header = "Authorization: Bearer %s"\n' "$CAIRN_KEY" |
  curl -sS --fail-with-body --max-time 60 --config - -H 'Content-Type: application/json' -d "$body" "$CAIRN_URL/v1/knowledge/query") || {
  status=$?
  printf '%s\n' "$reply" >&2
  exit "$status"
}
printf '%s' "$reply" | python3 -c 'import json, sys; print(json.load(sys.stdin)["answer"]["text"] or "Nothing that the team said answers this.")'
