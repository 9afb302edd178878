# shellcheck shell=bash
# Programs that tests start thousands of times, and whose libraries take longer to load than their work: warm_start DIRECTORY
# puts them into the PATH, each kept running behind its main() (server.c). They end with the shell that called.
WARM_PROGRAMS=(ffmpeg ffprobe psql pg_isready)
warm_pids=()

warm_start() {
    local directory=$1 program
    make --no-print-directory -s warm && mkdir -p "$directory" || return
    for program in "${WARM_PROGRAMS[@]}"; do
        cp build/warm/client "$directory/$program"
        setpriv --pdeathsig KILL -- env WARM_SOCKET="$directory/$program.socket" LD_PRELOAD="$PWD/build/warm/server.so" "$program" \
            >"$directory/$program.log" 2>&1 </dev/null &
        warm_pids+=($!)
    done
    export PATH=$directory:$PATH
}

warm_stop() { ((${#warm_pids[@]} == 0)) || kill "${warm_pids[@]}" 2>/dev/null; }
