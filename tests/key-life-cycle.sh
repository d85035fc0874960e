#!/bin/sh
# The life of an API key as a script drives it: every step is the call that the documentation shows, and what it must answer.
# Usage: BASE_URL=http://127.0.0.1:2455 ADMIN_TOKEN=... AUTH_JSON=~/.codex/auth.json sh key-life-cycle.sh
set -eu

api() {
  method=$1 path=$2
  shift 2
  curl -sS --fail-with-body -X "$method" "$BASE_URL$path" -H "Authorization: Bearer $ADMIN_TOKEN" "$@"
}

json() {
  method=$1 path=$2 body=$3
  api "$method" "$path" -H "Content-Type: application/json" -d "$body"
}

# Status of GET /v1/models for a holder of the key $1.
models_status() {
  curl -sS -o /dev/null -w '%{http_code}' "$BASE_URL/v1/models" -H "Authorization: Bearer $1"
}

fail() {
  echo "FAIL $1" >&2
  exit 1
}

# Shows the step, and ends the script when the answer on stdin is not what the jq filter says.
expect() {
  step=$1 filter=$2
  jq -e "$filter" >/dev/null || fail "$step"
  echo "ok   $step"
}

api POST /api/accounts/import -F "auth_json=@$AUTH_JSON" |
  expect "1 import an account" '.accountId != null and .status == "active"'

# Its windows are read from OpenAI in the background.
tries=0
until api GET /api/usage/summary | jq -e '.primaryWindow.remainingPercent != null' >/dev/null; do
  tries=$((tries + 1))
  [ "$tries" -lt 50 ] || break
  sleep 0.2
done
api GET /api/usage/summary |
  expect "2 read what is left of the windows" \
    '(.primaryWindow.remainingPercent | type == "number") and (.secondaryWindow.remainingPercent | type == "number")'

SETTINGS=$(api GET /api/settings | jq '.apiKeyAuthEnabled = true')
json PUT /api/settings "$SETTINGS" | expect "3 switch key authentication on" '.apiKeyAuthEnabled == true'
[ "$(curl -sS -o /dev/null -w '%{http_code}' "$BASE_URL/v1/models")" = 401 ] ||
  fail "3 a request without a key passes"

CREATED=$(json POST /api/api-keys/ '{
  "name": "life cycle",
  "limits": [
    { "limitType": "total_tokens", "limitWindow": "weekly", "maxValue": 1000000 },
    { "limitType": "total_tokens", "limitWindow": "5h", "maxValue": 100000 },
    { "limitType": "cost_usd", "limitWindow": "monthly", "maxValue": 20000000 }
  ]
}')
KEY=$(echo "$CREATED" | jq -r .key)
ID=$(echo "$CREATED" | jq -r .id)
echo "$CREATED" |
  expect "4 create a key with three limits" '(.key | startswith("sk-clb-")) and (.limits | length == 3)'

api GET /api/api-keys/ |
  expect "5 list the keys" "length == 1 and .[0].id == \"$ID\" and (.[0] | has(\"key\") | not)"

curl -sS --fail-with-body "$BASE_URL/v1/responses" -H "Authorization: Bearer $KEY" \
  -H "Content-Type: application/json" -d '{"model": "gpt-5.5", "input": "Say hello."}' |
  expect "  a request with the key" '.status == "completed"'
api GET /api/api-keys/ |
  expect "6 inspect the counters" '.[0].limits | all(.currentValue > 0 and .currentValue < .maxValue and .resetAt > (now | todate))'

json PATCH "/api/api-keys/$ID" '{ "name": "renamed", "allowedModels": ["gpt-5.5"], "expiresAt": "2099-01-01T00:00:00Z" }' |
  expect "7 change its metadata" '.name == "renamed" and .allowedModels == ["gpt-5.5"] and (.limits | length == 3)'

json PATCH "/api/api-keys/$ID" '{ "limits": [{ "limitType": "total_tokens", "limitWindow": "weekly", "maxValue": 2000000 }] }' |
  expect "8 change its limits" '(.limits | length == 1) and .limits[0].maxValue == 2000000 and .limits[0].currentValue > 0'

json PATCH "/api/api-keys/$ID" '{ "resetUsage": true }' |
  expect "9 reset its usage" '.limits[0].currentValue == 0 and .name == "renamed"'

REGENERATED=$(api POST "/api/api-keys/$ID/regenerate")
NEW_KEY=$(echo "$REGENERATED" | jq -r .key)
[ "$(models_status "$KEY")" = 401 ] || fail "10 the old secret still works"
echo "$REGENERATED" | expect "10 give it a new secret: the old one is dead at once" ".id == \"$ID\" and .key != \"$KEY\""

curl -sS --fail-with-body "$BASE_URL/v1/models" -H "Authorization: Bearer $NEW_KEY" |
  expect "11 list the models with the new secret" '.data | length > 0'

[ "$(api DELETE "/api/api-keys/$ID" -o /dev/null -w '%{http_code}')" = 204 ] ||
  fail "12 delete it"
[ "$(models_status "$NEW_KEY")" = 401 ] || fail "12 the deleted key still works"
api GET /api/api-keys/ | expect "12 delete it" 'length == 0'
