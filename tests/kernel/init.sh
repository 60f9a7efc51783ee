#!/bin/sh
# The first process of the lab's guest; uml.py boots it, with lab=DIRECTORY (shared with the host) on the kernel's command line.
#
# The guest's root is the host's, read-only, under an overlay in memory: programs may write anywhere, and only $lab reaches the
# host. $lab/command is run as a shell script, and its exit code is written to $lab/code.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
: "${lab:?}" "${limit:?}"

if [ -z "$laid" ]; then
    modules=$(echo /usr/lib/uml/modules/*)
    insmod "$modules/kernel/fs/overlayfs/overlay.ko"
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/upper /mnt/work /mnt/root
    mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
    cd /mnt/root || exit
    mkdir -p lib/modules run tmp old ".$lab"
    ln -s "$modules" lib/modules/
    # Not chroot, because the kernel itself starts modprobe, in the root of the mount namespace.
    pivot_root . old
    laid=yes exec chroot . "$0"
fi

# The guest ends by itself if nothing is left to end it.
(sleep "$limit" && echo "the lab ends after $limit s" && poweroff -f) &
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t hostfs hostfs -o "$lab" "$lab"
[ -c /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
modprobe openvswitch
ip link set lo up
# Before that, ovs-vswitchd counts no cores, starts no handler threads, and drops every packet that misses the datapath's cache.
while awk '{ exit $1 > 11.5 }' /proc/uptime; do sleep 0.2; done
sh "$lab/command" </dev/null
echo $? >"$lab/code"
poweroff -f
