#!/bin/bash
# A real NetworkManager on a system bus of its own, behind a virtual cable, in network and mount namespaces of its own.
#   network-manager.sh FOLDER NODE
# Prints "ready" once the bus answers at unix:path=FOLDER/bus, then runs each line of its input as a command and prints
# "done" or "failed" after it. At the end of the input everything it started is ended.
# Connections:
#   wire     static address; connection.metered is what a test changes
#   phone    DHCP from a server that calls itself a metered hotspot, the way Android does: vendor option 43
#   iphone   the addresses of one, on a profile that says it is not metered
#   bridged  a bridge, with the cable as its port in-bridge
#   overlay  a MACVLAN on the cable, beside the wire
#   tunnel   a TUN device with a router that nobody is
# NetworkManager looks for the internet at the provider, which answers by what FOLDER/internet says (internet.mjs).
# Needs root and dbus-daemon, NetworkManager, nmcli, dnsmasq, ip, unshare, mount.
set -eu
folder=$1 node=${2:?}
started=()
cleanup() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
}

if [ "${3:-}" != inside ]; then
  laptop=sluice-l$$ provider=sluice-p$$
  remove() { cleanup; ip netns del "$laptop" 2>/dev/null || true; ip netns del "$provider" 2>/dev/null || true; }
  trap remove EXIT
  ip netns add "$laptop"
  ip netns add "$provider"
  ip -n "$laptop" link add cable type veth peer name socket netns "$provider"
  ip -n "$laptop" link set lo up
  ip -n "$laptop" link set cable up
  ip -n "$provider" addr add 10.99.0.1/24 dev socket
  ip -n "$provider" link set socket up
  ip netns exec "$provider" dnsmasq --keep-in-foreground --port=0 --conf-file=/dev/null --interface=socket --bind-interfaces \
    --dhcp-range=10.99.0.10,10.99.0.20,1h --dhcp-option-force=43,ANDROID_METERED --dhcp-leasefile="$folder/leases" \
    --user=root --pid-file= </dev/null >"$folder/dnsmasq.log" 2>&1 &
  started+=($!)
  ip -n "$provider" addr add 172.20.10.1/28 dev socket
  echo open >"$folder/internet"
  internet=$(dirname "$0")/internet.mjs
  ip netns exec "$provider" "$node" "$internet" "$folder/internet" </dev/null >"$folder/internet.log" 2>&1 &
  started+=($!)
  ip netns exec "$laptop" unshare --mount --propagation private "$0" "$folder" "$node" inside
  exit
fi

trap cleanup EXIT
# A writable /sys means udev to NetworkManager, and without udev it leaves every device alone.
mount -o remount,bind,ro /sys 2>/dev/null || { mount --bind /sys /sys && mount -o remount,bind,ro /sys; }
mount -t tmpfs tmpfs /run
mkdir -p /run/NetworkManager "$folder/etc/system-connections" "$folder/var"
cat >"$folder/etc/NetworkManager.conf" <<'CONF'
[main]
plugins=keyfile
auth-polkit=false
dhcp=internal
dns=none
rc-manager=unmanaged
no-auto-default=*
[connectivity]
uri=http://10.99.0.1/
interval=300
[device]
match-device=interface-name:*
managed=1
CONF
mount --bind "$folder/etc" /etc/NetworkManager
mount --bind "$folder/var" /var/lib/NetworkManager
cat >"$folder/bus.conf" <<CONF
<busconfig>
  <type>system</type>
  <listen>unix:path=$folder/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="false"/>
    <allow receive_sender="*" eavesdrop="false"/>
    <allow own="*"/>
  </policy>
</busconfig>
CONF
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$folder/bus

until_true() { for _ in {1..200}; do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; echo "gave up waiting: $*" >&2; return 1; }
start_bus() {
  rm -f "$folder/bus"
  dbus-daemon --config-file="$folder/bus.conf" --nofork --nopidfile </dev/null >>"$folder/bus.log" 2>&1 &
  bus=$!
  started+=("$bus")
  until_true [ -S "$folder/bus" ]
}
start_manager() {
  NetworkManager --no-daemon </dev/null >>"$folder/manager.log" 2>&1 &
  manager=$!
  started+=("$manager")
  until_true nmcli -t general
}
stop_manager() { kill "$manager" && wait "$manager" || true; }
stop_bus() { kill "$bus" && wait "$bus" || true; }
hang_manager() { kill -STOP "$manager"; }
wake_manager() { kill -CONT "$manager"; }
up() { nmcli -w 15 connection up "$1"; }
down() { nmcli -w 15 connection down "$1"; }
metered() { nmcli connection modify wire connection.metered "$1" && up wire; }
# Changes the profile and leaves the device as it is.
profile_metered() { nmcli connection modify "$1" connection.metered "$2"; }
internet() { echo "$1" >"$folder/internet" && nmcli networking connectivity check; }

start_bus
start_manager
add() { nmcli connection add type ethernet ifname cable autoconnect no ipv6.method disabled "$@" >/dev/null; }
add con-name wire ipv4.method manual ipv4.addresses 10.99.0.2/24 ipv4.gateway 10.99.0.1 connection.metered yes
add con-name phone ipv4.method auto
add con-name iphone ipv4.method manual ipv4.addresses 172.20.10.2/28 ipv4.gateway 172.20.10.1 connection.metered no
nmcli connection add type bridge ifname bridge0 con-name bridged autoconnect no stp no ipv6.method disabled \
  ipv4.method manual ipv4.addresses 10.99.0.4/24 ipv4.gateway 10.99.0.1 >/dev/null
nmcli connection add type ethernet ifname cable con-name in-bridge autoconnect no \
  master bridge0 slave-type bridge >/dev/null
nmcli connection add type macvlan dev cable mode bridge ifname overlay0 con-name overlay autoconnect no \
  ipv6.method disabled ipv4.method manual ipv4.addresses 10.99.0.5/24 \
  ipv4.gateway 10.99.0.1 ipv4.route-metric 7 >/dev/null
nmcli connection add type tun ifname tunnel0 con-name tunnel mode tun autoconnect no ipv6.method disabled \
  ipv4.method manual ipv4.addresses 10.98.0.2/24 ipv4.gateway 10.98.0.1 ipv4.route-metric 5 >/dev/null
up wire >/dev/null
echo ready
while read -r command; do
  if eval "$command" </dev/null >>"$folder/commands.log" 2>&1; then echo 'done'; else echo failed; fi
done
wake_manager
