#!/bin/bash
# A real, small Ceph cluster with its S3 gateway on loopback: one monitor, one manager, three OSDs, one gateway.
#   ceph.sh FOLDER MON_PORT S3_PORT STORE OWNER
# STORE is memstore or bluestore. Access key TESTKEY, secret TESTSECRET. Every daemon leaves its id in FOLDER/run/*.pid, and
# is ended once the process OWNER is gone.
set -e
folder=$1 mon_port=$2 s3_port=$3 store=$4 owner=$5
mkdir -p "$folder"/{mon,mgr,run,log}
cd "$folder"
setsid bash -c "tail --pid=$owner -f /dev/null; kill -9 \$(cat run/*.pid) 2> /dev/null; rm -rf '$folder'" > /dev/null 2>&1 < /dev/null &
fsid=$(cat /proc/sys/kernel/random/uuid)
cat > ceph.conf <<C
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$mon_port]
mon initial members = a
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
osd pool default size = 2
osd pool default min size = 1
osd crush chooseleaf type = 0
osd pool default pg num = 8
osd pool default pgp num = 8
mon max pg per osd = 1000
run dir = $folder/run
admin socket = $folder/run/\$cluster-\$name.asok
pid file = $folder/run/\$name.pid
log file = $folder/log/\$name.log
keyring = $folder/keyring
osd data = $folder/osd\$id
osd objectstore = $store
memstore device bytes = 2147483648
bluestore block size = 4294967296
osd memory target = 939524096
mon data = $folder/mon
mgr data = $folder/mgr
mon data avail crit = 2
mgr initial modules =
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$s3_port
rgw dns name = localhost
rgw thread pool size = 32
C
ceph-authtool --create-keyring keyring --gen-key -n mon. --cap mon 'allow *' > /dev/null
key() { ceph-authtool keyring --gen-key "$@"; }
key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mds 'allow *' --cap mgr 'allow *'
key -n mgr.x --cap mon 'allow profile mgr' --cap osd 'allow *' --cap mds 'allow *'
key -n client.rgw --cap mon 'allow rwx' --cap osd 'allow rwx'
for id in 0 1 2; do key -n "osd.$id" --cap mon 'allow profile osd' --cap mgr 'allow profile osd' --cap osd 'allow *'; done
monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$mon_port]" monmap > /dev/null
ceph-mon -c ceph.conf --mkfs -i a --monmap monmap --keyring keyring
ceph-mon -c ceph.conf -i a
timeout 60 ceph -c ceph.conf -s > /dev/null
ceph -c ceph.conf auth import -i keyring 2> /dev/null
ceph-mgr -c ceph.conf -i x
for id in 0 1 2; do
  uuid=$(cat /proc/sys/kernel/random/uuid)
  mkdir -p "osd$id"
  ceph -c ceph.conf osd new "$uuid" "$id" > /dev/null
  ceph-osd -c ceph.conf -i "$id" --mkfs --osd-uuid "$uuid" --keyring keyring > /dev/null 2>&1
  ceph-osd -c ceph.conf -i "$id"
done
radosgw -c ceph.conf -n client.rgw
radosgw-admin -c ceph.conf user create --uid=t --display-name=t --access-key=TESTKEY --secret-key=TESTSECRET > /dev/null
