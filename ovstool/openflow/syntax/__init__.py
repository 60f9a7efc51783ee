"""The text of flows, matches and traces as ovs-ofctl(8) and ovs-vswitchd(8) write and read it (ovs-fields(7), ovs-actions(7)); pure."""
