"""What Open vSwitch accepts in its columns: keys, types and modes (ovs-vswitchd.conf.db(5)); pure, but for ``port_fit``, which asks the switch."""
