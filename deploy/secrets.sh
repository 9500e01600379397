#!/bin/sh
# Makes the secrets that docker-compose.yml mounts, in deploy/secrets/. What is there already is kept: run it as often as you like.
#
# The folder is closed to everybody but you; the files in it are readable, since Compose mounts them as they are, and the
# containers run as users of their own.
set -eu
umask 077
mkdir -p "$(dirname "$0")/secrets"
cd "$(dirname "$0")/secrets"
chmod 700 .

random() {
    LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 40
}

keep() { # NAME: standard input becomes that file, unless it is there
    if [ ! -e "$1" ]; then
        cat >"$1.new"
        chmod 644 "$1.new"
        mv "$1.new" "$1"
        echo "made deploy/secrets/$1"
    fi
}

random | keep admin_key
random | keep secret_key
random | keep scrape_key

random | keep postgres_password
printf 'postgresql://cairn:%s@postgres:5432/cairn' "$(cat postgres_password)" | keep database_url

random | keep redis_password
printf 'requirepass %s\n' "$(cat redis_password)" | keep redis.conf
printf 'redis://:%s@redis:6379/0' "$(cat redis_password)" | keep redis_url

random | keep qdrant_api_key
printf 'service:\n  api_key: %s\n' "$(cat qdrant_api_key)" | keep qdrant.yaml

# Write your keys into these. One that stays empty leaves its provider out.
for provider in groq anthropic openai gemini; do
    keep "${provider}_api_key" </dev/null
done
