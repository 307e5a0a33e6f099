#!/bin/busybox sh
# Process 1 of the machine with a watchdog. It does what it is told over the console, and says when it has.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
hostname guest
ip link set lo up
insmod /watchdog.ko
insmod /i6300esb.ko
stty -echo

say() { echo "guest: $*"; }

# Until the watchdog is armed; else the log says why it is not.
start() {
    heartline daemon &
    daemon=$!
    for _ in $(seq 100); do
        grep -q "resets this host when it is not fed" /var/log/ha-log 2> /dev/null && return
        sleep 0.1
    done
    cat /var/log/ha-log
}

say "up, $(cat /sys/class/watchdog/watchdog0/bootstatus)"
while read -r order; do
    case $order in
        # Longer than the time-out.
        feed) start; sleep 6; say fed ;;
        return) kill -KILL "$daemon"; rm /var/log/ha-log; start; sleep 6; say returned ;;
        restart) heartline restart --keep-services || say "not restarted"; sleep 6; say restarted ;;
        leave) heartbeat -k; sleep 6; rm /var/log/ha-log; say left ;;
        stall) kill -STOP "$daemon"; sleep 60; say "still up" ;;
        die) kill -KILL "$daemon"; sleep 60; say "still up" ;;
        off) poweroff -f ;;
    esac
done
