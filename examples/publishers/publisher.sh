#!/bin/sh
# A machine that speaks to Pilot Lab through mosquitto_pub (Debian: apt-get install mosquitto-clients).
#
#     HOST=127.0.0.1 LAB=gliwice DEVICE=mill-1 PASSWORD=secret SIGNAL=spindle_power_kw COUNT=10 sh publisher.sh
#
# One connection carries all messages (-l: a message a line), so that they stay in order. Replace `measure`.
set -eu
: "${HOST:=127.0.0.1}" "${PORT:=1883}" "${LAB:=gliwice}" "${COUNT:=0}" "${INTERVAL:=1}" "${PASSWORD:=}"
: "${DEVICE:?name the device}" "${SIGNAL:?name the signal}"

boot=$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
topic="pilotlab/$LAB/$DEVICE"

measure() { awk 'NR == 1 { print $1 }' /proc/loadavg; }
now() { date -u +%s%N; }
say() {
    if [ -n "$PASSWORD" ]; then set -- -u "$DEVICE" -P "$PASSWORD" "$@"; fi
    mosquitto_pub -h "$HOST" -p "$PORT" -q 1 "$@"
}

say -r -t "$topic/birth" -m "{\"boot\":\"$boot\",\"time\":$(now),\"signals\":[\"$SIGNAL\"]}"

seq=0
while [ "$COUNT" -eq 0 ] || [ "$seq" -lt "$COUNT" ]; do
    printf '{"boot":"%s","seq":%d,"time":%s,"values":{"%s":%s}}\n' "$boot" "$seq" "$(now)" "$SIGNAL" "$(measure)"
    seq=$((seq + 1))
    sleep "$INTERVAL"
done | say -i "$DEVICE" -l -t "$topic/data" \
    --will-topic "$topic/death" --will-payload "{\"boot\":\"$boot\"}" --will-qos 1 --will-retain
