# A private PostgreSQL server, which lives as long as somebody holds the other end of this script's standard input: however
# the tests end, nothing is left of it.
#
# Says the folder of its socket first. Then, a line each: `certify` (before the first start, for TLS), `start`, `kill` (as the
# power does), `stop` (as an operator does), `create NAME` (a database, of a server that runs); each is answered with `done`.
set -eu
bin=$1
settings=$2
port=$3
# The user that runs the server may have no right to the folder of whoever runs the tests.
folder=$(mktemp -d "${TMPDIR:-/tmp}/segue-pg.XXXXXX" 2>/dev/null || mktemp -d /tmp/segue-pg.XXXXXX)

stop() {
    "$bin/pg_ctl" stop -D "$folder/data" -m "$1" -w >/dev/null 2>&1 || true
}

end() {
    stop immediate
    rm -rf "$folder"
}
trap end EXIT
trap 'exit 1' INT TERM HUP

printf 'a secret' >"$folder/password"
"$bin/initdb" -D "$folder/data" -U segue -E UTF8 --locale=C --auth=scram-sha-256 --pwfile="$folder/password" \
    >"$folder/initdb" 2>&1 || { cat "$folder/initdb" >&2; exit 1; }
echo "$folder"

while read -r command name; do
    case $command in
    certify)
        printf '%s\n' '[req]' 'distinguished_name = name' 'x509_extensions = use' 'prompt = no' '[name]' 'CN = localhost' \
            '[use]' 'subjectAltName = DNS:localhost' 'basicConstraints = CA:FALSE' >"$folder/certificate"
        openssl req -x509 -days 30 -newkey rsa:2048 -nodes -config "$folder/certificate" \
            -keyout "$folder/data/server.key" -out "$folder/data/server.crt" 2>/dev/null
        chmod 600 "$folder/data/server.key"
        echo "ssl = on" >>"$folder/data/postgresql.conf"
        ;;
    start)
        # A killed server takes a moment to be gone as a whole.
        tries=0
        until "$bin/pg_ctl" start -D "$folder/data" -l "$folder/log" -w -t 60 \
            -o "-c unix_socket_directories=$folder $settings" >/dev/null 2>&1; do
            tries=$((tries + 1))
            [ $tries -lt 100 ] || { tail -20 "$folder/log" >&2; exit 1; }
        done
        ;;
    kill)
        server=$(head -n 1 "$folder/data/postmaster.pid")
        kill -9 "$server" $(cat "/proc/$server/task/$server/children") 2>/dev/null || true
        ;;
    create)
        PGPASSWORD='a secret' "$bin/createdb" -h "$folder" -p "$port" -U segue "$name" >&2 || exit 1
        ;;
    stop)
        stop fast
        ;;
    esac
    echo "done"
done
