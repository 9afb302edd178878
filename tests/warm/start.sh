# shellcheck shell=bash
# Programs that tests start thousands of times, and whose libraries take longer to load than their work: warm_start DIRECTORY
# puts them into the PATH, each kept running behind its main() (server.c). They end with the shell that called.
# Debian's psql and pg_isready in /usr/bin are Perl scripts that look for these.
WARM_POSTGRES=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
WARM_PROGRAMS=(/usr/bin/ffmpeg /usr/bin/ffprobe "$WARM_POSTGRES/psql" "$WARM_POSTGRES/pg_isready")
warm_pids=()

warm_start() {
    local directory=$1 program
    make --no-print-directory -s warm && mkdir -p "$directory" || return
    for program in "${WARM_PROGRAMS[@]}"; do
        local name=${program##*/}
        cp build/warm/client "$directory/$name"
        setpriv --pdeathsig KILL -- env WARM_SOCKET="$directory/$name.socket" LD_PRELOAD="$PWD/build/warm/server.so" "$program" \
            >"$directory/$name.log" 2>&1 </dev/null &
        warm_pids+=($!)
    done
    export PATH=$directory:$PATH
}

warm_stop() { ((${#warm_pids[@]} == 0)) || kill "${warm_pids[@]}" 2>/dev/null; }
