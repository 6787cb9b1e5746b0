#!/usr/bin/env bash
# A Prefect server on PostgreSQL, and several workers, on this machine, until Ctrl-C. Nothing else is started.
#
#   PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql+asyncpg://USER:PASSWORD@HOST:5432/prefect deployments/postgres/run.sh
#
# PORT (4200), WORKERS (2), RUNS_PER_WORKER (4) and PREFECT_HOME (.run/postgres) may be set. Ctrl-C ends the workers
# together with their runs: drain first, as deployments/README.md says.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${PREFECT_SERVER_DATABASE_CONNECTION_URL:?set it to postgresql+asyncpg://USER:PASSWORD@HOST:5432/DATABASE}"
PORT=${PORT:-4200} WORKERS=${WORKERS:-2} RUNS_PER_WORKER=${RUNS_PER_WORKER:-4}
[ -d .venv/bin ] && PATH="$PWD/.venv/bin:$PATH"
umask 077
export PREFECT_HOME=${PREFECT_HOME:-$PWD/.run/postgres} PREFECT_API_URL=http://127.0.0.1:$PORT/api
export DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_SERVER_EPHEMERAL_ENABLED=false
export PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT=false PREFECT_WORKER_QUERY_SECONDS=2
mkdir -p "$PREFECT_HOME"

pids=()
end() {
  trap - EXIT INT TERM
  # The last started first: workers, then the server that they talk to. A server with work in hand takes its time.
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill "${pids[i]}" 2>/dev/null || continue
    for _ in {1..75}; do
      kill -0 "${pids[i]}" 2>/dev/null || break
      sleep 0.2
    done
    kill -KILL "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
  done
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

prefect server start --host 127.0.0.1 --port "$PORT" >>"$PREFECT_HOME/server.log" 2>&1 </dev/null &
pids+=($!)
prefect server status --wait --timeout 120 >/dev/null || { tail -n 20 "$PREFECT_HOME/server.log" >&2; exit 1; }
python -m deployments.deploy
# The database's password is the server's business only.
unset PREFECT_SERVER_DATABASE_CONNECTION_URL
for number in $(seq "$WORKERS"); do
  prefect worker start --pool milvus-l7 --name "worker-$number" --limit "$RUNS_PER_WORKER" --install-policy never \
    >>"$PREFECT_HOME/worker-$number.log" 2>&1 </dev/null &
  pids+=($!)
done
echo "Prefect UI: http://127.0.0.1:$PORT  logs: $PREFECT_HOME/*.log  Ctrl-C stops everything" >&2
# Whichever ends first ends the rest, so that nobody believes in a worker that is gone.
wait -n "${pids[@]}"
echo "one of the processes ended; see the logs in $PREFECT_HOME" >&2
exit 1
