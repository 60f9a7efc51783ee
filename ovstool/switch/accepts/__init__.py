"""What Open vSwitch accepts: keys, types, modes and names (ovs-vswitchd.conf.db(5)). Pure, but ``port_fit`` and ``new_names`` read the database."""
